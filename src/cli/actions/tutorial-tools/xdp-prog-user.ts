/**
 * `./xdp_prog_user`, the user space of the tutorial's packet03. With two devices and two MAC addresses it says where the frames of one sender
 * go; with one device only it fills the router's map of devices, each under its own ifindex.
 */
import type { Link } from "../../../sys/netlink/index.ts";
import type { OptionSpec } from "../../../tutorials/getopt.ts";
import { fillRouterPorts, redirectFrames } from "../../../tutorials/redirect-params.ts";
import { pinDirectoryOf } from "../../pins.ts";
import { say } from "../../terminal.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure, told } from "./tool-failure.ts";
import { DEV, deviceOf, HELP, QUIET, tutorialOptions } from "./tutorial-options.ts";

const DOCUMENTATION = ["XDP redirect helper", " - Allows to populate/query tx_port and redirect_params maps"];

const OPTIONS: readonly OptionSpec[] = [
  DEV,
  HELP,
  { short: "r", long: "redirect-dev", argument: "<ifname>", help: "Redirect to device <ifname>" },
  { short: "L", long: "src-mac", argument: "<mac>", help: "Source MAC address of <dev>" },
  { short: "R", long: "dest-mac", argument: "<mac>", help: "Destination MAC address of <redirect-dev>" },
  QUIET,
];

export async function xdpProgUser(call: ToolCall): Promise<number> {
  const parsed = await tutorialOptions(call, DOCUMENTATION, OPTIONS, "change maps");
  if (parsed === null) return STATUS.OK;
  const { values, device } = parsed;
  const tell = values.has("quiet") ? () => {} : say;
  const to = values.get("redirect-dev");
  const [source, destination] = [macOf(values.get("src-mac")), macOf(values.get("dest-mac"))];
  const directory = pinDirectoryOf(device.name);
  if (to === undefined && source === undefined && destination === undefined) {
    tell(`map dir: ${directory}`);
    const count = await filling(() => fillRouterPorts(directory));
    tell(`ports: ${count}, each device under its own number`);
    return STATUS.OK;
  }
  if (to === undefined || source === undefined || destination === undefined) {
    throw new ToolFailure({
      status: STATUS.OPTION,
      what: `ERR: --redirect-dev, --src-mac and --dest-mac go together`,
      why: "A rule needs to know whose frames, out of which device, and to whom.",
      fix: "Or let the lab find all of it out: t redirect LAB OTHER",
    });
  }
  const target: Link = deviceOf("--redirect-dev", to);
  tell(`map dir: ${directory}`);
  await filling(() => redirectFrames(directory, { ifindex: target.ifindex, source, destination }));
  tell(`redirect from ifnum=${device.ifindex} to ifnum=${target.ifindex}`);
  tell(`forward: ${source} -> ${destination}`);
  return STATUS.OK;
}

function filling<Result>(work: () => Result): Promise<Result> {
  return told(STATUS.BPF, (error) => error.message.replace(/^There is no pinned map at (\S+)\.$/, MISSING), work);
}

const MISSING = "WARN: Failed to open bpf map file:$1 err(2):No such file or directory";

/** @throws ToolFailure unless it is an address, or there is none. */
function macOf(text: string | undefined): string | undefined {
  if (text === undefined || /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return text?.toLowerCase();
  throw new ToolFailure({
    status: STATUS.OPTION,
    what: `ERR: can't parse mac address ${text}`,
    why: "It takes six pairs of hexadecimal digits with colons between them.",
    fix: "Ask the device for its own: cat /sys/class/net/DEV/address",
  });
}

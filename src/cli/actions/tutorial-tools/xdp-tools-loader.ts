/**
 * `./xdp-loader`, as xdp-tools' loader is called: `./xdp-loader load --prog-name FUNCTION DEV FILE`. Silent when all is well. Maps are pinned
 * only with `--pin-path`, and only those whose module says so.
 *
 * A device has one program here: the dispatcher with which xdp-tools runs several in a row is not ours, and Debian's own xdp-loader takes
 * the same objects. The program that a lab puts on its inner end is a placeholder, and gives way, as does an earlier version of the same program.
 */
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { attachedXdp, detachXdp, loadSpec, programInfo } from "../../../index.ts";
import { isPlaceholder } from "../../../lab/index.ts";
import type { ObjectSpec, ProgramSpec } from "../../../object/spec.ts";
import { listPins } from "../../../runtime/pins.ts";
import { kernelName } from "../../../sys/bpf.ts";
import { getLink, getXdpFeatures, type Link, listLinks, XDP_FEATURES } from "../../../sys/netlink/index.ts";
import { type OptionSpec, parseOptions } from "../../../tutorials/getopt.ts";
import { whileAlone } from "../../network.ts";
import { pinDirectoryOf, pinnedMaps, removePins } from "../../pins.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { chooseProgram } from "../../program-file.ts";
import { say } from "../../terminal.ts";
import { openObjectFile } from "./object-file.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure, told } from "./tool-failure.ts";

type Command = (args: string[]) => Promise<void>;

const COMMANDS: Record<string, { run: Command; help: string }> = {
  load: { run: load, help: "load an XDP program on an interface" },
  unload: { run: unload, help: "unload an XDP program from an interface" },
  status: { run: status, help: "show current XDP program status" },
  clean: { run: clean, help: "clean up detached program links in XDP bpffs directory" },
  features: { run: features, help: "show XDP features supported by the NIC" },
  help: { run: help, help: "show this help message" },
};

export async function xdpToolsLoader({ args: [word, ...args] }: ToolCall): Promise<number> {
  if (word === undefined || word === "-h" || word === "--help") {
    await help();
    return word === undefined ? STATUS.FAIL : STATUS.OK;
  }
  const fits = Object.keys(COMMANDS).filter((name) => name.startsWith(word));
  const [only] = fits;
  if (only === undefined || fits.length > 1) {
    throw new ToolFailure({
      status: STATUS.FAIL,
      what: `Command '${word}' is ${only === undefined ? "unknown" : "ambiguous"}, try 'xdp-loader help'.`,
      why: `There is ${Object.keys(COMMANDS).join(", ")}.`,
    });
  }
  await COMMANDS[only]?.run(args);
  return STATUS.OK;
}

async function help(): Promise<void> {
  say("Usage: xdp-loader COMMAND [options]\n\nCOMMAND can be one of:");
  for (const [name, { help }] of Object.entries(COMMANDS)) say(`       ${name.padEnd(10)}- ${help}`);
  say(`\nload: ${describe(LOAD_OPTIONS)} DEV FILE\nunload: ${describe(UNLOAD_OPTIONS)} DEV`);
}

const describe = (options: readonly OptionSpec[]) =>
  options.map(({ short, long, argument }) => `[-${short}|--${long}${argument === undefined ? "" : ` ${argument}`}]`).join(" ");

const LOAD_OPTIONS: readonly OptionSpec[] = [
  { short: "m", long: "mode", argument: "native|skb|unspecified", help: "" },
  { short: "p", long: "pin-path", argument: "<dir>", help: "" },
  { short: "s", long: "section", argument: "<name>", help: "" },
  { short: "n", long: "prog-name", argument: "<name>", help: "" },
  { short: "v", long: "verbose", help: "" },
];

const MODES = { native: "native", skb: "skb", unspecified: "auto" } as const;

async function load(args: string[]): Promise<void> {
  const { values, operands } = parse(LOAD_OPTIONS, args);
  const [dev, file, ...more] = operands;
  if (dev === undefined || file === undefined || more.length > 0) throw wrong("load takes a device and a file.");
  const [section, prog] = [values.get("section"), values.get("prog-name")];
  if (section !== undefined && prog !== undefined) throw wrong("Only one of --section or --prog-name can be set");
  const asked = values.get("mode") ?? "native";
  if (!Object.hasOwn(MODES, asked)) throw wrong(`Invalid mode '${asked}'`);
  await mustBeAbleTo("attach programs");
  const device = await linkOf(dev);
  const { spec } = await openObjectFile(STATUS.FAIL, `Couldn't open file '${file}'`, file);
  // Without a choice it is the first, as in xdp-tools.
  const choice = section === undefined && prog === undefined ? { prog: spec.programs[0]?.name } : { section, prog };
  const program = await told(
    STATUS.FAIL,
    (error) => error.message,
    () => chooseProgram(spec, file, choice),
  );
  const mode = MODES[asked as keyof typeof MODES];
  await whileAlone(() => attach(device, { spec, program, mode, pinPath: values.get("pin-path") }));
}

interface Attachment {
  spec: ObjectSpec;
  program: ProgramSpec;
  mode: (typeof MODES)[keyof typeof MODES];
  pinPath: string | undefined;
}

async function attach({ name: dev }: Link, { spec, program, mode, pinPath }: Attachment): Promise<void> {
  using object = await told(STATUS.FAIL, `Couldn't load program '${program.name}'`, () =>
    loadSpec(spec, { programs: [program.name], pinPath }),
  );
  const name = kernelName(program.name);
  const force = attachedXdp(dev).every((each) => each.name === name || isPlaceholder(programInfo(each.id)));
  try {
    await told(
      STATUS.FAIL,
      ({ code }) =>
        code === "MODE_UNSUPPORTED"
          ? "Attaching XDP program in native mode not supported - try SKB mode."
          : `Couldn't attach XDP program on iface '${dev}'${code === "DEVICE_BUSY" ? ": Device or resource busy(-16)" : ""}`,
      () => object.program(program.name).attachPersistently({ dev, mode, force }),
    );
  } catch (error) {
    object.undoPins();
    throw error;
  }
}

const UNLOAD_OPTIONS: readonly OptionSpec[] = [
  { short: "i", long: "id", argument: "<id>", help: "" },
  { short: "a", long: "all", help: "" },
  { short: "v", long: "verbose", help: "" },
];

async function unload(args: string[]): Promise<void> {
  const { values, operands } = parse(UNLOAD_OPTIONS, args);
  const [dev, ...more] = operands;
  if (dev === undefined || more.length > 0) throw wrong("unload takes a device.");
  await mustBeAbleTo("detach programs");
  const device = await linkOf(dev);
  await whileAlone(() => detach(device, values.get("id"), values.has("all")));
}

function detach({ name: dev, ifindex }: Link, id: string | undefined, all: boolean): void {
  const present = attachedXdp(ifindex);
  const failed = (what: string) =>
    new ToolFailure({ status: STATUS.FAIL, what, fix: `See what is there: ./xdp-loader status ${dev}` });
  if (present.length === 0) throw failed(`No XDP program loaded on ${dev}`);
  if (id === undefined && !all) throw failed("Need prog ID or --all");
  if (id !== undefined && !present.some((each) => String(each.id) === id))
    throw failed(`Program with ID ${id} not loaded on ${dev}`);
  const maps = new Set(present.flatMap((each) => programInfo(each.id).mapIds));
  detachXdp(dev);
  const directory = pinDirectoryOf(dev);
  const pins = pinnedMaps(directory).filter(({ mapId }) => maps.has(mapId));
  if (pins.length > 0) removePins(pins, directory);
}

async function status(args: string[]): Promise<void> {
  const { operands } = parse([], args);
  await mustBeAbleTo("see programs");
  const devices = operands.length > 0 ? await Promise.all(operands.map(linkOf)) : listLinks();
  say("CURRENT XDP PROGRAM STATUS:\n");
  say(
    `${"Interface".padEnd(16)} ${"Prio".padEnd(5)} ${"Program name".padEnd(17)} Mode     ID   ${"Tag".padEnd(17)} Chain actions`,
  );
  say("-".repeat(86));
  for (const { name, ifindex } of devices) {
    const present = attachedXdp(ifindex);
    if (present.length === 0) say(`${name.padEnd(22)} <No XDP program loaded!>`);
    for (const each of present) {
      const { tag } = programInfo(each.id);
      const cells = [name.padEnd(16), "".padEnd(5), each.name.padEnd(17), each.mode.padEnd(8), String(each.id).padEnd(4)];
      say(`${cells.join(" ")} ${tag.padEnd(17)}`.trimEnd());
    }
  }
}

/** What the driver says that it can do; in the words of linux/netdev.h. */
async function features(args: string[]): Promise<void> {
  const { operands } = parse([], args);
  const [dev, ...more] = operands;
  if (dev === undefined || more.length > 0) throw wrong("features takes a device.");
  const { ifindex } = await linkOf(dev);
  const told = getXdpFeatures(ifindex);
  if (told === null) {
    throw new ToolFailure({
      status: STATUS.FAIL,
      what: `Couldn't query XDP features for iface '${dev}'`,
      why: "The kernel tells what drivers can do since Linux 6.3.",
      fix: `Load a program and see which mode it gets: ./xdp-loader load ${dev} FILE`,
    });
  }
  for (const feature of XDP_FEATURES) {
    const name = `NETDEV_XDP_ACT_${feature.toUpperCase().replaceAll("-", "_")}:`;
    const tabs = "\t".repeat(Math.max(1, Math.ceil((COLUMN - name.length) / TAB)));
    say(`${name}${tabs}${told.features.includes(feature) ? "yes" : "no"}`);
  }
}

const TAB = 8;
const COLUMN = 4 * TAB;

/** Removes what libxdp pinned for dispatchers that are on no device any more; ours pins nothing of that kind. */
async function clean(args: string[]): Promise<void> {
  const { operands } = parse([], args);
  const [dev, ...more] = operands;
  if (more.length > 0) throw wrong("clean takes one device, or none.");
  await mustBeAbleTo("remove pins");
  const wanted = dev === undefined ? null : await linkOf(dev);
  say(`Cleaning up detached XDP program links for ${wanted === null ? "all interfaces" : wanted.name}`);
  const present = new Set(listLinks().flatMap(({ ifindex, xdp }) => xdp.map(({ programId }) => `${ifindex}-${programId}`)));
  const directories = new Set(listPins().map(({ path }) => dirname(path)));
  for (const directory of directories) {
    const [, ifindex, id] = /\/dispatch-(\d+)-(\d+)$/.exec(directory) ?? [];
    if (ifindex === undefined || present.has(`${ifindex}-${id}`)) continue;
    if (wanted !== null && Number(ifindex) !== wanted.ifindex) continue;
    rmSync(directory, { recursive: true });
    say(`Removed ${directory}: its dispatcher is on no device here.`);
  }
}

/** xdp-tools' statuses know failure only. @throws ToolFailure */
function linkOf(name: string): Promise<Link> {
  return told(
    STATUS.FAIL,
    (error) => error.message,
    () => getLink(name),
  );
}

function parse(options: readonly OptionSpec[], args: readonly string[]) {
  const parsed = parseOptions(options, args);
  if (parsed.problem !== null) throw wrong(`xdp-loader: ${parsed.problem}`);
  return parsed;
}

function wrong(what: string): ToolFailure {
  return new ToolFailure({ status: STATUS.FAIL, what, fix: "See its commands and options: ./xdp-loader help" });
}

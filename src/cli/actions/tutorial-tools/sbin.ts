/**
 * `sbin/load.sh DEV` and `sbin/unload.sh DEV` of the XDP redirect demo. The maps are pinned where its management server looks for them, and stay
 * when the program goes, so that rules and counters outlive it.
 */
import { attachedXdp, detachXdp, loadSpec } from "../../../index.ts";
import type { ObjectSpec, ProgramSpec } from "../../../object/spec.ts";
import type { Link } from "../../../sys/netlink/index.ts";
import { whileAlone } from "../../network.ts";
import { pinnedMaps } from "../../pins.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { chooseProgram } from "../../program-file.ts";
import { say } from "../../terminal.ts";
import { openObjectFile } from "./object-file.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure, told } from "./tool-failure.ts";
import { deviceOf } from "./tutorial-options.ts";
import { SERVERS_MAP } from "./xdplbmgmt.ts";

const PINS = SERVERS_MAP.slice(0, SERVERS_MAP.lastIndexOf("/"));

export async function sbinLoad({ args, configuration: [file = ""] }: ToolCall): Promise<number> {
  const device = oneDevice("load.sh", args);
  await mustBeAbleTo("attach programs");
  const link = deviceOf("DEV", device);
  const { spec } = await openObjectFile(STATUS.FAIL, `${file} cannot be loaded`, file);
  const program = await told(STATUS.FAIL, `${file} has no program for XDP`, () => chooseProgram(spec, file, {}));
  return await whileAlone(() => attach(link, file, spec, program));
}

async function attach({ name: device, ifindex }: Link, file: string, spec: ObjectSpec, program: ProgramSpec): Promise<number> {
  const wereThere = pinnedMaps(PINS).some(({ path }) => path === SERVERS_MAP);
  using object = await told(STATUS.FAIL, `The kernel did not take ${file}`, () => loadSpec(spec, { pinPath: PINS }));
  try {
    const { mode } = await told(
      STATUS.FAIL,
      `${file} was not attached to ${device}`,
      () => object.program(program.name).attachPersistently({ dev: device, mode: "auto" }),
      ({ code, fix }) => (code === "DEVICE_BUSY" ? `Take off what is there first: sbin/unload.sh ${device}` : fix),
    );
    say(`Attached ${program.name} to ${device} (ifindex ${ifindex}) in ${mode} mode.`);
    say(wereThere ? `Its maps in ${PINS} were there: rules and counters are as they were.` : `Pinned its maps in ${PINS}.`);
    return STATUS.OK;
  } catch (error) {
    object.undoPins();
    throw error;
  }
}

export async function sbinUnload({ args }: ToolCall): Promise<number> {
  const device = oneDevice("unload.sh", args);
  await mustBeAbleTo("detach programs");
  deviceOf("DEV", device);
  return await whileAlone(() => detach(device));
}

function detach(device: string): number {
  const [present] = attachedXdp(device);
  if (present === undefined) {
    throw new ToolFailure({
      status: STATUS.FAIL,
      what: `There is no XDP program on ${device}: nothing was removed.`,
      why: "None is attached, or something else removed it.",
      fix: "See what is attached where: ./wirescript status",
    });
  }
  detachXdp(device);
  say(`Removed "${present.name}" (id ${present.id}) from ${device}. Rules and counters stay in ${PINS}.`);
  return STATUS.OK;
}

function oneDevice(tool: string, args: readonly string[]): string {
  const [device, ...more] = args;
  if (device !== undefined && more.length === 0 && !device.startsWith("-")) return device;
  throw new ToolFailure({
    status: STATUS.OPTION,
    what: `Usage: sbin/${tool} DEV`,
    why: "It takes the name of one network device.",
    fix: `For example: sbin/${tool} virbr0`,
  });
}

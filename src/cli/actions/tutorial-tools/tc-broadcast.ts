/**
 * `./tc_broadcast [-n NETNS] DEV DEV…` of case 05: makes a hub of devices, with the program of broadcast.bpf.ts on each one's ingress hook, and
 * all of them in its map of ports. `--off` takes the programs off.
 */
import { ArrayMap, detachTc, type LoadedProgram, loadSpec } from "../../../index.ts";
import { inNamespace } from "../../../sys/namespaces.ts";
import { getLink } from "../../../sys/netlink/index.ts";
import { type OptionSpec, parseOptions } from "../../../tutorials/getopt.ts";
import { whileAlone } from "../../network.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { say } from "../../terminal.ts";
import { openObjectFile } from "./object-file.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure, told } from "./tool-failure.ts";

const OPTIONS: readonly OptionSpec[] = [
  { short: "n", long: "netns", argument: "<name>", help: "" },
  { long: "off", help: "" },
  { short: "h", long: "help", help: "" },
];

const USAGE = "Usage: ./tc_broadcast [-n NETNS] DEV DEV...\n       ./tc_broadcast [-n NETNS] --off DEV DEV...";
/** That of `ports` in broadcast.bpf.ts. */
const MAX_PORTS = 16;

export async function tcBroadcast({ args, configuration: [file = "bpf.o"] }: ToolCall): Promise<number> {
  const { values, operands, problem } = parseOptions(OPTIONS, args);
  if (values.has("help")) {
    say(USAGE);
    return STATUS.OK;
  }
  const devices = [...new Set(operands)];
  if (problem !== null || devices.length < 2 || devices.length > MAX_PORTS) {
    const why = problem ?? `A hub has from 2 to ${MAX_PORTS} devices.`;
    throw new ToolFailure({
      status: STATUS.OPTION,
      what: USAGE,
      why,
      fix: "For example: ./tc_broadcast -n switch uno dos switch",
    });
  }
  await mustBeAbleTo("attach programs");
  const netns = values.get("netns");
  const work = () => devices.map((device) => getLink(device).ifindex);
  const ifindexes = netns === undefined ? work() : inNamespace(netns, work);
  if (values.has("off")) {
    const removed = await whileAlone(() => devices.filter((dev) => takeOff(dev, netns)), netns);
    if (removed.length === 0) {
      throw new ToolFailure({
        status: STATUS.FAIL,
        what: `There is no broadcast on ${devices.join(", ")}: nothing was removed.`,
        why: "It is not attached, or something else removed it.",
        fix: "See what is there: tc filter show dev DEV ingress",
      });
    }
    say(`Removed broadcast from ${removed.join(", ")}.`);
    return STATUS.OK;
  }
  const { spec } = await openObjectFile(STATUS.FAIL, `${file} cannot be loaded`, file);
  using object = await told(STATUS.FAIL, `The kernel did not take ${file}`, () => loadSpec(spec));
  const ports = object.map<ArrayMap<number[]>>("ports", ArrayMap);
  ports.set(
    0,
    Array.from({ length: MAX_PORTS }, (_, index) => ifindexes[index] ?? 0),
  );
  await whileAlone(() => attachToAll(object.program("broadcast"), devices, netns), netns);
  say(`${devices.join(", ")} are a hub now: what comes in by one goes out by the others.`);
  return STATUS.OK;
}

/** To all or to none. */
function attachToAll(program: LoadedProgram, devices: readonly string[], netns: string | undefined): void {
  const done: string[] = [];
  try {
    for (const dev of devices) {
      program.attachPersistently({ dev, netns, direction: "ingress", force: true });
      done.push(dev);
    }
  } catch (error) {
    for (const dev of done) takeOff(dev, netns);
    throw error;
  }
}

/** Whether it was there. */
function takeOff(dev: string, netns: string | undefined): boolean {
  return detachTc(dev, { netns, direction: "ingress", program: "broadcast" }).length > 0;
}

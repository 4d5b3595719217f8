/**
 * `./xdp1 [-S] [-N] IFACE`, user space of the kernel's sample xdp1: attaches the program that counts packets by IP protocol and drops them, and
 * prints every two seconds what came, until Ctrl-C. The attachment is this process's own, and ends with it however it ends.
 */
import { setTimeout as pause } from "node:timers/promises";
import { HashMap, type LoadedObject, loadSpec, PerCpuArrayMap } from "../../../index.ts";
import { findLink } from "../../../sys/netlink/index.ts";
import { type OptionSpec, parseOptions } from "../../../tutorials/getopt.ts";
import { Interruption } from "../../interruption.ts";
import { whileAlone } from "../../network.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { chooseProgram } from "../../program-file.ts";
import { say } from "../../terminal.ts";
import { openObjectFile } from "./object-file.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure, told } from "./tool-failure.ts";
import { deviceOf } from "./tutorial-options.ts";

const OPTIONS: readonly OptionSpec[] = [
  { short: "S", long: "skb-mode", help: "use skb-mode" },
  { short: "N", long: "native-mode", help: "enforce native mode" },
  { short: "h", long: "help", help: "" },
];

const USAGE = ["usage: xdp1 [OPTS] IFACE", "", "OPTS:", "    -S    use skb-mode", "    -N    enforce native mode"].join("\n");

const SECONDS = 2;

export async function xdp1({ args, configuration: [file = "xdp1_kern.o"] }: ToolCall): Promise<number> {
  const { values, operands, problem } = parseOptions(OPTIONS, args);
  if (values.has("help")) {
    say(USAGE);
    return STATUS.OK;
  }
  const [name, ...more] = operands;
  if (problem !== null || name === undefined || more.length > 0) {
    throw new ToolFailure({
      status: STATUS.FAIL,
      what: USAGE,
      why: problem ?? "It takes one device.",
      fix: "For example: ./xdp1 eth0",
    });
  }
  await mustBeAbleTo("attach programs");
  const device = deviceOf("IFACE", name);
  const mode = values.has("native-mode") ? "native" : values.has("skb-mode") ? "skb" : "auto";
  const { spec } = await openObjectFile(STATUS.FAIL, `${file} cannot be loaded`, file);
  const program = await told(STATUS.FAIL, `${file} has no program for XDP`, () => chooseProgram(spec, file, {}));
  using object = await told(STATUS.FAIL, `The kernel did not take ${file}`, () => loadSpec(spec));
  const attach = () => object.program(program.name).attach({ dev: device.ifindex, mode });
  await told(STATUS.FAIL, `link set xdp fd failed`, () => whileAlone(attach));

  using interruption = new Interruption();
  const { signal } = interruption;
  const read = countersOf(object);
  for (let before = read(); !signal.aborted; ) {
    await pause(SECONDS * 1000, undefined, { signal }).catch(() => {});
    if (signal.aborted) break;
    if (findLink(device.ifindex) === null) {
      throw new ToolFailure({
        status: STATUS.FAIL,
        what: `${name} is gone, and the program with it: nothing is counted any more.`,
        why: "It was removed, or moved to another network namespace.",
        fix: `When it is back: ./xdp1 ${name}`,
      });
    }
    const now = read();
    for (const [protocol, count] of now) {
      const change = count - (before.get(protocol) ?? 0);
      // One packet in two seconds is seldom, not none.
      if (change > 0) say(`proto ${protocol}: ${String(Math.round(change / SECONDS)).padStart(10)} pkt/s`);
    }
    before = now;
  }
  return STATUS.OK;
}

/** Packets by protocol: as the sample has them, for each CPU in an array, or in the hash table that the lesson's exercise makes of it. */
function countersOf(object: LoadedObject): () => Map<number, number> {
  const map = object.map("rxcnt");
  if (map instanceof HashMap) return () => new Map(entriesOf(map.entries()));
  const counters = object.map<PerCpuArrayMap<bigint>>("rxcnt", PerCpuArrayMap);
  return () => new Map(entriesOf(counters.sums()));
}

const entriesOf = (entries: Iterable<[unknown, unknown]>) =>
  Array.from(entries, ([protocol, count]): [number, number] => [Number(protocol), Number(count)]);

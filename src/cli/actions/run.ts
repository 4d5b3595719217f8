/** `wirescript run`: a program on packets of one's own, and what it did to them, field by field. */
import { WirescriptError } from "../../errors.ts";
import { decodePacket, type Layer } from "../../packet/decode.ts";
import { comparePackets, type LayerChange } from "../../packet/difference.ts";
import { hex } from "../../packet/hex.ts";
import { writeCapture } from "../../packet/pcap.ts";
import { compareSnapshots, type EntryChange, type MapEntry, MapReader, snapshot } from "../../runtime/map-reader.ts";
import { type RunResult, testRun } from "../../runtime/test-run.ts";
import { plainText } from "../../runtime/value-text.ts";
import { mapById, unlessGone } from "../../sys/bpf.ts";
import { getLink } from "../../sys/netlink/index.ts";
import { enterNetwork } from "../network.ts";
import { writeOutput } from "../output-file.ts";
import { readPackets } from "../packet-input.ts";
import { changesInShort, layerNames, packetChanges } from "../packet-text.ts";
import { mustBeAbleTo } from "../preflight.ts";
import type { Choice } from "../program-file.ts";
import { openSubject, type Subject } from "../subject.ts";
import { paint, say, sayJson } from "../terminal.ts";

export interface RunCommandOptions extends Choice {
  packet?: string;
  pcap?: string;
  number?: number;
  repeat?: number;
  in?: string;
  netns?: string;
  cpu?: number;
  set?: Record<string, unknown>;
  all?: boolean;
  output?: string;
  json?: boolean;
}

/** Larger maps are not compared: reading them twice would take longer than the run. */
const MAP_LIMIT = 4096;

interface Ran extends RunResult {
  input: Uint8Array;
  before: Layer[];
  after: Layer[];
  changes: LayerChange[];
}

export async function run(words: readonly string[], options: RunCommandOptions): Promise<void> {
  if (options.output === "-" && options.json === true) {
    throw new WirescriptError({
      code: "USAGE",
      what: "The capture and the JSON cannot both go to the standard output.",
      why: "Nobody could tell where one ends and the other begins.",
      fix: "Name a file for the capture, -o FILE, or leave out --json.",
    });
  }
  const packets = readPackets(options);
  await mustBeAbleTo("run programs");
  enterNetwork(options.netns);
  using program = await openSubject(words, options);
  const before = mapsOf(program);
  const ran = packets.map((packet) => runOne(program, packet, options));
  const maps = changedMaps(before, mapsOf(program));
  if (options.output !== undefined) writeOutput(options.output, writeCapture(ran.map(({ packet }) => packet)));
  // The standard output is the capture then.
  if (options.output === "-") return;
  if (options.json === true) return sayJson(asJson(program, ran, maps));

  const [only] = ran;
  if (only !== undefined && ran.length === 1) sayInFull(only, options.repeat);
  else sayMany(ran, options);
  for (const { name, changes } of maps) {
    say();
    say(`${paint("bold", name)} (map)`);
    for (const line of changes.slice(0, 20)) say(`  ${changeText(line)}`);
    if (changes.length > 20) say(`  … and ${changes.length - 20} more entries`);
  }
}

function runOne(program: Subject, input: Uint8Array, { repeat, cpu, in: device }: RunCommandOptions): Ran {
  const result = testRun(program, input, {
    ...(repeat !== undefined && { repeat }),
    ...(cpu !== undefined && { cpu }),
    ...(device !== undefined && { context: contextFor(program, getLink(device).ifindex) }),
  });
  const [before, after] = [decodePacket(input), decodePacket(result.packet)];
  return { ...result, input, before, after, changes: comparePackets(before, after) };
}

function contextFor({ type }: Subject, ifindex: number) {
  return type === "xdp" ? { ingressIfindex: ifindex } : { ingressIfindex: ifindex, ifindex };
}

function sayInFull(ran: Ran, repeat = 1): void {
  const size =
    ran.packet.length === ran.input.length ? `${ran.input.length} bytes` : `${ran.input.length} → ${ran.packet.length} bytes`;
  const time = repeat > 1 ? `, ${ran.duration} ns per run (${repeat} runs)` : "";
  say(`${paint("bold", ran.verdict)}  ${size}${time}`);
  say();
  for (const line of packetChanges(ran.changes)) say(line);
  if (ran.meta !== undefined) say(`${paint("green", "+")} metadata  ${hex(ran.meta)}`);
}

function sayMany(list: readonly Ran[], { all, repeat }: RunCommandOptions): void {
  const width = `${list.length}`.length;
  for (const [index, ran] of list.entries()) {
    const number = `${index + 1}`.padStart(width);
    if (all === true) {
      say(paint("bold", `Packet ${index + 1}`));
      sayInFull(ran, repeat);
      say();
    } else say(`${number}  ${ran.verdict.padEnd(12)}  ${layerNames(ran.before)}  ${paint("dim", changesInShort(ran.changes))}`);
  }
  const counts = new Map<string, number>();
  for (const { verdict } of list) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  if (all !== true) say();
  say([...counts].map(([verdict, count]) => `${paint("bold", verdict)} ${count}`).join("  "));
}

function changeText({ key, before, after }: EntryChange): string {
  const label = key === null ? "next" : plainText(key);
  if (before === null) return paint("green", `+ ${label}  ${plainText(after)}`);
  if (after === null) return paint("red", `- ${label}  ${plainText(before)}`);
  return `${paint("yellow", "~")} ${label}  ${paint("red", plainText(before))} ${paint("dim", "→")} ${paint("green", plainText(after))}`;
}

interface MapState {
  name: string;
  entries: Map<string, MapEntry>;
}

function mapsOf({ mapIds }: Subject): Map<number, MapState> {
  return new Map(
    mapIds.flatMap((id): [number, MapState][] => {
      const fd = unlessGone(() => mapById(id));
      if (fd === null) return [];
      using map = new MapReader(fd);
      const entries = snapshot(map, MAP_LIMIT);
      return entries === null ? [] : [[id, { name: map.info.name, entries }]];
    }),
  );
}

function changedMaps(before: ReadonlyMap<number, MapState>, after: ReadonlyMap<number, MapState>) {
  return [...after].flatMap(([id, { name, entries }]) => {
    const changes = compareSnapshots(before.get(id)?.entries ?? new Map(), entries);
    return changes.length === 0 ? [] : [{ id, name, changes }];
  });
}

function asJson({ id, name, type }: Subject, list: readonly Ran[], maps: ReturnType<typeof changedMaps>): object {
  return {
    program: { id, name, type },
    packets: list.map(({ verdict, action, duration, before, after, changes, packet, meta }) => ({
      ...{ verdict, action, nanoseconds: duration, hex: hex(packet) },
      ...(meta && { meta: hex(meta) }),
      ...{ before, after },
      changes: changes.flatMap(({ before, after, changes }) =>
        changes.length === 0
          ? []
          : [{ layer: (after ?? before)?.protocol, added: before === null, removed: after === null, fields: changes }],
      ),
    })),
    maps,
  };
}

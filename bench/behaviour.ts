/**
 * Whether two programs do the same: the same verdict and the same bytes for every packet, and the same contents of all maps in the end.
 * Figures of programs that differ mean nothing, so nothing is timed before this was asked.
 */
import type { LoadedProgram } from "../src/runtime/program.ts";
import type { RunResult } from "../src/runtime/test-run.ts";
import { ETHERNET_HEADER, ETHERTYPE, IPV4_HEADER, IPV6_HEADER } from "../test/packets/index.ts";
import type { Contender } from "./contenders.ts";
import { clear, contents } from "./contents.ts";

/** The XDP actions by number. */
const ACTIONS = ["XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"] as const;

/** Of the lines that differ. */
const SHOWN = 5;

/** The first difference, in words; null when there is none. */
export function firstDifference(ours: Contender, theirs: Contender, packets: Iterable<Uint8Array>): string | null {
  const [left, right] = [ours.program, theirs.program];
  // What an earlier comparison counted is none of this one's business.
  for (const { object, conditions } of [ours, theirs]) clear(object, Object.keys(conditions.tables ?? {}));
  for (const packet of packets) {
    if (left.type === "sched_cls" && !fitsSocketBuffer(packet)) continue;
    const [mine, other] = [run(left, packet), run(right, packet)];
    if (
      mine.action !== other.action ||
      mine.context?.mark !== other.context?.mark ||
      !Buffer.from(mine.packet).equals(other.packet)
    ) {
      return [
        `${left.name} and its C counterpart differ on a packet of ${packet.length} bytes:`,
        `  in     ${hex(packet)}`,
        `  ours   ${describe(left, mine)}`,
        `  theirs ${describe(right, other)}`,
      ].join("\n");
    }
  }
  const [mine, other] = [ours, theirs].map(({ object, conditions }) => contents(object, conditions.untouched)) as [
    string[],
    string[],
  ];
  const [onlyOurs, onlyTheirs] = [without(mine, other), without(other, mine)];
  if (onlyOurs.length === 0 && onlyTheirs.length === 0) return null;
  const show = (lines: string[]) => lines.slice(0, SHOWN).join("\n         ");
  return `${left.name} and its C counterpart differ in their maps:\n  ours   ${show(onlyOurs)}\n  theirs ${show(onlyTheirs)}`;
}

/** What a test run takes as a socket buffer: something behind the Ethernet header, and the whole of an IP header that is announced. */
function fitsSocketBuffer(packet: Uint8Array): boolean {
  const type = ((packet[12] ?? 0) << 8) | (packet[13] ?? 0);
  const least = type === ETHERTYPE.IPV4 ? IPV4_HEADER : type === ETHERTYPE.IPV6 ? IPV6_HEADER : 1;
  return packet.length >= ETHERNET_HEADER + least;
}

/** A TC program may change the packet's mark as well. */
function run(program: LoadedProgram, packet: Uint8Array): RunResult {
  return program.run(packet, program.type === "sched_cls" ? { context: {} } : {});
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return lines.filter((line) => !known.has(line));
}

function describe({ type }: LoadedProgram, { packet, action, context }: RunResult): string {
  return type === "xdp"
    ? `${hex(packet)} ${ACTIONS[action] ?? action}`
    : `${hex(packet)} verdict ${action}, mark ${context?.mark}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

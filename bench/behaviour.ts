/**
 * Whether two programs do the same: the same verdict and the same bytes for every packet, and the same contents of all maps in the end.
 * Figures of programs that differ mean nothing, so nothing is timed before this was asked.
 */
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
    const [mine, other] = [left.run(packet), right.run(packet)];
    if (mine.action !== other.action || !Buffer.from(mine.packet).equals(other.packet)) {
      return [
        `${left.name} and its C counterpart differ on a packet of ${packet.length} bytes:`,
        `  in     ${hex(packet)}`,
        `  ours   ${hex(mine.packet)} ${ACTIONS[mine.action] ?? mine.action}`,
        `  theirs ${hex(other.packet)} ${ACTIONS[other.action] ?? other.action}`,
      ].join("\n");
    }
  }
  const [mine, other] = [contents(ours.object), contents(theirs.object)];
  const [onlyOurs, onlyTheirs] = [without(mine, other), without(other, mine)];
  if (onlyOurs.length === 0 && onlyTheirs.length === 0) return null;
  const show = (lines: string[]) => lines.slice(0, SHOWN).join("\n         ");
  return `${left.name} and its C counterpart differ in their maps:\n  ours   ${show(onlyOurs)}\n  theirs ${show(onlyTheirs)}`;
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return lines.filter((line) => !known.has(line));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/**
 * Keeps the verifier from walking everything behind VLAN tags once for each number of them. It follows the distance of an address from the
 * packet's start as it follows any constant, and never takes two states for the same in which that differs. Where paths meet with an
 * address at different distances, or with different numbers that are added to one later, it is computed anew in a way that the verifier does not
 * follow: it then knows only how large the distance may be, and walks what comes behind once.
 *
 *     p = phi(data + 14, data + 18, data + 22)
 *     becomes
 *     p = phi(data + 14, data + 18, data + 22);  q = data + ((p - data) & 31)
 *
 * Source: regsafe and adjust_reg_min_max_vals in kernel/bpf/verifier.c.
 */
import { Dominators } from "../ir/dominators.ts";
import { phisOf } from "../ir/edges.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { bitsBelow } from "../ir/range.ts";
import { replaceIn, replaceUses } from "../ir/uses.ts";
import { startOf } from "../passes/implication.ts";
import { OffsetUses } from "./offset-uses.ts";
import { emitInto, forgottenAt, newWord, readPlace, writePlace } from "./stack-place.ts";

/** Instructions that the verifier must be spared at least: what is done at the meeting costs four in each packet. */
const LEAST_SPARED = 60;
/** Distances up to here are forgotten; farther ones are no matter of a few tags. */
const FARTHEST = 255n;

/** True when any distance is forgotten. */
export function forgetOffsets(fn: Function): boolean {
  const dominators = new Dominators(fn);
  let changed = false;
  for (const block of fn.blocks) {
    if (dominators.isLoopHeader(block)) continue;
    for (const phi of phisOf(block)) {
      const known = phi.type === "ptr" ? distancesOf(phi) : numbersOf(phi);
      if (known === null || known.distances.size < 2) continue;
      const { start, distances } = known;
      const most = start === null ? FARTHEST : [...distances].reduce((bits, each) => bits | bitsBelow(each), 0n);
      const uses = new OffsetUses(fn, dominators, block, phi, most);
      if (!uses.lead || !uses.areProven || uses.walked * (distances.size - 1) < LEAST_SPARED) continue;
      if (start === null) forgetNumber(fn, block, phi);
      else forgetAddress(fn, block, phi, start, most);
      // The way with the fewest tags has seen the least of the packet: what holds there holds on the others, but not the other way round.
      block.early = true;
      changed = true;
    }
  }
  return changed;
}

interface Known {
  /** Where the packet starts; `null` for a number. */
  start: Value | null;
  distances: Set<bigint>;
}

/** How far behind the packet's start an address may lie; `null` when that is not one of a few constants. */
function distancesOf(pointer: Value, depth = 8): Known | null {
  const { pointer: base, bytes } = startOf(pointer);
  if (base.op === "load" && base.region === "context") return { start: base, distances: new Set([bytes]) };
  if (base.op !== "phi" || depth === 0) return null;
  return together(
    base.args.map((argument) => distancesOf(argument, depth - 1)),
    bytes,
  );
}

/** The constants that a number may be. */
function numbersOf(value: Value, depth = 8): Known | null {
  if (value.op === "const") return { start: null, distances: new Set([value.value]) };
  if (value.op !== "phi" || value.type !== "int" || depth === 0) return null;
  return together(
    value.args.map((argument) => numbersOf(argument, depth - 1)),
    0n,
  );
}

function together(all: readonly (Known | null)[], added: bigint): Known | null {
  const distances = new Set<bigint>();
  for (const each of all) {
    if (each === null || each.start !== all[0]?.start) return null;
    for (const distance of each.distances) distances.add(distance + added);
  }
  const areNear = [...distances].every((distance) => distance >= 0n && distance <= FARTHEST);
  return areNear ? { start: all[0]?.start ?? null, distances } : null;
}

/** Puts an address in the place of `phi` that is the same, and of which the verifier does not know how far it lies. */
function forgetAddress(fn: Function, block: Block, phi: Value, start: Value, mask: bigint): void {
  const made: Instruction[] = [];
  const emit = emitInto(made, fn, phi.span);
  const distance = emit({ op: "sub", type: "int", args: [phi, start] });
  const bits = emit({ op: "const", type: "int", args: [], value: mask });
  const bounded = emit({ op: "and", type: "int", args: [distance, bits] });
  const same = emit({ op: "add", type: "ptr", args: [start, bounded] });
  replaceUses(fn, phi, same);
  block.instructions.splice(phisOf(block).length, 0, ...made);
}

/** Writes `phi` where the verifier does not remember it, and reads it anew in each block that uses it. */
function forgetNumber(fn: Function, block: Block, phi: Value): void {
  const slot = newWord(fn);
  const place = forgottenAt(0, phi);
  const reads = new Map<Block, Value>();
  const readIn = (reader: Block, at: number): Value => {
    const known = reads.get(reader);
    if (known !== undefined) return known;
    const made: Instruction[] = [];
    const read = readPlace(emitInto(made, fn, phi.span), slot, place, phi.type);
    reader.instructions.splice(at, 0, ...made);
    reads.set(reader, read);
    return read;
  };
  for (const reader of fn.blocks) {
    const first = reader.instructions.findIndex(({ op, args }) => op !== "phi" && args.includes(phi));
    if (first === -1) continue;
    const read = readIn(reader, first);
    for (const user of reader.instructions) if (user.op !== "phi") replaceIn(user, phi, read);
  }
  for (const reader of fn.blocks) {
    for (const user of phisOf(reader)) {
      for (const [edge, argument] of user.args.entries()) {
        const before = reader.predecessors[edge] as Block; // phis have an argument for each
        if (argument === phi) user.args[edge] = readIn(before, before.instructions.length);
      }
    }
  }
  const made: Instruction[] = [];
  writePlace(emitInto(made, fn, phi.span), slot, place, phi);
  block.instructions.splice(phisOf(block).length, 0, ...made);
}

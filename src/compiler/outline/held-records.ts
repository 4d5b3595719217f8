/**
 * Whether a loop comes between the reservation of a ring buffer's record and its end. The kernel's `bpf_loop` calls a round as a function,
 * which must not keep a record, nor end one of its caller's; and behind the call there is a way that nothing ever takes, but on which
 * the verifier would miss the end of a record.
 */
import { HELPER } from "../../object/helpers.ts";
import type { Block, Function, Value } from "../ir/ir.ts";
import type { NaturalLoop } from "../ir/loops.ts";

/** Why `loop` cannot be handed over, for a message; `null` when no record is in the way. */
export function recordOver(fn: Function, { header, blocks }: NaturalLoop): string | null {
  const homes = new Map<Value, Block>();
  for (const block of fn.blocks) for (const instruction of block.instructions) homes.set(instruction, block);
  for (const [call, home] of homes) {
    if (call.op !== "call" || (call.helper !== HELPER.ringbuf_submit && call.helper !== HELPER.ringbuf_discard)) continue;
    for (const reservation of reservationsOf(call.args[0])) {
      const start = homes.get(reservation);
      if (start === undefined) continue;
      const [startsInside, endsInside] = [blocks.has(start), blocks.has(home)];
      if (startsInside && endsInside) continue;
      if (startsInside) return "a record that it reserves is submitted or discarded where the loop is left";
      if (endsInside) return "it submits or discards a record that was reserved before it";
      if (reaches(start, header) && reaches(header, home)) return "a record is reserved before it and given away behind it";
    }
  }
  return null;
}

/** The reservations that an address may come from. */
function reservationsOf(address: Value | undefined, seen = new Set<Value>()): Value[] {
  if (address === undefined || seen.has(address)) return [];
  seen.add(address);
  if (address.op === "call") return address.helper === HELPER.ringbuf_reserve ? [address] : [];
  if (address.op !== "phi" && address.op !== "add") return [];
  return address.args.flatMap((argument) => reservationsOf(argument, seen));
}

function reaches(from: Block, to: Block): boolean {
  const seen = new Set<Block>();
  const pending = [from];
  for (let block = pending.pop(); block !== undefined; block = pending.pop()) {
    if (block === to) return true;
    if (seen.has(block)) continue;
    seen.add(block);
    pending.push(...block.terminator.targets);
  }
  return false;
}

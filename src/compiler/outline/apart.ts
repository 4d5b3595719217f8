/**
 * Keeps what a callback learns about a number from reaching the frame that it was read from. The verifier ties a number to the place that it came from:
 * a comparison in one round narrows the caller's copies too, and copies that have become different from what they were a round ago are forgotten
 * altogether (`maybe_widen_reg` in kernel/bpf/verifier.c), although the program never writes them. A shift by nothing unties the number and keeps
 * what is known of it. No pass would leave it in place, so it comes behind them.
 */
import type { Function, Instruction, Value } from "../ir/ir.ts";
import { isCompare } from "../ir/ir.ts";
import type { NaturalLoop } from "../ir/loops.ts";
import { replaceUses } from "../ir/uses.ts";

/** Does the loop compare `value`, or a copy that the verifier takes for the same number? */
export function isComparedIn({ blocks }: NaturalLoop, value: Value): boolean {
  const same = new Set([value]);
  for (let before = 0; before !== same.size; ) {
    before = same.size;
    for (const { instructions } of blocks) {
      for (const each of instructions) if (keepsTie(each) && each.args.some((argument) => same.has(argument))) same.add(each);
    }
  }
  return [...blocks].some(({ instructions }) =>
    instructions.some((each) => looksAt(each) && each.args.some((argument) => same.has(argument))),
  );
}

function looksAt(instruction: Instruction): boolean {
  return isCompare(instruction.op) || (instruction.op === "call" && instruction.callee !== undefined);
}

function keepsTie({ op, type, args }: Value): boolean {
  return op === "phi" || op === "zext" || op === "sext" || (op === "add" && type === "int" && args[1]?.op === "const");
}

/** Unties what `callback` reads at `offsets` of its frame. */
export function readApart(callback: Function, offsets: ReadonlySet<number>): void {
  if (offsets.size === 0) return;
  for (const block of callback.blocks) {
    for (const load of [...block.instructions]) {
      const offset = frameOffset(load);
      if (offset === null || load.type !== "int" || !offsets.has(offset)) continue;
      const none: Instruction = { op: "const", id: callback.nextId++, type: "int", args: [], value: 0n, span: load.span };
      const untied: Instruction = { op: "ashr", id: callback.nextId++, type: "int", args: [load, none], span: load.span };
      replaceUses(callback, load, untied);
      block.instructions.splice(block.instructions.indexOf(load) + 1, 0, none, untied);
    }
  }
}

/** Where in the frame, whose address is the callback's second argument, a whole word is read; `null` for any other instruction. */
function frameOffset(value: Value): number | null {
  if (value.op !== "load" || value.region !== "stack" || value.size !== 8) return null;
  let offset = BigInt(value.offset);
  let address = value.args[0];
  for (; address?.op === "add"; [address] = address.args) {
    const [, distance] = address.args;
    if (distance?.op !== "const") return null;
    offset += distance.value;
  }
  return address?.op === "argument" && address.index === 1 ? Number(offset) : null;
}

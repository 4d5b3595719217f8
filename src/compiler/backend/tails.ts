/**
 * Cross-jumping: blocks that go to the same place and end in the same instructions share that end. Each shared instruction is one
 * less, and the number of jumps stays: of those that share, one falls through to the tail as it fell through before.
 *
 * Calls stay apart: the kernel specialises a map call by the one map that reaches it.
 */
import { keyOf } from "./flow.ts";
import { type MachineBlock, type MachineFunction, type MachineInstruction, newBlock } from "./machine.ts";

/** Whether anything changed. */
export function mergeTails(fn: MachineFunction): boolean {
  let changed = false;
  while (mergeOne(fn)) changed = true;
  return changed;
}

function mergeOne(fn: MachineFunction): boolean {
  const byEnd = new Map<string, MachineBlock[]>();
  for (const block of fn.blocks) {
    const last = block.instructions.at(-1);
    const { terminator } = block;
    if (last === undefined || last.op === "call" || terminator.op === "branch") continue;
    const key = `${terminator.op === "jump" ? terminator.target.id : "exit"} ${keyOf(last)}`;
    const list = byEnd.get(key);
    if (list === undefined) byEnd.set(key, [block]);
    else list.push(block);
  }
  for (const blocks of byEnd.values()) {
    const [model, ...others] = blocks as [MachineBlock, ...MachineBlock[]];
    if (others.length === 0) continue;
    let length = 1;
    while (blocks.every((block) => isSame(block.instructions.at(-length - 1), model.instructions.at(-length - 1)))) length++;
    const whole = blocks.find((block) => block.instructions.length === length && block !== fn.blocks[0]);
    const tail = whole ?? newBlock(fn);
    if (whole === undefined) {
      tail.instructions = model.instructions.slice(-length);
      tail.terminator = { ...model.terminator };
      fn.blocks.splice(fn.blocks.indexOf(blocks.at(-1) as MachineBlock) + 1, 0, tail);
    }
    for (const block of blocks) {
      if (block === tail) continue;
      block.instructions.length -= length;
      block.terminator = { op: "jump", target: tail, span: block.terminator.span };
    }
    return true;
  }
  return false;
}

function isSame(left: MachineInstruction | undefined, right: MachineInstruction | undefined): boolean {
  return left !== undefined && right !== undefined && left.op !== "call" && keyOf(left) === keyOf(right);
}

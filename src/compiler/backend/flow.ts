/**
 * Tidies the flow of control after registers are assigned: jumps to jumps, empty blocks, blocks that can be one, identical
 * blocks. Every change makes the program smaller or leaves its size.
 */
import {
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  predecessors,
  replaceBlocks,
  retarget,
  successors,
} from "./machine.ts";

/** Repeats until nothing changes. */
export function tidyFlow(fn: MachineFunction): void {
  do {
    threadJumps(fn);
    removeUnreachable(fn);
  } while (joinBlocks(fn) || mergeIdentical(fn));
}

function threadJumps(fn: MachineFunction): void {
  const end = (block: MachineBlock): MachineBlock => {
    const seen = new Set<MachineBlock>();
    let result = block;
    while (result.instructions.length === 0 && result.terminator.op === "jump" && !seen.has(result)) {
      seen.add(result);
      result = result.terminator.target;
    }
    return result;
  };
  for (const block of fn.blocks) {
    retarget(block, end);
    const { terminator } = block;
    if (terminator.op !== "branch" || terminator.then !== terminator.otherwise) continue;
    block.terminator = { op: "jump", target: terminator.then, span: terminator.span };
  }
}

export function removeUnreachable(fn: MachineFunction): void {
  const reached = new Set<MachineBlock>();
  const waiting = fn.blocks.slice(0, 1);
  for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
    if (reached.has(block)) continue;
    reached.add(block);
    waiting.push(...successors(block));
  }
  fn.blocks = fn.blocks.filter((block) => reached.has(block));
}

/** A block and its only successor, when that has no other predecessor, are one. */
function joinBlocks(fn: MachineFunction): boolean {
  const before = predecessors(fn.blocks);
  const gone = new Set<MachineBlock>();
  for (const block of fn.blocks) {
    if (gone.has(block)) continue;
    while (block.terminator.op === "jump") {
      const next = block.terminator.target;
      if (next === block || next === fn.blocks[0] || before.get(next)?.length !== 1) break;
      block.instructions.push(...next.instructions);
      block.terminator = next.terminator;
      next.instructions = [];
      gone.add(next);
    }
  }
  fn.blocks = fn.blocks.filter((block) => !gone.has(block));
  return gone.size > 0;
}

function mergeIdentical(fn: MachineFunction): boolean {
  const known = new Map<string, MachineBlock>();
  const replacement = new Map<MachineBlock, MachineBlock>();
  for (const block of fn.blocks) {
    const key = [...block.instructions.map(keyOf), terminatorKey(block)].join("\n");
    const same = known.get(key);
    if (same === undefined) known.set(key, block);
    else if (block !== fn.blocks[0]) replacement.set(block, same);
  }
  replaceBlocks(fn, replacement);
  return replacement.size > 0;
}

/**
 * Equal for instructions that may stand for each other. The region is part of it: the verifier forbids one instruction that reaches
 * different kinds of memory.
 */
export function keyOf(instruction: MachineInstruction): string {
  let key = "";
  for (const name in instruction) {
    if (name === "span") continue;
    const value = instruction[name as keyof MachineInstruction] as unknown;
    key += `${name}=${typeof value === "object" ? JSON.stringify(value) : value} `;
  }
  return key;
}

function terminatorKey({ terminator }: MachineBlock): string {
  switch (terminator.op) {
    case "exit":
      return "exit";
    case "jump":
      return `jump ${terminator.target.id}`;
    case "branch": {
      const { code, width, left, right, imm, then, otherwise } = terminator;
      return `branch ${code} ${width} ${left} ${right} ${imm} ${then.id} ${otherwise.id}`;
    }
  }
}

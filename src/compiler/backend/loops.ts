/** Loop depth of every block: the members of the natural loop of each back edge, found over a depth-first search. */
import { type MachineBlock, type MachineFunction, predecessors, successors } from "./machine.ts";

export function markLoops(fn: MachineFunction): void {
  const before = predecessors(fn.blocks);
  for (const block of fn.blocks) block.depth = 0;
  for (const [header, latches] of backEdges(fn)) {
    const members = new Set([header]);
    const waiting = [...latches];
    for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
      if (members.has(block)) continue;
      members.add(block);
      waiting.push(...(before.get(block) ?? []));
    }
    for (const member of members) member.depth++;
  }
}

/** Loop headers with the blocks that jump back to them. */
export function backEdges(fn: MachineFunction): Map<MachineBlock, MachineBlock[]> {
  const result = new Map<MachineBlock, MachineBlock[]>();
  const done = new Set<MachineBlock>();
  const path = new Set<MachineBlock>();
  const entry = fn.blocks[0] as MachineBlock;
  const stack: { block: MachineBlock; next: MachineBlock[] }[] = [{ block: entry, next: successors(entry) }];
  path.add(entry);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const successor = top.next.pop();
    if (successor === undefined) {
      done.add(top.block);
      path.delete(top.block);
      stack.pop();
    } else if (path.has(successor)) {
      const latches = result.get(successor);
      if (latches === undefined) result.set(successor, [top.block]);
      else latches.push(top.block);
    } else if (!done.has(successor)) {
      path.add(successor);
      stack.push({ block: successor, next: successors(successor) });
    }
  }
  return result;
}

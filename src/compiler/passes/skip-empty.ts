/**
 * Leads edges into blocks that do nothing straight to where those go on. A block that only gathers values for the phis of the next
 * one does nothing either: they can gather them themselves. Two loops stay two, though: as one they would no longer tell how often each goes round,
 * nor what it counts to.
 */
import { Dominators } from "../ir/dominators.ts";
import { addIncoming, edgeIndex, phisOf, removeIncoming } from "../ir/edges.ts";
import type { Block, Function, Value } from "../ir/ir.ts";
import { loopHeaders } from "../ir/loops.ts";
import { type User, usersOf } from "../ir/uses.ts";

/** True when anything changed. */
export function skipEmpty(fn: Function): boolean {
  let changed = false;
  const users = usersOf(fn);
  let headers: ReadonlySet<Block> | null = null;
  for (const block of fn.blocks.slice(1)) {
    const { terminator } = block;
    if (terminator.op !== "jump") continue;
    const [target] = terminator.targets;
    if (target === block || !isEmpty(block, target, users)) continue;
    if (block.instructions.length > 0) {
      headers ??= loopHeaders(new Dominators(fn));
      if (headers.has(block) && headers.has(target)) continue;
    }
    for (const predecessor of new Set(block.predecessors)) {
      if (lead(predecessor, block, target)) changed = true;
    }
    if (block.predecessors.length > 0) continue;
    removeIncoming(target, target.predecessors.indexOf(block));
    fn.blocks = fn.blocks.filter((other) => other !== block);
  }
  return changed;
}

function isEmpty(block: Block, target: Block, users: ReadonlyMap<Value, User[]>): boolean {
  return block.instructions.every(
    (instruction) =>
      instruction.op === "phi" &&
      // A phi of the target may hold the value a second time, for an edge that does not come from here.
      users.get(instruction)?.every((user) => user.op === "phi" && target.instructions.includes(user) && isTakenHere(user)),
  );

  function isTakenHere(user: Value): boolean {
    const here = target.predecessors.indexOf(block);
    return user.args.every((value, index) => index === here || !block.instructions.includes(value));
  }
}

/**
 * Moves the edges from `predecessor` to `empty` on to `target`. Not where `target`'s phis would get different values over two
 * edges from one block: the empty block is what tells them apart.
 */
function lead(predecessor: Block, empty: Block, target: Block): boolean {
  const through = target.predecessors.indexOf(empty);
  const direct = target.predecessors.indexOf(predecessor);
  const phis = phisOf(target);
  const brought = (phi: Value, edge: number): Value => {
    const value = phi.args[through] as Value; // an argument for each edge
    return value.op === "phi" && empty.instructions.includes(value) ? (value.args[edge] as Value) : value;
  };
  const edges = empty.predecessors.flatMap((other, edge) => (other === predecessor ? [edge] : []));
  const [first = 0] = edges;
  if (direct >= 0 && phis.some((phi) => phi.args[direct] !== brought(phi, first))) return false;
  if (phis.some((phi) => edges.some((edge) => brought(phi, edge) !== brought(phi, first)))) return false;
  for (const which of [0, 1]) {
    const { targets } = predecessor.terminator;
    if (targets[which] !== empty) continue;
    const edge = edgeIndex(predecessor, which);
    const values = new Map(phis.map((phi) => [phi, brought(phi, edge)]));
    removeIncoming(empty, edge);
    targets[which] = target;
    addIncoming(target, predecessor, (phi) => values.get(phi) as Value);
  }
  return true;
}

/**
 * Removes loops that leave nothing behind: what they computed has been found to be of no use, and only the counting is left, which the verifier
 * would walk round by round on every path that comes by. The language has no loops without an end, so that they end is nothing to keep either.
 */
import { Dominators } from "../ir/dominators.ts";
import { addIncoming, edgeIndex, leadAlike, phisOf, removeIncoming, removeUnreachable } from "../ir/edges.ts";
import type { Block, Function, Value } from "../ir/ir.ts";
import { type Exit, exitsOf, findLoops, type NaturalLoop } from "../ir/loops.ts";
import { reversePostorder } from "../ir/order.ts";
import { usersOf } from "../ir/uses.ts";
import { mustStay } from "./remove-dead.ts";

/** True when a loop went. */
export function removeEmptyLoops(fn: Function): boolean {
  const loop = findEmpty(fn, findLoops(new Dominators(fn)));
  if (loop === null) return false;
  const [{ from, which, target }] = exitsOf(loop) as [Exit]; // it has one, or it were not empty
  const edge = edgeIndex(from, which);
  const brought = new Map(phisOf(target).map((phi) => [phi, phi.args[edge] as Value]));
  const { header } = loop;
  const { span } = header.terminator;
  for (const next of header.terminator.targets) removeIncoming(next, next.predecessors.indexOf(header));
  header.terminator = { op: "jump", args: [], targets: [target], span };
  addIncoming(target, header, (phi) => brought.get(phi) as Value);
  removeUnreachable(fn, new Set(reversePostorder(fn)));
  return true;
}

/** An outer one before those in it. */
function findEmpty(fn: Function, loops: readonly NaturalLoop[]): NaturalLoop | null {
  const users = usersOf(fn);
  const search = (among: readonly NaturalLoop[]): NaturalLoop | null => {
    for (const loop of among) {
      const found = isEmpty(loop) ? loop : search(loop.inner);
      if (found !== null) return found;
    }
    return null;
  };
  return search(loops);

  function isEmpty(loop: NaturalLoop): boolean {
    const exits = exitsOf(loop);
    const [first] = exits;
    if (first === undefined || !exits.every((exit) => leadAlike([first.from, first.which], [exit.from, exit.which])))
      return false;
    const inside = new Set<unknown>([...loop.blocks].flatMap(usersIn));
    return [...loop.blocks].every((block) =>
      block.instructions.every((value) => !mustStay(value) && (users.get(value) ?? []).every((user) => inside.has(user))),
    );
  }
}

function usersIn({ instructions, terminator }: Block): unknown[] {
  return [...instructions, terminator];
}

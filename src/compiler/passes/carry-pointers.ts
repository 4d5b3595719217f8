/**
 * Where paths meet that have come different distances into the packet, lets each bring its pointer instead of its offset:
 *
 *     offset = phi 14, 18; p = data + offset; q = data + (offset + length)
 *     becomes
 *     p = phi data + 14, data + 18; q = p + length
 *
 * Each path has such a pointer already, since it checked that the packet reaches so far; adding a constant to a pointer costs the
 * verifier nothing, and it needs no bound of the offset.
 */
import { Dominators } from "../ir/dominators.ts";
import { phisOf } from "../ir/edges.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { Replacements, type User, usersOf } from "../ir/uses.ts";

/** True when any offset became a pointer. */
export function carryPointers(fn: Function): boolean {
  const users = usersOf(fn);
  const dominators = new Dominators(fn);
  const home = homes(fn);
  const replacements = new Replacements();
  let changed = false;
  for (const block of fn.blocks) {
    if (dominators.isLoopHeader(block)) continue;
    for (const phi of phisOf(block)) {
      const reach = reachOf(phi, users);
      const origin = reach === null ? undefined : home.get(reach.pointer);
      if (reach === null || origin === undefined) continue;
      if (!block.predecessors.every((predecessor) => dominators.dominates(origin, predecessor))) continue;
      if (!block.predecessors.every((predecessor, index) => isBounded(predecessor, phi.args[index]))) continue;
      become(reach, phi, carry(fn, block, phi, reach.pointer), replacements);
      changed = true;
    }
  }
  replacements.apply(fn);
  return changed;
}

/** Whether the verifier knows a bound of `offset` at the end of `block`: the branch there may be what finds it. */
function isBounded({ terminator }: Block, offset: Value | undefined): boolean {
  return terminator.op === "jump" || offset?.op === "const";
}

/** What is made of an offset, when that is nothing but addresses from one pointer. */
interface Reach {
  pointer: Value;
  /** Sums of the offset and more, in an order in which each comes after what it is made of. */
  sums: Instruction[];
  /** The pointer plus the offset, or plus one of the sums. */
  addresses: Instruction[];
}

function reachOf(phi: Instruction, users: ReadonlyMap<Value, User[]>): Reach | null {
  if (phi.type !== "int") return null;
  const sums: Instruction[] = [];
  const addresses: Instruction[] = [];
  const gather = (offset: Value): boolean =>
    (users.get(offset) ?? []).every((user) => {
      if (user.op !== "add" || user.args[0] === user.args[1]) return false;
      if (user.type === "ptr") return user.args[1] === offset && addresses.push(user) > 0;
      // Two summands that both come from the phi: a pointer and a pointer have no sum.
      if (sums.includes(user)) return false;
      sums.push(user);
      return gather(user);
    });
  if (!gather(phi)) return null;
  const pointer = addresses[0]?.args[0];
  if (pointer === undefined || addresses.some(({ args: [from] }) => from !== pointer)) return null;
  return { pointer, sums, addresses };
}

function become({ sums, addresses }: Reach, phi: Instruction, cursor: Instruction, replacements: Replacements): void {
  const carried = new Map<Value, Value>([[phi, cursor]]);
  for (const sum of sums) {
    const [left, right] = sum.args as [Value, Value]; // a sum has two
    const from = carried.get(left);
    sum.args = from === undefined ? [carried.get(right) as Value, left] : [from, right]; // one of them is in `carried`
    sum.type = "ptr";
    carried.set(sum, sum);
  }
  for (const address of addresses) replacements.set(address, carried.get(address.args[1] as Value) as Value);
}

function carry(fn: Function, block: Block, phi: Instruction, pointer: Value): Instruction {
  const { span } = phi;
  const made = new Map<Block, Map<Value, Instruction>>();
  const args = block.predecessors.map((predecessor, index) => {
    const offset = phi.args[index] as Value; // one for each predecessor
    const known = made.get(predecessor)?.get(offset);
    if (known !== undefined) return known;
    const address: Instruction = { op: "add", id: fn.nextId++, type: "ptr", args: [pointer, offset], span };
    predecessor.instructions.push(address);
    made.set(predecessor, (made.get(predecessor) ?? new Map()).set(offset, address));
    return address;
  });
  const cursor: Instruction = { op: "phi", id: fn.nextId++, type: "ptr", args, span };
  block.instructions.unshift(cursor);
  return cursor;
}

function homes(fn: Function): Map<Value, Block> {
  return new Map(fn.blocks.flatMap((block) => block.instructions.map((instruction) => [instruction, block] as const)));
}

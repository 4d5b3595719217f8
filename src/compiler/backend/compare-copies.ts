/**
 * Compares a copy of an address with the packet's end where the address itself is still needed. When such a comparison fails, the verifier
 * takes the compared register for unusable (`mark_pkt_end` in kernel/bpf/verifier.c), however far an earlier check has reached: it does not
 * know that the comparison cannot fail, or that it said nothing about the bytes that were checked before.
 *
 * Mostly that is a comparison of the packet's length, or what became of one. A bounds check compares an address behind the bytes that it checks,
 * and where it fails nothing is read through that address, or only behind a check that reaches farther.
 */
import { Dominators } from "../ir/dominators.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { blocksBehind } from "../ir/order.ts";
import { type User, usersOf } from "../ir/uses.ts";
import { peelAddress } from "./facts.ts";

/** To be called behind the passes, which would take the copy for what it is. True when there is a copy now. */
export function compareCopies(fn: Function): boolean {
  const users = usersOf(fn);
  const homes = new Map<User, Block>();
  for (const block of fn.blocks) for (const user of [...block.instructions, block.terminator]) homes.set(user, block);
  const dominators = new Dominators(fn);
  let changed = false;
  for (const block of fn.blocks) {
    for (const condition of [...block.instructions]) {
      const index = addressIn(condition);
      const address = index === null ? undefined : condition.args[index];
      if (index === null || address === undefined) continue;
      const failed = behindFailure(condition, block, homes.get(address), users.get(condition) ?? []);
      const mayKeep = (from: Block, at: Block): boolean => failed.has(from) || at === block || blocksBehind(at).has(block);
      const readers = readersOf(address, users, homes, mayKeep);
      const isUnusable = (reader: User): boolean => {
        const home = homes.get(reader) as Block; // every user has one
        return failed.has(home) && !isCheckedAgain(reader, home, failed, dominators);
      };
      if (!readers.some(isUnusable)) continue;
      const none: Instruction = { op: "const", id: fn.nextId++, type: "int", args: [], value: 0n, span: condition.span };
      const copy: Instruction = { op: "add", id: fn.nextId++, type: "ptr", args: [address, none], span: condition.span };
      condition.args[index] = copy;
      block.instructions.splice(block.instructions.indexOf(condition), 0, none, copy);
      changed = true;
    }
  }
  return changed;
}

/** Which side of a comparison with the packet's end is the address in the packet; `null` for other instructions. */
function addressIn({ op, args }: Instruction): 0 | 1 | null {
  if (op !== "ugt" && op !== "uge" && op !== "ult" && op !== "ule") return null;
  const [left, right] = args;
  if (left?.type !== "ptr" || right?.type !== "ptr") return null;
  // Nothing is added to the end.
  return right.op === "add" ? 1 : 0;
}

/**
 * Who reads or writes memory through `address`, through the same register after a phi, or hands it on. `mayKeep` says whether a phi in the
 * second block may be the compared register, when it takes it from the first.
 */
function readersOf(
  address: Value,
  users: ReadonlyMap<Value, readonly User[]>,
  homes: ReadonlyMap<User, Block>,
  mayKeep: (from: Block, at: Block) => boolean,
): User[] {
  const same = new Set([address]);
  const readers: User[] = [];
  for (const value of same) {
    if (value.op === "phi") for (const argument of value.args) same.add(argument);
    for (const user of users.get(value) ?? []) {
      const at = homes.get(user) as Block; // every user has one
      if (user.op === "phi") {
        const isSum = value !== address && value.op === "add";
        const from = at.predecessors.filter((_, edge) => user.args[edge] === value);
        // A sum is in a register of its own from where it is made.
        if (from.some((each) => mayKeep(isSum ? (homes.get(value) as Block) : each, at))) same.add(user);
      } else if (user.op === "add" && user.args[1]?.op === "const") same.add(user);
      else if (user.op === "load" || user.op === "store" || user.op === "atomic_add" || user.op === "call") readers.push(user);
    }
  }
  return readers;
}

/** Whether every way from the failure to `reader`, an access in `home`, passes a check of what it reads: then the address is good again. */
function isCheckedAgain(reader: User, home: Block, failed: ReadonlySet<Block>, dominators: Dominators): boolean {
  const [pointer] = reader.args;
  if (pointer === undefined || !("offset" in reader) || !("size" in reader)) return false;
  const { base, offset } = peelAddress(pointer, reader.offset);
  for (let at: Block | null = home; at !== null && failed.has(at); at = dominators.parent(at)) {
    const [from, another] = at.predecessors;
    if (from === undefined || another !== undefined || !failed.has(from) || from.terminator.op !== "branch") continue;
    const [condition] = from.terminator.args;
    const [address] = condition.args;
    if ((condition.op !== "ule" && condition.op !== "ugt") || address === undefined || addressIn(condition) !== 0) continue;
    if (from.terminator.targets[condition.op === "ule" ? 0 : 1] !== at) continue;
    const reach = peelAddress(address, 0);
    if (reach.base === base && reach.offset >= offset + reader.size) return true;
  }
  return false;
}

/** The blocks in which `condition`, which stands in `home`, may have failed. In `start` the address is another one. */
function behindFailure(condition: Instruction, home: Block, start: Block | undefined, users: readonly User[]): Set<Block> {
  const saysBeyond = condition.op === "ugt" || condition.op === "uge";
  const failing = saysBeyond === (addressIn(condition) === 0) ? 0 : 1;
  const found = new Set<Block>();
  const waiting: Block[] = [];
  for (const user of users) {
    if (user.op === "branch") {
      waiting.push(user.targets[failing]);
    } else {
      // It is made a number where it stands.
      found.add(home);
      waiting.push(...home.terminator.targets);
    }
  }
  for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
    if (block === start || found.has(block)) continue;
    found.add(block);
    waiting.push(...block.terminator.targets);
  }
  return found;
}

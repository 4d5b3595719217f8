/**
 * Compares a copy of an address with the packet's end where the address itself is still needed. When such a comparison fails, the verifier
 * takes the compared register for unusable (`mark_pkt_end` in kernel/bpf/verifier.c), however far an earlier check has reached: it does not
 * know that the comparison cannot fail, or that it said nothing about the bytes that were checked before.
 *
 * Only a comparison of the packet's length, or what became of one, gets into this. A bounds check compares an address behind the bytes that
 * it checks, and where it fails nothing is read through that address.
 */
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { type User, usersOf } from "../ir/uses.ts";

/** To be called behind the passes, which would take the copy for what it is. True when there is a copy now. */
export function compareCopies(fn: Function): boolean {
  const users = usersOf(fn);
  const homes = new Map<User, Block>();
  for (const block of fn.blocks) for (const user of [...block.instructions, block.terminator]) homes.set(user, block);
  let changed = false;
  for (const block of fn.blocks) {
    for (const condition of [...block.instructions]) {
      const index = addressIn(condition);
      const address = index === null ? undefined : condition.args[index];
      if (index === null || address === undefined) continue;
      const readers = readersOf(address, users);
      if (readers.length === 0) continue;
      const failed = behindFailure(condition, block, homes.get(address), users.get(condition) ?? []);
      if (!readers.some((reader) => failed.has(homes.get(reader) as Block))) continue; // every user has one
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

/** Who reads or writes memory through `address`, through the same register after a phi, or hands it on. */
function readersOf(address: Value, users: ReadonlyMap<Value, readonly User[]>): User[] {
  const same = new Set([address]);
  const readers: User[] = [];
  for (const value of same) {
    if (value.op === "phi") for (const argument of value.args) same.add(argument);
    for (const user of users.get(value) ?? []) {
      const isStep = user.op === "add" && user.args[1]?.op === "const";
      if (user.op === "phi" || isStep) same.add(user);
      else if (user.op === "load" || user.op === "store" || user.op === "atomic_add" || user.op === "call") readers.push(user);
    }
  }
  return readers;
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

/** Copies neighbouring bytes with fewer, wider loads and stores: two copies of four bytes are one of eight. */
import type { AccessSize, Block, Function, Instruction } from "../ir/ir.ts";
import { Aliases, type Location, locationOf } from "../ir/memory.ts";
import { type User, usersOf } from "../ir/uses.ts";
import { mayAccess } from "../ir/widen.ts";

type Load = Extract<Instruction, { op: "load" }>;
type Store = Extract<Instruction, { op: "store" }>;

/** A load whose only use is a store of the same size in the same block. */
interface Copy {
  load: Load;
  store: Store;
  source: Location;
  target: Location;
}

/** True when any copies were merged. */
export function mergeCopies(fn: Function): boolean {
  const aliases = new Aliases(fn);
  const users = usersOf(fn);
  let changed = false;
  for (const block of fn.blocks) {
    for (let found = findPair(block, users, aliases); found !== null; found = findPair(block, users, aliases)) {
      merge(fn, block, found, users);
      changed = true;
    }
  }
  return changed;
}

/** Two copies side by side, the lower one first. */
type Pair = readonly [low: Copy, high: Copy];

function findPair(block: Block, users: ReadonlyMap<Instruction, User[]>, aliases: Aliases): Pair | null {
  const copies = copiesIn(block, users);
  for (const low of copies) {
    for (const high of copies) {
      if (isNeighbour(low, high) && isWidenable(low) && isMovable(block, low, high, aliases)) return [low, high];
    }
  }
  return null;
}

function copiesIn(block: Block, users: ReadonlyMap<Instruction, User[]>): Copy[] {
  const own = new Set<Instruction>(block.instructions);
  return block.instructions.flatMap((store) => {
    if (store.op !== "store") return [];
    const [, load] = store.args;
    if (load?.op !== "load" || !own.has(load) || load.type !== "int" || load.size !== store.size) return [];
    if (load.size === 8 || users.get(load)?.length !== 1) return [];
    return [{ load, store, source: locationOf(load), target: locationOf(store) }];
  });
}

function isNeighbour(low: Copy, high: Copy): boolean {
  const follows = (first: Location, second: Location): boolean =>
    first.base === second.base &&
    first.region === second.region &&
    first.size === second.size &&
    first.offset + first.size === second.offset;
  return follows(low.source, high.source) && follows(low.target, high.target);
}

function isWidenable({ source, target }: Copy): boolean {
  const size = (source.size * 2) as AccessSize; // 8 was sorted out
  return mayAccess(source, size) && mayAccess(target, size);
}

/** The later load moves up to the earlier one, the earlier store down to the later one. Nothing on the way may touch their bytes. */
function isMovable({ instructions }: Block, one: Copy, other: Copy, aliases: Aliases): boolean {
  const place = (instruction: Instruction): number => instructions.indexOf(instruction);
  const [, lateLoad] = [one, other].sort((left, right) => place(left.load) - place(right.load)) as [Copy, Copy];
  const [earlyStore] = [one, other].sort((left, right) => place(left.store) - place(right.store)) as [Copy, Copy];
  const early = Math.min(place(one.load), place(other.load));
  const late = Math.max(place(one.store), place(other.store));
  for (const instruction of instructions.slice(early, place(lateLoad.load))) {
    if (writes(instruction, lateLoad.source, aliases)) return false;
  }
  for (const instruction of instructions.slice(place(earlyStore.store) + 1, late)) {
    if (writes(instruction, earlyStore.target, aliases) || reads(instruction, earlyStore.target, aliases)) return false;
  }
  return true;
}

function writes(instruction: Instruction, location: Location, aliases: Aliases): boolean {
  if (instruction.op === "call") return aliases.mayBeWritten(location, instruction.helper);
  return (
    (instruction.op === "store" || instruction.op === "atomic_add") && aliases.mayOverlap(locationOf(instruction), location)
  );
}

function reads(instruction: Instruction, location: Location, aliases: Aliases): boolean {
  if (instruction.op === "call") return aliases.mayBeRead(location, instruction.helper);
  return (
    (instruction.op === "load" || instruction.op === "atomic_add") && aliases.mayOverlap(locationOf(instruction), location)
  );
}

function merge(fn: Function, block: Block, [low, high]: Pair, users: Map<Instruction, User[]>): void {
  const size = (low.source.size * 2) as AccessSize; // 8 was sorted out
  const { base: from, offset: fromOffset } = low.source;
  const { base: to, offset: toOffset } = low.target;
  const load: Load = { ...low.load, id: fn.nextId++, args: [from], size, offset: fromOffset };
  const store: Store = { ...low.store, id: fn.nextId++, args: [to, load], size, offset: toOffset };
  users.set(load, [store]);
  let loaded = false;
  let stored = false;
  block.instructions = block.instructions.flatMap((instruction) => {
    if (instruction === low.load || instruction === high.load) {
      const result = loaded ? [] : [load];
      loaded = true;
      return result;
    }
    if (instruction === low.store || instruction === high.store) {
      const result = stored ? [store] : [];
      stored = true;
      return result;
    }
    return [instruction];
  });
}

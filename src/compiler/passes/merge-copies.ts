/**
 * Copies neighbouring bytes with fewer, wider loads and stores: two copies of four bytes are one of eight, two MAC addresses side by
 * side are one of eight and one of four. The loads may stand in one block and the stores in another, as around a helper that moves
 * the packet.
 */
import type { AccessSize, Block, Function, Instruction } from "../ir/ir.ts";
import { Aliases, type Location, locationOf } from "../ir/memory.ts";
import { usersOf } from "../ir/uses.ts";
import { mayAccess } from "../ir/widen.ts";

type Load = Extract<Instruction, { op: "load" }>;
type Store = Extract<Instruction, { op: "store" }>;

/** A load whose only use is a store of the same size. */
interface Copy {
  load: Load;
  store: Store;
  source: Location;
  target: Location;
}

/** Copies with the same distance from source to target, loads in one block and stores in one. */
interface Group {
  from: Block;
  to: Block;
  copies: Copy[];
}

/** True when any copies were merged. */
export function mergeCopies(fn: Function): boolean {
  const groups = groupsOf(fn);
  if (groups.length === 0) return false;
  const aliases = new Aliases(fn);
  let changed = false;
  for (const group of groups) {
    for (const run of runsOf(group.copies)) {
      const tiles = tile(run);
      if (tiles.length >= run.length || !isMovable(group, run, aliases)) continue;
      merge(fn, group, run, tiles);
      changed = true;
    }
  }
  return changed;
}

function groupsOf(fn: Function): Group[] {
  const homes = new Map<Instruction, Block>();
  for (const block of fn.blocks) {
    for (const instruction of block.instructions) if (instruction.op === "load") homes.set(instruction, block);
  }
  const users = usersOf(fn);
  const groups = new Map<string, Group>();
  for (const to of fn.blocks) {
    for (const store of to.instructions) {
      if (store.op !== "store") continue;
      const [, load] = store.args;
      const from = load === undefined ? undefined : homes.get(load);
      if (from === undefined || load?.op !== "load" || load.type !== "int" || load.size !== store.size) continue;
      if (users.get(load)?.length !== 1) continue;
      const [source, target] = [locationOf(load), locationOf(store)];
      const key = `${from.id} ${source.base.id} ${source.region} ${to.id} ${target.base.id} ${target.region} ${target.offset - source.offset}`;
      const group = groups.get(key) ?? { from, to, copies: [] };
      group.copies.push({ load, store, source, target });
      groups.set(key, group);
    }
  }
  return [...groups.values()].filter(({ copies }) => copies.length > 1);
}

/** Copies without a gap between them, from the lowest address up. */
function runsOf(copies: readonly Copy[]): Copy[][] {
  const runs: Copy[][] = [];
  let end = Number.NaN;
  for (const copy of copies.toSorted((left, right) => left.source.offset - right.source.offset)) {
    if (copy.source.offset === end) runs.at(-1)?.push(copy);
    else runs.push([copy]);
    end = copy.source.offset + copy.source.size;
  }
  return runs.filter(({ length }) => length > 1);
}

interface Tile {
  source: Location;
  target: Location;
}

/** The widest accesses for all of a run's bytes. */
function tile(run: readonly Copy[]): Tile[] {
  const [{ source, target }] = run as [Copy, ...Copy[]]; // a run has a first
  const length = run.reduce((sum, copy) => sum + copy.source.size, 0);
  const tiles: Tile[] = [];
  for (let at = 0; at < length; at += tiles.at(-1)?.source.size ?? 1) {
    const fit = ([8, 4, 2, 1] as const)
      .filter((size) => at + size <= length)
      .map((size) => ({
        source: { ...source, offset: source.offset + at, size },
        target: { ...target, offset: target.offset + at, size },
      }))
      .find(({ source: from, target: to }) => isWide(from) && isWide(to));
    if (fit === undefined) return [];
    tiles.push(fit);
  }
  return tiles.length === 0 ? [] : tiles;
}

function isWide(location: Location): boolean {
  return location.size === 1 || mayAccess(location, location.size as AccessSize);
}

/** All loads move up to the first, all stores down to the last. Nothing on the way may touch their bytes. */
function isMovable({ from, to }: Group, run: readonly Copy[], aliases: Aliases): boolean {
  const loads = run.map(({ load }) => from.instructions.indexOf(load));
  const stores = run.map(({ store }) => to.instructions.indexOf(store));
  const [first, last] = [Math.min(...loads), Math.max(...stores)];
  return run.every(({ source, target }, index) => {
    const before = from.instructions.slice(first, loads[index]);
    if (before.some((instruction) => writes(instruction, source, aliases))) return false;
    const after = to.instructions.slice((stores[index] as number) + 1, last);
    return !after.some((instruction) => writes(instruction, target, aliases) || reads(instruction, target, aliases));
  });
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

function merge(fn: Function, { from, to }: Group, run: readonly Copy[], tiles: readonly Tile[]): void {
  const [like] = run as [Copy, ...Copy[]]; // a run has a first
  const pairs = tiles.map(({ source, target }) => {
    const size = source.size as AccessSize;
    const load: Load = { ...like.load, id: fn.nextId++, args: [source.base], size, offset: source.offset };
    const store: Store = { ...like.store, id: fn.nextId++, args: [target.base, load], size, offset: target.offset };
    return { load, store };
  });
  const [loads, stores] = [
    new Set<Instruction>(run.map(({ load }) => load)),
    new Set<Instruction>(run.map(({ store }) => store)),
  ];
  const firstLoad = from.instructions.find((instruction) => loads.has(instruction));
  const lastStore = to.instructions.findLast((instruction) => stores.has(instruction));
  from.instructions = from.instructions.flatMap((instruction) => {
    if (instruction === firstLoad) return pairs.map(({ load }) => load);
    return loads.has(instruction) ? [] : [instruction];
  });
  to.instructions = to.instructions.flatMap((instruction) => {
    if (instruction === lastStore) return pairs.map(({ store }) => store);
    return stores.has(instruction) ? [] : [instruction];
  });
}

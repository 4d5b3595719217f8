/** Writes neighbouring constants with fewer, wider stores: four zero bytes are one store of four. */
import type { AccessSize, Function, Instruction, Value } from "../ir/ir.ts";
import { Aliases, type Location, locationOf } from "../ir/memory.ts";
import { mayAccess } from "../ir/widen.ts";

type Store = Extract<Instruction, { op: "store" }>;

/** Stores of constants to one base, which nothing has looked at or changed since the first of them. */
interface Run {
  stores: Store[];
  locations: Location[];
}

/** True when any stores were merged. */
export function mergeStores(fn: Function): boolean {
  const aliases = new Aliases(fn);
  let changed = false;
  for (const block of fn.blocks) {
    const runs = runsIn(block.instructions, aliases);
    for (const run of runs) {
      const tiles = tile(run);
      if (tiles.length >= run.stores.length) continue;
      const last = run.stores.at(-1) as Store; // a run has a first store
      const merged = tiles.flatMap(({ location, value }) => storeOf(fn, last, location, value));
      block.instructions = block.instructions.flatMap((instruction) => {
        if (instruction === last) return merged;
        return instruction.op === "store" && run.stores.includes(instruction) ? [] : [instruction];
      });
      changed = true;
    }
  }
  return changed;
}

function runsIn(instructions: readonly Instruction[], aliases: Aliases): Run[] {
  const closed: Run[] = [];
  let open: Run[] = [];
  const close = (isTouched: (location: Location) => boolean, except?: Run): void => {
    const touched = open.filter((run) => run !== except && run.locations.some(isTouched));
    closed.push(...touched);
    open = open.filter((run) => !touched.includes(run));
  };
  for (const instruction of instructions) {
    if (instruction.op === "call") {
      const { helper } = instruction;
      close((location) => aliases.mayBeRead(location, helper) || aliases.mayBeWritten(location, helper));
    } else if (instruction.op === "store" && instruction.args[1]?.op === "const" && instruction.args[1].type !== "ptr") {
      const location = locationOf(instruction);
      const known = open.find(({ locations: [first] }) => first?.base === location.base && first.region === location.region);
      const run = known ?? { stores: [], locations: [] };
      close((other) => aliases.mayOverlap(other, location), run);
      if (known === undefined) open.push(run);
      run.stores.push(instruction);
      run.locations.push(location);
    } else if (instruction.op === "load" || instruction.op === "store" || instruction.op === "atomic_add") {
      const location = locationOf(instruction);
      close((other) => aliases.mayOverlap(other, location));
    }
  }
  return [...closed, ...open].filter((run) => run.stores.length > 1);
}

interface Tile {
  location: Location;
  value: bigint;
}

/** The fewest stores that leave the same bytes, found from the lowest address up. */
function tile({ stores, locations }: Run): Tile[] {
  const [first] = locations;
  if (first === undefined) return [];
  const bytes = new Map<number, bigint>();
  for (const [index, { offset, size }] of locations.entries()) {
    const value = constantOf(stores[index] as Store);
    for (let byte = 0; byte < size; byte++) bytes.set(offset + byte, (value >> BigInt(8 * byte)) & 0xffn);
  }
  const offsets = [...bytes.keys()].sort((left, right) => left - right);
  const tiles: Tile[] = [];
  let next = Number.NEGATIVE_INFINITY;
  for (const offset of offsets) {
    if (offset < next) continue;
    for (const size of [8, 4, 2, 1] as const) {
      const location = { ...first, offset, size };
      const value = wordAt(bytes, offset, size);
      if (value === null || !mayAccess(location, size) || !isImmediate(value, size)) continue;
      tiles.push({ location, value });
      next = offset + size;
      break;
    }
  }
  return tiles;
}

function wordAt(bytes: ReadonlyMap<number, bigint>, offset: number, size: AccessSize): bigint | null {
  let value = 0n;
  for (let byte = size - 1; byte >= 0; byte--) {
    const part = bytes.get(offset + byte);
    if (part === undefined) return null;
    value = (value << 8n) | part;
  }
  return value;
}

/** A store of eight bytes takes a sign-extended constant of 32 bits; larger ones need a register and two more words of code. */
function isImmediate(value: bigint, size: AccessSize): boolean {
  const signed = BigInt.asIntN(64, value);
  return size < 8 || signed === BigInt.asIntN(32, signed);
}

function constantOf(store: Store): bigint {
  const value = store.args[1];
  return value?.op === "const" ? BigInt.asUintN(64, value.value) : 0n;
}

function storeOf(fn: Function, like: Store, { region, base, offset, size }: Location, word: bigint): Instruction[] {
  const { span } = like;
  const value: Value = { op: "const", id: fn.nextId++, type: "int", args: [], value: BigInt.asIntN(64, word), span };
  const store: Store = {
    op: "store",
    id: fn.nextId++,
    type: "void",
    args: [base, value],
    size: size as AccessSize,
    offset,
    region,
    span,
  };
  return [value, store];
}

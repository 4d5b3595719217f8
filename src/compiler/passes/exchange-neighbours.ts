/**
 * Exchanges two neighbours of six bytes in the packet, as a frame's MAC addresses when it goes back, with six instructions instead of eight
 * loads and stores of four and two bytes:
 *
 *     x = u32[p]; y = u64[p + 4]; u16[p + 10] = y; u64[p] = y >> 16; u32[p + 6] = x
 *
 * The wide store also writes two bytes of the second neighbour, which get their own right afterwards.
 */
import type { AccessSize, Block, Function, Instruction, Value } from "../ir/ir.ts";
import { Aliases, type Location, locationOf } from "../ir/memory.ts";
import { usersOf } from "../ir/uses.ts";

type Load = Extract<Instruction, { op: "load" }>;
type Store = Extract<Instruction, { op: "store" }>;

const LENGTH = 6;
/** The pieces of one neighbour, from its start. */
const PIECES = [
  { offset: 0, size: 4 },
  { offset: 4, size: 2 },
] as const;

/** A store of what a load in the same block found, which nobody else wants. */
interface Move {
  load: Load;
  store: Store;
  from: Location;
  to: Location;
}

/** True when any were exchanged so. */
export function exchangeNeighbours(fn: Function): boolean {
  const users = usersOf(fn);
  let aliases: Aliases | null = null;
  let changed = false;
  for (const block of fn.blocks) {
    const moves = movesIn(block, (load) => users.get(load)?.length === 1);
    for (const first of moves) {
      const exchange = exchangeAt(first, moves);
      if (exchange === null) continue;
      aliases ??= new Aliases(fn);
      if (!isUndisturbed(block, exchange, aliases)) continue;
      replace(fn, block, exchange);
      changed = true;
      break; // another one of this block in the next round
    }
  }
  return changed;
}

function movesIn(block: Block, isUsedOnce: (load: Load) => boolean): Move[] {
  return block.instructions.flatMap((store) => {
    if (store.op !== "store" || store.region !== "packet") return [];
    const load = store.args[1];
    if (load?.op !== "load" || load.region !== "packet" || load.size !== store.size || load.type !== "int") return [];
    if (!isUsedOnce(load) || !block.instructions.includes(load)) return [];
    return [{ load, store, from: locationOf(load), to: locationOf(store) }];
  });
}

/** All four moves of the exchange whose first piece `first` takes from its start to the second neighbour. */
function exchangeAt(first: Move, moves: readonly Move[]): Move[] | null {
  const { base, offset } = first.from;
  const wanted = [0, LENGTH].flatMap((start) =>
    PIECES.map((piece) => {
      const [from, to] = [offset + start + piece.offset, offset + LENGTH - start + piece.offset];
      return moves.find(
        (move) =>
          move.from.base === base &&
          move.to.base === base &&
          move.from.offset === from &&
          move.to.offset === to &&
          move.from.size === piece.size,
      );
    }),
  );
  return wanted.every((move) => move !== undefined) ? wanted : null;
}

/** Nothing else touches the twelve bytes, and all loads come before all stores. */
function isUndisturbed(block: Block, exchange: readonly Move[], aliases: Aliases): boolean {
  const places = exchange.flatMap(({ load, store }) => [block.instructions.indexOf(load), block.instructions.indexOf(store)]);
  const own = new Set<Instruction>(exchange.flatMap(({ load, store }) => [load, store]));
  const lastLoad = Math.max(...exchange.map(({ load }) => block.instructions.indexOf(load)));
  if (exchange.some(({ store }) => block.instructions.indexOf(store) < lastLoad)) return false;
  const [{ from }] = exchange as [Move];
  const all: Location = { ...from, size: 2 * LENGTH };
  return block.instructions.slice(Math.min(...places), Math.max(...places)).every((instruction) => {
    if (own.has(instruction)) return true;
    if (instruction.op === "call") return false;
    if (instruction.op !== "load" && instruction.op !== "store" && instruction.op !== "atomic_add") return true;
    return !aliases.mayOverlap(locationOf(instruction), all);
  });
}

function replace(fn: Function, block: Block, exchange: readonly Move[]): void {
  const [{ from, store }] = exchange as [Move];
  const origin = (): { id: number; span: Instruction["span"] } => ({ id: fn.nextId++, span: store.span });
  const at = (offset: number, size: AccessSize) => ({ size, offset: from.offset + offset, region: from.region });
  const load = (offset: number, size: AccessSize): Instruction => {
    return { op: "load", type: "int", args: [from.base], ...at(offset, size), ...origin() };
  };
  const put = (offset: number, size: AccessSize, value: Value): Instruction => {
    return { op: "store", type: "void", args: [from.base, value], ...at(offset, size), ...origin() };
  };
  const start = load(0, 4);
  const rest = load(4, 8);
  const amount: Instruction = { op: "const", type: "int", args: [], value: 16n, ...origin() };
  const second: Instruction = { op: "lshr", type: "int", args: [rest, amount], ...origin() };
  const made = [start, rest, put(10, 2, rest), amount, second, put(0, 8, second), put(6, 4, start)];
  const own = new Set<Instruction>(exchange.flatMap((move) => [move.load, move.store]));
  const last = block.instructions.findLast((instruction) => own.has(instruction));
  block.instructions = block.instructions.flatMap((instruction) => {
    if (instruction === last) return made;
    return own.has(instruction) ? [] : [instruction];
  });
}

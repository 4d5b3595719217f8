/**
 * Consistent hashing as Maglev does it (Eisenbud et al., NSDI 2016, section 3.4): a table of backends by slot, where a flow's hash picks the
 * slot. Backends get slots in proportion to their weights, and when one comes or goes, few slots of the others change hands.
 *
 * The table depends on the backends' names and weights only, not on their order, the machine, or what the table was before: balancers that
 * know the same backends send the same flow to the same one.
 */
import { hash } from "node:crypto";

/** The table's usual size: a prime, and 100 times the backends of a large service, which keeps their shares within a per cent or so. */
export const USUAL_SIZE = 65_537;

export interface WeightedName {
  /** What makes it itself, such as its address and port: the same name, the same slots. */
  name: string;
  /** Its share, beside the others'. 0: none. */
  weight: number;
}

/** In which order a backend asks for slots: `offset`, `offset + skip`, and so on, modulo the table's size. */
export interface Preference {
  /** Below the size. */
  offset: number;
  /** 1 to size - 1: with a prime size, every slot comes. */
  skip: number;
  /** Above 0. */
  weight: number;
}

/**
 * The index in `backends` of each slot's backend; all -1 when none has a weight. `size` must be a prime.
 *
 * Names must differ. Throws a RangeError for a size that is no prime, since some backends would not reach all slots.
 */
export function maglevTable(backends: readonly WeightedName[], size: number = USUAL_SIZE): Int32Array {
  if (!isPrime(size)) throw new RangeError(`A Maglev table's size must be a prime, and ${size} is none.`);
  const weighted = backends.map(({ name, weight }, index) => ({ name, weight, index })).filter(({ weight }) => weight > 0);
  // Who asks first gets a slot that two want.
  weighted.sort((a, b) => (a.name < b.name ? -1 : 1));
  const table = fillTable(
    weighted.map(({ name, weight }) => ({ weight, ...preferenceOf(name, size) })),
    size,
  );
  const indexes = Int32Array.from(weighted, ({ index }) => index);
  // By hand: `map` takes several times as long, and there may be thousands of tables.
  for (let slot = 0; slot < size; slot++) table[slot] = indexes[table[slot] as number] ?? -1;
  return table;
}

/** The name's place in the order of slots: two independent hashes of it. */
function preferenceOf(name: string, size: number): { offset: number; skip: number } {
  const digest = hash("sha256", name, "buffer");
  return {
    offset: Number(digest.readBigUInt64LE(0) % BigInt(size)),
    skip: Number(digest.readBigUInt64LE(8) % BigInt(size - 1)) + 1,
  };
}

/** In turns, each takes the next slot of its order that is free: in every round those whose weight is due. The paper's `Populate`. */
export function fillTable(preferences: readonly Preference[], size: number): Int32Array {
  const table = new Int32Array(size).fill(-1);
  if (preferences.length === 0) return table;
  const heaviest = preferences.reduce((most, { weight }) => Math.max(most, weight), 0);
  const turns = preferences.map(({ offset, skip, weight }, backend) => ({ backend, next: offset, skip, weight, due: 0 }));
  for (let filled = 0; ; ) {
    for (const turn of turns) {
      turn.due += turn.weight;
      if (turn.due < heaviest) continue;
      turn.due -= heaviest;
      const { skip } = turn;
      let slot = turn.next;
      while ((table[slot] as number) >= 0) slot = after(slot, skip, size);
      table[slot] = turn.backend;
      turn.next = after(slot, skip, size);
      if (++filled === size) return table;
    }
  }
}

function after(slot: number, skip: number, size: number): number {
  const next = slot + skip;
  return next < size ? next : next - size;
}

export function isPrime(number: number): boolean {
  if (!Number.isInteger(number) || number < 2) return false;
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
}

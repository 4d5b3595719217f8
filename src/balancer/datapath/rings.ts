/**
 * The services' rings: one map each, in which a slot has the number of its backend. A ring is made and filled where no program sees it, and then
 * put in the place of the one before, in one step.
 *
 * Its name in the kernel is a digest of what is in it. Whoever adopts a running datapath sees by the name alone whether a ring is the right one,
 * without reading 65,537 slots; and a ring cannot be half full, because it is filled before it can be found.
 */
import { hash } from "node:crypto";
import type { ArrayMap } from "../../runtime/maps/array.ts";
import { mapFailure } from "../../runtime/maps/failure.ts";
import type { MapOfMaps } from "../../runtime/maps/map-in-map.ts";
import { mapById, mapInfo, mapUpdateBatch, unlessGone, updatesBatchInBackground } from "../../sys/bpf.ts";
import { isErrno } from "../../sys/errno.ts";

export type RingMaps = MapOfMaps<number, ArrayMap<number>>;

/** A ring that is to be in the place of number `service`. `numbers` is asked for only when it is not there yet. */
export interface Ring {
  service: number;
  size: number;
  name: string;
  numbers: () => Uint32Array;
}

/** Changes with the way in which tables are made of what `ringName` is given. */
const VERSION = "m1";

/** Descriptors that are open at once. */
const AT_ONCE = 500;

/** What a ring of `size` slots is called in which these backends, by their numbers, identities and weights, take connections. */
export function ringName(size: number, takers: readonly { number: number; identity: string; weight: number }[]): string {
  const lines = takers.map(({ number, identity, weight }) => `${identity} ${weight} ${number}`).sort();
  const digest = hash("sha256", `${VERSION} ${size}\n${lines.join("\n")}`);
  return `r${digest.slice(0, 14)}`;
}

/** One slot, and nobody has it: what takes the place of rings that are not needed any more. */
export const EMPTY: Omit<Ring, "service"> = { size: 1, name: ringName(1, []), numbers: () => new Uint32Array(1) };

/** No ring's name: it is not known. */
const UNKNOWN = "";

/**
 * The names of the rings that are there, by service number. The kernel tells them with CAP_SYS_ADMIN only; without it no ring is known to be the right one,
 * so all are made anew, which takes longer and changes nothing.
 */
export function readRings(rings: RingMaps): Map<number, string> {
  const names = new Map<number, string>();
  for (const [number, id] of rings.entries()) {
    const name = nameOfMap(id);
    if (name !== null) names.set(number, name);
  }
  return names;
}

/** Null when it is gone. */
function nameOfMap(id: number): string | null {
  try {
    return unlessGone(() => {
      using fd = mapById(id);
      return mapInfo(fd).name;
    });
  } catch (error) {
    if (isErrno(error, "EPERM")) return UNKNOWN;
    throw error;
  }
}

/** Puts rings in their places, one call at a time. */
export class RingWriter {
  readonly #rings: RingMaps;
  #left: Promise<void> = Promise.resolve();

  constructor(rings: RingMaps) {
    this.#rings = rings;
  }

  /**
   * Makes the rings and puts them in their places, hundreds at a time, so that each packet that comes finds them. `written` hears of each hundred; in
   * between, others get their turn.
   */
  async write(wanted: readonly Ring[], written: (done: readonly Ring[]) => void): Promise<void> {
    for (let at = 0; at < wanted.length; at += AT_ONCE) {
      const some = wanted.slice(at, at + AT_ONCE);
      await this.left();
      await this.#exchange(some);
      written(some);
      if (at + AT_ONCE < wanted.length) await new Promise(setImmediate);
    }
  }

  /**
   * When no program uses the rings any more that others have taken the places of: the kernel waits for that, tens of milliseconds on a busy
   * machine. Only who takes away what a ring names has to wait, too.
   */
  left(): Promise<void> {
    return this.#left;
  }

  async #exchange(wanted: readonly Ring[]): Promise<void> {
    const made: Made[] = [];
    let set: Promise<boolean> = Promise.resolve(false);
    try {
      for (const ring of wanted) made.push([ring.service, makeRing(this.#rings, ring)]);
      set = setInBackground(this.#rings, made);
      // One by one it is said what is wrong.
      if (!(await areThere(this.#rings, made, set))) this.#rings.setMany(made);
    } finally {
      // The call needs their descriptors for as long as it takes.
      this.#left = set.then(() => {
        for (const [, ring] of made) ring.close();
      });
    }
  }
}

type Made = [service: number, ring: ArrayMap<number>];

/**
 * One call on another thread, which returns when no program uses what was there before, because the service answers and checks meanwhile. False when
 * it did not work, or not in one call.
 */
function setInBackground(rings: RingMaps, made: readonly Made[]): Promise<boolean> {
  const keys = Uint32Array.from(made, ([number]) => number);
  const descriptors = Uint32Array.from(made, ([, ring]) => ring.fd.number);
  return updatesBatchInBackground(rings.fd, new Uint8Array(keys.buffer), new Uint8Array(descriptors.buffer), made.length);
}

/** Waits until packets find all of them, which are put there one after the other; false when `set` says that they are not. */
async function areThere(rings: RingMaps, made: readonly Made[], set: Promise<boolean>): Promise<boolean> {
  const [service, ring] = made.at(-1) as Made; // nobody waits for none
  const { id } = ring.info();
  let isSet: boolean | null = null;
  void set.then((result) => {
    isSet = result;
  });
  while (isSet === null && rings.idAt(service) !== id) await new Promise(setImmediate);
  return isSet ?? true;
}

function makeRing(rings: RingMaps, { name, size, numbers }: Omit<Ring, "service">): ArrayMap<number> {
  const ring = rings.create(name, { entries: size, typed: false });
  try {
    const { result } = mapUpdateBatch(ring.fd, indexes(size), new Uint8Array(numbers().buffer), size, 0);
    if (result < 0) throw mapFailure(ring, "set", -result);
    return ring;
  } catch (error) {
    ring.close();
    throw error;
  }
}

let known = new Uint32Array(0);

/** 0 to `count` - 1 as the kernel takes keys of arrays. */
function indexes(count: number): Uint8Array {
  if (known.length < count) known = Uint32Array.from({ length: count }, (_, index) => index);
  return new Uint8Array(known.buffer, 0, count * 4);
}

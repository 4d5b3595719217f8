/**
 * Random damage to an ELF file, some of it anywhere, some of it where it hurts: in headers, symbols, relocations and types.
 * Equal seeds give equal damage.
 */

/** Numbers from a seed (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % Math.max(1, limit);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T; // the lists here are not empty
  }
}

interface Section {
  name: string;
  header: number;
  type: number;
  offset: number;
  size: number;
}

const HEADER_SIZE = 64;
const SHT = { SYMTAB: 2, REL: 9 };
const EXTREMES = [0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff];

/** Sections of a valid object. */
function sectionsOf(bytes: Uint8Array): Section[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const table = Number(view.getBigUint64(40, true));
  const header = (index: number) => table + index * HEADER_SIZE;
  const at = (index: number) => ({
    header: header(index),
    type: view.getUint32(header(index) + 4, true),
    offset: Number(view.getBigUint64(header(index) + 24, true)),
    size: Number(view.getBigUint64(header(index) + 32, true)),
  });
  const names = at(view.getUint16(62, true));
  return Array.from({ length: view.getUint16(60, true) }, (_, index) => {
    const start = names.offset + view.getUint32(header(index), true);
    const name = Buffer.from(bytes.subarray(start, bytes.indexOf(0, start))).toString("latin1");
    return { ...at(index), name };
  });
}

/** A damaged copy of `original`, a valid object; `other` is another one to take pieces from. */
export function mutated(original: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const kind = random.below(10);
  if (kind === 0) return original.slice(0, random.below(original.length));
  const copy = original.slice();
  const times = 1 + random.below(random.below(4) === 0 ? 12 : 3);
  for (let time = 0; time < times; time++) damage(copy, other, random, kind);
  return copy;
}

function damage(copy: Uint8Array, other: Uint8Array, random: Random, kind: number): void {
  const view = new DataView(copy.buffer);
  switch (kind) {
    case 1:
    case 2: {
      const at = random.below(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return;
    }
    case 3:
      view.setUint32(random.below(copy.length - 4), random.pick(EXTREMES), true);
      return;
    case 4: {
      // A piece of this or another object.
      const from = random.below(2) === 0 ? other : copy.slice();
      const length = 1 + random.below(64);
      const start = random.below(from.length - length);
      copy.set(from.subarray(start, start + length), random.below(copy.length - length));
      return;
    }
    default:
      damageField(copy, view, random, kind);
  }
}

/** Offsets come from the copy itself, which may be damaged already: what lies outside is left alone. */
function damageField(copy: Uint8Array, view: DataView, random: Random, kind: number): void {
  let sections: Section[];
  try {
    sections = sectionsOf(copy);
  } catch {
    return;
  }
  const put = (at: number, bytes: 1 | 2 | 4 | 8, value: number) => {
    if (at < 0 || at + bytes > copy.length) return;
    if (bytes === 1) view.setUint8(at, value);
    else if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value) * (random.below(4) === 0 ? 0x1_0000_0001n : 1n), true);
  };
  const value = () => (random.below(2) === 0 ? random.pick(EXTREMES) : random.below(300));
  if (kind === 5) return put(random.pick([16, 18, 20, 40, 48, 52, 58, 60, 62]), random.pick([2, 4, 8]), value());
  const named = (name: string) => sections.find((section) => section.name === name);
  const [section, unit, fields] =
    kind === 6
      ? ([{ offset: random.pick(sections).header, size: HEADER_SIZE }, HEADER_SIZE, [0, 4, 8, 24, 32, 40, 44, 48, 56]] as const)
      : kind === 7
        ? ([random.pick(sections.filter(({ type }) => type === SHT.SYMTAB)), 24, [0, 4, 5, 6, 8, 16]] as const)
        : kind === 8
          ? ([random.pick(sections.filter(({ type }) => type === SHT.REL)), 16, [0, 8, 12]] as const)
          : ([named(random.below(3) === 0 ? ".BTF.ext" : ".BTF"), 4, [0, 1, 2, 3]] as const);
  if (section === undefined) return;
  const records = Math.floor(section.size / unit);
  // Types stand in front, strings behind.
  const record = unit === 4 && random.below(2) === 0 ? random.below(Math.min(records, 60)) : random.below(records);
  put(section.offset + record * unit + random.pick(fields), random.pick([1, 2, 4, 4, 8]), value());
}

/** Random schemas, maps and settings. */
import type { Random } from "./random.ts";
import { literal } from "./scope.ts";
import {
  type Content,
  type Field,
  type FieldType,
  FLAVOURS,
  type Global,
  type Hook,
  isIndexed,
  isQueue,
  type MapDeclaration,
  type MapKindName,
  type ScalarName,
  type Setting,
  type Struct,
  sizeOfScalar,
  type Value,
} from "./tree.ts";

const SCALARS: readonly ScalarName[] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "be16", "be32", "be64"];
/** Lengths of byte arrays: MAC and IP addresses, odd ones, and one that takes many registers. */
const BYTE_SIZES = [4, 6, 16, 3, 7, 12, 40];
const MAP_KINDS: readonly MapKindName[] = [
  "array",
  "perCpuArray",
  "hash",
  "perCpuHash",
  "lruHash",
  "lruPerCpuHash",
  "lpmTrie",
  "queue",
  "stack",
];

export const INTERESTING = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  14n,
  31n,
  32n,
  63n,
  64n,
  127n,
  128n,
  255n,
  256n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x1_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
  0x0102_0304_0506_0708n,
];

export function scalarStruct(scalar: ScalarName): Struct {
  const size = sizeOfScalar(scalar);
  return { name: scalar, scalar: true, size, fields: [{ name: "value", type: { kind: "scalar", scalar }, offset: 0 }] };
}

/** A schema of up to eight fields; a run of bit fields fills whole bytes. `inner` are schemas that it may hold. */
export function randomStruct(random: Random, name: string, inner: readonly Struct[], sizes: Set<number>): Struct {
  if (random.chance(12)) return randomOverlay(random, name, inner, sizes);
  const fields: Field[] = [];
  let size = 0;
  const add = (type: FieldType, bytes: number) => {
    fields.push({ name: `f${fields.length}`, type, offset: size });
    size += bytes;
  };
  const count = random.between(1, 6);
  while (fields.length < count) {
    random.weighted<() => void>([
      [
        10,
        () => {
          const scalar = random.pick(SCALARS);
          add({ kind: "scalar", scalar }, sizeOfScalar(scalar));
        },
      ],
      [2, () => add({ kind: "bool" }, 1)],
      [
        4,
        () => {
          const run = bitRun(random);
          const start = size;
          let position = 0;
          for (const bits of run) {
            fields.push({ name: `f${fields.length}`, type: { kind: "bits", bits, position }, offset: start });
            position += bits;
          }
          size += position / 8;
          // A run goes on in the next bit field, so something else must stand between two runs.
          add({ kind: "scalar", scalar: "u8" }, 1);
        },
      ],
      [
        4,
        () => {
          const bytes = random.pick(BYTE_SIZES);
          sizes.add(bytes);
          add({ kind: "bytes", size: bytes }, bytes);
        },
      ],
      [
        5,
        () => {
          const { element, stride } = randomElement(random, inner, sizes);
          const length = random.pick([1, 2, 3, 4, 4, 5, 8]);
          if (size + stride * length < 100) add({ kind: "array", element, stride, length }, stride * length);
          else add({ kind: "bool" }, 1);
        },
      ],
      [
        inner.length > 0 ? 3 : 0,
        () => {
          const struct = random.pick(inner);
          if (size + struct.size < 80) add({ kind: "struct", struct }, struct.size);
          else add({ kind: "bool" }, 1);
        },
      ],
    ])();
  }
  return { name, scalar: false, size, fields };
}

/** Two to four schemas over each other. */
function randomOverlay(random: Random, name: string, inner: readonly Struct[], sizes: Set<number>): Struct {
  const small = inner.filter(({ size }) => size <= 40);
  const fields = Array.from({ length: random.between(2, 4) }, (_, index): Field & { bytes: number } => {
    const field = { name: `f${index}`, offset: 0 };
    if (small.length > 0 && random.chance(30)) {
      const struct = random.pick(small);
      return { ...field, type: { kind: "struct", struct }, bytes: struct.size };
    }
    if (random.chance(30)) {
      const length = random.between(1, 5);
      const { element, stride } = randomElement(random, [], sizes);
      return { ...field, type: { kind: "array", element, stride, length }, bytes: stride * length };
    }
    if (random.chance(30)) {
      const size = random.pick(BYTE_SIZES);
      sizes.add(size);
      return { ...field, type: { kind: "bytes", size }, bytes: size };
    }
    const scalar = random.pick(SCALARS);
    return { ...field, type: { kind: "scalar", scalar }, bytes: sizeOfScalar(scalar) };
  });
  const size = Math.max(...fields.map(({ bytes }) => bytes));
  return { name, scalar: false, overlay: true, size, fields: fields.map(({ bytes: _, ...field }) => field) };
}

function randomElement(random: Random, inner: readonly Struct[], sizes: Set<number>): { element: FieldType; stride: number } {
  const structs = inner.filter(({ size }) => size <= 24);
  return random.weighted<() => { element: FieldType; stride: number }>([
    [
      8,
      () => {
        const scalar = random.pick(SCALARS);
        return { element: { kind: "scalar", scalar }, stride: sizeOfScalar(scalar) };
      },
    ],
    [1, () => ({ element: { kind: "bool" }, stride: 1 })],
    [
      2,
      () => {
        const size = random.pick([3, 4, 6]);
        sizes.add(size);
        return { element: { kind: "bytes", size }, stride: size };
      },
    ],
    [
      2,
      () => {
        const scalar = random.pick(SCALARS);
        const stride = sizeOfScalar(scalar);
        const length = random.between(1, 4);
        return { element: { kind: "array", element: { kind: "scalar", scalar }, stride, length }, stride: stride * length };
      },
    ],
    [
      structs.length > 0 ? 4 : 0,
      () => {
        const struct = random.pick(structs);
        return { element: { kind: "struct", struct }, stride: struct.size };
      },
    ],
  ])();
}

/** Widths that fill 1 to 8 bytes together. */
function bitRun(random: Random): number[] {
  let left = random.between(1, random.chance(20) ? 8 : 4) * 8;
  const widths: number[] = [];
  while (left > 0) {
    const width = Math.min(left, random.between(1, random.chance(20) ? 32 : 13));
    widths.push(width);
    left -= width;
  }
  return widths;
}

export function randomSetting(random: Random, name: string, structs: readonly Struct[], sizes: Set<number>): Setting {
  if (random.chance(30)) return { d: "setting", name, value: constantOf(random, random.pick(structs)) };
  if (random.chance(25)) {
    const size = random.pick([4, 6, 16]);
    sizes.add(size);
    return { d: "setting", name, size, values: [...random.bytes(size)] };
  }
  const scalar = random.pick(SCALARS.filter((each) => !each.startsWith("i")));
  const bits = BigInt(sizeOfScalar(scalar) * 8);
  return { d: "setting", name, scalar, number: BigInt.asUintN(Number(bits), random.pick(INTERESTING)) };
}

export function randomGlobal(random: Random, name: string, structs: readonly Struct[], sizes: Set<number>): Global {
  const first = () => random.pick([0n, random.pick(INTERESTING)]);
  return random.weighted<() => Global>([
    [
      5,
      () => {
        const flavour = random.pick(FLAVOURS);
        // A larger one must be spelled as a u64.
        const bits = flavour === "i64" ? 53 : sizeOfScalar(flavour) * 8 - (flavour.startsWith("i") ? 1 : 0);
        return { d: "global", name, g: "int", flavour, first: BigInt.asUintN(bits, first()) };
      },
    ],
    [1, () => ({ d: "global", name, g: "bool", first: random.chance(50) })],
    [
      1,
      () => {
        const size = random.pick([4, 6, 16]);
        sizes.add(size);
        return { d: "global", name, g: "bytes", first: [...random.bytes(random.pick([0, size]))], size };
      },
    ],
    [
      3,
      () => {
        const struct = random.pick(structs);
        return { d: "global", name, g: "struct", struct, first: random.chance(50) ? constantOf(random, struct) : null };
      },
    ],
  ])();
}

/** A literal for `struct` that the compiler can compute. */
function constantOf(random: Random, struct: Struct): Value {
  const fields = struct.overlay === true ? [random.pick(struct.fields)] : struct.fields;
  return { v: "literal", struct, fields: fields.map((field) => ({ field, value: constantContent(random, field.type) })) };
}

function constantContent(random: Random, type: FieldType): Content {
  switch (type.kind) {
    case "scalar":
      return {
        f: "int",
        value: literal(BigInt.asUintN(Math.min(53, sizeOfScalar(type.scalar) * 8 - 1), random.pick(INTERESTING))),
      };
    case "bits":
      return { f: "int", value: literal(random.below(2 ** type.bits)) };
    case "bool":
      return { f: "bool", value: { b: "constant", value: random.chance(50) } };
    case "bytes":
      return { f: "bytes", value: { y: "constant", values: [...random.bytes(type.size)], size: type.size } };
    case "struct":
      return { f: "struct", value: constantOf(random, type.struct) };
    case "array": {
      const { element, stride, length } = type;
      return { f: "list", element, stride, values: Array.from({ length }, () => constantContent(random, element)) };
    }
  }
}

/** Prefixes of IPv4 addresses: what a trie is for. */
export const PREFIX: Struct = {
  name: "Prefix",
  scalar: false,
  size: 8,
  fields: [
    { name: "prefixLength", type: { kind: "scalar", scalar: "u32" }, offset: 0 },
    { name: "address", type: { kind: "scalar", scalar: "be32" }, offset: 4 },
  ],
};

export function randomMap(random: Random, name: string, structs: readonly Struct[]): MapDeclaration {
  const kind = random.pick(MAP_KINDS);
  const schema = () => (structs.length > 0 && random.chance(60) ? random.pick(structs) : scalarStruct(random.pick(SCALARS)));
  const key = isIndexed({ kind }) ? scalarStruct("u32") : kind === "lpmTrie" ? PREFIX : schema();
  const value = schema();
  // Tables that forget must not have to: which elements the kernel forgets is its own affair.
  const entries = kind.startsWith("lru") ? 256 : random.pick([1, 2, 4, 4]);
  const map: MapDeclaration = { d: "map", name, kind, key, value, entries, contents: [] };
  return { ...map, contents: randomContents(random, map) };
}

/** What a table, queue or stack like `map` begins with. */
function randomContents(random: Random, map: MapDeclaration): MapDeclaration["contents"] {
  const { kind, key, value, entries } = map;
  if (kind === "ringBuffer") return [];
  const contents = new Map<string, { key: Uint8Array; value: Uint8Array }>();
  const byPlace = isIndexed(map) || isQueue(map);
  for (let index = 0; index < Math.min(entries, random.between(0, 4)); index++) {
    const bytes = byPlace ? new Uint8Array([index, 0, 0, 0]) : smallKey(random, key);
    contents.set(String(bytes), { key: bytes, value: random.bytes(value.size) });
  }
  return [...contents.values()];
}

/** Of the maps that are no tables: one that has something to do on `hook`. */
export function randomSpecialMap(random: Random, name: string, structs: readonly Struct[], hook: Hook): MapDeclaration {
  if (random.chance(40)) return randomMapOfMaps(random, name, structs);
  const kinds: readonly MapKindName[] = ["ringBuffer", "ringBuffer", "bloomFilter"];
  const kind = random.pick<MapKindName>(hook === "tc" ? kinds : [...kinds, "devMap", "devMapHash", "cpuMap", "xskMap"]);
  const number = scalarStruct("u32");
  const value = structs.length > 0 && random.chance(70) ? random.pick(structs) : scalarStruct(random.pick(SCALARS));
  const map = { d: "map" as const, name, kind };
  if (kind === "ringBuffer") return randomRing(random, name, value);
  if (kind === "bloomFilter") {
    const values = Array.from({ length: random.between(0, 3) }, () => smallKey(random, value));
    const contents = values.map((bytes) => ({ key: new Uint8Array(), value: bytes }));
    return { ...map, key: value, value, entries: FILTER_VALUES, contents };
  }
  const entries = random.pick([1, 2, 4]);
  const [target, most] = kind === "cpuMap" ? [FRAMES_A_CPU, 1] : [LOOPBACK, entries];
  const keys = Array.from({ length: most }, (_, index) => (kind === "devMapHash" ? random.below(8) : index));
  // Elements of an `xskMap` are sockets, which there are none of.
  const chosen = [...new Set(keys)].filter(() => kind !== "xskMap" && random.chance(70));
  const contents = chosen.map((key) => ({ key: Uint8Array.of(key, 0, 0, 0), value: Uint8Array.of(target, 0, 0, 0) }));
  return { ...map, key: number, value: number, entries, contents };
}

function randomRing(random: Random, name: string, value: Struct): MapDeclaration {
  const untyped = random.chance(25);
  const map = { d: "map" as const, name, kind: "ringBuffer" as const, key: scalarStruct("u32"), value };
  return { ...map, entries: RING_BYTES, contents: [], ...(untyped && { untyped }) };
}

/** Some of the maps that have room in it are there. */
function randomMapOfMaps(random: Random, name: string, structs: readonly Struct[]): MapDeclaration {
  const value = structs.length > 0 && random.chance(60) ? random.pick(structs) : scalarStruct(random.pick(SCALARS));
  const make = () => (random.chance(20) ? randomRing(random, name, value) : randomMap(random, name, structs));
  const inner = { ...make(), contents: [] };
  const kind = random.pick(["arrayOfMaps", "hashOfMaps"] as const);
  const key = kind === "arrayOfMaps" ? scalarStruct("u32") : random.chance(50) ? scalarStruct(random.pick(SCALARS)) : value;
  const entries = random.pick([1, 2, 4]);
  const places = new Map<string, Uint8Array>();
  for (let index = 0; index < entries; index++) {
    const at = kind === "arrayOfMaps" ? Uint8Array.of(index, 0, 0, 0) : smallKey(random, key);
    if (random.chance(80)) places.set(String(at), at);
  }
  const inners = [...places.values()].map((at) => ({ ...inner, at, contents: randomContents(random, inner) }));
  return { d: "map", name, kind, key, value: inner.value, entries, contents: [], inner, inners };
}

/** A page: few enough for programs to meet its end. */
const RING_BYTES = 4096;
/** So many that no program comes near, and the filter does not err. */
const FILTER_VALUES = 20_000;
/** The loopback device's number. */
const LOOPBACK = 1;
/** How many frames may wait for a CPU. */
const FRAMES_A_CPU = 16;

/** Keys are few, so that programs find some of them: the first number is small, and all else is zero. */
function smallKey(random: Random, key: Struct): Uint8Array {
  const bytes = new Uint8Array(key.size);
  if (key === PREFIX) {
    const length = random.pick([0, 8, 16, 24, 32]);
    bytes.set([length, 0, 0, 0, 10, 0, 0, random.below(4)]);
    return bytes;
  }
  const field = key.fields[0];
  if (field?.type.kind === "scalar") {
    const { scalar } = field.type;
    bytes[scalar.startsWith("be") ? sizeOfScalar(scalar) - 1 : 0] = random.below(8);
  }
  return bytes;
}

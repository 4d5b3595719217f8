/** What a name stands for where the generator writes a statement. */
import {
  type FieldPlace,
  type FieldType,
  type Flavour,
  type Fn,
  type Int,
  type MapDeclaration,
  type Struct,
  sizeOfScalar,
} from "./tree.ts";

export interface IntName {
  name: string;
  signed: boolean;
  flavour: Flavour | null;
  mutable: boolean;
  /** It is at least 0 and less than this, and the compiler can see that; an index. */
  below?: number;
  /** A setting in network byte order. */
  swapped?: boolean;
}

export interface ViewName {
  name: string;
  struct: Struct;
  /** The map whose element it is; `null` for the packet. */
  map: string | null;
  /** A table of constants. */
  readonly?: boolean;
  /** Shared by all scopes: a move or a deletion ends it everywhere. */
  life: { alive: boolean };
}

export interface Callable {
  fn: Fn;
  /** Maps that it may change. */
  updates: ReadonlySet<string>;
}

export class Scope {
  ints: IntName[] = [];
  bools: { name: string; mutable: boolean }[] = [];
  views: ViewName[] = [];
  bytes: { name: string; size: number; mutable: boolean }[] = [];
  records: string[] = [];
  /** `isPacket`: of an IP packet, with a protocol; otherwise of a frame, with an EtherType. */
  cursors: { name: string; isPacket: boolean }[] = [];
  functions: Callable[] = [];
  /** Maps that were found in maps of maps. */
  maps: MapDeclaration[] = [];
  /** Records of ring buffers that must be given back before the function is left; `loops`: how many of its loops are around each. */
  held: { name: string; map: string; loops: number }[] = [];

  /** What is declared in it is unknown outside. */
  inner(): Scope {
    return Object.assign(new Scope(), {
      ints: [...this.ints],
      bools: [...this.bools],
      views: this.living(),
      bytes: [...this.bytes],
      records: [...this.records],
      cursors: [...this.cursors],
      functions: [...this.functions],
      maps: [...this.maps],
      held: [...this.held],
    });
  }

  /** For the body of a closure: views may have died by the time it is called, and returning from it leaves nothing else. */
  closure(): Scope {
    return Object.assign(this.inner(), { views: [], held: [] });
  }

  living(): ViewName[] {
    return this.views.filter(({ life }) => life.alive);
  }
}

/** An index into an array of so many elements. */
export type ChooseIndex = (length: number) => number | Int;

/** Every field below `view` that `wanted` accepts; elements of arrays only with `index`, one of each. */
export function placesIn(
  view: { name: string; struct: Struct },
  wanted: (type: FieldType) => boolean,
  index: ChooseIndex | null = null,
): FieldPlace[] {
  const at = (place: FieldPlace): FieldPlace[] => {
    const { type } = place;
    const own = wanted(type) ? [place] : [];
    if (type.kind === "struct") return [...own, ...below(type.struct, place)];
    return type.kind === "array" && index !== null ? [...own, ...at(elementOf(place, type, index(type.length)))] : own;
  };
  const below = (struct: Struct, { path, offset, indexes }: Omit<FieldPlace, "type">): FieldPlace[] =>
    struct.fields.flatMap(({ name, type, offset: own }) =>
      at({ view: view.name, path: [...path, name], offset: offset + own, indexes, type }),
    );
  return below(view.struct, { view: view.name, path: [], offset: 0, indexes: [] });
}

/** The element of the array at `place`. */
export function elementOf(
  { view, path, offset, indexes }: FieldPlace,
  { element, stride }: Extract<FieldType, { kind: "array" }>,
  index: number | Int,
): FieldPlace {
  const isConstant = typeof index === "number";
  return {
    view,
    path: [...path, isConstant ? `[${index}]` : "[?]"],
    offset: isConstant ? offset + index * stride : offset,
    indexes: isConstant ? indexes : [...indexes, { value: index, stride }],
    type: element,
  };
}

export const isInt = (type: FieldType) => type.kind === "scalar" || type.kind === "bits";

/** Which types a value flows into without a cast. */
const FLOWS: Readonly<Record<Flavour, readonly Flavour[]>> = {
  u8: ["u8"],
  u16: ["u8", "u16"],
  u32: ["u8", "u16", "u32"],
  u64: ["u8", "u16", "u32", "u64"],
  i8: ["i8"],
  i16: ["i8", "i16", "u8"],
  i32: ["i8", "i16", "i32", "u8", "u16"],
  i64: ["i8", "i16", "i32", "i64", "u8", "u16", "u32"],
};

/** `value`, cast where TypeScript wants it. */
export function into(value: Int, flavour: Flavour | null): Int {
  if (flavour === null) return value.flavour === "mixed" ? cast("u64", value) : value;
  const number = spelledOut(value);
  if (number !== null && number >= 1n << BigInt(sizeOfScalar(flavour) * 8 - (flavour.startsWith("i") ? 1 : 0))) {
    return cast(flavour, value);
  }
  if (value.flavour === null || (value.flavour !== "mixed" && FLOWS[flavour].includes(value.flavour))) return value;
  return cast(flavour, value);
}

/** `value` for a field of `bits` bits: a literal that does not fit it is an error, a cast one wraps. */
export function intoBits(value: Int, bits: number): Int {
  const number = spelledOut(value);
  return number !== null && number >= 1n << BigInt(bits) ? cast("u64", value) : value;
}

/** The number that the source spells out in `value`, and that must fit where it goes: what an assignment gives is its right side. */
export function spelledOut(value: Int): bigint | null {
  if (value.k === "literal") return value.value;
  return value.k === "assign" && value.operator === null ? spelledOut(value.value) : null;
}

export function cast(to: Flavour, operand: Int): Int {
  return { k: "cast", to, operand, signed: to.startsWith("i"), flavour: to };
}

export function literal(value: bigint | number): Int {
  const big = BigInt(value) > BigInt(Number.MAX_SAFE_INTEGER);
  return { k: "literal", value: BigInt(value), signed: false, flavour: big ? "u64" : null };
}

export function binary(operator: Extract<Int, { k: "binary" }>["operator"], left: Int, right: Int): Int {
  const shift = operator === "<<" || operator === ">>" || operator === ">>>";
  return { k: "binary", operator, left, right, signed: shift ? left.signed : left.signed || right.signed, flavour: null };
}

/** What a name stands for where the generator writes a statement. */
import type { FieldPlace, FieldType, Flavour, Fn, Int, Struct } from "./tree.ts";

export interface IntName {
  name: string;
  signed: boolean;
  flavour: Flavour | null;
  mutable: boolean;
}

export interface ViewName {
  name: string;
  struct: Struct;
  /** The map whose element it is; `null` for the packet. */
  map: string | null;
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
  functions: Callable[] = [];

  /** What is declared in it is unknown outside. */
  inner(): Scope {
    return Object.assign(new Scope(), {
      ints: [...this.ints],
      bools: [...this.bools],
      views: this.living(),
      bytes: [...this.bytes],
      records: [...this.records],
      functions: [...this.functions],
    });
  }

  /** For the body of a closure: views may have died by the time it is called. */
  closure(): Scope {
    return Object.assign(this.inner(), { views: [] });
  }

  living(): ViewName[] {
    return this.views.filter(({ life }) => life.alive);
  }
}

/** Every field below `view` that `wanted` accepts. */
export function placesIn(view: { name: string; struct: Struct }, wanted: (type: FieldType) => boolean): FieldPlace[] {
  const below = (struct: Struct, path: string[], offset: number): FieldPlace[] =>
    struct.fields.flatMap((field) => {
      const place = { view: view.name, path: [...path, field.name], offset: offset + field.offset, type: field.type };
      const inner = field.type.kind === "struct" ? below(field.type.struct, place.path, place.offset) : [];
      return wanted(field.type) ? [place, ...inner] : inner;
    });
  return below(view.struct, [], 0);
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
  if (value.flavour === null || (value.flavour !== "mixed" && FLOWS[flavour].includes(value.flavour))) return value;
  return cast(flavour, value);
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

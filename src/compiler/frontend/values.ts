/**
 * What an expression of the source is while it is being compiled: integers are SSA values, everything else is a description with
 * SSA values inside, so that views, object literals and byte arrays cost nothing until they are read.
 */
import type ts from "typescript";
import type { Variable } from "../ir/builder.ts";
import type { Block, Region, Value as Ssa } from "../ir/ir.ts";
import type { Epoch, HeldEpochs } from "./epochs.ts";
import { layoutName, type ScalarLayout, type SizedLayout, type ViewLayout } from "./layout.ts";
import type { MapKind } from "./map-kinds.ts";

/** `bits` is the width within which the value is known to lie, zero- or sign-extended to 64. */
export interface IntType {
  bits: 1 | 8 | 16 | 32 | 64;
  signed: boolean;
}

export const U64: IntType = { bits: 64, signed: false };
export const I64: IntType = { bits: 64, signed: true };
export const U8: IntType = { bits: 8, signed: false };
export const U16: IntType = { bits: 16, signed: false };
export const U32: IntType = { bits: 32, signed: false };
export const BOOL: IntType = { bits: 1, signed: false };

export interface Memory {
  pointer: Ssa;
  /** Bytes from `pointer`. */
  offset: number;
  region: Region;
  /** For the packet: the epoch that the address is good in. */
  epoch?: Epoch;
  /** In the metadata, which ends where the packet begins. */
  metadata?: true;
  /** The program cannot write there. */
  readonly?: true;
}

export interface IntValue {
  kind: "int";
  ssa: Ssa;
  type: IntType;
  /** It is written as a number in the source, which therefore must fit where it is put. */
  isLiteral?: true;
}

/** A struct or array that lies in memory: a live reference. */
export interface ViewValue {
  kind: "view";
  layout: ViewLayout;
  memory: Memory;
}

/** A byte array that lies in memory, not read yet. */
export interface BytesPlaceValue {
  kind: "bytesPlace";
  length: number;
  memory: Memory;
}

/** A byte array that was read: pieces of 8, 4, 2 and 1 bytes, largest first, each as it lies in memory. */
export interface BytesValue {
  kind: "bytes";
  length: number;
  chunks: Chunk[];
}

export interface Chunk {
  offset: number;
  size: 1 | 2 | 4 | 8;
  ssa: Ssa;
}

/** A scalar in memory, reached through `.value`. */
export interface RefValue {
  kind: "ref";
  layout: ScalarLayout;
  memory: Memory;
}

/** `valid` decides whether there is a value. Narrowing in the source has proven that before `value` is used. */
export interface NullableValue {
  kind: "nullable";
  valid: Ssa;
  value: Value;
}

/** An object literal; or an array literal, whose fields are its indexes. */
export interface RecordValue {
  kind: "record";
  /** Of an array literal. */
  length?: number;
  /** `null` for what a plain literal holds; a variable once the record has a name and can be changed. */
  fields: Map<string, RecordField>;
}

export interface RecordField {
  value: Value;
  /** Where the field's current value is when it may change; `value` gives its shape. */
  place: Place | null;
}

/** Variables that together hold a value that changes: one for each SSA value in it. */
export interface Place {
  name: string;
  /** `null` until the first value other than `null` is assigned. */
  shape: Value | null;
  /** `null` may be assigned. */
  nullable: boolean;
  /** Where the variable began as `null`, before anyone knew its shape. */
  nullIn: Block | null;
  /** Someone has read that `null`, taking it for the only value there is. */
  readAsNull: boolean;
  /** Of the packet views that it holds. */
  epochs: HeldEpochs;
  /** Wraps what is assigned, when the variable has an integer type. */
  type: IntType | null;
  leaves: Variable[];
}

export interface FunctionValue {
  kind: "function";
  node: ts.FunctionDeclaration | ts.FunctionExpression | ts.ArrowFunction;
  /** What `noinline` or `inline` asked for; absent when the compiler decides. */
  build?: "subprogram" | "inline";
}

export interface MapValue {
  kind: "map";
  map: MapDeclaration;
  /** Of a map that is in another one: its address, as a lookup there gives it. */
  pointer?: Ssa;
}

export interface MapDeclaration {
  name: string;
  kind: MapKind;
  /** `null` for maps without keys. */
  key: SizedLayout | null;
  /** `null` for ring buffers whose records have no schema of their own. */
  value: SizedLayout | null;
  /** For a ring buffer its bytes. */
  entries: number;
  /** `BPF_F_…` */
  flags: number;
  /** What the kernel calls map_extra: a Bloom filter's number of hash functions. */
  extra: number;
  pinned: boolean;
  /** Of maps of maps: the shape of those. */
  inner: MapDeclaration | null;
  node: ts.Node;
}

export type Value =
  | IntValue
  | ViewValue
  | BytesPlaceValue
  | BytesValue
  | RefValue
  | NullableValue
  | RecordValue
  | FunctionValue
  | MapValue
  | { kind: "null" }
  | { kind: "void" }
  /** What could not be compiled, which has been reported: whoever comes upon it leaves in silence. */
  | { kind: "error" }
  | { kind: "context" }
  | { kind: "schema"; layout: SizedLayout | { kind: "bits"; bits: number } }
  /** A declaration of wirescript/kernel, and for a method what it is called on. */
  | { kind: "intrinsic"; name: string; receiver: Value | null }
  | { kind: "program"; call: ts.CallExpression }
  | { kind: "string"; text: string };

export const ERROR: Value = { kind: "error" };

/** For messages: what the value is, as the user would call it. */
export function describeValue(value: Value): string {
  switch (value.kind) {
    case "int":
      return value.type.bits === 1 ? "a boolean" : "an integer";
    case "view":
      return `a view of ${layoutName(value.layout)}`;
    case "bytesPlace":
    case "bytes":
      return `an array of ${value.length} bytes`;
    case "ref":
      return `a reference to a ${value.layout.name}`;
    case "nullable":
      return `${describeValue(value.value)} or null`;
    case "record":
      return value.length === undefined ? "an object literal" : `an array literal of ${value.length}`;
    case "function":
      return "a function";
    case "map":
      return `the map ${value.map.name}`;
    case "context":
      return "the context";
    case "schema":
      return `the schema ${layoutName(value.layout)}`;
    case "intrinsic":
      return `the function ${value.name}`;
    case "program":
      return "a program";
    case "string":
      return "a string";
    case "null":
      return "null";
    case "void":
      return "nothing";
    case "error":
      return "an error";
  }
}

const REGIONS: Partial<Record<Region, string>> = {
  packet: "the packet",
  map: "a map",
  stack: "the stack",
  data: "a variable of the module",
  record: "a record",
};

/** For messages about two values: as `describeValue`, and where they lie when that alone tells them apart. */
export function describeApart(left: Value, right: Value): { left: string; right: string } {
  const [one, other] = [describeValue(left), describeValue(right)];
  if (one !== other) return { left: one, right: other };
  return { left: `${one}${placeOf(left)}`, right: `${other}${placeOf(right)}` };
}

function placeOf(value: Value): string {
  const solid = value.kind === "nullable" ? value.value : value;
  const region = "memory" in solid ? REGIONS[solid.memory.region] : undefined;
  return region === undefined ? "" : ` in ${region}`;
}

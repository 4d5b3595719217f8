/**
 * A random module as a tree of plain data: what the generator makes, the printer turns into source, the evaluator runs, and the shrinker
 * takes apart. Names are unique in a module. Everything that the language decides statically (signs, places of fields) is written in
 * the nodes, so that no one has to infer it a second time.
 */

export type Flavour = "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64";
export type ScalarName = Flavour | "be16" | "be32" | "be64";

export type FieldType =
  | { kind: "scalar"; scalar: ScalarName }
  | { kind: "bool" }
  /** `position`: bits from the start of the struct's byte `offset`, in wire order. */
  | { kind: "bits"; bits: number; position: number }
  | { kind: "bytes"; size: number }
  | { kind: "struct"; struct: Struct }
  /** `stride`: bytes of an element. */
  | { kind: "array"; element: FieldType; stride: number; length: number };

export interface Field {
  name: string;
  type: FieldType;
  /** Bytes from the struct's start; for bit fields, of their run. */
  offset: number;
}

/** A `struct`, or a scalar schema seen as a struct with the one field `value`. */
export interface Struct {
  /** The name of the schema in the source, e.g. "S1" or "u32". */
  name: string;
  scalar: boolean;
  /** An `overlay`: its fields, of which a literal names one, lie over each other. */
  overlay?: boolean;
  size: number;
  fields: Field[];
}

/** A part of a view: `view.path[0].path[1]…`, where "[2]" is a constant index, and "[?]" the next of `indexes`. */
export interface Path {
  view: string;
  path: string[];
  /** Bytes from the view's start, without those that `indexes` add. */
  offset: number;
  indexes: Index[];
}

/** A variable index, which always lies in its array; it changes nothing. */
export interface Index {
  value: Int;
  stride: number;
}

export interface FieldPlace extends Path {
  type: FieldType;
}

/** `flavour`: the integer type in TypeScript's eyes; `null` for a plain number; "mixed" when it fits nowhere without a cast. */
interface IntNode {
  signed: boolean;
  flavour: Flavour | "mixed" | null;
}

export type BinaryOperator = "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^" | "<<" | ">>" | ">>>";
export type Comparison = "===" | "!==" | "<" | "<=" | ">" | ">=";

export type Int = IntNode &
  (
    | { k: "literal"; value: bigint }
    | { k: "name"; name: string }
    | { k: "field"; place: FieldPlace }
    | { k: "byte"; bytes: Bytes; index: number | Int }
    | { k: "record"; record: string; path: string[] }
    | { k: "length" }
    | { k: "context"; field: ContextField }
    /** What a ring buffer tells of itself that does not depend on earlier packets. */
    | { k: "query"; map: string; what: "availableData" | "ringSize" }
    /** What a cursor of `wirescript/net` found. */
    | { k: "cursor"; cursor: string; field: CursorField }
    /** A helper whose result differs from run to run, masked to nothing. */
    | { k: "nothing"; helper: "ktimeGetNs" | "getPrandomU32" | "getSmpProcessorId" }
    | { k: "binary"; operator: BinaryOperator; left: Int; right: Int }
    | { k: "unary"; operator: "-" | "~" | "+"; operand: Int }
    | { k: "byteSwap"; bits: 16 | 32 | 64; operand: Int }
    | { k: "cast"; to: Flavour; operand: Int }
    | { k: "choice"; condition: Bool; yes: Int; no: Int }
    /** `source?.path ?? otherwise`; `place.view` is not used. */
    | { k: "coalesce"; source: ViewSource; place: FieldPlace; otherwise: Int }
    /** Taken modulo 0xffff: kernels differ in whether they fold the sum, and in which of two zeros they give. */
    | { k: "checksum"; from: Bytes | null; to: Bytes | null; seed: Int }
    | { k: "call"; callee: string; args: Argument[] }
    | { k: "assign"; target: Target; operator: BinaryOperator | null; value: Int }
    | { k: "step"; target: Target; operator: "++" | "--"; prefix: boolean }
  );

/** On TC only: `mark` and `priority`, which can be written, and what changes with tags. `rxQueueIndex`: on XDP only. */
export type ContextField = "ingressIfindex" | "rxQueueIndex" | "mark" | "priority" | "protocol" | "vlanTci" | "vlanProtocol";
export type CursorField = "type" | "offset" | "protocol" | "fragment";

/** Whether a reader of a ring buffer is woken, which changes nothing that can be seen here. */
export type WakeUp = "auto" | "never" | "always";

export type Cursor =
  | { c: "ethernetPayload" }
  | { c: "ipPayload"; type: Int; offset: Int }
  | { c: "ipv4Payload" | "ipv6Payload"; offset: Int };

export type Bool =
  | { b: "compare"; operator: Comparison; left: Int; right: Int }
  | { b: "and" | "or"; left: Bool; right: Bool }
  | { b: "not"; operand: Bool }
  | { b: "truth"; operand: Int }
  | { b: "name"; name: string }
  | { b: "constant"; value: boolean }
  | { b: "field"; place: FieldPlace }
  | { b: "equals"; left: Bytes; right: Bytes }
  /** `equals(left, right)` of two structs or arrays of one schema, of `size` bytes. */
  | { b: "same"; left: Path; right: Path; size: number }
  | { b: "update"; map: string; key: Key; value: Value; mode: "any" | "noexist" | "exist" }
  | { b: "delete"; map: string; key: Key }
  | { b: "push"; map: string; value: Value; overwrite: boolean }
  /** Of Bloom filters. */
  | { b: "put-in" | "has"; map: string; value: Value }
  /** Of ring buffers. */
  | { b: "output"; map: string; value: Value; wakeUp: WakeUp | null }
  | { b: "store-bytes"; struct: Struct; offset: Int; value: Value }
  | { b: "present"; source: ViewSource };

export type Bytes =
  | { y: "field"; place: FieldPlace }
  | { y: "name"; name: string; size: number }
  | { y: "constant"; values: number[]; size: number };

/** A map's key: a number, an object literal, or a view that lies somewhere. */
export type Key = Value;
export type Value =
  | { v: "int"; struct: Struct; value: Int }
  | { v: "literal"; struct: Struct; fields: FieldValue[] }
  | ({ v: "view"; struct: Struct } & Path);

export interface FieldValue {
  field: Field;
  value: Content;
}

/** What a field or an element is set to. */
export type Content =
  | { f: "int"; value: Int }
  | { f: "bool"; value: Bool }
  | { f: "bytes"; value: Bytes }
  | { f: "struct"; value: Value }
  | { f: "array"; place: FieldPlace }
  | { f: "list"; element: FieldType; stride: number; values: Content[] };

export type ViewSource =
  | { w: "at"; struct: Struct; offset: Int; through: "at" | "generic" }
  /** The first of two places that the packet reaches. */
  | { w: "either"; struct: Struct; first: Int; second: Int }
  | { w: "lookup"; struct: Struct; map: string; key: Key }
  /** The copy of the CPU that asks, or, where `nowhere`, that of one that no machine has. */
  | { w: "lookup-cpu"; struct: Struct; map: string; key: Key; nowhere: Bool }
  | { w: "meta"; struct: Struct }
  /** A copy of a value of a queue or stack. */
  | { w: "take"; struct: Struct; map: string; how: "pop" | "peek" }
  /** A copy of the packet's bytes. */
  | { w: "load-bytes"; struct: Struct; offset: Int }
  /** A function that gives a view or `null`: of the packet, or of `map`. */
  | { w: "call"; struct: Struct; map: string | null; callee: string; args: Argument[] }
  /** A view that is there. */
  | ({ w: "view"; struct: Struct; map: string | null } & Path)
  | { w: "choice"; struct: Struct; condition: Bool; yes: ViewSource; no: ViewSource };

export type Argument = { a: "int"; value: Int } | ({ a: "view" } & Path) | { a: "record"; record: string };

/** What is assigned to; `wrap` is the type that what is written wraps at, 64 bits where it is `null`. */
export type Target = { signed: boolean; wrap: Flavour | null } & (
  | { t: "name"; name: string }
  | { t: "field"; place: FieldPlace }
  | { t: "byte"; place: FieldPlace; index: number | Int }
  | { t: "record"; record: string; path: string[] }
  | { t: "context"; field: "mark" | "priority" }
);

export type Statement =
  | { s: "int"; name: string; keyword: "const" | "let"; annotation: Flavour | null; wrap: Flavour | null; value: Int }
  | { s: "bool"; name: string; keyword: "const" | "let"; value: Bool }
  | { s: "set-bool"; name: string; value: Bool }
  | { s: "set-bool-field"; place: FieldPlace; value: Bool }
  | { s: "bytes"; name: string; keyword: "const" | "let"; value: Bytes }
  | { s: "set-bytes-name"; name: string; value: Bytes }
  | { s: "set-bytes"; place: FieldPlace; value: Bytes }
  | { s: "set-struct"; place: FieldPlace; value: Value }
  | { s: "set-array"; place: FieldPlace; value: Content }
  /** `for (const name of place)`. */
  | { s: "each"; name: string; place: FieldPlace; body: Statement[] }
  /** `swap(left, right)` of two places of one schema, of `size` bytes. */
  | { s: "swap"; left: FieldPlace; right: FieldPlace; size: number }
  /** `const name = viewAs(place, struct)`. */
  | ({ s: "view-as"; name: string; struct: Struct } & Path)
  /** `const name = cursor; if (!name) { otherwise }`, where `otherwise` leaves the function. */
  | { s: "cursor"; name: string; cursor: Cursor; otherwise: Statement[] }
  /** Goes on in another program, if there is one at `index`. */
  | { s: "tail-call"; index: Int }
  | { s: "record"; name: string; fields: { name: string; value: Int | { name: string; value: Int }[] }[] }
  | ({ s: "alias"; name: string } & Path)
  | { s: "destructure"; view: string; fields: { field: Field; name: string }[] }
  | { s: "expression"; value: Int }
  | { s: "effect"; value: Bool }
  | { s: "void-call"; callee: string; args: Argument[] }
  | { s: "atomic"; place: FieldPlace; value: Int }
  | { s: "atomic-name"; name: string; flavour: Flavour; value: Int }
  | { s: "if"; condition: Bool; then: Statement[]; otherwise: Statement[] }
  | { s: "switch"; value: Int; clauses: { label: bigint | null; body: Statement[] }[] }
  | { s: "for"; name: string; start: number; limit: number; step: number; body: Statement[] }
  | { s: "range"; name: string; start: number; end: number; body: Statement[] }
  | { s: "break" }
  | { s: "continue" }
  /** `const name = source; if (!name) { otherwise }`, where `otherwise` leaves the function. */
  | { s: "guard"; name: string; source: ViewSource; otherwise: Statement[] }
  | { s: "if-view"; name: string; source: ViewSource; then: Statement[]; otherwise: Statement[] }
  /** `let name = first; if (condition) name = second; if (name) { then }`. */
  | {
      s: "let-view";
      name: string;
      struct: Struct;
      first: ViewSource | null;
      condition: Bool;
      second: ViewSource;
      then: Statement[];
    }
  | { s: "move"; edge: "head" | "tail" | "meta"; delta: Int; otherwise: Statement[] }
  | { s: "reshape"; how: Reshape; otherwise: Statement[] }
  | { s: "local"; name: string; struct: Struct; value: Value }
  /**
   * `const name = map.reserve(); if (name) { … } else { otherwise }`: each of `fields` is set, since they begin as whatever was there, and
   * `body` gives the record back wherever it ends. `named`: the schema is an argument.
   */
  | {
      s: "reserve";
      name: string;
      map: string;
      struct: Struct;
      named: boolean;
      fields: FieldValue[];
      body: Statement[];
      otherwise: Statement[];
    }
  /** `const name = map.lookup(key); if (name) { then } else { otherwise }` of a map of maps: `name` is a map in `then`. */
  | { s: "inner"; name: string; map: string; key: Key; then: Statement[]; otherwise: Statement[] }
  | { s: "release"; map: string; record: string; how: "submit" | "discard"; wakeUp: WakeUp | null }
  | { s: "trace"; values: Int[] }
  | { s: "closure"; fn: Fn }
  | { s: "return"; value: Int | null }
  | { s: "return-view"; source: ViewSource | null }
  | { s: "verdict"; verdict: Verdict };

/** An action by its name, what `redirect(value)` gives, or what a redirect map gives. */
export type Action = string | Int | RedirectTo;
/** `map.redirect(key, fallback)`. */
export interface RedirectTo {
  r: "redirect-map";
  map: string;
  key: Int;
  /** `condition ? yes : no`; `null` where it is left out. */
  fallback: { condition: Bool | null; yes: string; no: string } | null;
}
export type Verdict = { condition: Bool | null; yes: Action; no: Action };

export type Parameter =
  | { p: "int"; name: string; flavour: Flavour }
  | { p: "view"; name: string; struct: Struct }
  | { p: "record"; name: string; type: string };

export interface Fn {
  d: "function";
  name: string;
  parameters: Parameter[];
  returns: Flavour | Finds | null;
  /** `noinline(…)` and `inline(…)`; closures are neither. */
  build: "noinline" | "inline" | null;
  body: Statement[];
}

/** How a TC program changes its packet as a whole: the method of its context, and what that is given. */
export interface Reshape {
  h: "pull" | "changeTail" | "changeHead" | "adjustRoom" | "pushVlan" | "popVlan";
  args: Int[];
  /** Of `adjustRoom`: behind which header. */
  mode?: "mac" | "net";
}

/** What a function gives that looks for a view: it may be `null`. */
export interface Finds {
  struct: Struct;
  /** `null` for the packet. */
  map: string | null;
}

export type MapKindName =
  | "array"
  | "perCpuArray"
  | "hash"
  | "perCpuHash"
  | "lruHash"
  | "lruPerCpuHash"
  | "lpmTrie"
  | "queue"
  | "stack"
  | "bloomFilter"
  | "ringBuffer"
  | "devMap"
  | "devMapHash"
  | "cpuMap"
  | "xskMap"
  | "arrayOfMaps"
  | "hashOfMaps";

export interface MapDeclaration {
  d: "map";
  name: string;
  kind: MapKindName;
  /** Used by tables only. */
  key: Struct;
  value: Struct;
  /** A ring buffer's declaration does not say what its records are. */
  untyped?: boolean;
  /** Of a ring buffer: its bytes. */
  entries: number;
  /** Contents before each packet; of queues and stacks the oldest first. */
  contents: { key: Uint8Array; value: Uint8Array }[];
  /** Of a map of maps: what those in it look like, and those that are there, each `at` its key. */
  inner?: MapDeclaration;
  inners?: (MapDeclaration & { at: Uint8Array })[];
  /** The map of maps that this one was found in. */
  outer?: string;
}

export type Setting = { d: "setting"; name: string } & (
  | { scalar: ScalarName; number: bigint }
  | { size: number; values: number[] }
  /** A literal of numbers. */
  | { value: Value }
);

/** A variable of the module, and its first value. */
export type Global = { d: "global"; name: string } & (
  | { g: "int"; flavour: Flavour; first: bigint }
  | { g: "bool"; first: boolean }
  | { g: "bytes"; first: number[]; size: number }
  /** A literal of numbers; zero where it is `null`. */
  | { g: "struct"; struct: Struct; first: Value | null }
);

/** Where the module's programs run. */
export type Hook = "xdp" | "tc";

export interface Module {
  hook: Hook;
  /** The programs take frames in several buffers. */
  frags: boolean;
  /** Programs that run before `body`, as parts of a chain. */
  chain: Program[];
  /** Programs that tail calls go to, by their index. */
  tails: Program[];
  structs: (Struct & { d: "struct" })[];
  /** Lengths of byte arrays that have a schema of their own. */
  byteSizes: number[];
  settings: Setting[];
  globals: Global[];
  maps: MapDeclaration[];
  functions: Fn[];
  body: Statement[];
}

export interface Program {
  d: "program";
  body: Statement[];
}

/** Maps with keys, whose values programs reach. */
export function isTable(map: MapDeclaration): boolean {
  return !isQueue(map) && !isRedirect(map) && map.kind !== "bloomFilter" && map.kind !== "ringBuffer" && !isOfMaps(map);
}

/** Maps that say where packets go on to; programs do not change them. */
export function isRedirect({ kind }: MapDeclaration): boolean {
  return kind === "devMap" || kind === "devMapHash" || kind === "cpuMap" || kind === "xskMap";
}

export function isOfMaps({ kind }: MapDeclaration): boolean {
  return kind === "arrayOfMaps" || kind === "hashOfMaps";
}

/** Tables whose keys are the numbers of their elements, which are all there from the start. */
export function isIndexed({ kind }: Pick<MapDeclaration, "kind">): boolean {
  return kind === "array" || kind === "perCpuArray";
}

/** Tables of which each CPU has a copy. */
export function isPerCpu({ kind }: MapDeclaration): boolean {
  return kind === "perCpuArray" || kind === "perCpuHash" || kind === "lruPerCpuHash";
}

/** Maps without keys, whose values wait to be taken out. */
export function isQueue({ kind }: MapDeclaration): boolean {
  return kind === "queue" || kind === "stack";
}

export const FLAVOURS: readonly Flavour[] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"];

export function isSigned(scalar: ScalarName): boolean {
  return scalar.startsWith("i");
}

export function sizeOfScalar(scalar: ScalarName): number {
  return Number(scalar.replace(/\D/g, "")) / 8;
}

/** The type of a scalar's values: `be16` reads as `u16`. */
export function flavourOf(scalar: ScalarName): Flavour {
  return scalar.replace("be", "u") as Flavour;
}

/** The fields of a record by which functions take it. */
export const RECORD_TYPE = "{ a: number; b: number; inner: { c: number } }";

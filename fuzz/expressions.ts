/** Random expressions over what a scope has. */
import { INTERESTING } from "./declarations.ts";
import { holdsOverlay, isSameType, sizeOfType } from "./field-types.ts";
import { VERDICTS } from "./hooks.ts";
import type { Random } from "./random.ts";
import {
  binary,
  type Callable,
  type ChooseIndex,
  cast,
  type IntName,
  into,
  intoBits,
  isInt,
  literal,
  placesIn,
  type Scope,
} from "./scope.ts";
import {
  type Action,
  type Argument,
  type BinaryOperator,
  type Bool,
  type Bytes,
  type Content,
  type CursorField,
  type FieldPlace,
  type FieldType,
  type Finds,
  FLAVOURS,
  flavourOf,
  type Hook,
  type Int,
  isQueue,
  isSigned,
  type MapDeclaration,
  type Path,
  type Struct,
  type Target,
  type Value,
  type Verdict,
  type ViewSource,
} from "./tree.ts";

const OPERATORS: readonly BinaryOperator[] = ["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>"];
const COMPARISONS = ["===", "!==", "<", "<=", ">", ">="] as const;

export class Expressions {
  readonly random: Random;
  readonly structs: readonly Struct[];
  /** All; and those with keys, which can be looked up. */
  readonly maps: readonly MapDeclaration[];
  readonly tables: readonly MapDeclaration[];
  readonly hook: Hook;
  readonly #sizes: Set<number>;
  /** Keys and values are built without changing anything meanwhile. */
  #pure = 0;
  /** What was compared with a literal: TypeScript may take it for that number from then on, and wants no other. */
  readonly #compared = new Set<string>();
  /** What may be called here. */
  allowed: (callable: Callable) => boolean = () => true;
  called: (callable: Callable) => void = () => undefined;

  constructor(random: Random, structs: readonly Struct[], maps: readonly MapDeclaration[], sizes: Set<number>, hook: Hook) {
    this.random = random;
    this.structs = structs;
    this.maps = maps;
    this.tables = maps.filter((map) => !isQueue(map));
    this.hook = hook;
    this.#sizes = sizes;
  }

  pure<T>(make: () => T): T {
    this.#pure++;
    try {
      return make();
    } finally {
      this.#pure--;
    }
  }

  // -- integers --

  /** `depth`: how deeply operators may nest. */
  int(scope: Scope, depth: number): Int {
    const { random } = this;
    const fields = this.places(scope, isInt);
    const deep = depth > 0 ? 1 : 0;
    const callables =
      this.#pure > 0 ? [] : scope.functions.filter((each) => typeof each.fn.returns === "string" && this.allowed(each));
    const targets = this.#pure > 0 || deep === 0 ? [] : this.targets(scope);
    const make = random.weighted<() => Int>([
      [3, () => literal(random.chance(60) ? random.below(64) : random.pick(INTERESTING))],
      [scope.ints.length > 0 ? 8 : 0, () => this.#name(scope)],
      [fields.length > 0 ? 8 : 0, () => field(random.pick(fields))],
      [scope.records.length > 0 ? 2 : 0, () => this.#record(scope)],
      [scope.cursors.length > 0 ? 2 : 0, () => this.#cursor(scope, CURSOR_FIELDS)],
      [1, () => ({ k: "length", signed: false, flavour: "u32" })],
      [random.chance(10) ? 1 : 0, () => this.#circumstance()],
      [this.#hasBytes(scope) ? 1 : 0, () => this.#byte(scope)],
      [deep * 12, () => this.#binary(scope, depth)],
      [deep * 2, () => this.#unary(scope, depth)],
      [deep, () => this.#byteSwap(scope, depth)],
      [deep * 3, () => cast(random.pick(FLAVOURS), this.int(scope, depth - 1))],
      [deep * 2, () => this.#choice(scope, depth)],
      [deep * 2, () => this.#coalesce(scope, depth)],
      [deep * (this.#hasBytes(scope) ? 1 : 0), () => this.#checksum(scope, depth)],
      [callables.length > 0 ? deep * 3 : 0, () => this.call(scope, random.pick(callables), depth)],
      [targets.length > 0 ? 1 : 0, () => this.assign(scope, random.pick(targets), depth - 1)],
      [targets.length > 0 ? 1 : 0, () => this.step(random.pick(targets))],
    ]);
    return make();
  }

  /** For where a literal would be an error of TypeScript's, such as a comparison that cannot hold. */
  variable(scope: Scope, depth: number): Int {
    const value = this.int(scope, depth);
    if (value.k === "literal") return { k: "length", signed: false, flavour: "u32" };
    // Their types may be those of literals.
    const narrow = value.k === "choice" || value.k === "assign" || value.k === "coalesce";
    return narrow ? cast(value.signed ? "i64" : "u64", value) : value;
  }

  /** For a `switch`, whose labels are literals. */
  switched(scope: Scope, depth: number): Int {
    return this.#comparedOnce(this.variable(scope, depth));
  }

  #comparedOnce(value: Int): Int {
    const what =
      value.k === "name"
        ? value.name
        : value.k === "field"
          ? pathOf(value.place)
          : value.k === "record"
            ? [value.record, ...value.path].join(".")
            : null;
    if (what === null) return value;
    if (this.#compared.has(what)) return cast(value.signed ? "i64" : "u64", value);
    this.#compared.add(what);
    return value;
  }

  #name(scope: Scope): Int {
    return nameOf(this.random.pick(scope.ints));
  }

  #circumstance(): Int {
    const { random } = this;
    if (random.chance(50)) {
      const field = random.pick([...CONTEXT_FIELDS[this.hook]]);
      return { k: "context", field, signed: false, flavour: "u32" };
    }
    const helper = random.pick(["ktimeGetNs", "getPrandomU32", "getSmpProcessorId"] as const);
    return { k: "nothing", helper, signed: false, flavour: null };
  }

  #record(scope: Scope): Int {
    const path = this.random.pick([["a"], ["b"], ["inner", "c"]]);
    return { k: "record", record: this.random.pick(scope.records), path, signed: false, flavour: null };
  }

  /** One of `fields` of a cursor, as far as it has them. */
  #cursor(scope: Scope, fields: readonly CursorField[]): Int {
    const { name, isPacket } = this.random.pick(scope.cursors);
    const own = fields.filter((field) => field === "offset" || (field === "type") !== isPacket);
    const field = this.random.pick(own);
    const flavour = field === "offset" ? "u32" : field === "protocol" ? "u8" : "u16";
    return { k: "cursor", cursor: name, field, signed: false, flavour };
  }

  #byte(scope: Scope): Int {
    const bytes = this.bytes(scope, null, false);
    return { k: "byte", bytes, index: this.index(scope)(sizeOfBytes(bytes)), signed: false, flavour: null };
  }

  #binary(scope: Scope, depth: number): Int {
    return binary(this.random.pick(OPERATORS), this.int(scope, depth - 1), this.int(scope, depth - 1));
  }

  #unary(scope: Scope, depth: number): Int {
    const operator = this.random.pick(["-", "~", "+"] as const);
    const operand = this.variable(scope, depth - 1);
    // A plus gives a number like the others, of whatever sign its operand has.
    return { k: "unary", operator, operand, signed: operator === "-" || operand.signed, flavour: null };
  }

  #byteSwap(scope: Scope, depth: number): Int {
    const bits = this.random.pick([16, 32, 64] as const);
    return { k: "byteSwap", bits, operand: this.int(scope, depth - 1), signed: false, flavour: `u${bits}` };
  }

  #choice(scope: Scope, depth: number): Int {
    const condition = this.bool(scope, depth - 1);
    const yes = this.int(scope, depth - 1);
    const other = this.int(scope, depth - 1);
    const no = yes.signed === other.signed ? other : cast(yes.signed ? "i64" : "u64", other);
    return { k: "choice", condition, yes, no, signed: yes.signed, flavour: "mixed" };
  }

  #coalesce(scope: Scope, depth: number): Int {
    const source = this.source(scope, depth - 1);
    const place = this.random.pick([...placesIn({ name: "", struct: source.struct }, isInt, this.index(scope)), null]);
    if (place === null) return this.int(scope, depth - 1);
    const value = field(place);
    const other = this.int(scope, depth - 1);
    const otherwise = value.signed === other.signed ? other : cast(value.signed ? "i64" : "u64", other);
    return { k: "coalesce", source, place, otherwise, signed: value.signed, flavour: "mixed" };
  }

  #checksum(scope: Scope, depth: number): Int {
    const word = (type: FieldType) => type.kind === "bytes" && type.size % 4 === 0;
    const places = this.places(scope, word);
    const part = (): Bytes | null => {
      if (this.random.chance(20)) return null;
      if (places.length > 0 && this.random.chance(70)) return { y: "field", place: this.random.pick(places) };
      return this.bytes(scope, 4, true);
    };
    return {
      k: "checksum",
      from: part(),
      to: part(),
      seed: into(this.int(scope, depth - 1), "u32"),
      signed: true,
      flavour: null,
    };
  }

  call(scope: Scope, callable: Callable, depth: number): Int {
    const { fn } = callable;
    const args = this.args(scope, callable, depth);
    if (args === null) return literal(7);
    const flavour = typeof fn.returns === "string" ? fn.returns : "u64";
    return { k: "call", callee: fn.name, args, signed: flavour.startsWith("i"), flavour };
  }

  /** `null` when the scope lacks what a parameter wants. */
  args(scope: Scope, callable: Callable, depth: number): Argument[] | null {
    const args: Argument[] = [];
    for (const parameter of callable.fn.parameters) {
      if (parameter.p === "int") {
        args.push({ a: "int", value: into(this.int(scope, depth - 1), parameter.flavour) });
      } else if (parameter.p === "view") {
        const views = this.viewsOf(scope, parameter.struct, "write");
        if (views.length === 0) return null;
        args.push({ a: "view", ...this.random.pick(views) });
      } else {
        if (scope.records.length === 0) return null;
        args.push({ a: "record", record: this.random.pick(scope.records) });
      }
    }
    this.called(callable);
    return args;
  }

  assign(scope: Scope, target: Target, depth: number): Int {
    const { random } = this;
    const operator = random.chance(50) ? random.pick(OPERATORS) : null;
    const right = this.int(scope, depth);
    if (operator === null) {
      const value = target.wrap === null ? intoBits(into(right, null), bitsOf(target)) : into(right, target.wrap);
      return { k: "assign", target, operator, value, signed: value.signed, flavour: value.flavour };
    }
    const shift = operator === "<<" || operator === ">>" || operator === ">>>";
    const signed = shift ? target.signed : target.signed || right.signed;
    return { k: "assign", target, operator, value: right, signed, flavour: null };
  }

  step(target: Target): Int {
    const operator = this.random.pick(["++", "--"] as const);
    return { k: "step", target, operator, prefix: this.random.chance(50), signed: target.signed, flavour: "mixed" };
  }

  /** Everything that an integer can be assigned to. */
  targets(scope: Scope): Target[] {
    return [
      ...scope.ints.flatMap(({ name, signed, flavour, mutable }): Target[] =>
        mutable ? [{ t: "name", name, signed, wrap: flavour }] : [],
      ),
      ...this.places(scope, isInt, "write").map((place): Target => {
        const { signed } = field(place);
        const wrap = place.type.kind === "scalar" ? flavourOf(place.type.scalar) : null;
        return { t: "field", place, signed, wrap };
      }),
      ...this.places(scope, (type) => type.kind === "bytes", "write").map((place): Target => {
        const size = place.type.kind === "bytes" ? place.type.size : 1;
        return { t: "byte", place, index: this.index(scope)(size), signed: false, wrap: null };
      }),
      ...scope.records.map(
        (record): Target => ({
          t: "record",
          record,
          path: this.random.pick([["a"], ["b"], ["inner", "c"]]),
          signed: false,
          wrap: null,
        }),
      ),
      ...(this.hook === "tc" ? TC_TARGETS : []),
    ];
  }

  /** Fields and elements of all views; of arrays one element each. */
  places(scope: Scope, wanted: (type: FieldType) => boolean, use: "read" | "write" = "read"): FieldPlace[] {
    const views = scope.living().filter((view) => use === "read" || view.readonly !== true);
    return views.flatMap((view) => placesIn(view, wanted, this.index(scope)));
  }

  /** Views of `struct`, and fields of views that are such structs. */
  viewsOf(scope: Scope, struct: Struct, use: "read" | "write" = "read"): Path[] {
    const isSuch = (type: FieldType) => type.kind === "struct" && type.struct === struct;
    const whole = scope.living().filter((view) => view.struct === struct && (use === "read" || view.readonly !== true));
    return [
      ...whole.map(({ name }) => ({ view: name, path: [], offset: 0, indexes: [] })),
      ...this.places(scope, isSuch, use).map(({ view, path, offset, indexes }) => ({ view, path, offset, indexes })),
    ];
  }

  /** An index that the compiler can prove to lie in the array: a constant, a counter, or what a mask or a remainder leaves. */
  index(scope: Scope): ChooseIndex {
    const { random } = this;
    return (length) => {
      const counters = scope.ints.filter(({ below }) => below !== undefined && below <= length);
      if (counters.length > 0 && random.chance(60)) return nameOf(random.pick(counters));
      if (scope.ints.length === 0 || random.chance(50)) return random.below(length);
      const base = nameOf(random.pick(scope.ints));
      const mask = 2 ** Math.floor(Math.log2(length)) - 1;
      if (random.chance(50)) return binary("&", base, literal(mask));
      return binary("%", base.signed ? cast("u64", base) : base, literal(length));
    };
  }

  // -- booleans --

  bool(scope: Scope, depth: number): Bool {
    const { random } = this;
    const flags = this.places(scope, (type) => type.kind === "bool");
    const deep = depth > 0 ? 1 : 0;
    const make = random.weighted<() => Bool>([
      [8, () => this.#compare(scope, depth - 1)],
      [scope.bools.length > 0 ? 3 : 0, () => ({ b: "name", name: random.pick(scope.bools).name })],
      [flags.length > 0 ? 3 : 0, () => ({ b: "field", place: random.pick(flags) })],
      [deep * 2, () => ({ b: "and", left: this.bool(scope, depth - 1), right: this.bool(scope, depth - 1) })],
      [deep * 2, () => ({ b: "or", left: this.bool(scope, depth - 1), right: this.bool(scope, depth - 1) })],
      [deep * 2, () => ({ b: "not", operand: this.bool(scope, depth - 1) })],
      [2, () => ({ b: "truth", operand: this.variable(scope, depth - 1) })],
      [this.#hasBytes(scope) ? 2 : 0, () => this.#equals(scope)],
      [2, () => this.#same(scope, depth)],
      [deep, () => ({ b: "present", source: this.source(scope, depth - 1) })],
    ]);
    return make();
  }

  #compare(scope: Scope, depth: number): Bool {
    const left = this.variable(scope, depth);
    const operator = this.random.pick(COMPARISONS);
    const right = this.int(scope, depth);
    const narrows = right.k === "literal" && (operator === "===" || operator === "!==");
    return { b: "compare", operator, left: narrows ? this.#comparedOnce(left) : left, right };
  }

  #equals(scope: Scope): Bool {
    const left = this.bytes(scope, null, false);
    return { b: "equals", left, right: this.bytes(scope, sizeOfBytes(left), true) };
  }

  /** Two structs or arrays of one schema. */
  #same(scope: Scope, depth: number): Bool {
    const left = this.#aggregate(scope);
    const right = left === null ? null : this.#aggregate(scope, left.type);
    if (left === null || right === null) return this.#compare(scope, depth - 1);
    return { b: "same", left, right, size: sizeOfType(left.type) };
  }

  #aggregate(scope: Scope, like?: FieldType): FieldPlace | null {
    const places = this.places(scope, (type) => {
      if (type.kind !== "struct" && type.kind !== "array") return false;
      return like === undefined ? sizeOfType(type) <= 64 : isSameType(type, like);
    });
    return places.length === 0 ? null : this.random.pick(places);
  }

  verdict(scope: Scope): Verdict {
    const { random } = this;
    const action = (): Action => (random.chance(5) ? into(this.int(scope, 1), "u32") : random.pick(VERDICTS[this.hook]).name);
    return { condition: random.chance(50) ? this.bool(scope, 2) : null, yes: action(), no: action() };
  }

  // -- byte arrays --

  #hasBytes(scope: Scope): boolean {
    return scope.bytes.length > 0 || this.places(scope, (type) => type.kind === "bytes").length > 0;
  }

  /** A byte array of `size` bytes, or of any. */
  bytes(scope: Scope, size: number | null, constants: boolean): Bytes {
    const { random } = this;
    const fits = (type: FieldType) => type.kind === "bytes" && (size === null || type.size === size);
    const choices: Bytes[] = [
      ...this.places(scope, fits).map((place): Bytes => ({ y: "field", place })),
      ...scope.bytes.flatMap((each): Bytes[] =>
        size === null || each.size === size ? [{ y: "name", name: each.name, size: each.size }] : [],
      ),
    ];
    if (choices.length > 0 && !(constants && random.chance(25))) return random.pick(choices);
    const length = size ?? 6;
    this.#sizes.add(length);
    return { y: "constant", values: [...random.bytes(random.between(0, length))], size: length };
  }

  // -- views, keys and values --

  source(scope: Scope, depth: number): ViewSource {
    const { random } = this;
    const finders = this.#pure > 0 ? [] : scope.functions.filter((each) => findsOf(each) !== null && this.allowed(each));
    if (finders.length > 0 && random.chance(40)) {
      const finder = random.pick(finders);
      const finds = findsOf(finder);
      const args = this.args(scope, finder, depth);
      if (finds !== null && args !== null) return { w: "call", ...finds, callee: finder.fn.name, args };
    }
    if (random.chance(3)) return { w: "meta", struct: random.pick(this.structs) };
    const small = this.structs.filter(({ size }) => size <= MOST_STACK);
    if (small.length > 0 && random.chance(6)) {
      return { w: "load-bytes", struct: random.pick(small), offset: into(this.offset(scope, depth), "u32") };
    }
    const queues = this.#pure > 0 ? [] : this.maps.filter((map) => isQueue(map) && map.value.size <= MOST_STACK);
    if (queues.length > 0 && random.chance(15)) {
      const { name, value } = random.pick(queues);
      return { w: "take", struct: value, map: name, how: random.pick(["pop", "pop", "peek"]) };
    }
    const map = this.tables.length > 0 && random.chance(40) ? random.pick(this.tables) : null;
    return this.sourceOf(scope, depth, map === null ? random.pick(this.structs) : map.value, map);
  }

  /** A view of `struct` in the packet, or in an element of `map`. */
  sourceOf(scope: Scope, depth: number, struct: Struct, map: MapDeclaration | null): ViewSource {
    const { random } = this;
    const name = map?.name ?? null;
    const known = this.viewsOf(scope, struct).filter(({ view }) =>
      scope.living().some((each) => each.name === view && each.map === name),
    );
    const fresh = () => this.#fresh(scope, depth, struct, map);
    const one = (): ViewSource =>
      known.length > 0 && random.chance(30) ? { w: "view", struct, map: name, ...random.pick(known) } : fresh();
    if (depth > 0 && random.chance(15))
      return { w: "choice", struct, condition: this.bool(scope, depth - 1), yes: one(), no: fresh() };
    return fresh();
  }

  #fresh(scope: Scope, depth: number, struct: Struct, map: MapDeclaration | null): ViewSource {
    if (map === null) return this.#at(scope, depth, struct);
    return { w: "lookup", struct, map: map.name, key: this.pure(() => this.key(scope, map)) };
  }

  #at(scope: Scope, depth: number, struct: Struct): ViewSource {
    if (this.random.chance(15)) {
      return { w: "either", struct, first: this.offset(scope, depth), second: this.offset(scope, depth) };
    }
    return { w: "at", struct, offset: this.offset(scope, depth), through: this.random.chance(20) ? "generic" : "at" };
  }

  /** Mostly inside of the packet, sometimes anything at all. Not a constant below zero: that is an error. */
  offset(scope: Scope, depth: number): Int {
    const { random } = this;
    const fields = this.places(scope, (type) => type.kind === "scalar");
    const mask = random.pick([3, 7, 15, 31, 63, 127]);
    const small = () => binary("&", this.int(scope, Math.max(0, depth - 1)), literal(mask));
    const afterCursor = () => this.#cursor(scope, ["offset"]);
    return random.weighted<() => Int>([
      [6, () => literal(random.below(90))],
      [scope.cursors.length > 0 ? 10 : 0, afterCursor],
      [scope.cursors.length > 0 ? 4 : 0, () => binary("+", afterCursor(), literal(random.below(40)))],
      [scope.cursors.length > 0 ? 3 : 0, () => binary("+", afterCursor(), binary("*", small(), literal(4)))],
      [5, () => binary("+", small(), literal(random.below(40)))],
      [3, () => binary("+", literal(random.below(40)), small())],
      [2, () => binary("+", binary("*", small(), literal(random.pick([2, 4]))), literal(14))],
      [fields.length > 0 ? 2 : 0, () => field(random.pick(fields))],
    ])();
  }

  key(scope: Scope, map: MapDeclaration): Value {
    const { random } = this;
    const views = map.key.scalar ? [] : this.viewsOf(scope, map.key);
    if (views.length > 0 && random.chance(20)) return { v: "view", struct: map.key, ...random.pick(views) };
    if (map.key.scalar) return { v: "int", struct: map.key, value: this.#small(scope) };
    if (map.kind === "lpmTrie") return this.#prefix(scope, map.key);
    return this.literal(scope, map.key, true);
  }

  #small(scope: Scope): Int {
    return this.random.chance(40) ? literal(this.random.below(6)) : binary("&", this.int(scope, 1), literal(7));
  }

  #prefix(scope: Scope, struct: Struct): Value {
    const { random } = this;
    const [length, address] = struct.fields;
    if (length === undefined || address === undefined) throw new Error("a prefix has two fields");
    const bits = random.chance(70)
      ? literal(random.pick([0, 8, 16, 24, 32, 33]))
      : binary("&", this.int(scope, 1), literal(63));
    const place = binary("+", literal(0x0a00_0000), this.#small(scope));
    return {
      v: "literal",
      struct,
      fields: [
        { field: length, value: { f: "int", value: bits } },
        { field: address, value: { f: "int", value: place } },
      ],
    };
  }

  /** What is assigned to a view of `struct`; `null` when there is nothing: TypeScript wants all members of an overlay there. */
  assigned(scope: Scope, struct: Struct): Value | null {
    if (!holdsOverlay({ kind: "struct", struct })) return this.value(scope, struct);
    const views = this.viewsOf(scope, struct);
    return views.length === 0 ? null : { v: "view", struct, ...this.random.pick(views) };
  }

  value(scope: Scope, struct: Struct): Value {
    const views = struct.scalar ? [] : this.viewsOf(scope, struct);
    if (views.length > 0 && this.random.chance(40)) return { v: "view", struct, ...this.random.pick(views) };
    if (!struct.scalar) return this.literal(scope, struct, false);
    const [only] = struct.fields;
    const flavour = only?.type.kind === "scalar" ? flavourOf(only.type.scalar) : "u64";
    return { v: "int", struct, value: into(this.int(scope, 2), flavour) };
  }

  /** An object literal for `struct`. For a key most of it is zero, so that programs meet the same key twice. */
  literal(scope: Scope, struct: Struct, key: boolean): Value {
    const chosen = struct.overlay === true ? [this.random.pick(struct.fields)] : struct.fields;
    const fields = chosen.map((each, index) => ({ field: each, value: this.content(scope, each.type, key, index) }));
    return { v: "literal", struct, fields };
  }

  /** `index`: which field it is; of a key, all but the first are zero. */
  content(scope: Scope, type: FieldType, key: boolean, index: number): Content {
    switch (type.kind) {
      case "scalar":
      case "bits": {
        const flavour = type.kind === "scalar" ? flavourOf(type.scalar) : null;
        const value = !key ? this.int(scope, 1) : index === 0 ? this.#small(scope) : literal(0);
        return { f: "int", value: type.kind === "bits" ? intoBits(into(value, flavour), type.bits) : into(value, flavour) };
      }
      case "bool":
        return { f: "bool", value: this.bool(scope, key ? 0 : 1) };
      case "bytes": {
        const zero: Bytes = { y: "constant", values: [], size: type.size };
        return { f: "bytes", value: key ? zero : this.bytes(scope, type.size, true) };
      }
      case "struct":
        return { f: "struct", value: this.literal(scope, type.struct, key) };
      case "array": {
        const places = this.places(scope, (other) => isSameType(type, other));
        if (places.length > 0 && !key && this.random.chance(50)) return { f: "array", place: this.random.pick(places) };
        const { element, stride, length } = type;
        const values = Array.from({ length }, (_, at) => this.content(scope, element, key, index + at));
        return { f: "list", element, stride, values };
      }
    }
  }
}

/** Copies on the stack are no larger, since there are 512 bytes for all of them. */
const MOST_STACK = 40;

const CONTEXT_FIELDS = { xdp: ["ingressIfindex", "rxQueueIndex"], tc: ["ingressIfindex", "mark", "priority"] } as const;
const CURSOR_FIELDS: readonly CursorField[] = ["type", "offset", "protocol", "fragment"];
const TC_TARGETS: readonly Target[] = (["mark", "priority"] as const).map((field) => ({
  t: "context",
  field,
  signed: false,
  wrap: "u32",
}));

/** The width of a target without a type: a bit field, a byte, or a number. */
function bitsOf(target: Target): number {
  if (target.t === "byte") return 8;
  return target.t === "field" && target.place.type.kind === "bits" ? target.place.type.bits : 64;
}

function nameOf({ name, signed, flavour }: IntName): Int {
  return { k: "name", name, signed, flavour };
}

export function field(place: FieldPlace): Int {
  const { type } = place;
  if (type.kind === "scalar") return { k: "field", place, signed: isSigned(type.scalar), flavour: flavourOf(type.scalar) };
  return { k: "field", place, signed: false, flavour: null };
}

function pathOf({ view, path }: FieldPlace): string {
  return [view, ...path].join(".");
}

function findsOf({ fn: { returns } }: Callable): Finds | null {
  return typeof returns === "object" ? returns : null;
}

export function sizeOfBytes(bytes: Bytes): number {
  if (bytes.y !== "field") return bytes.size;
  return bytes.place.type.kind === "bytes" ? bytes.place.type.size : 0;
}

/** Random expressions over what a scope has: integers and booleans, from which the others are reached. */
import { INTERESTING } from "./declarations.ts";
import { field, nameOf } from "./expression-writer.ts";
import { isSameType, sizeOfType } from "./field-types.ts";
import { VERDICTS } from "./hooks.ts";
import { binary, type Callable, cast, into, intoBits, isInt, literal, placesIn, type Scope } from "./scope.ts";
import {
  type Action,
  type Argument,
  type BinaryOperator,
  type Bool,
  type Bytes,
  type CursorField,
  type FieldPlace,
  type FieldType,
  FLAVOURS,
  flavourOf,
  type Int,
  type RedirectTo,
  type Target,
  type Verdict,
} from "./tree.ts";
import { sizeOfBytes } from "./value-expressions.ts";
import { ViewExpressions } from "./view-expressions.ts";

const OPERATORS: readonly BinaryOperator[] = ["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>"];
const COMPARISONS = ["===", "!==", "<", "<=", ">", ">="] as const;
const CONTEXT_FIELDS = {
  xdp: ["ingressIfindex", "rxQueueIndex"],
  tc: ["ingressIfindex", "mark", "priority", "protocol", "vlanTci", "vlanProtocol"],
} as const;
const CURSOR_FIELDS: readonly CursorField[] = ["type", "offset", "protocol", "fragment"];
const TC_TARGETS: readonly Target[] = (["mark", "priority"] as const).map((field) => ({
  t: "context",
  field,
  signed: false,
  wrap: "u32",
}));

/** Questions to Bloom filters in each other. */
const MOST_QUESTIONS = 4;

export class Expressions extends ViewExpressions {
  /** What was compared with a literal: TypeScript may take it for that number from then on, and wants no other. */
  readonly #compared = new Set<string>();

  // -- integers --

  int(scope: Scope, depth: number): Int {
    const { random } = this;
    const fields = this.places(scope, isInt);
    const deep = depth > 0 ? 1 : 0;
    const callables =
      this.pureDepth > 0 ? [] : scope.functions.filter((each) => typeof each.fn.returns === "string" && this.allowed(each));
    const targets = this.pureDepth > 0 || deep === 0 ? [] : this.targets(scope);
    const make = random.weighted<() => Int>([
      [3, () => literal(random.chance(60) ? random.below(64) : random.pick(INTERESTING))],
      [scope.ints.length > 0 ? 8 : 0, () => this.#name(scope)],
      [fields.length > 0 ? 8 : 0, () => field(random.pick(fields))],
      [scope.records.length > 0 ? 2 : 0, () => this.#record(scope)],
      [scope.cursors.length > 0 ? 2 : 0, () => this.cursor(scope, CURSOR_FIELDS)],
      [1, () => ({ k: "length", signed: false, flavour: "u32" })],
      [random.chance(10) ? 1 : 0, () => this.#circumstance()],
      [this.ringsIn(scope).length > 0 ? 1 : 0, () => this.#query(scope)],
      [this.hasBytes(scope) ? 1 : 0, () => this.#byte(scope)],
      [deep * 12, () => this.#binary(scope, depth)],
      [deep * 2, () => this.#unary(scope, depth)],
      [deep, () => this.#byteSwap(scope, depth)],
      [deep * 3, () => cast(random.pick(FLAVOURS), this.int(scope, depth - 1))],
      [deep * 2, () => this.#choice(scope, depth)],
      [deep * 2, () => this.#coalesce(scope, depth)],
      [deep * (this.hasBytes(scope) ? 1 : 0), () => this.#checksum(scope, depth)],
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
      const flavour = field === "protocol" || field === "vlanTci" || field === "vlanProtocol" ? "u16" : "u32";
      return { k: "context", field, signed: false, flavour };
    }
    const helper = random.pick(["ktimeGetNs", "getPrandomU32", "getSmpProcessorId"] as const);
    return { k: "nothing", helper, signed: false, flavour: null };
  }

  #record(scope: Scope): Int {
    const path = this.random.pick([["a"], ["b"], ["inner", "c"]]);
    return { k: "record", record: this.random.pick(scope.records), path, signed: false, flavour: null };
  }

  #query(scope: Scope): Int {
    const what = this.random.pick(["availableData", "availableData", "ringSize"] as const);
    return { k: "query", map: this.random.pick(this.ringsIn(scope)).name, what, signed: false, flavour: "u64" };
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
      [this.hasBytes(scope) ? 2 : 0, () => this.#equals(scope)],
      [2, () => this.#same(scope, depth)],
      // What is asked for may hold the answer to another question, but not without end.
      [this.filters.length > 0 && this.pureDepth < MOST_QUESTIONS ? 4 : 0, () => this.ofFilter(scope, "has")],
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
    const action = (): Action => {
      if (this.redirects.length > 0 && random.chance(40)) return this.#redirectTo(scope);
      return random.chance(5) ? into(this.int(scope, 1), "u32") : random.pick(VERDICTS[this.hook]).name;
    };
    return { condition: random.chance(50) ? this.bool(scope, 2) : null, yes: action(), no: action() };
  }

  #redirectTo(scope: Scope): RedirectTo {
    const { random } = this;
    const { name } = random.pick(this.redirects);
    const key = into(random.chance(70) ? this.small(scope) : this.int(scope, 2), "u32");
    if (random.chance(20)) return { r: "redirect-map", map: name, key, fallback: null };
    const fallback = () => random.pick(VERDICTS.xdp).name;
    const condition = random.chance(30) ? this.bool(scope, 1) : null;
    return { r: "redirect-map", map: name, key, fallback: { condition, yes: fallback(), no: fallback() } };
  }
}

/** The width of a target without a type: a bit field, a byte, or a number. */
function bitsOf(target: Target): number {
  if (target.t === "byte") return 8;
  return target.t === "field" && target.place.type.kind === "bits" ? target.place.type.bits : 64;
}

function pathOf({ view, path }: FieldPlace): string {
  return [view, ...path].join(".");
}

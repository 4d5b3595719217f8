/** Random statements. What they declare is in the scope afterwards. */

import { ControlWriter } from "./control-statements.ts";
import { holdsOverlay } from "./field-types.ts";
import { leaves } from "./reachability.ts";
import { binary, literal, type Scope } from "./scope.ts";
import { type Place, placeOfElements, type Returns } from "./statement-writer.ts";
import { FLAVOURS, type Fn, type Statement, type ViewSource } from "./tree.ts";

export class StatementAuthor extends ControlWriter {
  /** Statements that may still be written: modules stay small. */
  #fuel = 60;
  /** Tail calls go somewhere. */
  hasTails = false;

  /** What `make` writes is the inside of a function; tells which maps it may change. */
  inFunction(make: () => Fn): { fn: Fn; updates: Set<string> } {
    const outer = this.updates;
    const wasIn = this.inside;
    this.updates = new Set();
    this.inside = true;
    try {
      return { fn: make(), updates: this.updates };
    } finally {
      this.updates = outer;
      this.inside = wasIn;
    }
  }

  /** For one more program. */
  refuel(): void {
    this.#fuel = Math.max(this.#fuel, 25);
  }

  functionBody(scope: Scope, returns: Fn["returns"], count: number): Statement[] {
    const statements = this.block(scope, count, { returns });
    if (returns !== null && !leaves(statements)) statements.push(this.returning(scope, returns));
    return statements;
  }

  /** `count` statements, and more below them. */
  block(scope: Scope, count: number, place: Place): Statement[] {
    const statements: Statement[] = [];
    for (let index = 0; index < count && this.#fuel > 0; index++) {
      this.#fuel--;
      this.e.allowed = ({ updates }) => [...updates].every((map) => this.mayChange(scope, map, place));
      this.e.called = ({ updates }) => {
        for (const map of updates) this.changed(scope, map);
      };
      statements.push(...this.statement(scope, place));
      // What is never reached, TypeScript does not narrow.
      if (leaves(statements)) break;
    }
    return statements;
  }

  guard(scope: Scope, name: string, source: ViewSource, returns: Returns): Statement {
    const otherwise = this.leaving(scope, returns);
    this.declareView(scope, name, source);
    return { s: "guard", name, source, otherwise };
  }

  protected statement(scope: Scope, place: Place): Statement[] {
    const random = this.random;
    const e = this.e;
    const loops = place.loops ?? 0;
    const nest = this.depth < 4 ? 1 : 0;
    const targets = e.targets(scope);
    const byteFields = e.places(scope, (type) => type.kind === "bytes", "write");
    const structFields = e.places(scope, (type) => type.kind === "struct", "write");
    const arrays = e.places(scope, (type) => type.kind === "array", "write");
    const settable = arrays.filter(({ type }) => !holdsOverlay(type));
    const flags = e.places(scope, (type) => type.kind === "bool", "write");
    const mutableBools = scope.bools.filter(({ mutable }) => mutable);
    const mutableBytes = scope.bytes.filter(({ mutable }) => mutable);
    const changeable = e.tablesIn(scope).filter((map) => this.mayChange(scope, placeOfElements(map), place));
    const queues = e.queuesIn(scope);
    const rings = e.ringsIn(scope);
    const typed = rings.filter(({ untyped }) => untyped !== true);
    const isProgram = loops === 0 && place.returns === "verdict" && !this.inside;
    const counters = scope.ints.filter(({ name, flavour }) => name.startsWith("global") && /4|2/.test(flavour ?? ""));
    const atomics = this.atomics(scope);
    const structs = e.structs.filter(({ size }) => size <= 40);
    const callables = scope.functions.filter((each) => e.allowed(each));
    const one = (statement: Statement) => [statement];
    const make = random.weighted<() => Statement[]>([
      [10, () => one(this.declareInt(scope))],
      [2, () => one(this.declareBool(scope))],
      [targets.length > 0 ? 12 : 0, () => one({ s: "expression", value: e.assign(scope, random.pick(targets), 3) })],
      [targets.length > 0 ? 3 : 0, () => one({ s: "expression", value: e.step(random.pick(targets)) })],
      [
        mutableBools.length > 0 ? 3 : 0,
        () => one({ s: "set-bool", name: random.pick(mutableBools).name, value: e.bool(scope, 2) }),
      ],
      [flags.length > 0 ? 3 : 0, () => one({ s: "set-bool-field", place: random.pick(flags), value: e.bool(scope, 2) })],
      [byteFields.length > 0 ? 4 : 0, () => one(this.declareBytes(scope))],
      [byteFields.length > 0 ? 4 : 0, () => one(this.setBytes(scope))],
      [byteFields.length > 0 ? 1 : 0, () => this.swap(scope)],
      [mutableBytes.length > 0 ? 2 : 0, () => one(this.setBytesName(scope))],
      [
        structFields.length > 0 ? 4 : 0,
        () => {
          const target = random.pick(structFields);
          if (target.type.kind !== "struct") return [];
          const { struct } = target.type;
          const value = e.pure(() => e.assigned(scope, struct));
          return value === null ? [] : one({ s: "set-struct", place: target, value });
        },
      ],
      [
        settable.length > 0 ? 3 : 0,
        () => {
          const place = random.pick(settable);
          return one({ s: "set-array", place, value: e.pure(() => e.content(scope, place.type, false, 0)) });
        },
      ],
      [arrays.length > 0 && loops < 2 ? nest * 4 : 0, () => one(this.each(scope, random.pick(arrays), place))],
      [nest * 2, () => this.indexed(scope, place)],
      [structFields.length > 0 ? 2 : 0, () => this.alias(scope)],
      [scope.living().length > 0 ? 2 : 0, () => this.destructure(scope)],
      [2, () => one(this.declareRecord(scope))],
      [nest * 8, () => one(this.ifElse(scope, place))],
      [nest * 3, () => one(this.switchOn(scope, place))],
      [loops < 2 ? nest * 4 : 0, () => one(this.loop(scope, place))],
      [loops > 0 ? 3 : 0, () => this.jump(scope, place)],
      [4, () => one(this.guard(scope, this.name("v"), e.source(scope, 2), place.returns))],
      [nest * 5, () => one(this.ifView(scope, place))],
      [nest * 3, () => one(this.letView(scope, place))],
      [changeable.length > 0 ? 7 : 0, () => one(this.change(scope, random.pick(changeable)))],
      [counters.length > 0 ? 2 : 0, () => one(this.addToGlobal(scope, random.pick(counters)))],
      [atomics.length > 0 ? 4 : 0, () => one({ s: "atomic", place: random.pick(atomics), value: e.int(scope, 2) })],
      [isProgram && e.hook === "xdp" ? 2 : 0, () => one(this.move(scope, place.returns))],
      [isProgram && e.hook === "tc" ? 4 : 0, () => one(this.reshape(scope, place.returns))],
      [
        isProgram && this.hasTails && scope.held.length === 0 ? 3 : 0,
        () => one({ s: "tail-call", index: binary("&", e.int(scope, 1), literal(3)) }),
      ],
      [isProgram || e.hook === "xdp" ? 2 : 0, () => this.storeBytes(scope)],
      [queues.length > 0 ? 6 : 0, () => one(this.push(scope, random.pick(queues)))],
      [e.filters.length > 0 ? 8 : 0, () => one(this.putIn(scope))],
      [typed.length > 0 ? 5 : 0, () => one(this.output(scope, random.pick(typed)))],
      [rings.length > 0 ? nest * 10 : 0, () => this.reserve(scope, place)],
      [e.mapsOfMaps.length > 0 ? nest * 15 : 0, () => one(this.inMap(scope, place))],
      [loops === 0 ? 2 : 0, () => this.cursor(scope, place.returns)],
      [3, () => this.swapPlaces(scope)],
      [3, () => this.viewAs(scope)],
      [this.inside || loops > 0 ? 0 : 2, () => one(this.closure(scope))],
      [structs.length > 0 ? 3 : 0, () => one(this.local(scope, random.pick(structs)))],
      [random.chance(2) ? 1 : 0, () => one({ s: "trace", values: [e.int(scope, 1), e.int(scope, 2)] })],
      [callables.length > 0 ? 4 : 0, () => this.call(scope, random.pick(callables))],
    ]);
    return make();
  }

  // -- functions --

  protected closure(scope: Scope): Statement {
    const name = this.name("f");
    const returns = this.random.chance(80) ? this.random.pick(FLAVOURS) : null;
    const parameter = `${name}_0`;
    const flavour = this.random.pick(FLAVOURS);
    const { fn, updates } = this.inFunction(() => {
      const inner = scope.closure();
      inner.ints.push({ name: parameter, flavour, signed: flavour.startsWith("i"), mutable: true });
      const body = this.nested(() => this.functionBody(inner, returns, this.random.between(1, 3)));
      return { d: "function", name, parameters: [{ p: "int", name: parameter, flavour }], returns, build: null, body };
    });
    scope.functions.push({ fn, updates });
    return { s: "closure", fn };
  }

  protected call(scope: Scope, callable: Scope["functions"][number]): Statement[] {
    if (typeof callable.fn.returns === "string") {
      const value = this.e.call(scope, callable, 2);
      return value.k === "call" ? [{ s: "expression", value }] : [];
    }
    const args = this.e.args(scope, callable, 2);
    return args === null ? [] : [{ s: "void-call", callee: callable.fn.name, args }];
  }
}

/** Random statements. What they declare is in the scope afterwards. */
import { type Expressions, holdsOverlay, isSameType, sizeOfBytes, sizeOfType } from "./expressions.ts";
import type { Random } from "./random.ts";
import { leaves } from "./reachability.ts";
import { binary, type IntName, into, isInt, literal, placesIn, type Scope, spelledOut } from "./scope.ts";
import {
  type Bool,
  type CursorField,
  type FieldPlace,
  type Finds,
  FLAVOURS,
  type Flavour,
  type Fn,
  flavourOf,
  type Int,
  isQueue,
  isSigned,
  type MapDeclaration,
  type Statement,
  type Struct,
  sizeOfScalar,
  type ViewSource,
} from "./tree.ts";

/** How a function ends: a program with a verdict, others with a value of this type, or with none. */
type Returns = Flavour | "verdict" | Finds | null;

interface Place {
  returns: Returns;
  /** Loops around it in its function. */
  loops?: number;
  /** It is in a `switch`, where `break` leaves that. */
  switches?: boolean;
}

export class StatementAuthor {
  readonly #random: Random;
  readonly #e: Expressions;
  #names = 0;
  /** Statements that may still be written: modules stay small. */
  #fuel = 60;
  #depth = 0;
  #inFunction = false;
  #updates = new Set<string>();

  /** Tail calls go somewhere. */
  hasTails = false;

  constructor(random: Random, expressions: Expressions) {
    this.#random = random;
    this.#e = expressions;
  }

  /** What `make` writes is the inside of a function; tells which maps it may change. */
  inFunction(make: () => Fn): { fn: Fn; updates: Set<string> } {
    const outer = this.#updates;
    const wasIn = this.#inFunction;
    this.#updates = new Set();
    this.#inFunction = true;
    try {
      return { fn: make(), updates: this.#updates };
    } finally {
      this.#updates = outer;
      this.#inFunction = wasIn;
    }
  }

  /** For one more program. */
  refuel(): void {
    this.#fuel = Math.max(this.#fuel, 25);
  }

  functionBody(scope: Scope, returns: Fn["returns"], count: number): Statement[] {
    const statements = this.block(scope, count, { returns });
    if (returns !== null && !leaves(statements)) statements.push(this.#return(scope, returns));
    return statements;
  }

  /** `count` statements, and more below them. */
  block(scope: Scope, count: number, place: Place): Statement[] {
    const statements: Statement[] = [];
    for (let index = 0; index < count && this.#fuel > 0; index++) {
      this.#fuel--;
      this.#e.allowed = ({ updates }) => [...updates].every((map) => this.#mayChange(scope, map, place));
      this.#e.called = ({ updates }) => {
        for (const map of updates) this.#changed(scope, map);
      };
      statements.push(...this.#statement(scope, place));
      // What is never reached, TypeScript does not narrow.
      if (leaves(statements)) break;
    }
    return statements;
  }

  guard(scope: Scope, name: string, source: ViewSource, returns: Returns): Statement {
    const otherwise = [this.#return(scope, returns)];
    this.#declareView(scope, name, source);
    return { s: "guard", name, source, otherwise };
  }

  #statement(scope: Scope, place: Place): Statement[] {
    const random = this.#random;
    const e = this.#e;
    const loops = place.loops ?? 0;
    const nest = this.#depth < 4 ? 1 : 0;
    const targets = e.targets(scope);
    const byteFields = e.places(scope, (type) => type.kind === "bytes", "write");
    const structFields = e.places(scope, (type) => type.kind === "struct", "write");
    const arrays = e.places(scope, (type) => type.kind === "array", "write");
    const settable = arrays.filter(({ type }) => !holdsOverlay(type));
    const flags = e.places(scope, (type) => type.kind === "bool", "write");
    const mutableBools = scope.bools.filter(({ mutable }) => mutable);
    const mutableBytes = scope.bytes.filter(({ mutable }) => mutable);
    const changeable = e.tables.filter((map) => this.#mayChange(scope, map.name, place));
    const queues = e.maps.filter(isQueue);
    const isProgram = loops === 0 && place.returns === "verdict" && !this.#inFunction;
    const counters = scope.ints.filter(({ name, flavour }) => name.startsWith("global") && /4|2/.test(flavour ?? ""));
    const atomics = this.#atomics(scope);
    const structs = e.structs.filter(({ size }) => size <= 40);
    const callables = scope.functions.filter((each) => e.allowed(each));
    const one = (statement: Statement) => [statement];
    const make = random.weighted<() => Statement[]>([
      [10, () => one(this.#declareInt(scope))],
      [2, () => one(this.#declareBool(scope))],
      [targets.length > 0 ? 12 : 0, () => one({ s: "expression", value: e.assign(scope, random.pick(targets), 3) })],
      [targets.length > 0 ? 3 : 0, () => one({ s: "expression", value: e.step(random.pick(targets)) })],
      [
        mutableBools.length > 0 ? 3 : 0,
        () => one({ s: "set-bool", name: random.pick(mutableBools).name, value: e.bool(scope, 2) }),
      ],
      [flags.length > 0 ? 3 : 0, () => one({ s: "set-bool-field", place: random.pick(flags), value: e.bool(scope, 2) })],
      [byteFields.length > 0 ? 4 : 0, () => one(this.#declareBytes(scope))],
      [byteFields.length > 0 ? 4 : 0, () => one(this.#setBytes(scope))],
      [byteFields.length > 0 ? 1 : 0, () => this.#swap(scope)],
      [mutableBytes.length > 0 ? 2 : 0, () => one(this.#setBytesName(scope))],
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
      [arrays.length > 0 && loops < 2 ? nest * 4 : 0, () => one(this.#each(scope, random.pick(arrays), place))],
      [nest * 2, () => this.#indexed(scope, place)],
      [structFields.length > 0 ? 2 : 0, () => this.#alias(scope)],
      [scope.living().length > 0 ? 2 : 0, () => this.#destructure(scope)],
      [2, () => one(this.#declareRecord(scope))],
      [nest * 8, () => one(this.#if(scope, place))],
      [nest * 3, () => one(this.#switch(scope, place))],
      [loops < 2 ? nest * 4 : 0, () => one(this.#loop(scope, place))],
      [loops > 0 ? 3 : 0, () => this.#jump(scope, place)],
      [4, () => one(this.guard(scope, this.#name("v"), e.source(scope, 2), place.returns))],
      [nest * 5, () => one(this.#ifView(scope, place))],
      [nest * 3, () => one(this.#letView(scope, place))],
      [changeable.length > 0 ? 7 : 0, () => one(this.#change(scope, random.pick(changeable).name))],
      [counters.length > 0 ? 2 : 0, () => one(this.#addToGlobal(scope, random.pick(counters)))],
      [atomics.length > 0 ? 4 : 0, () => one({ s: "atomic", place: random.pick(atomics), value: e.int(scope, 2) })],
      [isProgram && e.hook === "xdp" ? 2 : 0, () => one(this.#move(scope, place.returns))],
      [isProgram && this.hasTails ? 3 : 0, () => one({ s: "tail-call", index: binary("&", e.int(scope, 1), literal(3)) })],
      [isProgram || e.hook === "xdp" ? 2 : 0, () => this.#storeBytes(scope)],
      [queues.length > 0 ? 6 : 0, () => one(this.#push(scope, random.pick(queues)))],
      [loops === 0 ? 2 : 0, () => this.#cursor(scope, place.returns)],
      [3, () => this.#swapPlaces(scope)],
      [3, () => this.#viewAs(scope)],
      [this.#inFunction || loops > 0 ? 0 : 2, () => one(this.#closure(scope))],
      [structs.length > 0 ? 3 : 0, () => one(this.#local(scope, random.pick(structs)))],
      [random.chance(2) ? 1 : 0, () => one({ s: "trace", values: [e.int(scope, 1), e.int(scope, 2)] })],
      [callables.length > 0 ? 4 : 0, () => this.#call(scope, random.pick(callables))],
    ]);
    return make();
  }

  // -- declarations --

  #name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  #declareInt(scope: Scope): Statement {
    const random = this.#random;
    const raw = this.#e.int(scope, 4);
    const keyword = random.chance(50) ? "let" : "const";
    // A literal without an annotation would have its own value for a type; of mixed types nobody should have to tell the result.
    const annotate = raw.flavour === "mixed" || raw.k === "literal" || raw.k === "assign" || random.chance(50);
    const annotation = annotate ? random.pick(FLAVOURS) : null;
    const value = annotation === null ? raw : into(raw, annotation);
    const flavour = annotation ?? (raw.flavour === "mixed" ? null : raw.flavour);
    const name = this.#name("x");
    const signed = flavour === null ? value.signed : flavour.startsWith("i");
    scope.ints.push({ name, signed, flavour, mutable: keyword === "let" });
    return { s: "int", name, keyword, annotation, wrap: flavour, value };
  }

  #declareBool(scope: Scope): Statement {
    const value = this.#e.bool(scope, 3);
    const keyword = this.#random.chance(50) ? "let" : "const";
    const name = this.#name("c");
    scope.bools.push({ name, mutable: keyword === "let" });
    return { s: "bool", name, keyword, value };
  }

  #declareBytes(scope: Scope): Statement {
    const value = this.#e.bytes(scope, null, false);
    const keyword = this.#random.chance(40) ? "let" : "const";
    const name = this.#name("y");
    scope.bytes.push({ name, size: sizeOfBytes(value), mutable: keyword === "let" });
    return { s: "bytes", name, keyword, value };
  }

  #declareRecord(scope: Scope): Statement {
    const field = (name: string): { name: string; value: Int } => {
      const value = this.#e.int(scope, 2);
      // Plain numbers, so that anything can be assigned to the field; sums, since a number that is spelled out has to fit where it goes.
      const plain = value.signed || value.flavour !== null || spelledOut(value) !== null;
      return {
        name,
        value: plain
          ? {
              k: "binary",
              operator: "+",
              left: into(castUnsigned(value), "u64"),
              right: literal(0),
              signed: false,
              flavour: null,
            }
          : value,
      };
    };
    const record = this.#name("r");
    const statement: Statement = {
      s: "record",
      name: record,
      fields: [field("a"), field("b"), { name: "inner", value: [field("c")] }],
    };
    scope.records.push(record);
    return statement;
  }

  #alias(scope: Scope): Statement[] {
    const { type, ...part } = this.#random.pick(this.#e.places(scope, (type) => type.kind === "struct", "write"));
    const owner = scope.views.find(({ name }) => name === part.view);
    if (type.kind !== "struct" || owner === undefined) return [];
    const name = this.#name("v");
    scope.views.push({ ...owner, name, struct: type.struct });
    return [{ s: "alias", name, ...part }];
  }

  #destructure(scope: Scope): Statement[] {
    const view = this.#random.pick(scope.living());
    const wanted = view.struct.fields.filter(({ type }) => type.kind !== "array" && this.#random.chance(50));
    const fields = wanted.map((field) => ({ field, name: this.#name("d") }));
    if (fields.length === 0) return [];
    for (const { field, name } of fields) {
      const { type } = field;
      if (type.kind === "bytes") scope.bytes.push({ name, size: type.size, mutable: false });
      else if (type.kind === "bool") scope.bools.push({ name, mutable: false });
      else if (type.kind === "struct") scope.views.push({ ...view, name, struct: type.struct });
      else {
        const scalar = type.kind === "scalar" ? type.scalar : null;
        const flavour = scalar === null ? null : (scalar.replace("be", "u") as Flavour);
        scope.ints.push({ name, signed: scalar !== null && isSigned(scalar), flavour, mutable: false });
      }
    }
    return [{ s: "destructure", view: view.name, fields }];
  }

  #declareView(scope: Scope, name: string, source: ViewSource): void {
    scope.views.push({ name, struct: source.struct, map: mapOf(source), life: { alive: true } });
  }

  #local(scope: Scope, struct: Struct): Statement {
    const value = this.#e.pure(() => this.#e.value(scope, struct));
    const name = this.#name("v");
    scope.views.push({ name, struct, map: STACK, life: { alive: true } });
    return { s: "local", name, struct, value };
  }

  // -- byte arrays --

  #setBytes(scope: Scope): Statement {
    const place = this.#random.pick(this.#e.places(scope, (type) => type.kind === "bytes", "write"));
    const size = place.type.kind === "bytes" ? place.type.size : 0;
    return { s: "set-bytes", place, value: this.#e.bytes(scope, size, true) };
  }

  #setBytesName(scope: Scope): Statement {
    const { name, size } = this.#random.pick(scope.bytes.filter(({ mutable }) => mutable));
    return { s: "set-bytes-name", name, value: this.#e.bytes(scope, size, true) };
  }

  #swap(scope: Scope): Statement[] {
    const places = this.#e.places(scope, (type) => type.kind === "bytes", "write");
    const a = this.#random.pick(places);
    const size = a.type.kind === "bytes" ? a.type.size : 0;
    const b = this.#random.pick(places.filter(({ type }) => type.kind === "bytes" && type.size === size));
    const name = this.#name("y");
    return [
      { s: "bytes", name, keyword: "const", value: { y: "field", place: a } },
      { s: "set-bytes", place: a, value: { y: "field", place: b } },
      { s: "set-bytes", place: b, value: { y: "name", name, size } },
    ];
  }

  // -- control flow --

  #nested<T>(make: () => T): T {
    this.#depth++;
    try {
      return make();
    } finally {
      this.#depth--;
    }
  }

  #inner(scope: Scope, most: number, place: Place): Statement[] {
    const inner = scope.inner();
    const statements = this.#nested(() => this.block(inner, this.#random.between(0, most), place));
    this.#e.allowed = () => false;
    return statements;
  }

  /** A branch that may leave the function at its end. */
  #branch(scope: Scope, most: number, place: Place): Statement[] {
    const inner = scope.inner();
    const statements = this.#nested(() => this.block(inner, this.#random.between(0, most), place));
    if (this.#random.chance(15) && !leaves(statements)) statements.push(this.#return(inner, place.returns));
    return statements;
  }

  #if(scope: Scope, place: Place): Statement {
    const condition = this.#e.bool(scope, 3);
    const then = this.#branch(scope, 3, place);
    return { s: "if", condition, then, otherwise: this.#random.chance(50) ? this.#branch(scope, 3, place) : [] };
  }

  /** A number is compared with the length of an array, and used as an index behind that. */
  #indexed(scope: Scope, place: Place): Statement[] {
    const random = this.#random;
    // A setting in network byte order is swapped anew at each use, so that a check of one says nothing of the next.
    const names = scope.ints.filter(({ mutable, flavour, swapped }) => !mutable && flavour !== null && swapped !== true);
    if (names.length === 0) return [];
    const chosen = random.pick(names);
    const { name, signed, flavour } = chosen;
    const below = random.between(2, 5);
    const value: Int = { k: "name", name, signed, flavour };
    const compare = (operator: "<" | ">=", right: number): Bool => ({
      b: "compare",
      operator,
      left: value,
      right: literal(right),
    });
    const condition: Bool = signed ? { b: "and", left: compare(">=", 0), right: compare("<", below) } : compare("<", below);
    const inner = scope.inner();
    inner.ints.push({ ...chosen, below });
    const then = this.#nested(() => this.block(inner, random.between(1, 4), place));
    return [{ s: "if", condition, then, otherwise: [] }];
  }

  #each(scope: Scope, array: FieldPlace, place: Place): Statement {
    if (array.type.kind !== "array") throw new Error("an array was expected");
    const { element } = array.type;
    const name = this.#name("e");
    const inner = scope.inner();
    const owner = scope.views.find((view) => view.name === array.view);
    if (element.kind === "bytes") inner.bytes.push({ name, size: element.size, mutable: false });
    else if (element.kind === "bool") inner.bools.push({ name, mutable: false });
    else if (element.kind === "struct" && owner !== undefined) inner.views.push({ ...owner, name, struct: element.struct });
    else if (element.kind === "scalar") {
      const { scalar } = element;
      inner.ints.push({ name, signed: isSigned(scalar), flavour: flavourOf(scalar), mutable: false });
    }
    const loops = (place.loops ?? 0) + 1;
    const body = this.#nested(() => this.block(inner, this.#random.between(1, 3), { ...place, loops, switches: false }));
    return { s: "each", name, place: array, body };
  }

  #switch(scope: Scope, place: Place): Statement {
    const random = this.#random;
    const value = this.#e.switched(scope, 2);
    const labels = new Set(Array.from({ length: random.between(1, 4) }, () => BigInt(random.below(8))));
    const clauses: { label: bigint | null; body: Statement[] }[] = [...labels].map((label) => ({ label, body: [] }));
    if (random.chance(60)) clauses.splice(random.below(clauses.length + 1), 0, { label: null, body: [] });
    for (const clause of clauses) {
      clause.body = this.#branch(scope, 2, { ...place, switches: true });
      if (random.chance(60) && !leaves(clause.body)) clause.body.push({ s: "break" });
    }
    return { s: "switch", value, clauses };
  }

  #loop(scope: Scope, place: Place): Statement {
    const random = this.#random;
    const name = this.#name("n");
    // Now and then a loop that is not unrolled, and that the verifier need not walk through.
    const rounds = random.chance(15) ? random.between(20, random.chance(30) ? 1000 : 150) : random.between(0, 6);
    const inner = scope.inner();
    const down = random.chance(25);
    const step = (down ? -1 : 1) * random.pick([1, 1, 1, 2, 3]);
    const start = random.between(down ? 0 : -3, 5);
    const useRange = random.chance(30);
    const limit = start + step * rounds;
    const signed = useRange ? false : start < 0 || limit < 0 || step < 0;
    const below = useRange
      ? rounds
      : start >= 0 && step > 0
        ? Math.max(limit, 1)
        : start >= 0 && limit >= -1
          ? start + 1
          : undefined;
    inner.ints.push({ name, signed, flavour: null, mutable: false, ...(below === undefined ? {} : { below }) });
    const loops = (place.loops ?? 0) + 1;
    const body = this.#nested(() =>
      this.block(inner, random.between(1, rounds > 6 ? 4 : 3), { ...place, loops, switches: false }),
    );
    if (useRange) return { s: "range", name, start: 0, end: rounds, body };
    return { s: "for", name, start, limit, step, body };
  }

  #jump(scope: Scope, place: Place): Statement[] {
    const leave: Statement = { s: place.switches === true || this.#random.chance(50) ? "continue" : "break" };
    return [{ s: "if", condition: this.#e.bool(scope, 2), then: [leave], otherwise: [] }];
  }

  #return(scope: Scope, returns: Returns): Statement {
    if (returns === "verdict") return { s: "verdict", verdict: this.#e.verdict(scope) };
    if (returns === null || typeof returns === "string") {
      return { s: "return", value: returns === null ? null : into(this.#e.int(scope, 2), returns) };
    }
    if (this.#random.chance(20)) return { s: "return-view", source: null };
    const map = this.#e.maps.find(({ name }) => name === returns.map) ?? null;
    return { s: "return-view", source: this.#e.sourceOf(scope, 2, returns.struct, map) };
  }

  #ifView(scope: Scope, place: Place): Statement {
    const source = this.#e.source(scope, 2);
    const name = this.#name("v");
    const otherwise = this.#random.chance(40) ? this.#inner(scope, 2, place) : [];
    const inner = scope.inner();
    this.#declareView(inner, name, source);
    return {
      s: "if-view",
      name,
      source,
      then: this.#nested(() => this.block(inner, this.#random.between(1, 4), place)),
      otherwise,
    };
  }

  /** A variable that holds one of two views: both in the packet, or both of one map. */
  #letView(scope: Scope, place: Place): Statement {
    const second = this.#e.source(scope, 1);
    const alike = Array.from({ length: 6 }, () => this.#e.source(scope, 1)).find(
      (each) => each.struct.name === second.struct.name && each.struct === second.struct && mapOf(each) === mapOf(second),
    );
    const first = second.struct.scalar ? (alike ?? second) : (alike ?? null);
    const name = this.#name("v");
    const condition = this.#e.bool(scope, 2);
    const inner = scope.inner();
    this.#declareView(inner, name, second);
    const then = this.#nested(() => this.block(inner, this.#random.between(1, 3), place));
    return { s: "let-view", name, struct: second.struct, first, condition, second, then };
  }

  #move(scope: Scope, returns: Returns): Statement {
    const random = this.#random;
    const edge = random.pick(["head", "tail", "meta"] as const);
    const amount = literal(edge === "meta" ? random.pick([4, 8, 16, 32, 32, 64, 7]) : random.between(1, 24));
    const minus: Int = { k: "unary", operator: "-", operand: amount, signed: true, flavour: null };
    const delta = random.chance(edge === "meta" ? 90 : 50) ? minus : amount;
    for (const view of scope.views) if (view.map === null || view.map === METADATA) view.life.alive = false;
    return { s: "move", edge, delta, otherwise: [this.#return(scope, returns)] };
  }

  /** Goes from the Ethernet header to the IP header and behind it. */
  parse(scope: Scope): Statement[] {
    const statements: Statement[] = [];
    while (statements.length < 2) statements.push(...this.#cursor(scope, "verdict"));
    return statements;
  }

  /** The next cursor: that of the frame, or that of the IP packet in it. */
  #cursor(scope: Scope, returns: Returns): Statement[] {
    const random = this.#random;
    const otherwise = [this.#return(scope, returns)];
    const name = this.#name("at");
    const frame = scope.cursors.find(({ isPacket }) => !isPacket);
    const packet = scope.cursors.find(({ isPacket }) => isPacket);
    const part = (cursor: string, field: CursorField, flavour: Flavour): Int => ({
      k: "cursor",
      cursor,
      field,
      signed: false,
      flavour,
    });
    if (frame === undefined) {
      scope.cursors.push({ name, isPacket: false });
      return [{ s: "cursor", name, cursor: { c: "ethernetPayload" }, otherwise }];
    }
    const type = random.chance(80) ? part(frame.name, "type", "u16") : literal(random.pick([0x0800, 0x86dd]));
    // Behind a packet, as in a tunnel, or where the frame's payload is.
    const offset = part(packet !== undefined && random.chance(30) ? packet.name : frame.name, "offset", "u32");
    const one = random.pick(["ipPayload", "ipPayload", "ipPayload", "ipv4Payload", "ipv6Payload"] as const);
    scope.cursors.push({ name, isPacket: true });
    return [{ s: "cursor", name, cursor: one === "ipPayload" ? { c: one, type, offset } : { c: one, offset }, otherwise }];
  }

  #storeBytes(scope: Scope): Statement[] {
    const random = this.#random;
    const e = this.#e;
    const structs = e.structs.filter(({ size }) => size <= 40);
    if (structs.length === 0) return [];
    const struct = random.pick(structs);
    const offset = into(
      e.pure(() => e.offset(scope, 2)),
      "u32",
    );
    const value = e.pure(() => e.assigned(scope, struct));
    if (value === null) return [];
    const stored: Bool = { b: "store-bytes", struct, offset, value };
    // A socket buffer may have moved.
    if (e.hook === "tc")
      for (const view of scope.views) if (view.map === null || view.map === METADATA) view.life.alive = false;
    return [this.#result(scope, stored)];
  }

  /** For its effect alone, or to be kept. */
  #result(scope: Scope, value: Bool): Statement {
    if (this.#random.chance(50)) return { s: "effect", value };
    const name = this.#name("c");
    scope.bools.push({ name, mutable: false });
    return { s: "bool", name, keyword: "const", value };
  }

  #push(scope: Scope, map: MapDeclaration): Statement {
    const value = this.#e.pure(() => this.#e.value(scope, map.value));
    return this.#result(scope, { b: "push", map: map.name, value, overwrite: this.#random.chance(40) });
  }

  #swapPlaces(scope: Scope): Statement[] {
    const places = this.#e.places(scope, (type) => sizeOfType(type) > 0 && sizeOfType(type) <= 64, "write");
    if (places.length === 0) return [];
    const left = this.#random.pick(places);
    const alike = places.filter(({ type }) => isSameType(type, left.type));
    const right = this.#random.pick(alike);
    // What one index reads must not be what the other place holds.
    if (left.indexes.length > 0 || right.indexes.length > 0) return [];
    return [{ s: "swap", left, right, size: sizeOfType(left.type) }];
  }

  #viewAs(scope: Scope): Statement[] {
    const random = this.#random;
    const kinds = ["struct", "array", "bytes"];
    const places = this.#e
      .places(scope, ({ kind }) => kinds.includes(kind), "write")
      .filter(({ indexes }) => indexes.length === 0);
    if (places.length === 0) return [];
    const { type, ...path } = random.pick(places);
    const structs = this.#e.structs.filter(({ size }) => size <= sizeOfType(type));
    const owner = scope.views.find(({ name }) => name === path.view);
    if (structs.length === 0 || owner === undefined) return [];
    const struct = random.pick(structs);
    const name = this.#name("w");
    scope.views.push({ ...owner, name, struct });
    return [{ s: "view-as", name, struct, ...path }];
  }

  // -- functions --

  #closure(scope: Scope): Statement {
    const name = this.#name("f");
    const returns = this.#random.chance(80) ? this.#random.pick(FLAVOURS) : null;
    const parameter = `${name}_0`;
    const flavour = this.#random.pick(FLAVOURS);
    const { fn, updates } = this.inFunction(() => {
      const inner = scope.closure();
      inner.ints.push({ name: parameter, flavour, signed: flavour.startsWith("i"), mutable: true });
      const body = this.#nested(() => this.functionBody(inner, returns, this.#random.between(1, 3)));
      return { d: "function", name, parameters: [{ p: "int", name: parameter, flavour }], returns, build: null, body };
    });
    scope.functions.push({ fn, updates });
    return { s: "closure", fn };
  }

  #call(scope: Scope, callable: Scope["functions"][number]): Statement[] {
    if (typeof callable.fn.returns === "string") {
      const value = this.#e.call(scope, callable, 2);
      return value.k === "call" ? [{ s: "expression", value }] : [];
    }
    const args = this.#e.args(scope, callable, 2);
    return args === null ? [] : [{ s: "void-call", callee: callable.fn.name, args }];
  }

  // -- maps --

  /** Changing a table ends the views of its elements; in a loop they would be used again. */
  #mayChange(scope: Scope, map: string, { loops = 0 }: Place): boolean {
    const views = scope.living();
    if (views.some((view) => view.map === "any")) return false;
    return loops === 0 && !this.#inFunction ? true : !views.some((view) => view.map === map);
  }

  #changed(scope: Scope, map: string): void {
    this.#updates.add(map);
    const kind = this.#e.maps.find(({ name }) => name === map)?.kind;
    if (kind === "array" || kind === "perCpuArray") return;
    for (const view of scope.views) if (view.map === map) view.life.alive = false;
  }

  #change(scope: Scope, name: string): Statement {
    const random = this.#random;
    const e = this.#e;
    const map = e.maps.find((each) => each.name === name);
    if (map === undefined) throw new Error(`there is no map ${name}`);
    const indexed = map.kind === "array" || map.kind === "perCpuArray";
    const change: Bool = e.pure(() => {
      const key = e.key(scope, map);
      if (!indexed && random.chance(30)) return { b: "delete", map: name, key };
      const mode = random.pick(["any", "any", "noexist", "exist"] as const);
      return { b: "update", map: name, key, value: e.value(scope, map.value), mode };
    });
    this.#changed(scope, name);
    if (random.chance(50)) return { s: "effect", value: change };
    const result = this.#name("c");
    scope.bools.push({ name: result, mutable: false });
    return { s: "bool", name: result, keyword: "const", value: change };
  }

  /** Aligned integers of 4 and 8 bytes in host order, in elements of maps that are looked at directly. */
  #atomics(scope: Scope) {
    const views = scope.living().filter(({ map, name }) => map !== null && map !== "any" && name.startsWith("v"));
    return views.flatMap((view) => {
      const direct = placesIn(view, isInt).filter(({ path }) => path.length === 1);
      return direct.filter(({ type, offset }) => {
        if (type.kind !== "scalar" || type.scalar.startsWith("be")) return false;
        const size = sizeOfScalar(type.scalar);
        const aligned = offset % size === 0 && this.#distanceInTrie(view.map) % size === 0;
        return size >= 4 && aligned && this.#isElement(view.struct, view.map);
      });
    });
  }

  #addToGlobal(scope: Scope, { name, flavour }: IntName): Statement {
    if (flavour === null) throw new Error("a variable of the module has a type");
    return { s: "atomic-name", name, flavour, value: this.#e.int(scope, 2) };
  }

  /** A trie's values lie right behind the bytes of their keys, and are aligned as those end. */
  #distanceInTrie(map: string | null): number {
    const trie = this.#e.maps.find(({ name, kind }) => name === map && kind === "lpmTrie");
    return trie === undefined ? 0 : BYTES_OF_PREFIX;
  }

  #isElement(struct: object, map: string | null): boolean {
    return this.#e.maps.some((each) => each.name === map && each.value === struct);
  }
}

function castUnsigned(value: Int): Int {
  return value.signed ? { k: "cast", to: "u64", operand: value, signed: false, flavour: "u64" } : value;
}

/** Of an IPv4 address: what a trie's keys are here. */
const BYTES_OF_PREFIX = 4;

/** Where locals lie, and the metadata, in place of the name of a map: a variable's views lie all in one place. */
const STACK = "the stack";
const METADATA = "the metadata";

function mapOf(source: ViewSource): string | null {
  if (source.w === "meta") return METADATA;
  if (source.w === "take" || source.w === "load-bytes") return STACK;
  if (source.w === "lookup" || source.w === "call" || source.w === "view") return source.map;
  return source.w === "choice" ? mapOf(source.yes) : null;
}

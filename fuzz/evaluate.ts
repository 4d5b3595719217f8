/**
 * The meaning of a module by docs/language.md, evaluated on the tree: nothing of the compiler is used, and nothing of the interpreters.
 * Names are unique and there is no recursion, so that one table of names is enough.
 */
import { type Contents, MapModel } from "./map-model.ts";
import { canonical, readInt, type View, writeInt } from "./memory.ts";
import { binary, compare, wrap } from "./operators.ts";
import type { Argument, Bool, Bytes, FieldPlace, Fn, Int, Module, Statement, Target, Value, ViewSource } from "./tree.ts";

export interface Outcome {
  verdict: number;
  packet: Uint8Array;
  maps: Map<string, Contents>;
}

type Record = Map<string, bigint | Map<string, bigint>>;
type Named = bigint | boolean | Uint8Array | View | Record | Fn | null;
/** How a statement ends: it goes on, leaves a loop or a round, or returns. */
type Completion = null | "break" | "continue" | { value: bigint };

const HEADROOM = 256;
/** A page, less what the kernel keeps at both ends of it. */
const FRAME_START = 40;
const FRAME_END = 4096 - 320;
const ETHERNET_HEADER = 14;
const LARGEST_OFFSET = 0xffffn;
const VOID = { value: 0n };

/** What `module` does to `packet`, its maps being as they are declared. */
export function evaluate(module: Module, packet: Uint8Array): Outcome {
  return new Evaluator(module, packet).run();
}

class Evaluator {
  readonly #module: Module;
  readonly #names = new Map<string, Named>();
  readonly #frame = new Uint8Array(FRAME_END);
  #data = HEADROOM;
  #end: number;
  readonly #maps: Map<string, MapModel>;

  constructor(module: Module, packet: Uint8Array) {
    this.#module = module;
    this.#frame.set(packet, HEADROOM);
    this.#end = HEADROOM + packet.length;
    this.#maps = new Map(module.maps.map((map) => [map.name, new MapModel(map)]));
    for (const setting of module.settings) {
      if ("scalar" in setting) this.#names.set(setting.name, canonical(setting.value));
      else this.#names.set(setting.name, constant(setting.values, setting.size));
    }
    for (const fn of module.functions) this.#names.set(fn.name, fn);
  }

  run(): Outcome {
    const end = this.#block(this.#module.body);
    if (end === null || typeof end === "string") throw new Error("the program does not return");
    return {
      verdict: Number(end.value),
      packet: this.#frame.slice(this.#data, this.#end),
      maps: new Map([...this.#maps].map(([name, map]) => [name, map.contents()])),
    };
  }

  #get<T extends Named>(name: string): T {
    const value = this.#names.get(name);
    if (value === undefined) throw new Error(`${name} has no value`);
    // The tree says what is behind each name; a wrong tree fails on use.
    return value as T;
  }

  // -- statements --

  #block(statements: readonly Statement[]): Completion {
    for (const statement of statements) {
      const end = this.#statement(statement);
      if (end !== null) return end;
    }
    return null;
  }

  #statement(st: Statement): Completion {
    switch (st.s) {
      case "int":
        this.#names.set(st.name, wrap(st.wrap, this.#int(st.value)));
        return null;
      case "bool":
      case "set-bool":
        this.#names.set(st.name, this.#bool(st.value));
        return null;
      case "set-bool-field": {
        const { bytes, at } = this.#place(st.place);
        bytes[at] = this.#bool(st.value) ? 1 : 0;
        return null;
      }
      case "bytes":
      case "set-bytes-name":
        this.#names.set(st.name, this.#bytes(st.value));
        return null;
      case "set-bytes": {
        const { bytes, at } = this.#place(st.place);
        bytes.set(this.#bytes(st.value), at);
        return null;
      }
      case "set-struct": {
        // What the value reads is read before anything is written.
        const content = this.#value(st.value);
        const { bytes, at } = this.#place(st.place);
        bytes.set(content, at);
        return null;
      }
      case "record": {
        const record: Record = new Map();
        for (const { name, value } of st.fields) {
          if (!Array.isArray(value)) record.set(name, this.#int(value));
          else record.set(name, new Map(value.map((each) => [each.name, this.#int(each.value)])));
        }
        this.#names.set(st.name, record);
        return null;
      }
      case "alias": {
        const { bytes, at } = this.#get<View>(st.view);
        this.#names.set(st.name, { bytes, at: at + st.offset });
        return null;
      }
      case "destructure": {
        const { bytes, at } = this.#get<View>(st.view);
        for (const { field, name } of st.fields) {
          const { type, offset } = field;
          if (type.kind === "bytes") this.#names.set(name, bytes.slice(at + offset, at + offset + type.size));
          else if (type.kind === "bool") this.#names.set(name, bytes[at + offset] !== 0);
          else if (type.kind === "struct") this.#names.set(name, { bytes, at: at + offset });
          else this.#names.set(name, readInt(bytes, at + offset, type));
        }
        return null;
      }
      case "expression":
        this.#int(st.value);
        return null;
      case "effect":
        this.#bool(st.value);
        return null;
      case "void-call":
        this.#call(st.callee, st.args);
        return null;
      case "atomic": {
        const { bytes, at } = this.#place(st.place);
        const amount = this.#int(st.value);
        writeInt(bytes, at, st.place.type, readInt(bytes, at, st.place.type) + amount);
        return null;
      }
      case "if":
        return this.#block(this.#bool(st.condition) ? st.then : st.otherwise);
      case "switch":
        return this.#switch(st);
      case "for": {
        for (let i = st.start; st.step < 0 ? i > st.limit : i < st.limit; i += st.step) {
          const end = this.#round(st.name, i, st.body);
          if (end === "break") break;
          if (end !== null) return end;
        }
        return null;
      }
      case "range": {
        for (let i = st.start; i < st.end; i++) {
          const end = this.#round(st.name, i, st.body);
          if (end === "break") break;
          if (end !== null) return end;
        }
        return null;
      }
      case "break":
      case "continue":
        return st.s;
      case "guard": {
        const view = this.#source(st.source);
        this.#names.set(st.name, view);
        return view === null ? this.#block(st.otherwise) : null;
      }
      case "if-view": {
        const view = this.#source(st.source);
        this.#names.set(st.name, view);
        return this.#block(view === null ? st.otherwise : st.then);
      }
      case "let-view": {
        let view = st.first === null ? null : this.#source(st.first);
        if (this.#bool(st.condition)) view = this.#source(st.second);
        this.#names.set(st.name, view);
        return view === null ? null : this.#block(st.then);
      }
      case "move":
        return this.#move(st.edge, Number(BigInt.asIntN(32, this.#int(st.delta)))) ? null : this.#block(st.otherwise);
      case "closure":
        this.#names.set(st.fn.name, st.fn);
        return null;
      case "return":
        return st.value === null ? VOID : { value: this.#int(st.value) };
      case "verdict": {
        const { condition, yes, no } = st.verdict;
        return { value: BigInt(condition === null || this.#bool(condition) ? yes : no) };
      }
    }
  }

  /** `null` when the next round may come. */
  #round(name: string, counter: number, body: readonly Statement[]): Completion {
    this.#names.set(name, BigInt(counter));
    const end = this.#block(body);
    return end === "continue" ? null : end;
  }

  #switch(st: Extract<Statement, { s: "switch" }>): Completion {
    const value = this.#int(st.value);
    let first = st.clauses.findIndex(({ label }) => label !== null && canonical(label) === value);
    if (first < 0) first = st.clauses.findIndex(({ label }) => label === null);
    if (first < 0) return null;
    for (const { body } of st.clauses.slice(first)) {
      const end = this.#block(body);
      if (end === "break") return null;
      if (end !== null) return end;
    }
    return null;
  }

  #move(edge: "head" | "tail", delta: number): boolean {
    if (edge === "head") {
      const data = this.#data + delta;
      if (data < FRAME_START || data > this.#end - ETHERNET_HEADER) return false;
      this.#data = data;
      return true;
    }
    const end = this.#end + delta;
    if (end > FRAME_END || end < this.#data + ETHERNET_HEADER) return false;
    if (delta > 0) this.#frame.fill(0, this.#end, end);
    this.#end = end;
    return true;
  }

  // -- expressions --

  #int(e: Int): bigint {
    switch (e.k) {
      case "literal":
        return canonical(e.value);
      case "name":
        return this.#get<bigint>(e.name);
      case "field": {
        const { bytes, at } = this.#place(e.place);
        return readInt(bytes, at, e.place.type);
      }
      case "byte":
        return BigInt(this.#bytes(e.bytes)[e.index] ?? 0);
      case "record":
        return this.#record(e.record, e.path);
      case "length":
        return BigInt(this.#end - this.#data);
      case "binary":
        return binary(e.operator, this.#int(e.left), this.#int(e.right), e.left.signed, e.right.signed);
      case "unary": {
        const operand = this.#int(e.operand);
        return e.operator === "-" ? canonical(-operand) : e.operator === "~" ? ~operand : operand;
      }
      case "cast":
        return wrap(e.to, this.#int(e.operand));
      case "choice":
        return this.#bool(e.condition) ? this.#int(e.yes) : this.#int(e.no);
      case "coalesce": {
        const view = this.#source(e.source);
        return view === null ? this.#int(e.otherwise) : readInt(view.bytes, view.at + e.place.offset, e.place.type);
      }
      case "checksum": {
        // In one's complement arithmetic, which is modulo 0xffff; words as the host reads them.
        const seed = BigInt.asUintN(32, this.#int(e.seed));
        const from = e.from === null ? 0n : words(this.#bytes(e.from));
        const to = e.to === null ? 0n : words(this.#bytes(e.to));
        return (((seed + to - from) % 0xffffn) + 0xffffn) % 0xffffn;
      }
      case "call":
        return this.#call(e.callee, e.args);
      case "assign": {
        let value: bigint;
        if (e.operator === null) value = this.#int(e.value);
        else {
          const old = this.#readTarget(e.target);
          value = binary(e.operator, old, this.#int(e.value), e.target.signed, e.value.signed);
        }
        this.#writeTarget(e.target, value);
        return value;
      }
      case "step": {
        const old = this.#readTarget(e.target);
        const value = canonical(e.operator === "++" ? old + 1n : old - 1n);
        this.#writeTarget(e.target, value);
        return e.prefix ? value : old;
      }
    }
  }

  #bool(e: Bool): boolean {
    switch (e.b) {
      case "compare":
        return compare(e.operator, this.#int(e.left), this.#int(e.right), e.left.signed || e.right.signed);
      case "and":
        return this.#bool(e.left) && this.#bool(e.right);
      case "or":
        return this.#bool(e.left) || this.#bool(e.right);
      case "not":
        return !this.#bool(e.operand);
      case "truth":
        return this.#int(e.operand) !== 0n;
      case "name":
        return this.#get<boolean>(e.name);
      case "field": {
        const { bytes, at } = this.#place(e.place);
        return bytes[at] !== 0;
      }
      case "equals":
        return Buffer.from(this.#bytes(e.left)).equals(this.#bytes(e.right));
      case "update": {
        const key = this.#value(e.key);
        return this.#map(e.map).update(key, this.#value(e.value), e.mode);
      }
      case "delete":
        return this.#map(e.map).delete(this.#value(e.key));
      case "present":
        return this.#source(e.source) !== null;
    }
  }

  /** A copy. */
  #bytes(e: Bytes): Uint8Array {
    switch (e.y) {
      case "field": {
        const { bytes, at } = this.#place(e.place);
        if (e.place.type.kind !== "bytes") throw new Error("a byte array was expected");
        return bytes.slice(at, at + e.place.type.size);
      }
      case "name":
        return this.#get<Uint8Array>(e.name);
      case "constant":
        return constant(e.values, e.size);
    }
  }

  /** The bytes of a key or value. */
  #value(e: Value): Uint8Array {
    const bytes = new Uint8Array(e.struct.size);
    switch (e.v) {
      case "int": {
        const [field] = e.struct.fields;
        if (field !== undefined) writeInt(bytes, 0, field.type, this.#int(e.value));
        return bytes;
      }
      case "view": {
        const { bytes: from, at } = this.#get<View>(e.view);
        return from.slice(at + e.offset, at + e.offset + e.struct.size);
      }
      case "literal":
        for (const { field, value } of e.fields) {
          switch (value.f) {
            case "int":
              writeInt(bytes, field.offset, field.type, this.#int(value.value));
              break;
            case "bool":
              bytes[field.offset] = this.#bool(value.value) ? 1 : 0;
              break;
            case "bytes":
              bytes.set(this.#bytes(value.value), field.offset);
              break;
            case "struct":
              bytes.set(this.#value(value.value), field.offset);
          }
        }
        return bytes;
    }
  }

  #source(e: ViewSource): View | null {
    switch (e.w) {
      case "at":
        return this.#at(this.#int(e.offset), e.struct.size);
      case "either": {
        const first = this.#int(e.first);
        const second = this.#int(e.second);
        return this.#at(first, e.struct.size) ?? this.#at(second, e.struct.size);
      }
      case "lookup":
        return this.#map(e.map).lookup(this.#value(e.key));
      case "choice":
        return this.#source(this.#bool(e.condition) ? e.yes : e.no);
    }
  }

  #at(offset: bigint, size: number): View | null {
    const from = BigInt.asUintN(64, offset);
    if (from + BigInt(size) > LARGEST_OFFSET || Number(from) + size > this.#end - this.#data) return null;
    return { bytes: this.#frame, at: this.#data + Number(from) };
  }

  #call(callee: string, args: readonly Argument[]): bigint {
    const fn = this.#get<Fn>(callee);
    const values = args.map((argument) => this.#argument(argument));
    fn.parameters.forEach((parameter, index) => {
      const value = values[index];
      if (value === undefined) throw new Error(`${callee} lacks an argument`);
      this.#names.set(
        parameter.name,
        parameter.p === "int" && typeof value === "bigint" ? wrap(parameter.flavour, value) : value,
      );
    });
    const end = this.#block(fn.body);
    return end !== null && typeof end === "object" ? wrap(fn.returns, end.value) : 0n;
  }

  #argument(argument: Argument): Named {
    switch (argument.a) {
      case "int":
        return this.#int(argument.value);
      case "view": {
        const { bytes, at } = this.#get<View>(argument.view);
        return { bytes, at: at + argument.offset };
      }
      case "record":
        return this.#get<Record>(argument.record);
    }
  }

  // -- places --

  #place({ view, offset }: FieldPlace): View {
    const { bytes, at } = this.#get<View>(view);
    return { bytes, at: at + offset };
  }

  #map(name: string): MapModel {
    const map = this.#maps.get(name);
    if (map === undefined) throw new Error(`there is no map ${name}`);
    return map;
  }

  #record(name: string, [first, second]: readonly string[]): bigint {
    const value = this.#get<Record>(name).get(first ?? "");
    const field = value instanceof Map ? value.get(second ?? "") : value;
    if (field === undefined) throw new Error(`${name} has no such field`);
    return field;
  }

  #readTarget(target: Target): bigint {
    switch (target.t) {
      case "name":
        return this.#get<bigint>(target.name);
      case "field": {
        const { bytes, at } = this.#place(target.place);
        return readInt(bytes, at, target.place.type);
      }
      case "byte": {
        const { bytes, at } = this.#place(target.place);
        return BigInt(bytes[at + target.index] ?? 0);
      }
      case "record":
        return this.#record(target.record, target.path);
    }
  }

  #writeTarget(target: Target, value: bigint): void {
    switch (target.t) {
      case "name":
        this.#names.set(target.name, wrap(target.wrap, value));
        return;
      case "field": {
        const { bytes, at } = this.#place(target.place);
        return writeInt(bytes, at, target.place.type, value);
      }
      case "byte": {
        const { bytes, at } = this.#place(target.place);
        bytes[at + target.index] = Number(BigInt.asUintN(8, value));
        return;
      }
      case "record": {
        const [first = "", second] = target.path;
        const record = this.#get<Record>(target.record);
        const inner = record.get(first);
        if (second !== undefined && inner instanceof Map) inner.set(second, value);
        else record.set(first, value);
      }
    }
  }
}

function constant(values: readonly number[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(values);
  return bytes;
}

function words(bytes: Uint8Array): bigint {
  let sum = 0n;
  for (let at = 0; at < bytes.length; at += 2) sum += BigInt((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8));
  return sum;
}

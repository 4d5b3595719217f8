/**
 * The meaning of a module by docs/language.md, evaluated on the tree: nothing of the compiler is used, and nothing of the interpreters.
 * Here are the statements; frame.ts, map-model.ts, memory.ts and operators.ts say what packets, maps, fields and operators do.
 */
import { type Completion, constant, ExpressionEvaluator, type Named, type RecordOfInts } from "./evaluate-expressions.ts";
import { GOES_ON, REDIRECT, VERDICTS } from "./hooks.ts";
import type { Contents } from "./map-model.ts";
import { MapOfMapsModel } from "./map-of-maps-model.ts";
import { canonical, copyOf, hex, readInt, type View, writeInt } from "./memory.ts";
import { wrap } from "./operators.ts";
import { ethernetPayload, type Found, ipPayload, ipv4Payload, ipv6Payload } from "./payloads.ts";
import {
  type Action,
  type Cursor,
  type Flavour,
  type Global,
  isRedirect,
  type Module,
  type Reshape,
  type Statement,
  sizeOfScalar,
} from "./tree.ts";

export interface Outcome {
  verdict: number;
  packet: Uint8Array;
  /** Of all that programs can change. */
  maps: Map<string, Contents>;
  /** Where the program sends the packet; `null` when it does not. */
  redirect: string | null;
  /** The module's variables, in hexadecimal. */
  globals: Map<string, string>;
}

/** What a tail call ends with: the other program's verdict is the last word. */
class TailCalled extends Error {
  readonly verdict: bigint;

  constructor(verdict: bigint) {
    super("a tail call");
    this.verdict = verdict;
  }
}

const VOID = { value: 0n };

/** What the numbers are made that the methods of a TC context are given. */
const PARAMETERS: Readonly<Record<Reshape["h"], readonly Flavour[]>> = {
  pull: ["u32"],
  changeTail: ["u32"],
  changeHead: ["u32"],
  adjustRoom: ["i32"],
  pushVlan: ["u16", "u16"],
  popVlan: [],
};

/** What `module` does to `packet`, its maps being as they are declared. */
export function evaluate(module: Module, packet: Uint8Array): Outcome {
  return new Evaluator(module, packet).run();
}

class Evaluator extends ExpressionEvaluator {
  readonly #module: Module;
  #redirect: string | null = null;

  constructor(module: Module, packet: Uint8Array) {
    super(module, packet);
    this.#module = module;
    for (const setting of module.settings) {
      if ("scalar" in setting) this.names.set(setting.name, canonical(setting.number));
      else if ("value" in setting) this.names.set(setting.name, { bytes: this.value(setting.value), at: 0 });
      else this.names.set(setting.name, constant(setting.values, setting.size));
    }
    for (const global of module.globals) this.names.set(global.name, this.#first(global));
    for (const fn of module.functions) this.names.set(fn.name, fn);
  }

  run(): Outcome {
    const verdict = Number(this.#verdict());
    const changed = this.#module.maps.filter((map) => !isRedirect(map));
    return {
      verdict,
      packet: this.packet.content,
      maps: new Map(changed.map(({ name }) => [name, this.maps.get(name)?.contents() ?? new Map()])),
      redirect: this.#redirect,
      globals: new Map(this.#module.globals.map((global) => [global.name, this.#last(global)])),
    };
  }

  #verdict(): bigint {
    const { chain, body, hook } = this.#module;
    try {
      for (const part of chain) {
        const verdict = this.#program(part.body);
        if (!VERDICTS[hook].some(({ name, number }) => BigInt(number) === verdict && GOES_ON[hook].includes(name)))
          return verdict;
      }
      return this.#program(body);
    } catch (error) {
      if (error instanceof TailCalled) return error.verdict;
      throw error;
    }
  }

  #program(body: readonly Statement[]): bigint {
    const end = this.block(body);
    if (end === null || typeof end === "string" || typeof end.value !== "bigint")
      throw new Error("the program does not return");
    return end.value;
  }

  #first(global: Global): Named {
    switch (global.g) {
      case "int":
        return canonical(global.first);
      case "bool":
        return global.first;
      case "bytes":
        return constant(global.first, global.size);
      case "struct":
        return { bytes: global.first === null ? new Uint8Array(global.struct.size) : this.value(global.first), at: 0 };
    }
  }

  #last(global: Global): string {
    switch (global.g) {
      case "int": {
        const bytes = new Uint8Array(sizeOfScalar(global.flavour));
        writeInt(bytes, 0, { kind: "scalar", scalar: global.flavour }, this.get<bigint>(global.name));
        return hex(bytes);
      }
      case "bool":
        return this.get<boolean>(global.name) ? "01" : "00";
      case "bytes":
        return hex(this.get<Uint8Array>(global.name));
      case "struct":
        return hex(this.get<View>(global.name).bytes);
    }
  }

  protected block(statements: readonly Statement[]): Completion {
    for (const statement of statements) {
      const end = this.#statement(statement);
      if (end !== null) return end;
    }
    return null;
  }

  #statement(st: Statement): Completion {
    switch (st.s) {
      case "int":
        this.names.set(st.name, wrap(st.wrap, this.int(st.value)));
        return null;
      case "bool":
      case "set-bool":
        this.names.set(st.name, this.bool(st.value));
        return null;
      case "set-bool-field": {
        const { bytes, at } = this.part(st.place);
        bytes[at] = this.bool(st.value) ? 1 : 0;
        return null;
      }
      case "bytes":
      case "set-bytes-name":
        this.names.set(st.name, this.bytes(st.value));
        return null;
      case "set-bytes": {
        const { bytes, at } = this.part(st.place);
        bytes.set(this.bytes(st.value), at);
        return null;
      }
      case "set-struct": {
        // What the value reads is read before anything is written.
        const content = this.value(st.value);
        const { bytes, at } = this.part(st.place);
        bytes.set(content, at);
        return null;
      }
      case "record": {
        const record: RecordOfInts = new Map();
        for (const { name, value } of st.fields) {
          if (!Array.isArray(value)) record.set(name, this.int(value));
          else record.set(name, new Map(value.map((each) => [each.name, this.int(each.value)])));
        }
        this.names.set(st.name, record);
        return null;
      }
      case "set-array": {
        const { place } = st;
        if (place.type.kind !== "array") throw new Error("an array was expected");
        const content = new Uint8Array(place.type.stride * place.type.length);
        this.fill(content, 0, place.type, st.value);
        const { bytes, at } = this.part(place);
        bytes.set(content, at);
        return null;
      }
      case "alias":
      case "view-as":
        this.names.set(st.name, this.part(st));
        return null;
      case "swap": {
        const [left, right] = [this.part(st.left), this.part(st.right)];
        const isBool = st.left.type.kind === "bool";
        const copy = (view: View) => (isBool ? Uint8Array.of(view.bytes[view.at] === 0 ? 0 : 1) : copyOf(view, st.size));
        const [first, second] = [copy(left), copy(right)];
        left.bytes.set(second, left.at);
        right.bytes.set(first, right.at);
        return null;
      }
      case "cursor": {
        const found = this.#cursor(st.cursor);
        this.names.set(st.name, found === null ? null : new Map(Object.entries(found)));
        return found === null ? this.block(st.otherwise) : null;
      }
      case "tail-call": {
        const program = this.#module.tails[Number(BigInt.asUintN(32, this.int(st.index)))];
        if (program === undefined) return null;
        throw new TailCalled(this.#program(program.body));
      }
      case "each":
        return this.#each(st);
      case "destructure": {
        const { bytes, at } = this.get<View>(st.view);
        for (const { field, name } of st.fields) {
          const { type, offset } = field;
          this.names.set(name, this.read({ bytes, at: at + offset }, type));
        }
        return null;
      }
      case "expression":
        this.int(st.value);
        return null;
      case "effect":
        this.bool(st.value);
        return null;
      case "void-call":
        this.call(st.callee, st.args);
        return null;
      case "atomic": {
        const { bytes, at } = this.part(st.place);
        const amount = this.int(st.value);
        writeInt(bytes, at, st.place.type, readInt(bytes, at, st.place.type) + amount);
        return null;
      }
      case "atomic-name": {
        // The amount is computed first, and may change the variable.
        const amount = this.int(st.value);
        this.names.set(st.name, wrap(st.flavour, this.get<bigint>(st.name) + amount));
        return null;
      }
      case "if":
        return this.block(this.bool(st.condition) ? st.then : st.otherwise);
      case "switch":
        return this.#switch(st);
      case "for": {
        for (let i = st.start; st.step < 0 ? i > st.limit : i < st.limit; i += st.step) {
          const end = this.#round(st.name, BigInt(i), st.body);
          if (end === "break") break;
          if (end !== null) return end;
        }
        return null;
      }
      case "range": {
        for (let i = st.start; i < st.end; i++) {
          const end = this.#round(st.name, BigInt(i), st.body);
          if (end === "break") break;
          if (end !== null) return end;
        }
        return null;
      }
      case "break":
      case "continue":
        return st.s;
      case "guard": {
        const view = this.source(st.source);
        this.names.set(st.name, view);
        return view === null ? this.block(st.otherwise) : null;
      }
      case "if-view": {
        const view = this.source(st.source);
        this.names.set(st.name, view);
        return this.block(view === null ? st.otherwise : st.then);
      }
      case "let-view": {
        let view = st.first === null ? null : this.source(st.first);
        if (this.bool(st.condition)) view = this.source(st.second);
        this.names.set(st.name, view);
        return view === null ? null : this.block(st.then);
      }
      case "move":
        return this.frame.move(st.edge, Number(BigInt.asIntN(32, this.int(st.delta)))) ? null : this.block(st.otherwise);
      case "reshape": {
        const { h, args, mode } = st.how;
        const [first, second] = args.map((each, index) => Number(wrap(PARAMETERS[h][index] ?? "u32", this.int(each))));
        return this.socketBuffer.reshape(h, first, second, mode) ? null : this.block(st.otherwise);
      }
      case "reserve": {
        const bytes = this.ring(st.map).reserve(st.struct.size);
        if (bytes === null) return this.block(st.otherwise);
        this.names.set(st.name, { bytes, at: 0 });
        for (const { field, value } of st.fields) this.fill(bytes, field.offset, field.type, value);
        return this.block(st.body);
      }
      case "inner": {
        const outer = this.maps.get(st.map);
        if (!(outer instanceof MapOfMapsModel)) throw new Error(`there is no map of maps ${st.map}`);
        const inner = outer.lookup(this.value(st.key));
        if (inner === null) return this.block(st.otherwise);
        this.found.set(st.name, inner);
        return this.block(st.then);
      }
      case "release":
        this.ring(st.map).release(this.get<View>(st.record).bytes, st.how);
        return null;
      case "local":
        this.names.set(st.name, { bytes: this.value(st.value), at: 0 });
        return null;
      case "trace":
        for (const value of st.values) this.int(value);
        return null;
      case "closure":
        this.names.set(st.fn.name, st.fn);
        return null;
      case "return":
        return st.value === null ? VOID : { value: this.int(st.value) };
      case "return-view":
        return { value: st.source === null ? null : this.source(st.source) };
      case "verdict": {
        const { condition, yes, no } = st.verdict;
        const action = condition === null || this.bool(condition) ? yes : no;
        return { value: this.#action(action) };
      }
    }
  }

  #action(action: Action): bigint {
    const { hook } = this.#module;
    if (typeof action === "string") return BigInt(VERDICTS[hook].find(({ name }) => name === action)?.number ?? 0);
    if (!("r" in action)) {
      this.#redirect = `interface ${wrap("u32", this.int(action))}`;
      return REDIRECT[hook];
    }
    const key = wrap("u32", this.int(action.key));
    const { condition, yes, no } = action.fallback ?? { condition: null, yes: "XDP_ABORTED", no: "XDP_ABORTED" };
    const fallback = this.#action(condition === null || this.bool(condition) ? yes : no);
    const bytes = new Uint8Array(4);
    writeInt(bytes, 0, { kind: "scalar", scalar: "u32" }, key);
    if (this.map(action.map).lookup(bytes) === null) return fallback;
    this.#redirect = `${action.map} ${key}`;
    return REDIRECT[hook];
  }

  #cursor(cursor: Cursor): Found | null {
    switch (cursor.c) {
      case "ethernetPayload":
        return ethernetPayload(this.packet);
      case "ipPayload": {
        const type = this.int(cursor.type);
        return ipPayload(this.packet, wrap("u16", type), wrap("u32", this.int(cursor.offset)));
      }
      case "ipv4Payload":
        return ipv4Payload(this.packet, wrap("u32", this.int(cursor.offset)));
      case "ipv6Payload":
        return ipv6Payload(this.packet, wrap("u32", this.int(cursor.offset)));
    }
  }

  #each({ name, place, body }: Extract<Statement, { s: "each" }>): Completion {
    const { type } = place;
    if (type.kind !== "array") throw new Error("an array was expected");
    const { bytes, at } = this.part(place);
    for (let index = 0; index < type.length; index++) {
      const end = this.#round(name, this.read({ bytes, at: at + index * type.stride }, type.element), body);
      if (end === "break") break;
      if (end !== null) return end;
    }
    return null;
  }

  /** `null` when the next round may come. */
  #round(name: string, value: Named, body: readonly Statement[]): Completion {
    this.names.set(name, value);
    const end = this.block(body);
    return end === "continue" ? null : end;
  }

  #switch(st: Extract<Statement, { s: "switch" }>): Completion {
    const value = this.int(st.value);
    let first = st.clauses.findIndex(({ label }) => label !== null && canonical(label) === value);
    if (first < 0) first = st.clauses.findIndex(({ label }) => label === null);
    if (first < 0) return null;
    for (const { body } of st.clauses.slice(first)) {
      const end = this.block(body);
      if (end === "break") return null;
      if (end !== null) return end;
    }
    return null;
  }
}

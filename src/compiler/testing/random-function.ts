/**
 * Random functions for differential tests, shaped like packet programs: bounds checks whose outcome travels in a bool, fields in
 * network byte order, keys built on the stack, loops, phis that feed each other. Every one is accepted by the verifier as it is,
 * so one that is rejected after a pass convicts that pass. What a function looks like is decided by a tape of numbers, so that
 * fast-check can shrink a failure by shortening the tape.
 */
import fc from "fast-check";
import { HELPER } from "../../object/helpers.ts";
import { FunctionBuilder, type Variable } from "../ir/builder.ts";
import { interpret, type World } from "../ir/interpret.ts";
import {
  type AccessSize,
  BINARY_OPS,
  type BinaryOp,
  type Block,
  COMPARE_OPS,
  type CompareOp,
  type Function,
  type Value,
} from "../ir/ir.ts";

/** Shorter packets make the function return early. */
export const PACKET_BYTES = 64;
export const MAP_ENTRIES = 4;
export const MAP_VALUE = 16;

export const tapes = fc.array(fc.nat(0xffff), { minLength: 40, maxLength: 500, size: "max" });
export const packets = fc.uint8Array({ minLength: PACKET_BYTES, maxLength: PACKET_BYTES + 40 });

/** What a run leaves behind, to compare. */
export interface Outcome {
  value: number;
  packet: string;
  counters: string;
}

/** The function that `tape` decides on. Equal tapes give equal functions, and no state is shared between two. */
export function randomFunction(tape: readonly number[]): Function {
  return new Author(tape).function;
}

/** What `fn` does to `packet` and to the map, by the interpreter. */
export function interpreted(fn: Function, packet: Uint8Array): Outcome {
  const values = startOfMap();
  const elements = new Map(values.map((value, index) => [hex(keyBytes(index)), value]));
  const world: World = {
    packet: packet.slice(),
    maps: new Map([["counters", { keySize: 4, values: elements }]]),
    data: new Map(),
    helpers: new Map([HELPER.ktime_get_ns, HELPER.get_smp_processor_id].map((helper) => [helper, () => 0n])),
  };
  const value = Number(BigInt.asUintN(32, interpret(fn, world)));
  return { value, packet: hex(world.packet), counters: values.map(hex).join(" ") };
}

export function startOfMap(): Uint8Array[] {
  return Array.from({ length: MAP_ENTRIES }, (_, index) => new Uint8Array(MAP_VALUE).fill(index + 1));
}

export function keyBytes(index: number): Uint8Array {
  return new Uint8Array([index, 0, 0, 0]);
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

const INTERESTING = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  63n,
  64n,
  255n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  -1n,
  -2n,
  -0x8000_0000n,
  -0x8000_0001n,
  0x7fff_ffff_ffff_ffffn,
  -0x8000_0000_0000_0000n,
  0x1234_5678_9abc_def0n,
  10n,
  1000n,
];

/** Writes one random program. What it decides comes from the tape; an empty tape decides for the simplest. */
class Author {
  readonly #tape: readonly number[];
  #position = 0;
  readonly #b = new FunctionBuilder("random");
  readonly #variables: Variable[] = [];
  readonly #bools: Variable[] = [];
  readonly #data: Variable = { name: "data", type: "ptr" };
  readonly #end: Variable = { name: "end", type: "ptr" };
  #context!: Value; // the constructor's first statement of the program sets it
  readonly #slots: { value: Value; size: number; align: number }[] = [];
  readonly #fail: Block;
  #branches = 0;

  constructor(tape: readonly number[]) {
    this.#tape = tape;
    const b = this.#b;
    this.#fail = b.newBlock();
    this.#context = b.emit({ op: "context", type: "ptr", args: [] });
    this.#reloadPacket();
    for (let index = 0; index < 2 + this.#choose(14); index++) {
      const variable: Variable = { name: `x${index}`, type: "int" };
      this.#variables.push(variable);
      b.write(variable, this.#packetLoad());
    }
    for (let index = 0; index < 3; index++) {
      const variable: Variable = { name: `c${index}`, type: "bool" };
      this.#bools.push(variable);
      b.write(variable, b.const(index & 1, "bool"));
    }
    for (const [size, align] of [
      [8, 8],
      [16, 8],
      [4, 4],
      [6, 2],
    ] as const) {
      const slot = b.emit({ op: "slot", type: "ptr", args: [], size, align });
      this.#slots.push({ value: slot, size, align });
      for (let offset = 0; offset < size; offset += 2) b.store(2, slot, offset, "stack", b.const(offset * 77));
    }
    this.#statements(4 + this.#choose(20), 0);
    this.#finish();
    b.enter(this.#fail);
    b.return(b.const(77));
  }

  get function(): Function {
    return this.#b.finish();
  }

  #choose(count: number): number {
    const number = this.#tape[this.#position++] ?? 0;
    return number % count;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#choose(list.length)] as T;
  }

  #reloadPacket(): void {
    const b = this.#b;
    const data = b.load(4, this.#context, 0, "context", "ptr");
    const end = b.load(4, this.#context, 4, "context", "ptr");
    b.write(this.#data, data);
    b.write(this.#end, end);
    const good = b.newBlock();
    const limit = b.binary("add", data, b.const(PACKET_BYTES));
    if (this.#choose(2) === 0) b.branch(b.compare("ugt", limit, end), this.#fail, good);
    else b.branch(b.compare("ule", limit, end), good, this.#fail);
    b.enter(good);
  }

  #size(): AccessSize {
    return this.#pick([8, 4, 2, 1] as const);
  }

  #packetLoad(): Value {
    const size = this.#size();
    const base = this.#b.read(this.#data);
    const offset = this.#choose(PACKET_BYTES - size + 1);
    if (this.#choose(3) > 0) return this.#b.load(size, base, offset, "packet");
    return this.#b.load(size, this.#b.binary("add", base, this.#b.const(offset - (offset & 3))), offset & 3, "packet");
  }

  #atom(): Value {
    switch (this.#choose(6)) {
      case 0:
        return this.#b.const(this.#pick(INTERESTING));
      case 1:
        return this.#b.const(this.#choose(256) - 128);
      case 2:
        return this.#b.read(this.#pick(this.#bools));
      default:
        return this.#b.read(this.#pick(this.#variables));
    }
  }

  #expression(depth: number): Value {
    const b = this.#b;
    if (depth === 0) return this.#atom();
    switch (this.#choose(8)) {
      case 0:
        return this.#packetLoad();
      case 1:
        return b.emit({
          op: this.#pick(["zext", "sext"] as const),
          type: "int",
          args: [this.#expression(depth - 1)],
          bits: this.#pick([8, 16, 32] as const),
        });
      case 2:
        return b.emit({
          op: "bswap",
          type: "int",
          args: [this.#expression(depth - 1)],
          bits: this.#pick([16, 32, 64] as const),
        });
      case 3: {
        const { value, size, align } = this.#pick(this.#slots);
        const width = this.#pick([8, 4, 2, 1].filter((each) => each <= align)) as AccessSize;
        return b.load(width, value, this.#choose(Math.floor(size / width)) * width, "stack");
      }
      case 4:
        return this.#comparison(depth - 1);
      default: {
        const op = this.#pick<BinaryOp>(BINARY_OPS);
        const left = this.#expression(depth - 1);
        const value = b.binary(op, left, this.#expression(depth - 1));
        return this.#choose(3) === 0 ? b.emit({ op: "zext", type: "int", args: [value], bits: 32 }) : value;
      }
    }
  }

  #comparison(depth: number): Value {
    const b = this.#b;
    const op = this.#pick<CompareOp>(COMPARE_OPS);
    if (this.#choose(4) === 0) {
      const masked = b.binary("and", this.#expression(depth), b.const(this.#pick(INTERESTING)));
      return b.compare(this.#pick(["eq", "ne"] as const), masked, b.const(0));
    }
    return b.compare(op, this.#expression(depth), this.#atom());
  }

  #condition(): Value {
    return this.#choose(3) === 0 ? this.#b.read(this.#pick(this.#bools)) : this.#comparison(1);
  }

  #statements(count: number, depth: number): void {
    for (let index = 0; index < count && this.#b.block !== null; index++) this.#statement(depth);
  }

  #statement(depth: number): void {
    const b = this.#b;
    switch (this.#choose(20)) {
      case 0:
        if (this.#branches++ < 7) this.#if(depth);
        return;
      case 1:
        if (depth === 0 && this.#branches < 5) this.#loop();
        return;
      case 2:
        return b.store(this.#size(), b.read(this.#data), this.#choose(PACKET_BYTES - 7), "packet", this.#expression(2));
      case 3: {
        const { value, size, align } = this.#pick(this.#slots);
        const width = this.#pick([8, 4, 2, 1].filter((each) => each <= align)) as AccessSize;
        return b.store(width, value, this.#choose(Math.floor(size / width)) * width, "stack", this.#expression(1));
      }
      case 4:
        b.emit({ op: "call", type: "int", args: [], helper: this.#pick([HELPER.ktime_get_ns, HELPER.get_smp_processor_id]) });
        return;
      case 5:
        if (this.#branches++ < 7) this.#lookup();
        return;
      case 6:
        if (this.#branches++ < 7) this.#variableOffset();
        return;
      case 7:
        return b.write(this.#pick(this.#bools), this.#comparison(1));
      case 8:
        if (depth > 0 && this.#choose(4) === 0) return b.return(this.#expression(1));
        if (this.#branches++ < 7) this.#reloadPacket();
        return;
      case 9:
        return this.#swap();
      case 10:
        if (this.#branches++ < 7) this.#nullable();
        return;
      case 11:
        return this.#header();
      case 12:
        return this.#copy();
      default:
        return b.write(this.#pick(this.#variables), this.#expression(1 + this.#choose(3)));
    }
  }

  /** Phis that feed each other. */
  #swap(): void {
    const b = this.#b;
    const [left, right] = [this.#pick(this.#variables), this.#pick(this.#variables)];
    const [a, z] = [b.read(left), b.read(right)];
    b.write(left, z);
    b.write(right, a);
  }

  #if(depth: number): void {
    const b = this.#b;
    const [then, otherwise, join] = [b.newBlock(), b.newBlock(), b.newBlock()];
    const withElse = this.#choose(2) === 1;
    b.branch(this.#condition(), then, withElse ? otherwise : join);
    b.enter(then);
    this.#statements(1 + this.#choose(4), depth + 1);
    b.jump(join);
    if (withElse) {
      b.enter(otherwise);
      this.#statements(1 + this.#choose(4), depth + 1);
      b.jump(join);
    }
    b.enter(join);
  }

  #loop(): void {
    const b = this.#b;
    const counter: Variable = { name: "i", type: "int" };
    const [header, body, after] = [b.newBlock(), b.newBlock(), b.newBlock()];
    b.write(counter, b.const(0));
    b.jump(header);
    b.enter(header, false);
    b.branch(b.compare("ult", b.read(counter), b.const(2 + this.#choose(3))), body, after);
    b.enter(body);
    this.#branches += 4;
    this.#statements(1 + this.#choose(4), 1);
    b.write(counter, b.binary("add", b.read(counter), b.const(1)));
    b.jump(header);
    b.seal(header);
    b.enter(after);
  }

  #lookup(): void {
    const b = this.#b;
    const key = this.#slots[2]?.value as Value;
    b.store(
      4,
      key,
      0,
      "stack",
      this.#choose(2) === 0 ? b.const(this.#choose(MAP_ENTRIES + 2)) : b.binary("and", this.#atom(), b.const(7)),
    );
    const map = b.emit({ op: "map", type: "ptr", args: [], name: "counters" });
    const found = b.emit({ op: "call", type: "ptr", args: [map, key], helper: HELPER.map_lookup_elem });
    const [some, none] = [b.newBlock(), b.newBlock()];
    if (this.#choose(2) === 0) b.branch(b.compare("ne", found, b.const(0)), some, none);
    else b.branch(b.compare("eq", found, b.const(0)), none, some);
    b.enter(some);
    const size = this.#size();
    const offset = this.#choose(MAP_VALUE / size) * size;
    const old = b.load(size, found, offset, "map");
    b.store(size, found, offset, "map", b.binary("add", old, this.#atom()));
    b.emit({ op: "atomic_add", type: "void", args: [found, this.#atom()], size: 8, offset: 8, region: "map" });
    b.write(this.#pick(this.#variables), old);
    if (this.#choose(2) === 0) this.#statements(1, 1);
    b.jump(none);
    b.enter(none);
  }

  /** The shape that the verifier accepts: add a bounded number, check that pointer, load through it. */
  #variableOffset(): void {
    const b = this.#b;
    const offset = b.binary("and", this.#atom(), b.const(this.#pick([31, 63, 127])));
    const data = b.read(this.#data);
    const pointer =
      this.#choose(2) === 0 ? b.binary("add", data, offset) : b.emit({ op: "add", type: "ptr", args: [data, offset] });
    const [inside, after] = [b.newBlock(), b.newBlock()];
    b.branch(b.compare("ugt", b.binary("add", pointer, b.const(12)), b.read(this.#end)), after, inside);
    b.enter(inside);
    const size = this.#size();
    if (this.#choose(3) === 0) b.emit({ op: "call", type: "int", args: [], helper: HELPER.ktime_get_ns });
    b.write(this.#pick(this.#variables), b.load(size, pointer, this.#choose(5), "packet"));
    if (this.#choose(2) === 0)
      b.store(size, b.binary("add", pointer, b.const(4)), this.#choose(9 - size), "packet", this.#atom());
    b.jump(after);
    b.enter(after);
  }

  /** What the front end makes of a view that may be null: a bool and a pointer, merged on the way and tested later. */
  #nullable(): void {
    const b = this.#b;
    const valid: Variable = { name: "valid", type: "bool" };
    const view: Variable = { name: "view", type: "ptr" };
    const [try_, none, join, some, after] = [b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock()];
    b.branch(this.#condition(), try_, none);
    b.enter(try_);
    const pointer =
      this.#choose(2) === 0
        ? b.read(this.#data)
        : b.binary("add", b.read(this.#data), b.binary("and", this.#atom(), b.const(31)));
    b.write(valid, b.compare("ule", b.binary("add", pointer, b.const(20)), b.read(this.#end)));
    b.write(view, pointer);
    b.jump(join);
    b.enter(none);
    b.write(valid, b.const(0, "bool"));
    b.write(view, b.const(0, "ptr"));
    if (this.#choose(2) === 0) b.write(this.#pick(this.#variables), this.#expression(1));
    b.jump(join);
    b.enter(join);
    const again = this.#choose(2) === 0 ? this.#pick(this.#bools) : valid;
    b.branch(b.read(valid), some, after);
    b.enter(some);
    const size = this.#size();
    b.write(this.#pick(this.#variables), b.load(size, b.read(view), this.#choose(12), "packet"));
    if (this.#choose(2) === 0) b.store(size, b.read(view), this.#choose(12), "packet", this.#expression(1));
    b.jump(after);
    b.enter(after);
    if (again !== valid) return;
    const [late, end] = [b.newBlock(), b.newBlock()];
    b.branch(b.read(valid), late, end);
    b.enter(late);
    b.write(this.#pick(this.#variables), b.load(1, b.read(view), 19, "packet"));
    b.jump(end);
    b.enter(end);
  }

  /** A field in network byte order, read, changed and written back, and asked for known values. */
  #header(): void {
    const b = this.#b;
    const bits = this.#pick([16, 32, 64] as const);
    const size = (bits / 8) as AccessSize;
    const at = this.#choose(PACKET_BYTES - 8);
    const swap = (value: Value): Value => b.emit({ op: "bswap", type: "int", args: [value], bits });
    const field = swap(b.load(size, b.read(this.#data), at, "packet"));
    const shifted = b.binary(
      "and",
      b.binary("lshr", field, b.const(this.#choose(bits))),
      b.const(this.#pick([1, 3, 0xf, 0xfff])),
    );
    b.write(this.#pick(this.#variables), this.#choose(2) === 0 ? field : shifted);
    b.write(
      this.#pick(this.#bools),
      b.compare(this.#pick(["eq", "ne", "ult"] as const), this.#pick([field, shifted]), b.const(this.#choose(17))),
    );
    const op = this.#pick(["add", "and", "or", "xor", "sub"] as const);
    const changed = b.binary(op, field, this.#choose(2) === 0 ? this.#atom() : b.const(this.#choose(0xffff)));
    const wrapped = bits === 64 ? changed : b.binary("and", changed, b.const((1n << BigInt(bits)) - 1n));
    b.store(size, b.read(this.#data), at, "packet", swap(wrapped));
  }

  /** Bytes copied or cleared one by one, or in odd pieces. */
  #copy(): void {
    const b = this.#b;
    const [from, to] = [this.#choose(24), this.#choose(24) + 24];
    const size = this.#pick([1, 2, 4] as const);
    const slot = this.#slots[1]?.value as Value;
    const kind = this.#choose(4);
    for (let index = 0; index < 8 / size; index++) {
      const offset = index * size;
      const data = b.read(this.#data);
      if (kind === 0) b.store(size, data, to + offset, "packet", b.const(this.#choose(300)));
      else if (kind === 1) b.store(size, data, (from >> 1) + offset + 8, "packet", b.load(size, data, from + offset, "packet"));
      else if (kind === 2) b.store(size, slot, offset + (from & 8), "stack", b.load(size, data, from + offset, "packet"));
      else b.store(size, slot, offset + (from & 8), "stack", b.const(this.#choose(300)));
    }
  }

  #finish(): void {
    const b = this.#b;
    if (b.block === null) return;
    let result = b.const(0);
    for (const variable of [...this.#variables, ...this.#bools]) {
      result = b.binary("mul", b.binary("xor", result, b.read(variable)), b.const(31));
    }
    b.store(8, b.read(this.#data), 0, "packet", result);
    b.return(b.binary("lshr", result, b.const(7)));
  }
}

/**
 * Random programs, compiled and run by the kernel, must do what the interpreter says, on every instruction set. The programs are
 * made from a tape of numbers, so that fast-check can shrink a failure by shortening the tape.
 */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { disassemble } from "../../object/disassemble.ts";
import { encode } from "../../object/encoding.ts";
import { HELPER } from "../../object/helpers.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import { relocate } from "../../runtime/relocate.ts";
import { Fd, type MapFd, mapCreate, mapLookup, mapUpdate, programLoad, programTestRun } from "../../sys/bpf.ts";
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
import { printFunction } from "../ir/print.ts";
import { validate } from "../ir/validate.ts";
import { generate } from "./generate.ts";
import type { Cpu } from "./machine.ts";

const PACKET_BYTES = 64;
const MAP_ENTRIES = 4;
const MAP_VALUE = 16;
const XDP = 6;
/** What the author's own slots take; more means that registers were spilled. */
const SLOT_BYTES = 40;
const isRoot = process.getuid?.() === 0 && process.platform === "linux";

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
    switch (this.#choose(16)) {
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
    const key =
      this.#choose(2) === 0
        ? (this.#slots[2]?.value as Value)
        : b.emit({ op: "slot", type: "ptr", args: [], size: 4, align: this.#pick([4, 8] as const) });
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

const tapes = fc.array(fc.nat(0xffff), { minLength: 40, maxLength: 500, size: "max" });
const packets = fc.uint8Array({ minLength: PACKET_BYTES, maxLength: PACKET_BYTES + 40 });

interface Outcome {
  value: number;
  packet: string;
  counters: string;
}

function startOfMap(): Uint8Array[] {
  return Array.from({ length: MAP_ENTRIES }, (_, index) => new Uint8Array(MAP_VALUE).fill(index + 1));
}

function keyBytes(index: number): Uint8Array {
  return new Uint8Array([index, 0, 0, 0]);
}

function expected(fn: Function, packet: Uint8Array): Outcome {
  const values = startOfMap();
  const world: World = {
    packet: packet.slice(),
    maps: new Map([["counters", { keySize: 4, values: new Map(values.map((value, index) => [hex(keyBytes(index)), value])) }]]),
    data: new Map(),
    helpers: new Map([HELPER.ktime_get_ns, HELPER.get_smp_processor_id].map((helper) => [helper, () => 0n])),
  };
  const value = Number(BigInt.asUintN(32, interpret(fn, world)));
  return { value, packet: hex(world.packet), counters: values.map(hex).join(" ") };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

let counters: MapFd | null = null;
let spilling = 0;

function actual(fn: Function, packet: Uint8Array, cpu: Cpu): Outcome {
  counters ??= mapCreate({
    name: `diff_${process.pid}`,
    type: MAP_TYPE.ARRAY,
    keySize: 4,
    valueSize: MAP_VALUE,
    maxEntries: MAP_ENTRIES,
    flags: 0,
  });
  for (const [index, value] of startOfMap().entries()) mapUpdate(counters, keyBytes(index), value, 0);
  const { instructions, stackBytes } = generate(fn, { cpu });
  if (stackBytes > SLOT_BYTES) spilling++;
  const program = {
    name: fn.name,
    section: "xdp",
    type: "xdp" as const,
    functions: [{ name: fn.name, instructions, typeId: 0, lines: [] }],
  };
  const code = encode(relocate(program, new Map([["counters", counters]])));
  const loaded = programLoad({
    name: "random",
    type: XDP,
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    instructions: code,
  });
  if (!(loaded instanceof Fd)) {
    throw new Error(
      `rejected (errno ${loaded.errno})\n${printFunction(fn)}\n${disassemble(instructions).join("\n")}\n${loaded.log.slice(-6000)}`,
    );
  }
  using handle = loaded;
  const run = programTestRun({ program: handle, packet, repeat: 1 });
  const map = counters;
  const values = startOfMap().map((value, index) => {
    mapLookup(map, keyBytes(index), value);
    return hex(value);
  });
  return { value: run.value, packet: hex(run.packet), counters: values.join(" ") };
}

afterAll(() => counters?.[Symbol.dispose]());

describe.skipIf(!isRoot)("compiled programs do in the kernel what their IR says (needs root on Linux)", () => {
  const runs = Number(process.env.WIRESCRIPT_RUNS ?? 2000);
  test.each<Cpu>([1, 2, 3, 4])("cpu v%i", { timeout: 1_200_000 }, (cpu) => {
    spilling = 0;
    fc.assert(
      fc.property(tapes, packets, (tape, packet) => {
        const fn = new Author(tape).function;
        validate(fn);
        const before = printFunction(fn);
        const outcome = actual(fn, packet, cpu);
        if (JSON.stringify(outcome) !== JSON.stringify(expected(fn, packet))) {
          const code = disassemble(generate(fn, { cpu }).instructions).join("\n");
          throw new Error(`${before}\n${code}\n${JSON.stringify([outcome, expected(fn, packet)])}`);
        }
        expect(printFunction(fn)).toBe(before);
      }),
      // Shrinking a failure may take longer than anybody waits.
      {
        numRuns: runs / 4,
        interruptAfterTimeLimit: 300_000,
        markInterruptAsFailure: true,
        seed: process.env.WIRESCRIPT_SEED ? Number(process.env.WIRESCRIPT_SEED) : undefined,
      },
    );
    // The programs are worth the trouble: many need more registers than there are.
    expect(spilling).toBeGreaterThan(runs / 4 / 10);
  });
});

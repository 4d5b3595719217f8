/**
 * Instruction selection: IR to machine IR, block by block, in source order. What costs nothing is folded: constants into
 * immediates, additions of constants and stack slots into displacements, comparisons into branches, width extensions into stores
 * and 32-bit arithmetic. Constants and addresses are made again at every use, since one instruction costs less than a register.
 * Code that is no longer needed because of folding is swept away by `sweep.ts`.
 */

import { Dominators } from "../ir/dominators.ts";
import type * as ir from "../ir/ir.ts";
import { isBinary, isCompare } from "../ir/ir.ts";
import { type Chains, findChains, inherited } from "./chains.ts";
import { type Condition, conditionOf, isTrue } from "./conditions.ts";
import { type Operand, signedDivision } from "./division.ts";
import { constant, fitsImmediate, fitsOffset, fitsU32, lowHalf, mayBeOnStack, peelAddress, U32_MAX } from "./facts.ts";
import { findHomes, type Home, type Homes } from "./homes.ts";
import { findKeptAddresses, type KeptAddress, keyOfAddress } from "./kept.ts";
import {
  type Address,
  type AluCode,
  CONTEXT,
  type Cpu,
  FIRST_VIRTUAL,
  FRAME_POINTER,
  LAST_ARGUMENT,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  newBlock,
  newRegister,
  RESULT,
  type Register,
  type Slot,
} from "./machine.ts";
import { sequentialise } from "./phis.ts";
import { findUses, type Uses } from "./uses.ts";

const ALU_CODE: Record<ir.BinaryOp, AluCode> = {
  add: "add",
  sub: "sub",
  mul: "mul",
  udiv: "div",
  umod: "mod",
  sdiv: "sdiv",
  smod: "smod",
  and: "and",
  or: "or",
  xor: "xor",
  shl: "lsh",
  lshr: "rsh",
  ashr: "arsh",
};
const COMMUTATIVE: readonly ir.Op[] = ["add", "mul", "and", "or", "xor"];
/** The low half of the result depends on the low halves of the operands only. */
const LOW_HALF_OPS: readonly ir.Op[] = ["add", "sub", "mul", "and", "or", "xor", "shl"];
/** Without upper halves, the 32-bit operation gives the same. */
const NARROWING_OPS: readonly ir.Op[] = ["lshr", "udiv", "umod"];

/** One instruction each, and the same everywhere. */
const REMADE: ReadonlySet<ir.Op> = new Set(["const", "slot", "map", "data", "function"]);

type Body = MachineInstruction extends infer T ? (T extends unknown ? Omit<T, "span"> : never) : never;

interface Choices {
  /** See `chains.ts`. */
  chained: boolean;
  /** See `kept.ts`. */
  kept: boolean;
}

export function select(fn: ir.Function, cpu: Cpu, choices: Choices): MachineFunction {
  return new Selection(fn, cpu, choices).run();
}

class Selection {
  readonly cpu: Cpu;
  readonly uses: Uses;
  readonly #source: ir.Function;
  readonly #fn: MachineFunction;
  readonly #registers = new Map<ir.Value, Register>();
  readonly #slots = new Map<ir.Value, Slot>();
  readonly #entries = new Map<ir.Block, MachineBlock>();
  /** Wide constants and section addresses already in a register; calls end it, since few registers survive them. */
  #shared = new Map<string, Register>();
  /** The same at the ends of blocks, where others may go on from there. */
  readonly #sharedAfter = new Map<ir.Block, Map<string, Register>>();
  readonly #dominators: Dominators | null;
  readonly #chains: Chains;
  readonly #homes: Homes;
  readonly #kept: ReadonlyMap<string, KeptAddress>;
  readonly #keptRegisters = new Map<string, Register>();
  #block: MachineBlock;
  #span: ir.Span | null = null;

  constructor(fn: ir.Function, cpu: Cpu, { chained, kept }: Choices) {
    this.cpu = cpu;
    this.uses = findUses(fn);
    this.#homes = findHomes(fn, this.uses);
    this.#dominators = chained ? new Dominators(fn) : null;
    this.#chains = chained ? findChains(fn, this.uses) : new Map();
    this.#kept = kept ? findKeptAddresses(fn) : new Map();
    this.#source = fn;
    this.#fn = { name: fn.name, cpu, blocks: [], slots: [], nextRegister: FIRST_VIRTUAL, nextBlock: 0 };
    for (const block of fn.blocks) this.#entries.set(block, { ...newBlock(this.#fn), early: block.early });
    this.#block = this.#entryOf(fn.blocks[0] as ir.Block);
  }

  run(): MachineFunction {
    for (const block of this.#source.blocks) {
      if (!this.uses.reachable.has(block)) continue;
      this.#enter(this.#entryOf(block));
      if (this.#dominators !== null) this.#shared = inherited(block, this.#dominators, this.#sharedAfter);
      if (block === this.#source.blocks[0]) this.#receiveArguments();
      for (const instruction of block.instructions) {
        if (!this.uses.isLive(instruction)) continue;
        this.#span = instruction.span;
        this.#keepAddresses(instruction);
        this.#instruction(instruction);
      }
      this.#keepAddresses(block.terminator);
      this.#span = block.terminator.span;
      this.#sharedAfter.set(block, this.#shared);
      this.#terminator(block);
    }
    return this.#fn;
  }

  /** Makes the addresses that are kept from here on. */
  #keepAddresses(before: ir.Instruction | ir.Terminator): void {
    for (const [key, { value, place }] of this.#kept) {
      if (place === before) this.#keptRegisters.set(key, this.#fresh(value));
    }
  }

  /** Out of r1 to r5, before anything destroys them. */
  #receiveArguments(): void {
    const received = new Map<Register, Register>();
    for (const value of this.#source.blocks.flatMap((block) => block.instructions)) {
      if ((value.op !== "context" && value.op !== "argument") || !this.uses.isLive(value)) continue;
      const source = CONTEXT + (value.op === "argument" ? value.index : 0);
      let register = received.get(source);
      if (register === undefined) {
        register = newRegister(this.#fn);
        received.set(source, register);
        this.#emit({ op: "mov", dst: register, src: source });
      }
      this.#registers.set(value, register);
    }
  }

  // -- registers --

  /** A register that holds the value; constants and addresses are made here. */
  register(value: ir.Value): Register {
    if (value.op === "const") {
      const wide = !fitsImmediate(value.value) && !(this.cpu >= 3 && fitsU32(value));
      return wide ? this.#share(`const ${value.value}`, value) : this.#fresh(value);
    }
    if (value.op === "data") return this.#share(`data ${value.section} ${value.offset}`, value);
    if (this.#isRemade(value)) return this.#fresh(value);
    return this.#registerOf(value);
  }

  #registerOf(value: ir.Value): Register {
    let register = this.#registers.get(value);
    if (register === undefined) {
      register = newRegister(this.#fn);
      this.#registers.set(value, register);
    }
    return register;
  }

  #fresh(value: ir.Value): Register {
    const register = newRegister(this.#fn);
    this.#into(register, value);
    return register;
  }

  #share(key: string, value: ir.Value): Register {
    let register = this.#shared.get(key);
    if (register === undefined) {
      register = this.#fresh(value);
      this.#shared.set(key, register);
    }
    return register;
  }

  /** Whether the value is made again at each use instead of being kept. */
  #isRemade(value: ir.Value): boolean {
    const { op } = value;
    return REMADE.has(op) || this.#homes.has(value) || peelAddress(value, 0).base.op === "slot";
  }

  #into(dst: Register, value: ir.Value): void {
    const home = this.#homes.get(value);
    if (home !== undefined) {
      const slot = this.#slotOf(home.slot);
      return this.#emit({ op: "load", dst, base: FRAME_POINTER, slot, offset: 0, size: home.size, region: "stack" });
    }
    const { base, offset } = peelAddress(value, 0);
    if (value.op === "const") this.#emit({ op: "const", dst, value: value.value });
    else if (value.op === "map") this.#emit({ op: "address", dst, reference: { kind: "map", name: value.name } });
    else if (value.op === "function") this.#emit({ op: "address", dst, reference: { kind: "function", name: value.name } });
    else if (value.op === "data") {
      this.#emit({ op: "address", dst, reference: { kind: "data", section: value.section, offset: value.offset } });
    } else if (base.op === "slot") {
      const slot = this.#slotOf(base);
      if (dst === RESULT || dst > LAST_ARGUMENT) slot.escapes = true;
      this.#emit({ op: "frame", dst, slot, offset });
    } else this.#emit({ op: "mov", dst, src: this.#registerOf(value) });
  }

  #slotOf(value: ir.Value & { op: "slot" }): Slot {
    let slot = this.#slots.get(value);
    if (slot === undefined) {
      slot = { size: value.size, align: value.align, offset: 0, escapes: false, spill: false };
      this.#slots.set(value, slot);
      this.#fn.slots.push(slot);
    }
    return slot;
  }

  #address(pointer: ir.Value, displacement: number): Address {
    if (!fitsOffset(displacement)) return this.#farAddress(pointer, displacement);
    const isCompared = (value: ir.Value): boolean => this.uses.of(value).some((user) => isCompare(user.op as ir.Op));
    const { base, offset } = peelAddress(pointer, displacement, isCompared);
    if (base.op === "slot") return { base: FRAME_POINTER, slot: this.#slotOf(base), offset };
    if (base.op === "data" && fitsOffset(base.offset + offset)) {
      const start: ir.Value = { ...base, offset: 0 };
      return { base: this.register(start), slot: null, offset: base.offset + offset };
    }
    return { base: this.register(base), slot: null, offset };
  }

  /** In a large element or section: the instruction's own displacement has 16 bits. */
  #farAddress(pointer: ir.Value, displacement: number): Address {
    if (pointer.op === "data") {
      return { base: this.register({ ...pointer, offset: pointer.offset + displacement }), slot: null, offset: 0 };
    }
    const base = newRegister(this.#fn);
    this.#into(base, pointer);
    this.#alu("add", base, null, displacement);
    return { base, slot: null, offset: 0 };
  }

  // -- blocks --

  #entryOf(block: ir.Block): MachineBlock {
    return this.#entries.get(block) as MachineBlock;
  }

  #enter(block: MachineBlock): void {
    this.#fn.blocks.push(block);
    this.#block = block;
    this.#shared = new Map();
  }

  #emit(body: Body): void {
    this.#block.instructions.push({ ...body, span: this.#span } as MachineInstruction);
  }

  #alu(code: AluCode, dst: Register, operand: Register | null, imm: number, width: 32 | 64 = 64): void {
    this.#emit({ op: "alu", code, width, dst, src: operand, imm });
  }

  #branch(condition: Condition, then: MachineBlock, otherwise: MachineBlock): void {
    const { negated, ...comparison } = condition;
    const [taken, next] = negated ? [otherwise, then] : [then, otherwise];
    this.#block.terminator = { op: "branch", ...comparison, then: taken, otherwise: next, span: this.#span };
  }

  #terminator(block: ir.Block): void {
    const { terminator } = block;
    if (terminator.op === "return") {
      this.#into(RESULT, terminator.args[0]);
      this.#block.terminator = { op: "exit", span: this.#span };
    } else if (terminator.op === "jump") {
      this.#jump(block, terminator.targets[0], 0);
    } else {
      const [condition] = terminator.args;
      const [then, otherwise] = terminator.targets;
      const known = constant(condition);
      if (known !== null) {
        // With two edges to the same place, each edge has its own phi arguments.
        const edge = then === otherwise && known === 0n ? 1 : 0;
        return this.#jump(block, known !== 0n ? then : otherwise, edge);
      }
      const same = then === otherwise;
      const comparison = this.#fusable(block, condition) ? conditionOf(this, condition) : isTrue(this.#registerOf(condition));
      const from = this.#block;
      const first = this.#edge(block, then, 0);
      const second = this.#edge(block, otherwise, same ? 1 : 0);
      this.#block = from;
      this.#span = terminator.span;
      this.#branch(comparison, first, second);
    }
  }

  /** Whether to compare again at the branch: always, unless 0 or 1 waits in a register and the operands are gone by then. */
  #fusable(block: ir.Block, condition: ir.Value): boolean {
    if (!isCompare(condition.op) || !this.uses.needsRegister(condition)) return true;
    return block.instructions.includes(condition) || condition.args.some((argument) => argument.type === "ptr");
  }

  #jump(from: ir.Block, to: ir.Block, edge: number): void {
    const span = this.#span;
    this.#copies(from, to, edge);
    this.#block.terminator = { op: "jump", target: this.#entryOf(to), span };
  }

  /** The block that the edge leads to: a new one in between when the edge has copies of its own. */
  #edge(from: ir.Block, to: ir.Block, edge: number): MachineBlock {
    if (!to.instructions.some((value) => value.op === "phi" && this.uses.isLive(value))) return this.#entryOf(to);
    this.#enter(newBlock(this.#fn));
    const between = this.#block;
    this.#jump(from, to, edge);
    return between;
  }

  #copies(from: ir.Block, to: ir.Block, edge: number): void {
    let index = to.predecessors.indexOf(from);
    if (edge === 1) index = to.predecessors.indexOf(from, index + 1);
    const copies: { dst: Register; src: Register }[] = [];
    const made: { dst: Register; value: ir.Value }[] = [];
    for (const phi of to.instructions) {
      if (phi.op !== "phi" || !this.uses.isLive(phi)) continue;
      if (this.#homes.has(phi)) {
        this.#bringHome(phi, phi.args[index] as ir.Value, this.#entryOf(to));
        continue;
      }
      const dst = this.#registerOf(phi);
      const value = phi.args[index] as ir.Value;
      if (this.#isRemade(value)) made.push({ dst, value });
      else copies.push({ dst, src: this.#registerOf(value) });
    }
    this.#span = null;
    for (const copy of sequentialise(copies, () => newRegister(this.#fn))) this.#emit({ op: "mov", ...copy });
    for (const { dst, value } of made) this.#into(dst, value);
  }

  /** Before the edge's copies, which may write over what is stored. */
  #bringHome(phi: ir.Value, value: ir.Value, meeting: MachineBlock): void {
    const home = this.#homes.get(phi) as Home; // the caller looked
    const slot = this.#slotOf(home.slot);
    slot.home = meeting.id;
    const known = constant(value);
    const isImmediate = known !== null && (home.size < 8 || fitsImmediate(known));
    const stored = isImmediate ? { src: null, imm: Number(BigInt.asIntN(32, known)) } : { src: this.register(value), imm: 0 };
    this.#emit({ op: "store", ...stored, base: FRAME_POINTER, slot, offset: 0, size: home.size, region: "stack" });
  }

  // -- instructions --

  #instruction(value: ir.Instruction): void {
    if (value.op === "phi" || value.op === "context" || value.op === "argument" || this.#isRemade(value)) return;
    if (isCompare(value.op)) {
      if (this.uses.needsRegister(value)) this.#bool(value);
    } else if (isBinary(value.op)) this.#binary(value, value.op);
    else {
      switch (value.op) {
        case "zext":
        case "sext":
          return this.#extend(value);
        case "bswap": {
          const dst = this.#copyOf(value, value.args[0] as ir.Value);
          return this.#emit({ op: "swap", bits: value.bits, dst });
        }
        case "load": {
          const { size, region } = value;
          return this.#emit({
            op: "load",
            dst: this.#registerOf(value),
            ...this.#address(value.args[0] as ir.Value, value.offset),
            size,
            region,
          });
        }
        case "store":
          if (this.#homes.get(value.args[1] as ir.Value)?.store === value) return;
          return this.#store(value);
        case "atomic_add": {
          const { size, region } = value;
          const src = this.register(value.args[1] as ir.Value);
          return this.#emit({ op: "atomic_add", src, ...this.#address(value.args[0] as ir.Value, value.offset), size, region });
        }
        case "call":
          return this.#call(value);
      }
    }
  }

  /** 0 or 1 by branching, never by arithmetic: the verifier follows paths. */
  #bool(value: ir.Value): void {
    const dst = this.#registerOf(value);
    const condition = conditionOf(this, value);
    const zero = newBlock(this.#fn);
    const join = newBlock(this.#fn);
    this.#emit({ op: "const", dst, value: 1n });
    this.#branch(condition, join, zero);
    this.#enter(zero);
    this.#emit({ op: "const", dst, value: 0n });
    zero.terminator = { op: "jump", target: join, span: this.#span };
    this.#enter(join);
  }

  /** The result's register, with a copy of `value` in it. */
  #copyOf(result: ir.Value, value: ir.Value): Register {
    const dst = this.#registerOf(result);
    this.#into(dst, value);
    return dst;
  }

  #binary(value: ir.Value, op: ir.BinaryOp): void {
    let [left, right] = value.args as [ir.Value, ir.Value];
    if (COMMUTATIVE.includes(op) && constant(left) !== null) [left, right] = [right, left];
    const operand = constant(right);
    const earlier = this.#chains.get(value);
    if (earlier !== undefined) {
      const step = peelAddress(value, 0).offset - peelAddress(earlier, 0).offset;
      return this.#alu("add", this.#copyOf(value, earlier), null, step);
    }
    if (op === "and" && operand === U32_MAX && left.type !== "ptr") return this.#zeroUpperHalf(value, left);
    if (op === "sub" && constant(left) === 0n) return this.#alu("neg", this.#copyOf(value, right), null, 0);
    if (operand === null) {
      if (op === "sdiv" || op === "smod") return this.#signedDivision(value, op, left, { register: this.register(right) });
      const isOrdered = op === "add" && mayBeOnStack(left);
      const body = { op: "alu", code: ALU_CODE[op], width: 64, src: this.register(right), imm: 0 } as const;
      return this.#emit({ ...body, dst: this.#copyOf(value, left), ...(isOrdered && { ordered: true }) });
    }
    if (operand === 0n && (op === "udiv" || op === "sdiv")) {
      return this.#emit({ op: "const", dst: this.#registerOf(value), value: 0n });
    }
    if (operand === 0n && (op === "umod" || op === "smod")) return void this.#copyOf(value, left);
    if (op === "sdiv" || op === "smod") {
      const immediate = fitsImmediate(operand) && operand !== -0x8000_0000n;
      return this.#signedDivision(
        value,
        op,
        left,
        immediate ? { immediate: Number(operand) } : { register: this.register(right) },
      );
    }
    if (op === "shl" || op === "lshr" || op === "ashr") {
      const amount = Number(operand & 63n);
      const low = amount < 32 ? this.#withoutExtension(value, op, left) : null;
      return this.#alu(ALU_CODE[op], this.#copyOf(value, low ?? left), null, amount, low ? 32 : 64);
    }
    const low = operand > 0n && operand <= U32_MAX ? this.#withoutExtension(value, op, left) : null;
    if (low) return this.#alu(ALU_CODE[op], this.#copyOf(value, low), null, lowHalf(operand), 32);
    if (fitsImmediate(operand)) return this.#alu(ALU_CODE[op], this.#copyOf(value, left), null, Number(operand));
    if (this.#fits32(op, left, operand)) return this.#alu(ALU_CODE[op], this.#copyOf(value, left), null, lowHalf(operand), 32);
    const source = this.register(right);
    this.#alu(ALU_CODE[op], this.#copyOf(value, left), source, 0);
  }

  /** Whether 32-bit arithmetic gives the 64-bit result although the constant is no 64-bit immediate. */
  #fits32(op: ir.BinaryOp, left: ir.Value, operand: bigint): boolean {
    if (this.cpu < 3 || left.type === "ptr" || operand < 0n || operand > U32_MAX) return false;
    return op === "and" || ((op === "or" || op === "xor" || op === "udiv" || op === "umod") && fitsU32(left));
  }

  /** The value below a zero extension that 32-bit arithmetic makes superfluous. */
  #withoutExtension(value: ir.Value, op: ir.BinaryOp, left: ir.Value): ir.Value | null {
    if (this.cpu < 3 || value.type === "ptr" || !NARROWING_OPS.includes(op)) return null;
    const inner = left.args[0];
    return left.op === "zext" && left.bits === 32 && this.uses.single(left) && inner?.type !== "ptr" ? (inner ?? null) : null;
  }

  #signedDivision(value: ir.Value, op: "sdiv" | "smod", left: ir.Value, divisor: Operand): void {
    const alu = (code: AluCode, dst: Register, operand: Operand): void =>
      "register" in operand ? this.#alu(code, dst, operand.register, 0) : this.#alu(code, dst, null, operand.immediate);
    if (this.cpu >= 4) return alu(op, this.#copyOf(value, left), divisor);
    const copy = (src: Register): Register => {
      const dst = newRegister(this.#fn);
      this.#emit({ op: "mov", dst, src });
      return dst;
    };
    const result = signedDivision({ copy, alu }, op, this.register(left), divisor);
    this.#emit({ op: "mov", dst: this.#registerOf(value), src: result });
  }

  #extend(value: ir.Value & { op: "zext" | "sext" }): void {
    const source = value.args[0] as ir.Value;
    const { bits } = value;
    if (value.op === "zext" && bits === 32) return this.#zeroUpperHalf(value, source);
    if (value.op === "zext") return this.#alu("and", this.#copyOf(value, source), null, bits === 8 ? 0xff : 0xffff);
    if (this.cpu >= 4)
      return this.#emit({ op: "extend", signed: true, bits, dst: this.#registerOf(value), src: this.register(source) });
    const dst = this.#copyOf(value, source);
    this.#alu("lsh", dst, null, 64 - bits);
    this.#alu("arsh", dst, null, 64 - bits);
  }

  #zeroUpperHalf(value: ir.Value, source: ir.Value): void {
    if (this.#homes.get(source)?.size === 4) return this.#into(this.#registerOf(value), source);
    if (this.#arithmetic32(value, source)) return;
    if (this.cpu >= 3) {
      return this.#emit({ op: "extend", signed: false, bits: 32, dst: this.#registerOf(value), src: this.register(source) });
    }
    const dst = this.#copyOf(value, source);
    this.#alu("lsh", dst, null, 32);
    this.#alu("rsh", dst, null, 32);
  }

  /** An operation whose upper half is dropped is a 32-bit operation, which clears it for free. */
  #arithmetic32(value: ir.Value, source: ir.Value): boolean {
    if (this.cpu < 3 || !this.uses.single(source) || !isBinary(source.op) || !LOW_HALF_OPS.includes(source.op)) return false;
    let [left, right] = source.args as [ir.Value, ir.Value];
    if (left.type === "ptr" || right.type === "ptr") return false;
    if (COMMUTATIVE.includes(source.op) && constant(left) !== null) [left, right] = [right, left];
    const operand = constant(right);
    if (source.op === "shl" && (operand === null || (operand & 63n) >= 32n)) return false;
    const code = ALU_CODE[source.op];
    if (source.op === "sub" && constant(left) === 0n)
      this.#alu("neg", this.#copyOf(value, this.#lowPart(right, 32)), null, 0, 32);
    else if (operand !== null) {
      const imm = source.op === "shl" ? Number(operand & 63n) : lowHalf(operand);
      this.#alu(code, this.#copyOf(value, this.#lowPart(left, 32)), null, imm, 32);
    } else {
      const other = this.register(this.#lowPart(right, 32));
      this.#alu(code, this.#copyOf(value, this.#lowPart(left, 32)), other, 0, 32);
    }
    return true;
  }

  /** A value with the same low `bits`, one that needs fewer instructions. */
  #lowPart(value: ir.Value, bits: number): ir.Value {
    const inner = value.args[0];
    if (inner === undefined || inner.type === "ptr" || !this.uses.single(value)) return value;
    if ((value.op === "zext" || value.op === "sext") && value.bits >= bits) return this.#lowPart(inner, bits);
    return value;
  }

  #store(value: ir.Value & { op: "store" }): void {
    const [pointer, stored] = value.args as [ir.Value, ir.Value];
    const { size, region } = value;
    const address = this.#address(pointer, value.offset);
    const known = constant(stored);
    // Older kernels reject store-immediate to the context.
    if (known === null || region === "context") {
      const src = this.register(size === 8 ? stored : this.#lowPart(stored, size * 8));
      return this.#emit({ op: "store", src, imm: 0, ...address, size, region });
    }
    if (size < 8 || fitsImmediate(known)) {
      return this.#emit({
        op: "store",
        src: null,
        imm: Number(BigInt.asIntN(size === 8 ? 64 : Math.min(size * 8, 32), known)),
        ...address,
        size,
        region,
      });
    }
    // Two halves are shorter than a wide constant; a map's readers must not see half a value.
    if (region !== "map" && fitsOffset(address.offset + 4)) {
      this.#emit({ op: "store", src: null, imm: lowHalf(known), ...address, size: 4, region });
      this.#emit({
        op: "store",
        src: null,
        imm: lowHalf(known >> 32n),
        ...address,
        offset: address.offset + 4,
        size: 4,
        region,
      });
      return;
    }
    this.#emit({ op: "store", src: this.register(stored), imm: 0, ...address, size, region });
  }

  #call(value: ir.Value & { op: "call" }): void {
    const remade = value.args.map((argument) => this.#isRemade(argument));
    for (const [index, argument] of value.args.entries()) {
      if (!remade[index]) this.#emit({ op: "mov", dst: index + 1, src: this.#registerOf(argument) });
    }
    for (const [index, argument] of value.args.entries()) {
      const kept = remade[index] ? this.#keptRegisters.get(keyOfAddress(argument) ?? "") : undefined;
      if (kept !== undefined) this.#emit({ op: "mov", dst: index + 1, src: kept });
      else if (remade[index]) this.#into(index + 1, argument);
    }
    this.#emit({ op: "call", helper: value.helper, callee: value.callee ?? null, args: value.args.length });
    this.#shared.clear();
    if (this.uses.of(value).length > 0) this.#emit({ op: "mov", dst: this.#registerOf(value), src: RESULT });
  }
}

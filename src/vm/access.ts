/** Loads, stores and atomic operations. The context's pointers are 4 bytes in the program's eyes and whole addresses in the register. */
import type { Instruction } from "../object/instruction.ts";
import { ATOMIC, CLASS, CLASS_MASK, MODE, MODE_MASK, SIZE, SIZE_MASK } from "../object/opcodes.ts";
import type { VmContext } from "./context.ts";
import { VmFault } from "./fault.ts";
import type { AddressSpace, Region } from "./memory.ts";
import type { Registers } from "./registers.ts";

const SIZES: Readonly<Record<number, 1 | 2 | 4 | 8>> = { [SIZE.B]: 1, [SIZE.H]: 2, [SIZE.W]: 4, [SIZE.DW]: 8 };

export class Access {
  readonly #space: AddressSpace;
  readonly #context: Region;
  readonly #fields: VmContext;

  constructor(space: AddressSpace, context: Region, fields: VmContext) {
    this.#space = space;
    this.#context = context;
    this.#fields = fields;
  }

  /** `LDX` */
  load(r: Registers, { opcode, dst, src, offset }: Instruction): void {
    r.need(src);
    const size = sizeOf(opcode);
    const low = r.u32[2 * src] ?? 0;
    const region = this.#space.region(r.u32[2 * src + 1] ?? 0, low);
    const at = this.#space.offset(low) + offset;
    if (region === this.#context) return r.set(dst, this.#fields.load(at, size));
    region.checkRead(at, size);
    const mode = opcode & MODE_MASK;
    if (mode !== MODE.MEM && mode !== MODE.MEMSX) throw new VmFault(`There is no load 0x${opcode.toString(16)}.`);
    const value = read(region, at, size);
    r.set(dst, mode === MODE.MEMSX ? BigInt.asIntN(size * 8, value) : value);
  }

  /** `ST` and `STX` */
  store(r: Registers, instruction: Instruction): void {
    const { opcode, dst, src, offset, imm } = instruction;
    r.need(dst);
    const size = sizeOf(opcode);
    const low = r.u32[2 * dst] ?? 0;
    const region = this.#space.region(r.u32[2 * dst + 1] ?? 0, low);
    const at = this.#space.offset(low) + offset;
    const mode = opcode & MODE_MASK;
    if (region === this.#context) {
      if (mode !== MODE.MEM) throw new VmFault("The program changes its context with an atomic operation.");
      if ((opcode & CLASS_MASK) === CLASS.ST) return this.#fields.store(at, size, BigInt.asUintN(64, BigInt(imm)));
      r.need(src);
      return this.#fields.store(at, size, r.u64[src] ?? 0n);
    }
    if (mode === MODE.ATOMIC) return atomic(r, instruction, region, at, size);
    if (mode !== MODE.MEM) throw new VmFault(`There is no store 0x${opcode.toString(16)}.`);
    region.checkWrite(at, size);
    if ((opcode & CLASS_MASK) === CLASS.ST) return write(region, at, size, BigInt(imm));
    r.need(src);
    write(region, at, size, r.u64[src] ?? 0n);
  }
}

function sizeOf(opcode: number): 1 | 2 | 4 | 8 {
  return SIZES[opcode & SIZE_MASK] ?? 8;
}

function read({ view }: Region, at: number, size: 1 | 2 | 4 | 8): bigint {
  switch (size) {
    case 1:
      return BigInt(view.getUint8(at));
    case 2:
      return BigInt(view.getUint16(at, true));
    case 4:
      return BigInt(view.getUint32(at, true));
    case 8:
      return view.getBigUint64(at, true);
  }
}

function write({ view }: Region, at: number, size: 1 | 2 | 4 | 8, value: bigint): void {
  switch (size) {
    case 1:
      return view.setUint8(at, Number(value & 0xffn));
    case 2:
      return view.setUint16(at, Number(value & 0xffffn), true);
    case 4:
      return view.setUint32(at, Number(value & 0xffff_ffffn), true);
    case 8:
      return view.setBigUint64(at, value, true);
  }
}

function atomic(r: Registers, { imm, src, dst }: Instruction, region: Region, at: number, size: 1 | 2 | 4 | 8): void {
  const operation = Number(imm);
  if (operation === ATOMIC.LOAD_ACQUIRE) throw new VmFault("The interpreter has no load_acquire.");
  r.need(src);
  const operand = r.u64[src] ?? 0n;
  if (operation === ATOMIC.STORE_RELEASE) {
    region.checkWrite(at, size);
    return write(region, at, size, operand);
  }
  if (size !== 4 && size !== 8) throw new VmFault("Atomic operations work on 4 and 8 bytes.");
  if (at % size !== 0) throw new VmFault(`An atomic operation at offset ${at} of ${region.name} is not aligned.`);
  region.checkRead(at, size);
  region.checkWrite(at, size);
  const old = read(region, at, size);
  if (operation === ATOMIC.CMPXCHG) {
    r.need(0);
    if (old === BigInt.asUintN(size * 8, r.u64[0] ?? 0n)) write(region, at, size, operand);
    return r.set(0, old);
  }
  write(region, at, size, combined(operation, old, operand));
  if ((operation & ATOMIC.FETCH) !== 0) r.set(src, old);
  r.need(dst);
}

function combined(operation: number, old: bigint, operand: bigint): bigint {
  if (operation === ATOMIC.XCHG) return operand;
  switch (operation & ~ATOMIC.FETCH) {
    case ATOMIC.ADD:
      return BigInt.asUintN(64, old + operand);
    case ATOMIC.OR:
      return old | operand;
    case ATOMIC.AND:
      return old & operand;
    case ATOMIC.XOR:
      return old ^ operand;
    default:
      throw new VmFault(`There is no atomic operation 0x${operation.toString(16)}.`);
  }
}

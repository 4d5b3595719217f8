/**
 * Instructions as text, in the words of the kernel's verifier log and `bpftool prog dump xlated`, so that what `wirescript build
 * --emit asm` prints can be laid beside a log. References, which the kernel does not know, print as bpftool prints what
 * they become: `map[NAME]`, `map[SECTION][0]+OFFSET`, `subprog[NAME]`, `call NAME`.
 */
import { helperName } from "./helper-names.ts";
import { type Instruction, slots } from "./instruction.ts";
import {
  ALU,
  ATOMIC,
  CALL,
  CLASS,
  CLASS_MASK,
  JMP,
  MODE,
  MODE_MASK,
  OPCODE,
  OPERATION_MASK,
  PSEUDO,
  SIZE,
  SIZE_MASK,
  SOURCE,
} from "./opcodes.ts";

export interface DisassembleOptions {
  /** Slot of the first instruction; 0 when left out. */
  firstSlot?: number;
  /** Prefix every line with its slot, as in `12: r0 = 0`; true when left out. */
  slotNumbers?: boolean;
  /** Print the opcode in parentheses before the text, as the kernel does; false when left out. */
  opcodes?: boolean;
}

/** Returns one line per instruction (a wide load is one line but takes two slots). Unknown opcodes print as such, nothing throws. */
export function disassemble(instructions: readonly Instruction[], options: DisassembleOptions = {}): string[] {
  const { firstSlot = 0, slotNumbers = true, opcodes = false } = options;
  let slot = firstSlot;
  return instructions.map((instruction) => {
    let line = instructionText(instruction);
    if (opcodes) line = `(${instruction.opcode.toString(16).padStart(2, "0")}) ${line}`;
    if (slotNumbers) line = `${slot}: ${line}`;
    slot += slots(instruction);
    return line;
  });
}

/** The text of one instruction, without slot and opcode. */
export function instructionText(instruction: Instruction): string {
  switch (instruction.opcode & CLASS_MASK) {
    case CLASS.ALU:
    case CLASS.ALU64:
      return arithmetic(instruction);
    case CLASS.JMP:
    case CLASS.JMP32:
      return jump(instruction);
    case CLASS.LD:
      return wideOrPacketLoad(instruction);
    case CLASS.LDX:
      return load(instruction);
    default:
      return store(instruction);
  }
}

const ARITHMETIC_SIGN: Partial<Record<number, string>> = {
  [ALU.ADD]: "+=",
  [ALU.SUB]: "-=",
  [ALU.MUL]: "*=",
  [ALU.DIV]: "/=",
  [ALU.OR]: "|=",
  [ALU.AND]: "&=",
  [ALU.LSH]: "<<=",
  [ALU.RSH]: ">>=",
  [ALU.MOD]: "%=",
  [ALU.XOR]: "^=",
  [ALU.MOV]: "=",
  [ALU.ARSH]: "s>>=",
};

function arithmetic(instruction: Instruction): string {
  const { opcode, dst, src, offset, imm } = instruction;
  const wide = (opcode & CLASS_MASK) === CLASS.ALU64;
  const register = wide ? "r" : "w";
  const operation = opcode & OPERATION_MASK;
  const fromRegister = (opcode & SOURCE.X) !== 0;
  if (operation === ALU.END) {
    if (wide) return fromRegister ? unknown(instruction) : `r${dst} = bswap${imm} r${dst}`;
    return `r${dst} = ${fromRegister ? "be" : "le"}${imm} r${dst}`;
  }
  if (operation === ALU.NEG) return `${register}${dst} = -${register}${dst}`;
  let sign = ARITHMETIC_SIGN[operation];
  if (sign === undefined) return unknown(instruction);
  if ((operation === ALU.DIV || operation === ALU.MOD) && offset === 1) sign = `s${sign}`;
  const cast = operation === ALU.MOV && offset !== 0 ? `(s${offset})` : "";
  return `${register}${dst} ${sign} ${cast}${fromRegister ? `${register}${src}` : imm}`;
}

const COMPARISON_SIGN: Partial<Record<number, string>> = {
  [JMP.JEQ]: "==",
  [JMP.JGT]: ">",
  [JMP.JGE]: ">=",
  [JMP.JSET]: "&",
  [JMP.JNE]: "!=",
  [JMP.JSGT]: "s>",
  [JMP.JSGE]: "s>=",
  [JMP.JLT]: "<",
  [JMP.JLE]: "<=",
  [JMP.JSLT]: "s<",
  [JMP.JSLE]: "s<=",
};

function jump(instruction: Instruction): string {
  const { opcode, dst, src, offset, imm } = instruction;
  if (opcode === OPCODE.CALL) return call(instruction);
  if (opcode === OPCODE.EXIT) return "exit";
  if (opcode === OPCODE.JA) return `goto pc${signed(offset)}`;
  if (opcode === OPCODE.JA32) return `gotol pc${signed(imm)}`;
  if (opcode === (CLASS.JMP | JMP.JCOND) && src === 0) return `may_goto pc${signed(offset)}`;
  const sign = COMPARISON_SIGN[opcode & OPERATION_MASK];
  if (sign === undefined) return unknown(instruction);
  const register = (opcode & CLASS_MASK) === CLASS.JMP32 ? "w" : "r";
  const right = (opcode & SOURCE.X) !== 0 ? `${register}${src}` : hexadecimal(imm);
  return `if ${register}${dst} ${sign} ${right} goto pc${signed(offset)}`;
}

function call({ src, offset, imm, reference }: Instruction): string {
  if (reference !== undefined) return `call ${reference.kind === "data" ? reference.section : reference.name}`;
  if (src === CALL.SUBPROGRAM) return `call pc${signed(imm)}`;
  if (src === CALL.KFUNC) return `call kernel-function#${imm}${offset === 0 ? "" : ` fd_array[${offset}]`}`;
  return `call ${helperName(Number(imm)) ?? "unknown"}#${imm}`;
}

function wideOrPacketLoad(instruction: Instruction): string {
  const { opcode, dst, src, imm } = instruction;
  const mode = opcode & MODE_MASK;
  if (opcode === OPCODE.LD_IMM64) return `r${dst} = ${wideOperand(instruction)}`;
  if (mode === MODE.ABS) return `r0 = *(${unsignedType(opcode)} *)skb[${imm}]`;
  if (mode === MODE.IND) return `r0 = *(${unsignedType(opcode)} *)skb[r${src} + ${imm}]`;
  return unknown(instruction);
}

function wideOperand({ src, imm, reference }: Instruction): string {
  if (reference !== undefined) {
    if (reference.kind === "map") return `map[${reference.name}]`;
    if (reference.kind === "function") return `subprog[${reference.name}]`;
    if (reference.kind === "extern") return `extern[${reference.name}]`;
    return `map[${reference.section}][0]+${reference.offset}`;
  }
  const bits = BigInt.asUintN(64, BigInt(imm));
  const low = bits & 0xffff_ffffn;
  if (src === PSEUDO.MAP_FD) return `map[fd:${low}]`;
  if (src === PSEUDO.MAP_VALUE) return `map[fd:${low}][0]+${bits >> 32n}`;
  if (src === PSEUDO.MAP_IDX) return `map[idx:${low}]`;
  if (src === PSEUDO.MAP_IDX_VALUE) return `map[idx:${low}][0]+${bits >> 32n}`;
  if (src === PSEUDO.FUNC) return `subprog[${signed(BigInt.asIntN(32, low))}]`;
  return `0x${bits.toString(16)}`;
}

function load(instruction: Instruction): string {
  const { opcode, dst, src, offset } = instruction;
  const mode = opcode & MODE_MASK;
  if (mode === MODE.MEM) return `r${dst} = ${memory(unsignedType(opcode), src, offset)}`;
  if (mode === MODE.MEMSX) return `r${dst} = ${memory(unsignedType(opcode).replace("u", "s"), src, offset)}`;
  return unknown(instruction);
}

function store(instruction: Instruction): string {
  const { opcode, dst, src, offset, imm } = instruction;
  const mode = opcode & MODE_MASK;
  const stored = (opcode & CLASS_MASK) === CLASS.ST ? `${imm}` : `r${src}`;
  if (mode === MODE.MEM) return `${memory(unsignedType(opcode), dst, offset)} = ${stored}`;
  if (mode === MODE.ATOMIC && (opcode & CLASS_MASK) === CLASS.STX) return atomic(instruction);
  return unknown(instruction);
}

const ATOMIC_SIGN: Partial<Record<number, string>> = {
  [ATOMIC.ADD]: "+=",
  [ATOMIC.OR]: "|=",
  [ATOMIC.AND]: "&=",
  [ATOMIC.XOR]: "^=",
};

const ATOMIC_FETCH: Partial<Record<number, string>> = {
  [ATOMIC.ADD | ATOMIC.FETCH]: "fetch_add",
  [ATOMIC.OR | ATOMIC.FETCH]: "fetch_or",
  [ATOMIC.AND | ATOMIC.FETCH]: "fetch_and",
  [ATOMIC.XOR | ATOMIC.FETCH]: "fetch_xor",
  [ATOMIC.XCHG]: "xchg",
};

function atomic(instruction: Instruction): string {
  const { opcode, dst, src, offset } = instruction;
  const operation = Number(instruction.imm);
  const prefix = (opcode & SIZE_MASK) === SIZE.DW ? "atomic64" : "atomic";
  const place = (base: number) => memory(unsignedType(opcode), base, offset).slice(1);
  const sign = ATOMIC_SIGN[operation];
  if (sign !== undefined) return `lock ${memory(unsignedType(opcode), dst, offset)} ${sign} r${src}`;
  const fetch = ATOMIC_FETCH[operation];
  if (fetch !== undefined) return `r${src} = ${prefix}_${fetch}(${place(dst)}, r${src})`;
  if (operation === ATOMIC.CMPXCHG) return `r0 = ${prefix}_cmpxchg(${place(dst)}, r0, r${src})`;
  if (operation === ATOMIC.LOAD_ACQUIRE) return `r${dst} = load_acquire(${place(src)})`;
  if (operation === ATOMIC.STORE_RELEASE) return `store_release(${place(dst)}, r${src})`;
  return unknown(instruction);
}

function memory(type: string, base: number, offset: number): string {
  return `*(${type} *)(r${base} ${signed(offset)})`;
}

function unsignedType(opcode: number): string {
  switch (opcode & SIZE_MASK) {
    case SIZE.B:
      return "u8";
    case SIZE.H:
      return "u16";
    case SIZE.W:
      return "u32";
    default:
      return "u64";
  }
}

function signed(value: number | bigint): string {
  return value < 0 ? `${value}` : `+${value}`;
}

/** As the kernel prints the immediate of a comparison: its 32 bits, unsigned. */
function hexadecimal(imm: number | bigint): string {
  return `0x${BigInt.asUintN(32, BigInt(imm)).toString(16)}`;
}

function unknown({ opcode, dst, src, offset, imm }: Instruction): string {
  return `unknown opcode 0x${opcode.toString(16).padStart(2, "0")} (dst ${dst}, src ${src}, off ${offset}, imm ${imm})`;
}

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { countingProgram, op } from "../../test/fixtures/counting-program.ts";
import { isolated, lacking, output, temporaryDirectory } from "../../test/foreign-tools.ts";
import { disassemble, instructionText } from "./disassemble.ts";
import { writeElf } from "./elf/write.ts";
import { HELPER_NAMES, helperName } from "./helper-names.ts";
import { HELPER } from "./helpers.ts";
import type { Instruction } from "./instruction.ts";
import { ALU, ATOMIC, CALL, CLASS, JMP, MODE, OPCODE, PSEUDO, SIZE, SOURCE } from "./opcodes.ts";
import type { ObjectSpec } from "./spec.ts";

const { ALU: ALU32, ALU64, JMP: JMP64, JMP32, LDX, LD, ST, STX } = CLASS;
const { K, X } = SOURCE;

/** Every instruction that a valid program can hold in a row; the jumps go to the next instruction. */
function everything(): Instruction[] {
  const operations = [ALU.ADD, ALU.SUB, ALU.MUL, ALU.DIV, ALU.OR, ALU.AND, ALU.MOD, ALU.XOR, ALU.MOV];
  const jumps = [JMP.JEQ, JMP.JGT, JMP.JGE, JMP.JSET, JMP.JNE, JMP.JSGT, JMP.JSGE, JMP.JLT, JMP.JLE, JMP.JSLT, JMP.JSLE];
  const sizes = [SIZE.B, SIZE.H, SIZE.W, SIZE.DW];
  const number = () => op(OPCODE.CALL, 0, 0, 0, HELPER.get_prandom_u32);
  const { LSH, RSH, ARSH, NEG, END, MOV, DIV, MOD } = ALU;
  return [
    number(),
    op(ALU64 | X | MOV, 6, 0),
    op(ALU64 | X | MOV, 7, 0),
    op(ST | MODE.MEM | SIZE.DW, 10, 0, -8, 77),
    op(ST | MODE.MEM | SIZE.DW, 10, 0, -16, -1),
    ...[ALU32, ALU64].flatMap((width) => [
      ...operations.map((operation) => op(width | K | operation, 6, 0, 0, 100)),
      ...operations.map((operation) => op(width | X | operation, 6, 7)),
      op(width | K | ALU.MOV, 6, 0, 0, -5),
      ...[LSH, RSH, ARSH].flatMap((operation) => [op(width | K | operation, 6, 0, 0, 3), op(width | X | operation, 6, 7)]),
      op(width | NEG, 6),
      ...[DIV, MOD].flatMap((operation) => [op(width | K | operation, 6, 0, 1, 7), op(width | X | operation, 6, 7, 1)]),
      op(width | X | MOV, 6, 7, 8),
      op(width | X | MOV, 6, 7, 16),
    ]),
    op(ALU64 | X | MOV, 6, 7, 32),
    ...[16, 32, 64].flatMap((bits) => [
      op(ALU32 | X | END, 6, 0, 0, bits),
      op(ALU32 | K | END, 6, 0, 0, bits),
      op(ALU64 | K | END, 6, 0, 0, bits),
    ]),
    ...[JMP64, JMP32].flatMap((width) =>
      jumps.flatMap((jump) => [
        number(),
        op(ALU64 | X | MOV, 6, 0),
        op(width | K | jump, 6, 0, 0, 1000),
        number(),
        op(ALU64 | X | MOV, 6, 0),
        op(width | X | jump, 6, 7),
        op(width | K | jump, 6, 0, 0, -3),
      ]),
    ),
    op(OPCODE.JA),
    op(OPCODE.JA32),
    ...sizes.flatMap((size) => [
      op(ST | MODE.MEM | size, 10, 0, -16, -9),
      op(STX | MODE.MEM | size, 10, 7, -16),
      op(LDX | MODE.MEM | size, 6, 10, -16),
    ]),
    ...[SIZE.B, SIZE.H, SIZE.W].map((size) => op(LDX | MODE.MEMSX | size, 6, 10, -16)),
    ...[SIZE.W, SIZE.DW].flatMap((size) => {
      const { ADD, OR, AND, XOR, FETCH, XCHG, CMPXCHG } = ATOMIC;
      const all = [ADD, OR, AND, XOR, ADD | FETCH, OR | FETCH, AND | FETCH, XOR | FETCH, XCHG, CMPXCHG];
      return all.flatMap((operation) => [op(ALU64 | X | MOV, 6, 7), op(STX | MODE.ATOMIC | size, 10, 6, -8, operation)]);
    }),
    { opcode: OPCODE.LD_IMM64, dst: 6, src: 0, offset: 0, imm: 0xfedcba9876543210n },
    op(ALU64 | K | MOV, 0, 0, 0, 2),
    op(OPCODE.EXIT),
  ];
}

function objectOf(instructions: Instruction[]): ObjectSpec {
  const functions = [{ name: "everything", instructions, typeId: 0, lines: [] }];
  return {
    license: "GPL",
    programs: [{ name: "everything", section: "xdp", type: "xdp", functions }],
    maps: [],
    data: [],
    btf: null,
  };
}

describe("the disassembly", () => {
  const missing = lacking("root", "bpftool", "unshare");
  it.skipIf(missing !== "")(`is what the kernel's verifier prints for the same program${missing}`, () => {
    const instructions = everything();
    const file = join(temporaryDirectory(), "everything.o");
    writeFileSync(file, writeElf(objectOf(instructions)));
    const log = isolated(`bpftool -d prog load ${file} /sys/fs/bpf/everything`);
    const printed = new Map<number, string>();
    for (const [, slot, text] of log.matchAll(/^(\d+): \([0-9a-f]{2}\) (.*?)(?:\s+;.*)?$/gm))
      printed.set(Number(slot), text ?? "");
    const ours = disassemble(instructions).map((line) => line.replace(/ +$/, ""));
    expect(ours).toEqual(ours.map((line) => `${line.split(":")[0]}: ${printed.get(Number.parseInt(line, 10))}`));
  });

  const noLlvm = lacking("llvm-objdump-19");
  it.skipIf(noLlvm !== "")(`counts slots as llvm-objdump does${noLlvm}`, () => {
    const spec = countingProgram();
    const file = join(temporaryDirectory(), "counting.o");
    writeFileSync(file, writeElf(spec));
    const theirs = output("llvm-objdump-19", "-d", "--no-show-raw-insn", file);
    for (const fn of spec.programs[0]?.functions ?? []) {
      const block = theirs.split(`<${fn.name}>:\n`)[1]?.split("\n\n")[0] ?? "";
      const slots = [...block.matchAll(/^ *(\d+):/gm)].map(([, slot]) => slot);
      expect(disassemble(fn.instructions).map((line) => line.split(":")[0])).toEqual(slots);
    }
  });

  it("names what references mean", () => {
    const lines = countingProgram().programs[0]?.functions.flatMap((fn) => disassemble(fn.instructions)) ?? [];
    expect(lines).toContain("1: call count_one");
    expect(lines).toContain("3: r1 = map[xdp_stats_map]");
    expect(lines).toContain("5: call bpf_map_lookup_elem#1");
    expect(lines).toContain("6: if r0 == 0x0 goto pc+6");
    expect(lines).toContain("7: r1 = map[.rodata][0]+4");
  });

  it("prints slots and opcodes as asked", () => {
    expect(disassemble([op(OPCODE.EXIT)], { firstSlot: 4, opcodes: true })).toEqual(["4: (95) exit"]);
    expect(disassemble([op(OPCODE.EXIT)], { slotNumbers: false })).toEqual(["exit"]);
  });

  it("knows what only loaders, old filters and new kernels have", () => {
    const wide = (src: number, imm: bigint) => instructionText({ opcode: OPCODE.LD_IMM64, dst: 1, src, offset: 0, imm });
    expect(wide(PSEUDO.MAP_FD, 5n)).toBe("r1 = map[fd:5]");
    expect(wide(PSEUDO.MAP_VALUE, (12n << 32n) | 5n)).toBe("r1 = map[fd:5][0]+12");
    expect(wide(PSEUDO.FUNC, 0xffff_fffen)).toBe("r1 = subprog[-2]");
    expect(instructionText(op(OPCODE.CALL, 0, CALL.SUBPROGRAM, 0, -3))).toBe("call pc-3");
    expect(instructionText(op(OPCODE.CALL, 0, CALL.KFUNC, 0, 77))).toBe("call kernel-function#77");
    expect(instructionText(op(OPCODE.CALL, 0, 0, 0, 5000))).toBe("call unknown#5000");
    expect(instructionText(op(LD | MODE.ABS | SIZE.H, 0, 0, 0, 12))).toBe("r0 = *(u16 *)skb[12]");
    expect(instructionText(op(LD | MODE.IND | SIZE.B, 0, 3, 0, 14))).toBe("r0 = *(u8 *)skb[r3 + 14]");
    expect(instructionText(op(JMP64 | JMP.JCOND, 0, 0, 4))).toBe("may_goto pc+4");
    expect(instructionText(op(STX | MODE.ATOMIC | SIZE.W, 1, 2, 0, ATOMIC.LOAD_ACQUIRE))).toBe(
      "r1 = load_acquire((u32 *)(r2 +0))",
    );
    expect(instructionText(op(STX | MODE.ATOMIC | SIZE.DW, 1, 2, 8, ATOMIC.STORE_RELEASE))).toBe(
      "store_release((u64 *)(r1 +8), r2)",
    );
  });

  it("never throws, whatever the opcode", () => {
    for (let opcode = 0; opcode < 256; opcode++) expect(instructionText(op(opcode, 1, 2, 3, 4))).not.toBe("");
  });
});

describe("helper names", () => {
  const header = "/usr/include/linux/bpf.h";
  const missing = existsSync(header) ? "" : ` (skipped: needs ${header})`;
  it.skipIf(missing !== "")(`are those of the kernel's header${missing}`, () => {
    const [, list = ""] = readFileSync(header, "utf8").split(/#define _+BPF_FUNC_MAPPER\(FN[^)]*\)/);
    const names = [...(list.split("/* */")[0] ?? "").matchAll(/FN\((\w+)/g)].map(([, name]) => name).slice(1);
    expect(HELPER_NAMES.slice(0, names.length)).toEqual(names);
  });

  it("agree with the numbers that we call", () => {
    for (const [name, number] of Object.entries(HELPER)) expect(helperName(number)).toBe(`bpf_${name}`);
    expect(helperName(0)).toBeUndefined();
    expect(HELPER_NAMES.length).toBe(211);
  });
});

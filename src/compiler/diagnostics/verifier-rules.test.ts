/** The table of the verifier's rules: the kernel says each message, and each diagnostic is one that there is. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { addImm, callFunction, callHelper, exit, movImm, movReg, op, wide } from "../../../test/fixtures/counting-program.ts";
import { noKernel } from "../../../test/kernel.ts";
import { loadSpec } from "../../index.ts";
import * as kernel from "../../kernel/index.ts";
import { BtfBuilder } from "../../object/btf/builder.ts";
import { HELPER } from "../../object/helpers.ts";
import type { Instruction } from "../../object/instruction.ts";
import { ALU, ATOMIC, CLASS, JMP, MODE, SIZE, SOURCE } from "../../object/opcodes.ts";
import { type DataSpec, type FunctionSpec, MAP_TYPE, type MapSpec, type ObjectSpec } from "../../object/spec.ts";
import { VerifierError } from "../../runtime/verifier-log.ts";
import { check } from "../compile.ts";
import { CATALOGUE } from "./catalogue.ts";
import { verifierPage } from "./verifier-page.ts";
import { VERIFIER_RULES } from "./verifier-rules.ts";

const load = (size: number, dst: number, src: number, offset = 0) => op(CLASS.LDX | MODE.MEM | size, dst, src, offset);
const put = (size: number, dst: number, offset: number, imm = 0) => op(CLASS.ST | MODE.MEM | size, dst, 0, offset, imm);
const addReg = (dst: number, src: number) => op(CLASS.ALU64 | SOURCE.X | ALU.ADD, dst, src);
const skipUnlessZero = (register: number, slots: number) => op(CLASS.JMP | SOURCE.K | JMP.JNE, register, 0, slots, 0);
const mapOf = (name: string) => wide(1, { kind: "map", name });
const keyAt = (offset: number) => [put(SIZE.W, 10, offset), movReg(2, 10), addImm(2, offset)];
const lookup = [...keyAt(-4), mapOf("table"), callHelper(HELPER.map_lookup_elem)];
const found = [...lookup, skipUnlessZero(0, 1), exit()];
const leave = [movImm(0, 2), exit()];
const PACKET = [load(SIZE.W, 2, 1, 0), load(SIZE.W, 3, 1, 4)];

/** A chain of functions, each with `stack` bytes. */
const chain = (depth: number, stack: number): Record<string, Instruction[]> =>
  Object.fromEntries(
    Array.from({ length: depth }, (_, index) => {
      const call = index + 1 < depth ? [callFunction(`f${index + 1}`)] : [];
      return [`f${index}`, [put(SIZE.DW, 10, -stack), ...call, ...leave]];
    }),
  );

/** By the message's start: the function that makes the verifier say it, or all functions, the program's first. */
const REFUSED: Record<string, Instruction[] | Record<string, Instruction[]>> = {
  "invalid access to packet": [...PACKET, load(SIZE.B, 0, 2, 0), exit()],
  "R… invalid mem access 'map_value_or_null'": [...lookup, load(SIZE.W, 0, 0), exit()],
  "R… invalid mem access 'scalar'": [movImm(2, 7), load(SIZE.W, 0, 2), exit()],
  "invalid access to map value": [...found, load(SIZE.DW, 0, 0, 8), ...leave],
  "R… unbounded memory access": [
    ...found,
    movReg(6, 0),
    callHelper(HELPER.get_prandom_u32),
    op(CLASS.ALU | SOURCE.X | ALU.MOV, 0, 0),
    addReg(6, 0),
    load(SIZE.B, 0, 6),
    exit(),
  ],
  "math between … pointer": [movReg(6, 1), callHelper(HELPER.ktime_get_ns), movReg(1, 6), ...PACKET, addReg(2, 0), ...leave],
  "R… !read_ok": [movReg(0, 7), exit()],
  "invalid read from stack": [load(SIZE.DW, 0, 10, -520), exit()],
  "invalid write to stack": [put(SIZE.DW, 10, -520), ...leave],
  "combined stack size": chain(2, 400),
  "the call stack of": chain(9, 8),
  "misaligned stack access": [put(SIZE.DW, 10, -12), ...leave],
  "infinite loop detected": [movImm(0, 0), op(CLASS.JMP | SOURCE.K | JMP.JEQ, 0, 0, -1, 0), exit()],
  "BPF program is too large": [movImm(0, 0), addImm(0, 1), op(CLASS.JMP | SOURCE.K | JMP.JNE, 0, 0, -2, 2_000_000), ...leave],
  "Unreleased reference": [mapOf("ring"), movImm(2, 8), movImm(3, 0), callHelper(HELPER.ringbuf_reserve), ...leave],
  "write into map forbidden": [wide(2, { kind: "data", section: ".rodata", offset: 0 }), put(SIZE.W, 2, 0), ...leave],
  "invalid bpf_context access": [load(SIZE.W, 0, 1, 100), exit()],
  "BPF_ATOMIC stores": [
    ...PACKET,
    movReg(4, 2),
    addImm(4, 8),
    movImm(0, 2),
    op(CLASS.JMP | SOURCE.X | JMP.JGT, 4, 3, 1),
    op(CLASS.STX | MODE.ATOMIC | SIZE.W, 2, 0, 0, ATOMIC.ADD),
    exit(),
  ],
  "program of this type cannot use helper": [movImm(2, 14), callHelper(HELPER.skb_pull_data), ...leave],
  "cannot pass map_type": [
    put(SIZE.DW, 10, -8),
    movReg(2, 10),
    addImm(2, -8),
    mapOf("table"),
    movImm(3, 0),
    callHelper(HELPER.map_push_elem),
    ...leave,
  ],
  "unreachable insn": [...leave, ...leave],
  "invalid shift": [movImm(0, 1), op(CLASS.ALU64 | SOURCE.K | ALU.LSH, 0, 0, 0, 64), exit()],
  "div by zero": [movImm(0, 1), op(CLASS.ALU64 | SOURCE.K | ALU.DIV, 0, 0, 0, 0), exit()],
  "dereference of modified ctx ptr": [movReg(2, 1), addImm(2, 4), load(SIZE.W, 0, 2), exit()],
};

function specOf(code: Instruction[] | Record<string, Instruction[]>): ObjectSpec {
  const btf = new BtfBuilder();
  const int = btf.add({ kind: "int", name: "int", size: 4, bits: 32, encoding: "signed" });
  const type = btf.add({ kind: "func_proto", returnType: int, parameters: [] });
  const name = `r${process.pid}`;
  const bodies = Array.isArray(code) ? [[name, code] as const] : Object.entries(code);
  const functions = bodies.map(([fn, instructions], index): FunctionSpec => {
    const linkage = index === 0 ? "global" : "static";
    const lines = [{ slot: 0, file: "a.c", text: fn, line: 1, column: 1 }];
    return { name: fn, instructions, typeId: btf.add({ kind: "func", name: fn, type, linkage }), lines };
  });
  const map = (mapName: string, mapType: number, fields: Partial<MapSpec>): MapSpec => ({
    ...{ name: mapName, type: mapType, keySize: 4, valueSize: 8, maxEntries: 1, flags: 0, extra: 0 },
    ...{ pinning: "none", keyTypeId: 0, valueTypeId: 0, ...fields },
  });
  const constants: DataSpec = { name: ".rodata", bytes: new Uint8Array(8), readonly: true, variables: [] };
  return {
    license: "GPL",
    programs: [{ name: bodies[0]?.[0] ?? name, section: "xdp", type: "xdp", functions }],
    maps: [map("table", MAP_TYPE.HASH, {}), map("ring", MAP_TYPE.RINGBUF, { keySize: 0, valueSize: 0, maxEntries: 4096 })],
    data: [constants],
    btf: { types: btf.types },
  };
}

function patternOf(message: string): RegExp {
  const literal = (part: string) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(message.split("…").map(literal).join(".+?"));
}

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;

describe.skipIf(noKernel !== null)(`the kernel says${reason}`, () => {
  test.each(VERIFIER_RULES.map(({ message }) => message))("%s", (message) => {
    const [, code] = Object.entries(REFUSED).find(([start]) => message.startsWith(start)) ?? [];
    if (code === undefined) throw new Error("no program shows it");
    let log = "the kernel took it";
    try {
      loadSpec(specOf(code)).close();
    } catch (error) {
      if (!(error instanceof VerifierError)) throw error;
      log = error.log;
    }
    expect(log).toMatch(patternOf(message));
  });
});

describe("what prevents it is there", () => {
  test.each(VERIFIER_RULES.map((rule) => [rule.message, rule] as const))("%s", (_, { preventedBy, example }) => {
    const own = preventedBy.filter((code) => code.startsWith("WS"));
    expect(Object.keys(CATALOGUE)).toEqual(expect.arrayContaining(own));
    const theirs = preventedBy.filter((code) => code.startsWith("TS"));
    if (example === undefined) return expect(theirs).toEqual([]);
    const file = resolve("example.bpf.ts");
    const imports = `import { ${Object.keys(kernel).join(", ")} } from "wirescript/kernel";\n`;
    const codes = check(file, { overlay: new Map([[file, imports + example]]) }).map(({ code }) => code);
    expect(codes).toEqual(expect.arrayContaining(theirs));
  });
});

test("docs/verifier.md says what the table says (update it with `npx vitest run src/compiler/diagnostics -u`)", async () => {
  await expect(verifierPage()).toMatchFileSnapshot(resolve("docs/verifier.md"));
});

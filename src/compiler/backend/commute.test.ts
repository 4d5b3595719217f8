/** The order of operands: the one that saves a copy, but for addresses on the stack. */
import { expect, test } from "vitest";
import { disassemble } from "../../object/disassemble.ts";
import { parseFunction } from "../ir/parse.ts";
import { generate } from "./generate.ts";

function additions(pointer: string): string[] {
  const body = `b0:
  v1: ptr = argument 0
  v2 = argument 1
  v3: ptr = ${pointer}
  v4 = const 7
  v5 = and v2, v4
  v6: ptr = add v3, v5
  v7 = load.1 map v6
  v8 = load.1 map v3
  v9 = add v7, v8
  return v9`;
  const { instructions } = generate(parseFunction(`function f {\n${body}\n}\n`), { cpu: 3 });
  return disassemble(instructions).map((line) => line.replace(/^\d+: /, ""));
}

test("a number that is not needed any more takes the address of an element", () => {
  expect(additions("load.8 map v1")).toEqual([
    "r1 = *(u64 *)(r1 +0)",
    "r2 &= 7",
    "r2 += r1",
    "r0 = *(u8 *)(r2 +0)",
    "r1 = *(u8 *)(r1 +0)",
    "w0 += w1",
    "exit",
  ]);
});

test("a number is added to what may be an address on the stack, never the other way round", () => {
  const lines = additions("load.8 stack v1");
  expect(lines).toContain("r3 += r2");
  expect(lines).not.toContain("r2 += r1");
});

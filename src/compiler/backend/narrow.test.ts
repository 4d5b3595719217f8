/** Where 64-bit operations become 32-bit ones, and where they must not. */
import { describe, expect, test } from "vitest";
import { disassemble } from "../../object/disassemble.ts";
import { parseFunction } from "../ir/parse.ts";
import { generate } from "./generate.ts";

function assembly(body: string): string[] {
  const { instructions } = generate(parseFunction(`function narrow {\nb0:\n${body}\n}\n`), { cpu: 3 });
  return disassemble(instructions, { slotNumbers: false });
}

const LOADS = `
  v1 = map "m"
  v2 = slot 4 align 4
  v3 = const 0
  store.4 stack v2, v3
  v4: ptr = call map_lookup_elem(v1, v2)
  v5 = ne v4, v3
  branch v5, b1, b2
b2: from b0
  return v3
b1: from b0
  v6 = load.4 map v4
  v7 = load.8 map v4 + 8
  v8 = load.1 map v4 + 16`;

describe("32-bit operations", () => {
  test("stand for 64-bit ones where neither operands nor result can have an upper half", () => {
    const lines = assembly(`${LOADS}
  v10 = const 15
  v11 = and v8, v10
  v12 = const 2
  v13 = shl v11, v12
  v14 = or v13, v6
  return v14`);
    expect(lines).toEqual(expect.arrayContaining(["w0 &= 15", "w0 <<= 2", "w0 |= w1"]));
  });

  test("do not where the sum of two 32-bit numbers needs 33 bits", () => {
    const lines = assembly(`${LOADS}
  v10 = add v6, v6
  return v10`);
    expect(lines.some((line) => /^r\d \+= r\d$/.test(line))).toBe(true);
  });

  test("do not where an operand is a number of 64 bits, or a pointer", () => {
    const lines = assembly(`${LOADS}
  v10 = xor v6, v7
  v11 = const 7
  v12 = ugt v10, v11
  branch v12, b3, b4
b3: from b1
  return v11
b4: from b1
  return v8`);
    expect(lines.some((line) => /^if r0 (==|!=) 0x0 /.test(line))).toBe(true);
    expect(lines.some((line) => /^r\d \^= r\d$/.test(line))).toBe(true);
    expect(lines.some((line) => /^if r\d (>|<=) 0x7 /.test(line))).toBe(true);
  });

  test("compare a small number with a small constant, signed or not, but none with a negative one", () => {
    const compared = (constant: number, op: string) =>
      assembly(`${LOADS}
  v10 = const ${constant}
  v11 = ${op} v8, v10
  branch v11, b3, b4
b3: from b1
  v12 = const 1
  return v12
b4: from b1
  return v3`).find((line) => line.startsWith("if") && !line.includes("r0 == 0x0"));
    expect(compared(5, "ugt")).toMatch(/^if w/);
    expect(compared(5, "sgt")).toMatch(/^if w/);
    expect(compared(-5, "eq")).toMatch(/^if r/);
    expect(compared(-5, "sgt")).toMatch(/^if r/);
  });

  test("do not exist before v3", () => {
    const { instructions } = generate(parseFunction(`function narrow {\nb0:\n${LOADS}\n  return v8\n}\n`), { cpu: 2 });
    expect(disassemble(instructions).filter((line) => /\bw\d/.test(line))).toEqual([]);
  });
});

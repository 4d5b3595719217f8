/** What is kept in registers, made early, or not written again, to save instructions. */
import { describe, expect, test } from "vitest";
import { disassemble } from "../../object/disassemble.ts";
import { parseFunction } from "../ir/parse.ts";
import { generate } from "./generate.ts";

function assembly(body: string): string[] {
  const { instructions } = generate(parseFunction(`function f {\n${body}\n}\n`), { cpu: 3 });
  return disassemble(instructions).map((line) => line.replace(/^\d+: /, ""));
}

/** A key, and so many lookups of it one after the other. */
const lookups = (count: number): string => `
b0:
  v1 = slot 8 align 8
  v2 = map "m"
  v3 = call get_prandom_u32()
  store.8 stack v1, v3
${Array.from({ length: count }, (_, index) => `  v${index + 10}: ptr = call map_lookup_elem(v2, v1)`).join("\n")}
  v4 = const 2
  return v4`;

describe("addresses that calls are given", () => {
  const made = (lines: readonly string[]): number[] =>
    ["map", "+= -8"].map((part) => lines.filter((line) => line.includes(part) && !line.includes("call")).length);

  test("are made once for three calls, in registers that survive them", () => {
    const lines = assembly(lookups(3));
    expect(made(lines)).toEqual([1, 1]);
    expect(lines.filter((line) => /^r1 = r[6-9]$/.test(line))).toHaveLength(3);
  });

  test("are made for each of two", () => {
    const lines = assembly(lookups(2));
    expect(made(lines)).toEqual([2, 2]);
    expect(lines.join()).not.toMatch(/r[6-9]/);
  });
});

test("a constant that several branches bring is made ahead of them", () => {
  const lines = assembly(`
b0:
  v1 = context
  v2 = load.4 context v1 + 12
  v3 = const 1
  v4 = const 0
  v5 = eq v2, v3
  branch v5, b1, b3
b1: from b0
  v6 = load.4 context v1 + 16
  v7 = eq v6, v3
  branch v7, b2, b3
b2: from b1
  v8 = load.4 context v1 + 8
  jump b4
b3: from b0, b1
  jump b4
b4: from b2, b3
  v9 = phi v8, v4
  v10 = map "m"
  v11 = call redirect_map(v10, v9, v4)
  return v11`);
  expect(lines).toEqual([
    "r3 = *(u32 *)(r1 +12)",
    "r2 = 0",
    "if r3 != 0x1 goto pc+3",
    "r3 = *(u32 *)(r1 +16)",
    "if r3 != 0x1 goto pc+1",
    "r2 = *(u32 *)(r1 +8)",
    "r1 = map[m]",
    "r3 = 0",
    "call bpf_redirect_map#51",
    "exit",
  ]);
});

test("what a home holds already is not written again", () => {
  const lines = assembly(`
b0:
  v1 = context
  v2 = load.4 context v1 + 12
  v3 = const 1
  v4 = slot 4 align 4
  v5 = const 2
  v6 = eq v2, v3
  branch v6, b1, b4
b1: from b0
  v7 = load.4 context v1 + 16
  v8 = eq v7, v3
  branch v8, b2, b4
b2: from b1
  v9 = load.4 context v1 + 8
  v10 = eq v9, v3
  branch v10, b3, b4
b3: from b2
  v12 = map "other"
  v13 = call redirect_map(v12, v3, v3)
  jump b4
b4: from b0, b1, b2, b3
  v22 = phi v5, v3, v5, v5
  store.4 stack v4, v22
  v16 = map "m"
  v17: ptr = call map_lookup_elem(v16, v4)
  v18 = const 0
  v19 = eq v17, v18
  branch v19, b5, b6
b5: from b4
  return v18
b6: from b4
  return v22`);
  expect(lines.filter((line) => line.startsWith("*(u32 *)(r10 -4)"))).toEqual(["*(u32 *)(r10 -4) = 2", "*(u32 *)(r10 -4) = 1"]);
});

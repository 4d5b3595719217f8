/** The shapes that the back end promises, instruction by instruction; what they do is shown in `differential.test.ts`. */
import { describe, expect, test } from "vitest";
import { growth } from "../../../test/growth.ts";
import { WirescriptError } from "../../errors.ts";
import { disassemble } from "../../object/disassemble.ts";
import { slots } from "../../object/instruction.ts";
import { FunctionBuilder } from "../ir/builder.ts";
import type { Span, Value } from "../ir/ir.ts";
import { parseFunction } from "../ir/parse.ts";
import { generate } from "./generate.ts";
import type { Cpu } from "./machine.ts";

function assembly(body: string, cpu: Cpu = 3): string[] {
  const { instructions } = generate(parseFunction(`function shape {\n${body}\n}\n`), { cpu });
  return disassemble(instructions).map((line) => line.replace(/^\d+: /, ""));
}

const CHECKED = `
b0:
  v1 = context
  v2: ptr = load.4 context v1
  v3: ptr = load.4 context v1 + 4
  v4 = const 14
  v5: ptr = add v2, v4
  v6 = ugt v5, v3
  branch v6, b2, b1
b1: from b0`;

describe("shapes", () => {
  test("bounds check and EtherType compare: one exit, constants in immediates, the result preset", () => {
    expect(
      assembly(`${CHECKED}
  v7 = load.2 packet v2 + 12
  v8 = const 8
  v9 = eq v7, v8
  branch v9, b3, b2
b2: from b0, b1
  v10 = const 2
  return v10
b3: from b1
  v11 = const 1
  return v11`),
    ).toMatchInlineSnapshot(`
      [
        "r2 = *(u32 *)(r1 +0)",
        "r3 = *(u32 *)(r1 +4)",
        "r1 = r2",
        "r1 += 14",
        "r0 = 2",
        "if r1 > r3 goto pc+3",
        "r1 = *(u16 *)(r2 +12)",
        "if w1 != 0x8 goto pc+1",
        "r0 = 1",
        "exit",
      ]
    `);
  });

  test("of two results behind one exit, one is set ahead of the branches", () => {
    expect(
      assembly(`
b0:
  v1 = context
  v2 = load.4 context v1
  v3 = const 7
  v4 = eq v2, v3
  branch v4, b1, b2
b1: from b0
  v5 = load.4 context v1 + 4
  v6 = eq v5, v3
  branch v6, b3, b2
b2: from b0, b1
  v7 = const 2
  jump b4
b3: from b1
  v8 = const 1
  jump b4
b4: from b2, b3
  v9 = phi v7, v8
  return v9`),
    ).toHaveLength(7);
  });

  test("one of two values is made ahead of the branch, in a register that the comparison leaves free", () => {
    expect(
      assembly(`
b0:
  v1 = context
  v2: ptr = load.4 context v1 + 140
  v3: ptr = load.4 context v1 + 76
  v4 = const 4
  v5: ptr = add v2, v4
  v6 = ugt v5, v3
  branch v6, b2, b1
b1: from b0
  v7 = load.4 packet v5 - 4
  jump b3
b2: from b0
  v8 = const 41
  jump b3
b3: from b1, b2
  v9 = phi v7, v8
  store.4 context v1 + 8, v9
  v10 = const 0
  return v10`),
    ).toHaveLength(9);
  });

  test("a check further into the packet starts from the address of the one before", () => {
    const body = (between: string) => `${CHECKED}
  v7 = load.2 packet v2 + 12
${between}
  v8 = const 34
  v9: ptr = add v2, v8
  v10 = ugt v9, v3
  branch v10, b2, b3
b3: from b1
  v11 = load.1 packet v2 + 23
  v12 = add v11, v7
  return v12
b2: from b0, b1
  v13 = const 2
  return v13`;
    expect(assembly(body(""))).toContain("r1 += 20");
    // Across a call it would need one of the registers that survive it.
    expect(assembly(body("  v20 = call ktime_get_ns()"))).toContain("r1 += 34");
  });

  test("of two stores to the same bytes the last one stays, unless somebody reads in between", () => {
    const body = (between: string) => `${CHECKED}
  v7 = load.1 packet v2
  store.1 packet v2, v7
${between}
  v8 = const 5
  store.1 packet v2, v8
  return v8
b2: from b0
  v9 = const 2
  return v9`;
    const stores = (between: string) => assembly(body(between)).filter((line) => line.startsWith("*(u8"));
    expect(stores("")).toEqual(["*(u8 *)(r2 +0) = 5"]);
    expect(stores("  v20 = call ktime_get_ns()")).toHaveLength(2);
    expect(stores("  v20 = load.1 packet v2 + 1\n  store.1 packet v2 + 2, v20")).toHaveLength(3);
  });

  test("MAC swap: loads and stores on one base, no copies", () => {
    expect(
      assembly(`${CHECKED}
  v7 = load.4 packet v2
  v8 = load.2 packet v2 + 4
  v9 = const 6
  v10: ptr = add v2, v9
  v11 = load.4 packet v10
  v12 = load.2 packet v10 + 4
  store.4 packet v2, v11
  store.2 packet v2 + 4, v12
  store.4 packet v10, v7
  store.2 packet v10 + 4, v8
  v13 = const 3
  return v13
b2: from b0
  v14 = const 2
  return v14`),
    ).toMatchInlineSnapshot(`
      [
        "r2 = *(u32 *)(r1 +0)",
        "r3 = *(u32 *)(r1 +4)",
        "r1 = r2",
        "r1 += 14",
        "r0 = 2",
        "if r1 > r3 goto pc+9",
        "r0 = *(u32 *)(r2 +0)",
        "r4 = *(u16 *)(r2 +4)",
        "r3 = *(u32 *)(r2 +6)",
        "r1 = *(u16 *)(r2 +10)",
        "*(u32 *)(r2 +0) = r3",
        "*(u16 *)(r2 +4) = r1",
        "*(u32 *)(r2 +6) = r0",
        "*(u16 *)(r2 +10) = r4",
        "r0 = 3",
        "exit",
      ]
    `);
  });

  test("counter in a map: the key by store-immediate, a failed lookup returns the 0 in r0", () => {
    expect(
      assembly(`
b0:
  v1 = slot 4 align 4
  v2 = const 3
  store.4 stack v1, v2
  v3 = map "counters"
  v4: ptr = call map_lookup_elem(v3, v1)
  v5 = const 0
  v6 = eq v4, v5
  branch v6, b1, b2
b1: from b0
  return v5
b2: from b0
  v7 = load.8 map v4
  v8 = const 1
  v9 = add v7, v8
  store.8 map v4, v9
  v10 = const 2
  return v10`),
    ).toMatchInlineSnapshot(`
      [
        "*(u32 *)(r10 -4) = 3",
        "r1 = map[counters]",
        "r2 = r10",
        "r2 += -4",
        "call bpf_map_lookup_elem#1",
        "if r0 == 0x0 goto pc+4",
        "r1 = *(u64 *)(r0 +0)",
        "r1 += 1",
        "*(u64 *)(r0 +0) = r1",
        "r0 = 2",
        "exit",
      ]
    `);
  });

  test("null check on the register itself, the value kept across a call in r6", () => {
    expect(
      assembly(`
b0:
  v1 = slot 4 align 4
  v2 = const 0
  store.4 stack v1, v2
  v3 = map "values"
  v4: ptr = call map_lookup_elem(v3, v1)
  v5 = ne v4, v2
  branch v5, b1, b2
b1: from b0
  v6 = call get_prandom_u32()
  store.4 map v4, v6
  jump b2
b2: from b0, b1
  v7 = const 2
  return v7`),
    ).toMatchInlineSnapshot(`
      [
        "*(u32 *)(r10 -4) = 0",
        "r1 = map[values]",
        "r2 = r10",
        "r2 += -4",
        "call bpf_map_lookup_elem#1",
        "r6 = r0",
        "if r6 == 0x0 goto pc+2",
        "call bpf_get_prandom_u32#7",
        "*(u32 *)(r6 +0) = r0",
        "r0 = 2",
        "exit",
      ]
    `);
  });

  test("five values across a call: one is spilled, stored and read back once", () => {
    const lines = assembly(`${CHECKED}
  v7 = load.1 packet v2
  v8 = load.1 packet v2 + 1
  v9 = load.1 packet v2 + 2
  v10 = load.1 packet v2 + 3
  v11 = load.1 packet v2 + 4
  v12 = call get_prandom_u32()
  v13 = add v12, v7
  v14 = mul v13, v8
  v15 = add v14, v9
  v16 = mul v15, v10
  v17 = add v16, v11
  return v17
b2: from b0
  v18 = const 2
  return v18`);
    expect(lines.filter((line) => line.includes("r10"))).toHaveLength(2);
    expect(lines).toHaveLength(20);
  });

  test("a bool is made by branching", () => {
    expect(
      assembly(`
b0:
  v1 = call get_prandom_u32()
  v2 = const 7
  v3 = ugt v1, v2
  return v3`),
    ).toMatchInlineSnapshot(`
      [
        "call bpf_get_prandom_u32#7",
        "r1 = r0",
        "r0 = 1",
        "if r1 > 0x7 goto pc+1",
        "r0 = 0",
        "exit",
      ]
    `);
  });

  test("a comparison that several branches read is compared again at each", () => {
    const lines = assembly(`
b0:
  v1 = call get_prandom_u32()
  v2 = const 7
  v3 = ugt v1, v2
  branch v3, b1, b2
b1: from b0
  v4 = call ktime_get_ns()
  jump b2
b2: from b0, b1
  branch v3, b3, b4
b3: from b2
  v5 = call ktime_get_ns()
  jump b4
b4: from b2, b3
  v6 = const 2
  return v6`);
    expect(lines.filter((line) => line.startsWith("if"))).toHaveLength(2);
    expect(lines).toHaveLength(8);
  });

  test("a mask test is one branch; an address constant above 2^31 needs no register", () => {
    const body = `${CHECKED}
  v7 = load.4 packet v2
  v8 = const 64
  v9 = and v7, v8
  v10 = const 0
  v11 = ne v9, v10
  branch v11, b2, b3
b3: from b1
  v12 = const 3232235521
  v13 = eq v7, v12
  branch v13, b2, b4
b2: from b0, b1, b3
  v14 = const 2
  return v14
b4: from b3
  v15 = const 1
  return v15`;
    expect(assembly(body).filter((line) => line.startsWith("if"))).toMatchInlineSnapshot(`
      [
        "if r1 > r3 goto pc+4",
        "if w1 & 0x40 goto pc+2",
        "if w1 == 0xc0a80001 goto pc+1",
      ]
    `);
    // Before v3 there are no 32-bit comparisons.
    expect(assembly(body, 2).length).toBe(assembly(body).length + 1);
  });

  test("32-bit arithmetic replaces the zero extension", () => {
    const body = `
b0:
  v1 = call get_prandom_u32()
  v2 = call ktime_get_ns()
  v3 = add v1, v2
  v4 = zext.32 v3
  return v4`;
    expect(assembly(body)).toMatchInlineSnapshot(`
      [
        "call bpf_get_prandom_u32#7",
        "r6 = r0",
        "call bpf_ktime_get_ns#5",
        "w0 += w6",
        "exit",
      ]
    `);
    expect(assembly(body, 1).slice(-4)).toMatchInlineSnapshot(`
      [
        "r0 += r6",
        "r0 <<= 32",
        "r0 >>= 32",
        "exit",
      ]
    `);
  });
});

describe("line info", () => {
  const place = (line: number, column = 3): Span => ({ file: "a.bpf.ts", line, column, text: `    line ${line};` });

  test("starts at slot 0, counts slots, and has an entry only where the place changes", () => {
    const b = new FunctionBuilder("lines");
    const slot = b.emit({ op: "slot", type: "ptr", args: [], size: 4, align: 4 });
    b.span = place(1);
    b.store(4, slot, 0, "stack", b.const(1));
    b.span = place(2);
    const map = b.emit({ op: "map", type: "ptr", args: [], name: "m" });
    b.emit({ op: "call", type: "ptr", args: [map, slot], helper: 1 });
    b.span = place(3);
    b.return(b.const(2));
    const { instructions, lines } = generate(b.finish(), { cpu: 3 });
    expect(lines.map(({ slot: at, line }) => [at, line])).toEqual([
      [0, 1],
      [1, 2],
      [6, 3],
    ]);
    expect(lines[0]).toEqual({ slot: 0, file: "a.bpf.ts", text: "line 1;", line: 1, column: 3 });
    expect(instructions.reduce((sum, each) => sum + slots(each), 0)).toBe(8);
  });

  test("is empty for a function without places", () => {
    const b = new FunctionBuilder("none");
    b.return(b.const(2));
    expect(generate(b.finish(), { cpu: 3 }).lines).toEqual([]);
  });
});

describe("limits", () => {
  test("slots that hold something at the same time are packed by alignment", () => {
    const b = new FunctionBuilder("frame");
    const kept = (
      [
        [1, 1],
        [8, 8],
        [2, 2],
        [4, 4],
        [1, 1],
      ] as const
    ).map(([size, align]) => {
      const slot = b.emit({ op: "slot", type: "ptr", args: [], size, align });
      b.store(1, slot, 0, "stack", b.const(1));
      return slot;
    });
    b.return(kept.map((slot) => b.load(1, slot, 0, "stack")).reduce((sum, value) => b.binary("add", sum, value)));
    expect(generate(b.finish(), { cpu: 3 }).stackBytes).toBe(16);
  });

  test("keys of calls one after the other lie on each other; a key and a value of one call do not", () => {
    const b = new FunctionBuilder("overlay");
    const slot = (): Value => b.emit({ op: "slot", type: "ptr", args: [], size: 8, align: 8 });
    const map = b.emit({ op: "map", type: "ptr", args: [], name: "m" });
    for (let index = 0; index < 3; index++) {
      const [key, value] = [slot(), slot()];
      b.store(8, key, 0, "stack", b.const(index));
      b.store(8, value, 0, "stack", b.const(index));
      b.emit({ op: "call", type: "int", args: [map, key, value, b.const(0)], helper: 2 });
    }
    b.return(b.const(2));
    expect(generate(b.finish(), { cpu: 3 }).stackBytes).toBe(16);
  });

  test("what is read after a loop keeps its place in the loop", () => {
    const fn = parseFunction(`function loop {
b0:
  v1 = slot 8 align 8
  v2 = slot 8 align 8
  v3 = const 5
  store.4 stack v1, v3
  v4 = const 0
  jump b1
b1: from b0, b1
  v5 = phi v4, v7
  store.8 stack v2, v5
  v6 = map "m"
  v8 = call map_delete_elem(v6, v2)
  v9 = const 1
  v7 = add v5, v9
  v10 = ult v7, v3
  branch v10, b1, b2
b2: from b1
  v11 = load.4 stack v1
  return v11
}
`);
    expect(generate(fn, { cpu: 3 }).stackBytes).toBe(16);
  });

  test("what lies in a loop's frame, and is not written there, needs no place of its own in the round", () => {
    const b = new FunctionBuilder("round");
    const frame = b.emit({ op: "argument", type: "ptr", args: [], index: 1, align: 8 });
    const kept = Array.from({ length: 12 }, (_, index) => b.load(8, frame, 8 * index, "stack"));
    const random = () => b.emit({ op: "call", type: "int", args: [], helper: 7 });
    const sum = kept.reduce((before, value) => b.binary("xor", b.binary("add", before, value), random()), random());
    b.return(kept.reduce((before, value) => b.binary("mul", before, value), sum));
    const fn = b.finish();
    expect(generate(fn, { cpu: 3 }).stackBytes).toBeGreaterThan(48);
    const lasting = new Set(kept.map((_, index) => 8 * index));
    expect(generate(fn, { cpu: 3, lasting }).stackBytes).toBeLessThan(16);
    for (const offset of [0, 8, 16, 24, 32, 40]) lasting.delete(offset);
    expect(generate(fn, { cpu: 3, lasting }).stackBytes).toBeGreaterThan(8);
  });

  test("more than 512 bytes of stack are an error that says so", () => {
    const b = new FunctionBuilder("greedy");
    const slot = b.emit({ op: "slot", type: "ptr", args: [], size: 520, align: 8 });
    b.store(8, slot, 0, "stack", b.const(1));
    b.return(b.const(2));
    const fn = b.finish();
    expect(() => generate(fn, { cpu: 3 })).toThrow(WirescriptError);
    expect(() => generate(fn, { cpu: 3 })).toThrow("greedy needs 520 bytes of stack");
  });

  /** `if (random == 0) { count calls, each a slot }` */
  function longBranch(count: number): FunctionBuilder {
    const b = new FunctionBuilder("long");
    const [body, end] = [b.newBlock(), b.newBlock()];
    const random = b.emit({ op: "call", type: "int", args: [], helper: 7 });
    b.branch(b.compare("eq", random, b.const(0)), body, end);
    b.enter(body);
    for (let index = 0; index < count; index++) b.emit({ op: "call", type: "int", args: [], helper: 5 });
    b.jump(end);
    b.enter(end);
    b.emit({ op: "call", type: "int", args: [], helper: 5 });
    b.return(b.const(2));
    return b;
  }

  test("a branch out of 16-bit range takes a long jump on v4, and is an error before", () => {
    expect(generate(longBranch(0x7fff).finish(), { cpu: 3 }).instructions).toHaveLength(0x7fff + 5);
    const fn = longBranch(0x8000).finish();
    expect(() => generate(fn, { cpu: 3 })).toThrow("cannot reach its target");
    const far = disassemble(generate(fn, { cpu: 4 }).instructions);
    expect(far.slice(1, 4)).toEqual(["1: if r0 != 0x0 goto pc+1", "2: goto pc+1", "3: gotol pc+32768"]);
  });

  test("many instructions under pressure compile in a time that grows at most with their square", () => {
    const underPressure = (count: number): void => {
      const b = new FunctionBuilder("large");
      const values: Value[] = [];
      for (let index = 0; index < count; index++) {
        const [left, right] = [values.at(-17), values.at(-3)];
        values.push(
          left && right
            ? b.binary("xor", b.binary("mul", left, b.const(31)), right)
            : b.emit({ op: "call", type: "int", args: [], helper: 7 }),
        );
      }
      b.return(values.slice(-12).reduce((sum, value) => b.binary("add", sum, value)));
      generate(b.finish(), { cpu: 3 });
    };
    // Squared it would be 64, cubed 512.
    expect(growth(underPressure, 150, 8)).toBeLessThan(160);
  });
});

describe("homes", () => {
  const meeting = (last: string): string => `
b0:
  v1 = context
  v2 = load.4 context v1
  v3 = const 7
  v4 = slot 8 align 8
  v5 = const 2
  v6 = const 3
  v7 = eq v2, v3
  branch v7, b3, b1
b1: from b0
  v8 = load.4 context v1 + 4
  v9 = eq v8, v3
  branch v9, b3, b2
b2: from b1
  v10 = load.4 context v1 + 8
  v11 = eq v10, v3
  branch v11, b3, b4
b4: from b2
  ${last}
  jump b3
b3: from b0, b1, b2, b4
  v13 = phi v5, v5, v5, v14
  store.4 stack v4, v13
  v15 = map "m"
  v16: ptr = call map_lookup_elem(v15, v4)
  v17 = const 0
  v18 = eq v16, v17
  branch v18, b5, b6
b5: from b3
  return v17
b6: from b3
  atomic_add.8 map v16, v5
  return v13`;

  test("paths write what they bring into the key, the most frequent constant ahead of all branches", () => {
    const lines = assembly(meeting("v14 = const 3"));
    expect(lines.filter((line) => line.startsWith("*(u32 *)(r10"))).toEqual(["*(u32 *)(r10 -8) = 2", "*(u32 *)(r10 -8) = 3"]);
    expect(lines).toContain("r0 = *(u32 *)(r10 -8)");
    expect(lines.join()).not.toMatch(/r[6-9]/);
  });

  test("a number that may have more bits than the key stays in a register", () => {
    expect(assembly(meeting("v14 = call ktime_get_ns()")).join()).toMatch(/r[6-9]/);
  });
});

/** Copies, constants and reloads that are removed because the value is there already. */
import { describe, expect, test } from "vitest";
import { removeCopies } from "./copies.ts";
import {
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  type MachineTerminator,
  newBlock,
  type Slot,
} from "./machine.ts";

const span = null;
const mov = (dst: number, src: number): MachineInstruction => ({ op: "mov", dst, src, span });
const constant = (dst: number, value: bigint): MachineInstruction => ({ op: "const", dst, value, span });
const call: MachineInstruction = { op: "call", helper: 5, callee: null, args: 0, span };
const spill: Slot = { size: 8, align: 8, offset: -8, escapes: false, spill: true };
const place = { base: 10, slot: spill, offset: 0, size: 8, region: "stack", span } as const;
const store = (src: number): MachineInstruction => ({ op: "store", src, imm: 0, ...place });
const reload = (dst: number): MachineInstruction => ({ op: "load", dst, ...place });

function machine(...bodies: MachineInstruction[][]): MachineFunction {
  const fn: MachineFunction = { name: "f", cpu: 3, blocks: [], slots: [spill], nextRegister: 11, nextBlock: 0 };
  for (const instructions of bodies) fn.blocks.push(Object.assign(newBlock(fn), { instructions }));
  return fn;
}

function link(
  from: MachineBlock | undefined,
  terminator: Omit<Extract<MachineTerminator, { op: "branch" }>, "then" | "otherwise">,
  to: (MachineBlock | undefined)[],
): void {
  const [then, otherwise] = to;
  if (from === undefined || then === undefined || otherwise === undefined) throw new Error("no such block");
  from.terminator = { ...terminator, then, otherwise };
}

const onR3 = { op: "branch", code: "eq", width: 64, left: 3, right: null, imm: 0, span } as const;

function left(fn: MachineFunction): string[][] {
  removeCopies(fn);
  return fn.blocks.map(({ instructions }) =>
    instructions.map((each) =>
      each.op === "mov" ? `r${each.dst} = r${each.src}` : "dst" in each ? `${each.op} r${each.dst}` : each.op,
    ),
  );
}

describe("what is known", () => {
  test("a copy back, and a constant made again", () => {
    expect(left(machine([mov(6, 1), mov(1, 6), constant(2, 7n), constant(2, 7n), constant(3, 8n)]))).toEqual([
      ["r6 = r1", "const r2", "const r3"],
    ]);
  });

  test("not across a change: another value, or a call, which destroys r0 to r5", () => {
    expect(left(machine([mov(6, 1), constant(1, 0n), mov(1, 6)]))).toEqual([["r6 = r1", "const r1", "r1 = r6"]]);
    expect(left(machine([mov(6, 1), call, mov(1, 6)]))).toEqual([["r6 = r1", "call", "r1 = r6"]]);
  });

  test("a reload of what has just been stored is nothing, or a copy", () => {
    expect(left(machine([store(4), reload(4), reload(5)]))).toEqual([["store", "r5 = r4"]]);
    expect(left(machine([store(4), call, reload(4), reload(3)]))).toEqual([["store", "call", "load r4", "r3 = r4"]]);
  });

  test("behind a join only what both ways agree on", () => {
    const fn = machine([mov(6, 1)], [constant(1, 0n)], [mov(1, 6), mov(2, 6)]);
    const [first, second, third] = fn.blocks;
    link(first, onR3, [second, third]);
    if (second !== undefined && third !== undefined) second.terminator = { op: "jump", target: third, span };
    expect(left(fn)[2]).toEqual(["r1 = r6", "r2 = r6"]);
  });

  test("in a loop nothing that only the first round knows", () => {
    const fn = machine([mov(6, 1)], [mov(1, 6), constant(1, 9n)], []);
    const [first, second, third] = fn.blocks;
    if (first !== undefined && second !== undefined) first.terminator = { op: "jump", target: second, span };
    link(second, onR3, [second, third]);
    expect(left(fn)[1]).toEqual(["r1 = r6", "const r1"]);
  });
});

/** Copies that are read once and written over. */
import { expect, test } from "vitest";
import type { MachineFunction, MachineInstruction } from "./machine.ts";
import { readThrough } from "./read-through.ts";

const span = null;
const copy: MachineInstruction = { op: "mov", dst: 1, src: 0, span };
const load = (dst: number, base: number): MachineInstruction => ({
  op: "load",
  dst,
  base,
  slot: null,
  offset: 4,
  size: 4,
  region: "map",
  span,
});
const clear: MachineInstruction = { op: "const", dst: 0, value: 0n, span };

function after(...instructions: MachineInstruction[]): MachineInstruction[] {
  const block = {
    id: 0,
    instructions: instructions.map((each) => ({ ...each })),
    terminator: { op: "exit", span },
    depth: 0,
  } as const;
  const fn: MachineFunction = { name: "f", cpu: 3, blocks: [block], slots: [], nextRegister: 11, nextBlock: 1 };
  readThrough(fn);
  return fn.blocks[0]?.instructions ?? [];
}

test("a copy that what reads it writes over is read at its source", () => {
  expect(after(copy, load(1, 1))).toEqual([load(1, 0)]);
  expect(after(copy, load(2, 0), load(1, 1))).toEqual([load(2, 0), load(1, 0)]);
  expect(after(copy, { op: "extend", signed: false, bits: 32, dst: 1, src: 1, span })).toEqual([
    { op: "extend", signed: false, bits: 32, dst: 1, src: 0, span },
  ]);
});

test("a copy stays that is read again, or whose source is something else by then", () => {
  for (const instructions of [
    [copy, load(2, 1), load(1, 1)],
    [copy, clear, load(1, 1)],
    [copy, { op: "alu", code: "add", width: 64, dst: 1, src: null, imm: 4, span }] satisfies MachineInstruction[],
    [copy, { op: "call", helper: 1, callee: null, args: 1, span }, load(1, 1)] satisfies MachineInstruction[],
  ])
    expect(after(...instructions)).toEqual(instructions);
});

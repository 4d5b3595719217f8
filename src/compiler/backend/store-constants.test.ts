/** Constants that all ways bring to a store. */
import { expect, test } from "vitest";
import { type MachineBlock, type MachineFunction, type MachineInstruction, newBlock, type Slot } from "./machine.ts";
import { storeConstants } from "./store-constants.ts";

const span = null;
const slot: Slot = { size: 8, align: 8, offset: -8, escapes: false, spill: true };
const constant = (value: bigint): MachineInstruction => ({ op: "const", dst: 1, value, span });
const store = (src: number | null, imm = 0): MachineInstruction => ({
  op: "store",
  src,
  imm,
  base: 10,
  slot,
  offset: 0,
  size: 8,
  region: "stack",
  span,
});
const copy: MachineInstruction = { op: "mov", dst: 0, src: 1, span };

/** A branch to two blocks that both go on in a third. */
function joined(left: MachineInstruction[], right: MachineInstruction[], behind: MachineInstruction[]): MachineFunction {
  const fn: MachineFunction = { name: "f", cpu: 3, blocks: [], slots: [slot], nextRegister: 11, nextBlock: 0 };
  const [entry, one, other, end] = [[], left, right, behind].map((instructions) =>
    Object.assign(newBlock(fn), { instructions }),
  ) as [MachineBlock, MachineBlock, MachineBlock, MachineBlock];
  entry.terminator = { op: "branch", code: "eq", width: 64, left: 2, right: null, imm: 0, then: one, otherwise: other, span };
  for (const block of [one, other]) block.terminator = { op: "jump", target: end, span };
  fn.blocks = [entry, one, other, end];
  return fn;
}

test("each way writes its own", () => {
  const fn = joined([copy, constant(14n)], [constant(-1n)], [store(1), constant(7n)]);
  expect(storeConstants(fn)).toBe(true);
  expect(fn.blocks.map(({ instructions }) => instructions)).toEqual([
    [],
    [copy, store(null, 14)],
    [store(null, -1)],
    [constant(7n)],
  ]);
  expect(storeConstants(fn)).toBe(false);
});

test("a constant is written first, and a copy that is brought on a detour over it", () => {
  const extend: MachineInstruction = { op: "extend", signed: false, bits: 32, dst: 1, src: 2, span };
  const detour = (behind: MachineInstruction[], instruction: MachineInstruction, size: 4 | 8 = 4): MachineFunction => {
    const fn = joined([], [instruction], [{ ...store(1), size } as MachineInstruction, ...behind]);
    const [entry, , other, end] = fn.blocks as [MachineBlock, MachineBlock, MachineBlock, MachineBlock];
    entry.instructions = [copy, constant(10n)];
    entry.terminator = {
      op: "branch",
      code: "uge",
      width: 64,
      left: 2,
      right: null,
      imm: 10,
      then: end,
      otherwise: other,
      span,
    };
    fn.blocks = [entry, other, end];
    return fn;
  };
  for (const brought of [extend, { ...copy, dst: 1, src: 2 } as MachineInstruction]) {
    const fn = detour([], brought);
    expect(storeConstants(fn)).toBe(true);
    const stores = [store(null, 10), store(2)].map((each) => ({ ...each, size: 4 }));
    expect(fn.blocks.map(({ instructions }) => instructions)).toEqual([[copy, stores[0]], [stores[1]], []]);
  }
  expect(storeConstants(detour([], extend, 8))).toBe(false);
  expect(storeConstants(detour([copy], extend))).toBe(false);
  expect(storeConstants(detour([], { ...copy, dst: 3, src: 2 } as MachineInstruction))).toBe(false);
});

test.each<[string, MachineInstruction[], MachineInstruction[], MachineInstruction[]]>([
  ["one way brings something else", [constant(14n)], [{ ...copy, dst: 1, src: 2 } as MachineInstruction], [store(1)]],
  ["a constant is too large for a store", [constant(14n)], [constant(0x8000_0000n)], [store(1)]],
  ["the register is read again", [constant(14n)], [constant(18n)], [store(1), copy]],
  ["something else comes first", [constant(14n)], [constant(18n)], [copy, store(1)]],
  [
    "it is not written on the stack",
    [constant(14n)],
    [constant(18n)],
    [{ ...store(1), slot: null, base: 2 } as MachineInstruction],
  ],
])("not where %s", (_, left, right, behind) => {
  expect(storeConstants(joined(left, right, behind))).toBe(false);
});

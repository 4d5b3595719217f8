/** Comparisons whose outcomes are stored become arithmetic that says the same of all numbers, and few are left alone. */
import { expect, test } from "vitest";
import { FunctionBuilder } from "../ir/builder.ts";
import { interpret } from "../ir/interpret.ts";
import { COMPARE_OPS, type Function, isCompare } from "../ir/ir.ts";
import { validate } from "../ir/validate.ts";
import { computeFlags } from "./compute-flags.ts";

const NUMBERS = [0n, 1n, 2n, 0x7fff_ffff_ffff_ffffn, 1n << 63n, (1n << 63n) + 1n, (1n << 64n) - 2n, (1n << 64n) - 1n];

/** Stores the outcomes of the first `count` ways to compare two numbers of `bytes` bytes from memory; returns them as bits. */
function compares(count: number, bytes: 4 | 8): Function {
  const b = new FunctionBuilder("compares");
  const slot = b.emit({ op: "slot", type: "ptr", args: [], size: 16, align: 8 });
  const data = b.emit({ op: "data", type: "ptr", args: [], section: ".data", offset: 0 });
  const [left, right] = [b.load(bytes, data, 0, "data"), b.load(bytes, data, 8, "data")];
  const ops = COMPARE_OPS.slice(0, count);
  ops.forEach((op, index) => {
    b.store(1, slot, index, "stack", b.compare(op, left, right));
  });
  const bits = ops.map((_, index) => b.binary("shl", b.load(1, slot, index, "stack"), b.const(index)));
  b.return(bits.reduce((all, bit) => b.binary("or", all, bit)));
  return b.finish();
}

function run(fn: Function, left: bigint, right: bigint): bigint {
  const data = new Uint8Array(16);
  const view = new DataView(data.buffer);
  view.setBigUint64(0, left, true);
  view.setBigUint64(8, right, true);
  return interpret(fn, { packet: new Uint8Array(0), maps: new Map(), data: new Map([[".data", data]]), helpers: new Map() });
}

test.each([4, 8] as const)("numbers of %i bytes", (bytes) => {
  const computed = compares(COMPARE_OPS.length, bytes);
  computeFlags(computed);
  validate(computed, "computing flags");
  for (const left of NUMBERS) {
    for (const right of NUMBERS) {
      expect(run(computed, left, right), `${left} and ${right}`).toBe(run(compares(COMPARE_OPS.length, bytes), left, right));
    }
  }
  const [block] = computed.blocks;
  const stored = block?.instructions.flatMap((each) => (each.op === "store" ? each.args.slice(1) : [])) ?? [];
  expect(stored.filter(({ op }) => isCompare(op))).toEqual([]);
});

test("few are left alone", () => {
  const fn = compares(4, 8);
  const before = fn.nextId;
  computeFlags(fn);
  expect(fn.nextId).toBe(before);
});

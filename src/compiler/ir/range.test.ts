import { expect, test } from "vitest";
import { FunctionBuilder } from "./builder.ts";
import { U64_MAX, upperBound } from "./range.ts";

function byte(b: FunctionBuilder) {
  const context = b.emit({ op: "context", type: "ptr", args: [] });
  return b.load(1, b.load(4, context, 0, "context", "ptr"), 14, "packet");
}

test("ihl * 4 is at most 60", () => {
  const b = new FunctionBuilder("f");
  const ihl = b.binary("and", byte(b), b.const(15));
  expect(upperBound(b.binary("mul", ihl, b.const(4)))).toBe(60n);
  expect(upperBound(b.binary("shl", ihl, b.const(2)))).toBe(60n);
  expect(upperBound(b.binary("add", b.binary("shl", ihl, b.const(2)), b.const(14)))).toBe(74n);
});

test("a byte swap, a division and a subtraction that may wrap leave nothing known", () => {
  const b = new FunctionBuilder("f");
  const swapped = b.emit({ op: "bswap", type: "int", args: [byte(b)], bits: 16 });
  expect(upperBound(swapped)).toBe(U64_MAX);
  expect(upperBound(b.emit({ op: "zext", type: "int", args: [swapped], bits: 16 }))).toBe(0xffffn);
  expect(upperBound(b.binary("udiv", byte(b), b.const(4)))).toBe(U64_MAX);
  expect(upperBound(b.binary("sub", byte(b), b.const(1)))).toBe(U64_MAX);
  expect(upperBound(b.binary("sub", b.const(255), byte(b)))).toBe(255n);
  expect(upperBound(b.binary("sub", b.const(254), byte(b)))).toBe(U64_MAX);
});

test("`or` is bounded by its bits, not by its operands", () => {
  const b = new FunctionBuilder("f");
  expect(upperBound(b.binary("or", b.binary("and", byte(b), b.const(5)), b.const(8)))).toBe(15n);
});

test("shifts that lose bits", () => {
  const b = new FunctionBuilder("f");
  expect(upperBound(b.binary("shl", byte(b), b.const(56)))).toBe(U64_MAX);
  expect(upperBound(b.binary("lshr", byte(b), b.const(4)))).toBe(15n);
  expect(upperBound(b.binary("lshr", byte(b), byte(b)))).toBe(U64_MAX);
});

test("a phi is as large as its largest argument; one that feeds itself is unbounded", () => {
  const b = new FunctionBuilder("f");
  const variable = { name: "offset", type: "int" } as const;
  const [then, otherwise, join, loop, end] = [b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock()];
  const condition = b.compare("eq", byte(b), b.const(1));
  b.branch(condition, then, otherwise);
  b.enter(then);
  b.write(variable, b.const(14));
  b.jump(join);
  b.enter(otherwise);
  b.write(variable, b.const(18));
  b.jump(join);
  b.enter(join);
  const joined = b.read(variable);
  expect(joined.op).toBe("phi");
  expect(upperBound(joined)).toBe(18n);
  b.jump(loop);
  b.enter(loop, false);
  const counter = b.read(variable);
  expect(upperBound(counter)).toBe(U64_MAX);
  b.write(variable, b.binary("add", counter, b.const(1)));
  b.branch(condition, loop, end);
  b.seal(loop);
  expect(upperBound(counter)).toBe(U64_MAX);
});

import { expect, test } from "vitest";
import { WirescriptError } from "../../errors.ts";
import { FunctionBuilder } from "./builder.ts";
import { parseFunction, parseFunctions } from "./parse.ts";
import { printFunction, printModule } from "./print.ts";
import { findBrokenLaws, validate } from "./validate.ts";

const EVERYTHING = `function everything {
b0:
  v1 = context
  v2: ptr = load.4 context v1
  v3: ptr = load.4 context v1 + 4
  v4 = const 14
  v5: ptr = add v2, v4
  v6 = ugt v5, v3
  branch v6, b1, b2
b1: from b0
  v7 = const -9223372036854775808
  jump b3
b2: from b0
  v8 = load.2 packet v2 + 12
  v9 = bswap.16 v8
  v10 = zext.32 v9
  v11 = slot 8 align 4
  store.4 stack v11 - 0, v10
  v12 = map "stats \\"map\\""
  v13: ptr = call map_lookup_elem(v12, v11)
  v14 = data ".rodata" + 16
  v15 = load.8 data v14 - 8
  atomic_add.8 packet v2 + 4, v15
  v16: ptr = call 999()
  jump b3
b3: from b1, b2
  v17 = phi v7, v15
  return v17
}
`.replace("v11 - 0", "v11");

test("reading back what was printed gives the same text", () => {
  const fn = parseFunction(EVERYTHING);
  expect(printFunction(fn)).toBe(EVERYTHING);
  expect(findBrokenLaws(fn)).toEqual([]);
  const two = `${EVERYTHING}\n${EVERYTHING.replace("everything", "again")}`;
  expect(printModule({ functions: parseFunctions(two) })).toBe(two);
});

test("ids given after parsing collide with none", () => {
  const fn = parseFunction(EVERYTHING);
  const ids = fn.blocks.flatMap((block) => block.instructions.map(({ id }) => id));
  expect(new Set(ids).size).toBe(ids.length);
  expect(fn.nextId).toBeGreaterThan(Math.max(...ids));
});

test("a loop refers to values further down", () => {
  const text = `function loop {
b0:
  v1 = const 0
  jump b1
b1: from b0, b1
  v2 = phi v1, v3
  v4 = const 1
  v3 = add v2, v4
  v5 = ult v3, v4
  branch v5, b1, b2
b2: from b1
  return v3
}
`;
  expect(printFunction(parseFunction(text))).toBe(text);
  expect(findBrokenLaws(parseFunction(text))).toEqual([]);
});

test("places in the source are shown on request, and skipped when read", () => {
  const b = new FunctionBuilder("f");
  b.span = { file: "echo.bpf.ts", line: 7, column: 3, text: "return 2;" };
  b.return(b.const(2));
  const text = printFunction(b.finish(), { places: true });
  expect(text).toMatch(/v1 = const 2 +; echo\.bpf\.ts:7:3\n {2}return v1\n/);
  expect(printFunction(parseFunction(text))).toBe(printFunction(b.finish()));
});

test.each([
  ["function f {\nb0:\n  v1 = frob v2\n}", 3, "`frob` is not an operation"],
  ["function f {\nb0:\n  v1 = add v2, v3\n  return v1\n}", 3, "`v2` is not defined"],
  ["function f {\nb0:\n  v1 = const x\n  return v1\n}", 3, "`x` is not an integer"],
  ["function f {\nb0:\n  v1 = const 1\n}", 4, "b0 has no terminator"],
  ["function f {\nb0:\n  jump b7\n}", 3, "block `b7` is not defined"],
  ["function f {\nb0:\n  v1 = load.3 packet v1\n  return v1\n}", 3, "`load.` must be followed by one of 1, 2, 4, 8"],
  ["function f {\nb0:\n  v1 = load.4 moon v1\n  return v1\n}", 3, "`moon` is not a region"],
  ["function f {\nb0:\n  v1 = call nobody()\n  return v1\n}", 3, "there is no helper `nobody`"],
  ["function f {\nb0:\n  v1 = const 1\n  v1 = const 1\n  return v1\n}", 4, "v1 is defined twice"],
  ["v1 = const 1", 1, "expected `function NAME {`"],
  ["function f {\nb0:\n  v1 = add v1\n}", 3, "`add` takes 2 operands, not 1"],
])("%j is refused at its line", (text, line, reason) => {
  expect(() => parseFunction(text)).toThrow(WirescriptError);
  expect(() => parseFunction(text)).toThrow(`IR, line ${line}: ${reason}`);
});

test.each([
  [
    "a use that is not computed on every path",
    "branch v3, b1, b2\nb1: from b0\n  v4 = const 1\n  jump b2\nb2: from b0, b1\n  return v4",
    /v4.*every path/,
  ],
  ["a use before its definition", "v8 = add v9, v2\n  v9 = add v2, v2\n  return v8", /v9.*every path/],
  ["a block that cannot be reached", "return v2\nb1:\n  return v2", /b1 cannot be reached/],
  [
    "a wrong predecessor",
    "branch v3, b1, b2\nb1: from b0, b0\n  return v2\nb2: from b0\n  return v2",
    /b1 lists predecessors b0 b0, but has b0/,
  ],
  ["a phi of the wrong arity", "jump b1\nb1: from b0\n  v4 = phi v2, v2\n  return v4", /2 arguments for 1 predecessors/],
  ["a phi after another instruction", "jump b1\nb1: from b0\n  v4 = const 1\n  v5 = phi v2\n  return v5", /stands after/],
  ["an entry with predecessors", "jump b0", /the entry b0 has predecessors/],
  ["a branch on a number", "branch v2, b1, b1\nb1: from b0, b0\n  return v2", /branches on a int/],
  ["a number made of a pointer", "v4 = context\n  v5 = mul v4, v2\n  return v5", /computes a number from a pointer/],
  ["a load from a number", "v4 = load.4 packet v2\n  return v4", /needs a ptr/],
])("validation finds %s", (_, body, law) => {
  const text = `function f {\nb0:${body === "jump b0" ? " from b0" : ""}\n  v2 = const 1\n  v3: bool = const 1\n  ${body}\n}`;
  const fn = parseFunction(text);
  expect(findBrokenLaws(fn).join("; ")).toMatch(law);
  expect(() => validate(fn, "a-pass")).toThrow(/invalid after a-pass/);
});

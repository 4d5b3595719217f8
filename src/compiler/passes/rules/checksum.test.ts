/** One's complement arithmetic: the two ways of taking the remainder give the same, for every word. */
import { expect, test } from "vitest";
import { interpret } from "../../ir/interpret.ts";
import { parseFunction } from "../../ir/parse.ts";
import { transformed } from "../../testing/transformed.ts";
import { removeDead } from "../remove-dead.ts";
import { simplify } from "../simplify.ts";

const body = (constant: number): string => `v4 = load.2 packet v2
v5 = const ${constant}
v6 = add v4, v5
v7 = const 42009217
v8 = mul v6, v7
v9 = const 6700417
v10 = mul v8, v9
v11 = const 48
v12 = lshr v10, v11
return v12`;

test.each([
  [-65527, "mul v6, "],
  [-65535, "mul v6, "],
  [-65536, "add v4, "],
  [-131070, "add v4, "],
])("of a word less %i", (constant, shape) => {
  const before = transformed([], body(constant));
  const after = transformed([simplify, simplify, simplify, removeDead], body(constant));
  expect(after).toContain(shape);
  expect(after).toContain("const 16\n");
  expect(after).not.toContain("const 48\n");
  const [plain, better] = [before, after].map((text) =>
    parseFunction(`function f {\nb0:\nv1 = context\nv2: ptr = load.4 context v1\nv3: ptr = load.4 context v1 + 4\n${text}\n}`),
  );
  if (plain === undefined || better === undefined) throw new Error("two functions");
  for (let word = 0; word < 0x10000; word += 1) {
    const world = () => ({
      packet: Uint8Array.of(word & 0xff, word >> 8),
      maps: new Map(),
      data: new Map(),
      helpers: new Map(),
    });
    const [expected, got] = [interpret(plain, world()), interpret(better, world())];
    if (expected !== got) expect({ word, got }).toEqual({ word, got: expected });
  }
});

test("not of a larger constant, or of one that is added", () => {
  for (const constant of [-131071, 1]) {
    expect(transformed([simplify, simplify, removeDead], body(constant))).toContain("const 48\n");
  }
});

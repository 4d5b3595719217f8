/** `share-copies`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { shareCopies } from "./share-copies.ts";

/** Two paths, each with its own body, which meet again. */
function twoPaths(left: string, right: string): string {
  return `v4 = load.1 packet v2
v5 = load.2 packet v2 + 20
v6 = const 2
v7 = const 3
v8 = const 8
v9 = const 128
v10: ptr = add v2, v4
v11 = eq v5, v6
branch v11, b1, b2
b1: from b0
${left}
jump b3
b2: from b0
${right}
jump b3
b3: from b1, b2
v60 = phi v6, v6
return v60`;
}

test("code that stands on two paths that meet stands there once, and what differs is brought along", () => {
  const swap = (pointer: string, at: number, kind: string, first: number): string => `store.1 packet ${pointer} + ${at}, ${kind}
v${first} = load.4 packet v2
v${first + 1} = load.4 packet v2 + 8
store.4 packet v2, v${first + 1}
store.4 packet v2 + 8, v${first}
store.4 packet v2 + 12, v6
store.4 packet v2 + 16, v6
v${first + 2} = load.2 packet ${pointer} + ${at + 2}
v${first + 3} = add v${first + 2}, ${kind}
store.2 packet ${pointer} + ${at + 2}, v${first + 3}`;
  const text = transformed([shareCopies], twoPaths(swap("v10", 0, "v8", 20), swap("v2", 40, "v9", 30)));
  expect(text).toContain(`b73: from b1, b2
v76: ptr = phi v10, v75
v77 = phi v8, v9
store.1 packet v76, v77`);
  expect(text).toContain(`b2: from b0
v74 = const 40
v75: ptr = add v2, v74
jump b73`);
  expect(text.match(/load\.4/g)).toHaveLength(2);
  expect(text).toContain("store.2 packet v76 + 2, v23\njump b3");
});

test("copies with branches in them are shared as a whole", () => {
  const body = (value: string, first: number): string => `v${first} = load.2 packet v2 + 2
v${first + 1} = ult v${first}, ${value}
branch v${first + 1}, b${first}, b${first + 1}
b${first}: from b${first === 20 ? 1 : 2}
store.2 packet v2 + 4, v${first}
store.2 packet v2 + 8, ${value}
jump b3
b${first + 1}: from b${first === 20 ? 1 : 2}
store.2 packet v2 + 6, v${first}
store.2 packet v2 + 8, v6`;
  const source = twoPaths(body("v4", 20), body("v5", 30)).replace("b3: from b1, b2", "b3: from b20, b21, b30, b31");
  const text = transformed([shareCopies], source.replace("phi v6, v6", "phi v6, v7, v6, v7"));
  expect(text.match(/load\.2 packet v2 \+ 2\n/g)).toHaveLength(1);
  expect(text).toMatch(/v\d+ = phi v4, v5/);
  expect(text).toContain("b3: from b20, b21\nv60 = phi v6, v7");
});

test("what is short, or goes on elsewhere, stays twice", () => {
  const short = twoPaths(
    "store.4 packet v2, v6\nstore.4 packet v2 + 4, v6",
    "store.4 packet v2, v6\nstore.4 packet v2 + 4, v6",
  );
  expect(transformed([shareCopies], short)).toBe(short);
});

test("a helper's argument stays a constant where it was one", () => {
  const call = (value: string, first: number): string => `v${first} = map "m"
v${first + 1} = slot 8 align 8
store.4 stack v${first + 1}, v6
v${first + 2} = call redirect_map(v${first}, ${value}, v6)
store.4 packet v2, v6
store.4 packet v2 + 4, v6`;
  const source = twoPaths(call("v8", 20), call("v9", 30));
  expect(transformed([shareCopies], source)).toBe(source);
});

test("calls of different subprograms are no copies", () => {
  const call = (callee: string, first: number): string =>
    `v${first} = call @${callee}(v4, v5)\n${[0, 4, 8, 12, 16].map((at) => `store.4 packet v2 + ${at}, v6`).join("\n")}`;
  expect(transformed([shareCopies], twoPaths(call("one", 20), call("one", 30))).match(/call/g)).toHaveLength(1);
  expect(transformed([shareCopies], twoPaths(call("one", 20), call("other", 30))).match(/call/g)).toHaveLength(2);
});

test("loops are not entered in the middle", () => {
  const loop = (from: number, first: number, at: number): string => `jump b${first}
b${first}: from b${from}, b${first}
v${first + 1} = phi v6, v${first + 2}
store.4 packet v2 + ${at}, v${first + 1}
${[4, 8, 12, 16, 20].map((offset) => `store.4 packet v2 + ${offset}, v6`).join("\n")}
v${first + 2} = add v${first + 1}, v7
v${first + 3} = ult v${first + 2}, v8
branch v${first + 3}, b${first}, b${first + 4}
b${first + 4}: from b${first}`;
  const source = twoPaths(loop(1, 20, 24), loop(2, 30, 28)).replace("b3: from b1, b2", "b3: from b24, b34");
  expect(transformed([shareCopies], source)).toBe(source);
});

/** `fold-branches`, `gather-constants`, `remove-trivial-phis`, `merge-blocks`, `skip-empty`, `use-known-conditions`, `thread-jumps`. */
import { describe, expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { foldBranches } from "./fold-branches.ts";
import { gatherConstants } from "./gather-constants.ts";
import { mergeBlocks } from "./merge-blocks.ts";
import { removeDead } from "./remove-dead.ts";
import { removeEmptyLoops } from "./remove-empty-loops.ts";
import { removeTrivialPhis } from "./remove-trivial-phis.ts";
import { skipEmpty } from "./skip-empty.ts";
import { threadJumps } from "./thread-jumps.ts";
import { useKnownConditions } from "./use-known-conditions.ts";

const cleanUp = [foldBranches, removeTrivialPhis, removeDead, skipEmpty, mergeBlocks, removeTrivialPhis];

test("a branch on a constant is a jump, and the other side is gone with its phi arguments", () => {
  expect(
    transformed(
      cleanUp,
      "v4: bool = const 1\nv5 = const 2\nbranch v4, b1, b2\nb1: from b0\njump b3\nb2: from b0\nv6 = const 3\njump b3\nb3: from b1, b2\nv7 = phi v5, v6\nreturn v7",
    ),
  ).toBe("v5 = const 2\nreturn v5");
});

test("a branch whose sides are the same is a jump, unless they bring different values", () => {
  const body = (second: string): string =>
    `v4 = load.1 packet v2\nv5 = const 2\nv6 = eq v4, v5\nbranch v6, b1, b1\nb1: from b0, b0\nv7 = phi v5, ${second}\nreturn v7`;
  expect(transformed(cleanUp, body("v5"))).toBe("v5 = const 2\nreturn v5");
  expect(transformed(cleanUp, body("v4"))).toBe(body("v4"));
});

test("empty blocks are passed by, except where they tell two values apart", () => {
  const body = (phi: string): string => `v4 = load.1 packet v2
v5 = const 2
v6 = eq v4, v5
branch v6, b1, b2
b1: from b0
jump b2
b2: from ${phi}
return v7`;
  expect(transformed([skipEmpty], body("b0, b1\nv7 = phi v4, v4"))).toContain("branch v6, b2, b2\nb2: from b0, b0");
  expect(transformed([skipEmpty], body("b0, b1\nv7 = phi v4, v5"))).toBe(body("b0, b1\nv7 = phi v4, v5"));
});

test("a block that only gathers values for the next one's phi is passed by", () => {
  const body = `v4 = load.1 packet v2
v5 = const 2
v6 = ult v4, v5
branch v6, b1, b5
b1: from b0
v7 = eq v4, v5
branch v7, b2, b3
b2: from b1
v8 = load.1 packet v2 + 1
jump b4
b3: from b1
v9 = load.1 packet v2 + 2
jump b4
b4: from b2, b3
v10 = phi v8, v9
jump b5
b5: from b4, b0
v11 = phi v10, v5
return v11`;
  const text = transformed([skipEmpty], body);
  expect(text).toContain("b5: from b0, b2, b3\nv11 = phi v5, v8, v9");
  // Somebody else reads the phi: it stays.
  const read = body.replace("return v11", "v12 = add v10, v5\nreturn v12").replace("b5: from b4, b0", "b5: from b4");
  const alone = read.replace("branch v6, b1, b5", "jump b1").replace("phi v10, v5", "phi v10");
  expect(transformed([skipEmpty], alone)).toContain("v10 = phi v8, v9");
});

test("a loop's first block that only hands on to the loop in it stays: two loops do not become one", () => {
  const body = `v4 = load.1 packet v2
v5 = const 0
v6 = const 1
v7 = const 9
jump b1
b1: from b0, b3
v8 = phi v5, v10
jump b2
b2: from b1, b2
v9 = phi v8, v10
v10 = add v9, v6
v11 = eq v10, v4
branch v11, b3, b2
b3: from b2
v12 = ult v10, v7
branch v12, b1, b4
b4: from b3
return v10`;
  expect(transformed([skipEmpty], body)).toBe(body);
});

test("constants stand in the entry block, each once", () => {
  const body = `v4 = load.1 packet v2
v5 = const 2
v6 = ult v4, v5
branch v6, b1, b2
b1: from b0
v7 = const 2
return v7
b2: from b0
v8 = const 3
v9: bool = const 1
return v8`;
  expect(transformed([gatherConstants], body)).toBe(`v8 = const 3
v9: bool = const 1
v4 = load.1 packet v2
v5 = const 2
v6 = ult v4, v5
branch v6, b1, b2
b1: from b0
return v5
b2: from b0
return v8`);
});

test("what all paths to a block say is known there, unless it is about something that changes on the way", () => {
  const body = (question: string): string => `v4 = load.2 packet v2
v5 = const 129
v6 = const 136
v7 = const 8
v8 = eq v4, v5
branch v8, b2, b1
b1: from b0
v9 = eq v4, v6
branch v9, b2, b5
b2: from b0, b1
v10 = load.2 packet v2
v11 = eq ${question}, v7
branch v11, b3, b4
b3: from b2
return v7
b4: from b2
return v5
b5: from b1
return v6`;
  expect(transformed([useKnownConditions], body("v4"))).not.toContain("return v7");
  expect(transformed([useKnownConditions], body("v10"))).toContain("return v7");
});

describe("tests that follow from earlier ones", () => {
  const checks = (first: number, second: number): string => `v4 = const ${first}
v5: ptr = add v2, v4
v6 = ugt v5, v3
branch v6, b1, b2
b1: from b0
return v4
b2: from b0
v7 = const ${second}
v8: ptr = add v2, v7
v9 = ule v8, v3
branch v9, b3, b4
b3: from b2
v10 = load.1 packet v2
return v10
b4: from b2
return v7`;

  test("a bounds check for 14 bytes after one for 34 goes, not the other way round", () => {
    expect(transformed([useKnownConditions, ...cleanUp], checks(34, 14))).not.toContain("ule");
    expect(transformed([useKnownConditions], checks(14, 34))).toBe(checks(14, 34));
  });

  test("a check of another pointer stays", () => {
    const body = checks(34, 14)
      .replace("v7 = const 14\n", "v7 = const 14\nv11 = load.1 packet v2 + 1\nv12: ptr = add v2, v11\n")
      .replace("v8: ptr = add v2", "v8: ptr = add v12");
    expect(transformed([useKnownConditions], body)).toBe(body);
  });

  test("ranges of one value", () => {
    const body = (first: string, second: string): string =>
      `v4 = load.1 packet v2\nv5 = const 10\nv6 = const 20\nv7 = ${first}\nbranch v7, b1, b2\nb1: from b0\nv8 = ${second}\nbranch v8, b3, b4\nb2: from b0\nreturn v4\nb3: from b1\nreturn v5\nb4: from b1\nreturn v6`;
    const kept = (first: string, second: string): string[] =>
      transformed([useKnownConditions, removeDead], body(first, second)).match(/return v[56]/g) ?? [];
    expect(kept("ult v4, v5", "ult v4, v6")).toEqual(["return v5"]);
    expect(kept("ult v4, v6", "ult v4, v5")).toEqual(["return v5", "return v6"]);
    expect(kept("eq v4, v5", "eq v4, v6")).toEqual(["return v6"]);
    expect(kept("eq v4, v5", "ne v4, v6")).toEqual(["return v5"]);
    expect(kept("ne v4, v5", "eq v4, v5")).toEqual(["return v6"]);
    expect(kept("ne v4, v5", "ult v4, v5")).toEqual(["return v5", "return v6"]);
    expect(kept("ugt v4, v6", "ule v4, v6")).toEqual(["return v6"]);
  });
});

describe("jumps past tests", () => {
  test("a view that may be null: the path without one does not ask again", () => {
    const text = transformed(
      [threadJumps, ...cleanUp],
      `v4 = load.4 packet v2
      v5 = const 5
      v6 = eq v4, v5
      branch v6, b1, b2
      b1: from b0
      v7 = const 34
      v8: ptr = add v2, v7
      v9 = ule v8, v3
      jump b3
      b2: from b0
      v10: bool = const 0
      v11: ptr = const 0
      jump b3
      b3: from b1, b2
      v12: bool = phi v9, v10
      v13: ptr = phi v2, v11
      branch v12, b4, b5
      b4: from b3
      v14 = load.4 packet v13 + 30
      return v14
      b5: from b3
      return v5`,
    );
    expect(text).not.toContain("phi");
    expect(text).toContain("branch v9, b4, b5");
    expect(text).toContain("load.4 packet v2 + 30");
  });

  test("a condition that the path has tested before", () => {
    const text = transformed(
      [threadJumps, useKnownConditions, ...cleanUp],
      `v4 = load.4 packet v2
      v5 = const 5
      v6 = eq v4, v5
      branch v6, b1, b2
      b1: from b0
      v7 = call ktime_get_ns()
      jump b3
      b2: from b0
      v8 = call get_prandom_u32()
      jump b3
      b3: from b1, b2
      v9 = phi v7, v8
      branch v6, b4, b5
      b4: from b3
      return v9
      b5: from b3
      v10 = add v9, v5
      return v10`,
    );
    expect(text.match(/branch/g)).toHaveLength(1);
    expect(text).toContain("return v7");
    expect(text).toContain("add v8, v5");
  });

  test("values that both ways use meet again behind", () => {
    const text = transformed(
      [threadJumps, ...cleanUp],
      `v4 = load.4 packet v2
      v5 = const 5
      v6 = eq v4, v5
      v20 = ult v4, v5
      branch v6, b1, b2
      b1: from b0
      v10: bool = const 0
      jump b3
      b2: from b0
      jump b3
      b3: from b1, b2
      v12: bool = phi v10, v20
      v13 = phi v4, v5
      branch v12, b4, b5
      b4: from b3
      v14 = call ktime_get_ns()
      jump b5
      b5: from b3, b4
      return v13`,
    );
    expect(text).not.toContain("v12");
    expect(text).toMatch(/v(\d+) = phi .*\nreturn v\1/);
  });

  test("not past the head of a loop, and not past a block that writes", () => {
    const loop = `v4 = const 0
v5 = const 3
v6 = const 1
jump b1
b1: from b0, b2
v7 = phi v4, v8
v9 = ult v7, v5
branch v9, b2, b3
b2: from b1
v8 = add v7, v6
jump b1
b3: from b1
return v7`;
    expect(transformed([threadJumps], loop)).toBe(loop);
    const writes = `v4 = load.4 packet v2
v5 = const 5
v6 = eq v4, v5
branch v6, b1, b2
b1: from b0
jump b3
b2: from b0
jump b3
b3: from b1, b2
store.4 packet v2, v5
branch v6, b4, b5
b4: from b3
return v4
b5: from b3
return v5`;
    expect(transformed([threadJumps], writes)).toBe(writes);
  });
});

describe("a loop", () => {
  const body = (inside: string, behind: string): string => `v4 = const 0
v5 = const 1
v6 = const 9
jump b1
b1: from b0, b2
v7 = phi v4, v10
v8 = load.1 packet v2
v9 = eq v8, v7
branch v9, b2, b3
b2: from b1
v10 = add v7, v5
${inside}v11 = ult v10, v6
branch v11, b1, b3
b3: from b1, b2
${behind}`;

  test("that leaves nothing behind is gone", () => {
    expect(transformed([removeEmptyLoops, ...cleanUp, gatherConstants], body("", "return v6"))).toBe("v6 = const 9\nreturn v6");
  });

  test("stays when it stores, when it can be left in two ways, and when its numbers are used behind it", () => {
    for (const text of [
      body("store.1 packet v2, v10\n", "return v6"),
      body("", "v12 = phi v5, v6\nreturn v12"),
      body("", "return v7"),
    ]) {
      expect(transformed([removeEmptyLoops], text)).toBe(text);
    }
  });
});

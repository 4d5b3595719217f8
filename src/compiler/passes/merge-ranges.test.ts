/** `merge-ranges`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { mergeRanges } from "./merge-ranges.ts";

const source = (lower: string, upper: string, otherwise = "v6"): string => `v4 = load.8 map v2
v5 = const 0
v6 = const 1
v7 = const 10
v8 = ${lower}
branch v8, b1, b3
b1: from b0
v9 = ${upper}
branch v9, b2, b3
b2: from b1
jump b3
b3: from b0, b1, b2
v10 = phi v6, ${otherwise}, v7
return v10`;

test("a range from 0 takes one comparison", () => {
  const text = transformed([mergeRanges], source("sge v4, v5", "slt v4, v7"));
  expect(text).toContain("jump b1");
  expect(text).toContain("v9 = ult v4, v7\nbranch v9, b2, b3");
  expect(text).toContain("v10 = phi v6, v7");
});

test("a range from 1 does where 0 is known to be out", () => {
  const text = source("sgt v4, v5", "sle v4, v7");
  expect(transformed([mergeRanges], text)).toBe(text);
  const known = `v4 = load.8 map v2
v5 = const 0
v6 = const 1
v7 = const 10
v8 = eq v4, v5
branch v8, b3, b1
b1: from b0
v9 = sgt v4, v5
branch v9, b2, b3
b2: from b1
v10 = sgt v4, v7
branch v10, b3, b4
b4: from b2
return v5
b3: from b0, b1, b2
v11 = phi v5, v6, v6
return v11`;
  expect(transformed([mergeRanges], known)).toContain("v10 = ugt v4, v7\nbranch v10, b3, b4");
});

test("two ends stay two comparisons", () => {
  const text = source("sge v4, v5", "slt v4, v7", "v7");
  expect(transformed([mergeRanges], text)).toBe(text);
});

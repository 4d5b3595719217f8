/** `merge-checks`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { mergeChecks } from "./merge-checks.ts";
import { removeDead } from "./remove-dead.ts";

/** A check of 40 bytes, `between`, and one of 44; `otherwise` is what a failed second check gives. */
function checks(between: string, otherwise = "v5"): string {
  return `v4 = const 40
v5 = const 2
v6 = const 1
v7: ptr = add v2, v4
v8 = ugt v7, v3
branch v8, b3, b1
b1: from b0
${between}
v12 = const 44
v13: ptr = add v2, v12
v14 = ule v13, v3
branch v14, b2, b3
b2: from b1
v15 = load.1 packet v2 + 43
return v15
b3: from b0, b1
v16 = phi v5, ${otherwise}
return v16`;
}

test("of two checks that fail alike, the farther one stands where the first was", () => {
  expect(transformed([mergeChecks, removeDead], checks("v9 = load.1 packet v2 + 6"))).toBe(`v5 = const 2
v17 = const 44
v18: ptr = add v2, v17
v19 = ugt v18, v3
branch v19, b3, b1
b1: from b0
jump b2
b2: from b1
v15 = load.1 packet v2 + 43
return v15
b3: from b0
v16 = phi v5
return v16`);
});

test("a test between them may fail, too, when that leads to the same place", () => {
  const text = (phi: string) =>
    transformed(
      [mergeChecks, removeDead],
      `v4 = const 40
v5 = const 2
v6 = const 1
v7: ptr = add v2, v4
v8 = ugt v7, v3
branch v8, b4, b1
b1: from b0
v9 = load.1 packet v2 + 6
v10 = eq v9, v6
branch v10, b2, b4
b2: from b1
v11 = const 44
v12: ptr = add v2, v11
v13 = ugt v12, v3
branch v13, b4, b3
b3: from b2
return v9
b4: from b0, b1, b2
v14 = phi v5, ${phi}, v5
return v14`,
    );
  expect(text("v5").match(/ugt/g)).toHaveLength(1);
  expect(text("v6").match(/ugt/g)).toHaveLength(2);
});

test.each([
  ["they fail in different ways", checks("v9 = load.1 packet v2 + 6", "v6")],
  ["something is written between them", checks("store.1 packet v2, v5")],
  ["something is asked of the kernel between them", checks("v9 = call ktime_get_ns()")],
])("nothing changes when %s", (_, body) => {
  expect(transformed([mergeChecks], body)).toBe(body);
});

/** `advance-pointers`. */
import { describe, expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { advancePointers } from "./advance-pointers.ts";
import { carryPointers } from "./carry-pointers.ts";
import { removeDead } from "./remove-dead.ts";
import { simplify } from "./simplify.ts";

/** An Ethernet header's check, an IPv4 header's behind it; `failed` is what happens when the second one fails. */
const twoChecks = (last: string, failed = "return v4"): string => `v4 = const 14
v5 = const 34
v6: ptr = add v2, v4
v7 = ule v6, v3
branch v7, b1, b2
b2: from b0
return v4
b1: from b0
v8 = load.2 packet v2 + 12
v9: ptr = add v2, v5
v10 = ugt v9, v3
branch v10, b3, b4
b3: from b1
${failed}
b4: from b1
v11 = load.1 packet v2 + 23
${last}`;

test("the checked pointer takes over from the one that nobody needs any more, again and again", () => {
  const text = transformed([advancePointers], twoChecks("return v11"));
  expect(text).toContain(`b1: from b0
v8 = load.2 packet v6 - 2
v12 = const 20
v9: ptr = add v6, v12
v10 = ugt v9, v3`);
  expect(text).toContain("v11 = load.1 packet v9 - 11");
});

test("where the first pointer lives on, the next one starts from the checked one all the same", () => {
  const text = transformed([advancePointers], twoChecks("v20 = sub v3, v2\nreturn v20"));
  expect(text).toContain("v8 = load.2 packet v2 + 12\nv21 = const 20\nv9: ptr = add v6, v21");
  expect(text).toContain("v11 = load.1 packet v2 + 23\nv20 = sub v3, v2");
});

test("where a check failed, its pointer is of no use to the verifier", () => {
  const text = transformed([advancePointers], twoChecks("return v11", "v13 = load.1 packet v2\nreturn v13"));
  expect(text).toContain("v13 = load.1 packet v6 - 14"); // the first check has passed
  expect(text).toContain("v11 = load.1 packet v6 + 9"); // and that pointer is needed still
});

test("a variable is added to the checked pointer, and what is made of the sum is moved back", () => {
  const text = transformed(
    [advancePointers, simplify, removeDead],
    twoChecks(`v14: ptr = add v2, v11
v15: ptr = add v14, v4
v16 = ule v15, v3
branch v16, b5, b6
b6: from b4
return v4
b5: from b4
v17 = load.1 packet v14 + 2
return v17`),
  );
  expect(text).toMatch(/v14: ptr = add v9, v11\n(v\d+) = const -20\nv15: ptr = add v14, \1\n/);
  expect(text).toContain("v17 = load.1 packet v15 - 12");
});

test("what it did, simplify does not undo", () => {
  const once = transformed([advancePointers], twoChecks("return v11"));
  expect(transformed([advancePointers, simplify], twoChecks("return v11"))).toBe(once);
});

describe("a phi of pointers", () => {
  const body = (distance: string): string => `v4 = const 14
v5 = const 18
v12 = const 10
v40 = const ${distance}
v6: ptr = add v2, v4
v7 = ule v6, v3
branch v7, b1, b2
b1: from b0
v8 = load.2 packet v2 + 12
v9 = eq v8, v4
branch v9, b3, b4
b3: from b1
v10: ptr = add v2, v40
v11 = ule v10, v3
branch v11, b5, b2
b5: from b3
v16 = load.2 packet v2 + 16
store.2 packet v2, v16
jump b4
b2: from b0, b3
return v4
b4: from b1, b5
v13 = phi v12, v4
v14: ptr = add v2, v13
v15 = load.1 packet v14 + 2
return v15`;

  test("of which each was checked to the same distance is a phi of the checked pointers", () => {
    const text = transformed([carryPointers, removeDead, simplify, advancePointers], body("18"));
    expect(text).toMatch(/: ptr = phi v6, v10\nv15 = load.1 packet v\d+ - 2/);
  });

  test("stays when they were not", () => {
    const text = transformed([carryPointers, removeDead, simplify, advancePointers], body("20"));
    expect(text).toMatch(/v15 = load.1 packet v\d+ \+ 2/);
  });
});

/** Only what is read through after a comparison that failed is compared as a copy. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { compareCopies } from "./compare-copies.ts";

test("an address that was checked and is compared again is compared as a copy where it is read on both ways", () => {
  const body = `v4 = load.4 context v1 + 12
v5 = const 255
v6 = and v4, v5
v7: ptr = add v2, v6
v8 = const 8
v9: ptr = add v7, v8
v10 = ule v9, v3
branch v10, b1, b3
b1: from b0
v11 = ult v7, v3
branch v11, b3, b2
b2: from b1
v12 = load.1 packet v7
return v12
b3: from b0, b1
return v8`;
  const text = transformed([compareCopies], body);
  expect(text).toMatch(/v(\d+) = const 0\nv(\d+): ptr = add v7, v\1\nv11 = ult v\2, v3\n/);
  expect(text).toContain("v10 = ule v9, v3");
});

test("what is read only behind another check, or a check that passed, is compared itself", () => {
  const body = `v4 = const 14
v5: ptr = add v2, v4
v6 = ule v5, v3
branch v6, b1, b2
b1: from b0
v7 = const -4
v8: ptr = add v5, v7
jump b3
b2: from b0
v9 = const 20
v10: ptr = add v5, v9
v11 = ule v10, v3
branch v11, b4, b5
b4: from b2
v12 = load.1 packet v5 + 19
jump b3
b3: from b1, b4
v13: ptr = phi v8, v2
v14 = load.1 packet v13
return v14
b5: from b2
return v4`;
  expect(transformed([compareCopies], body)).toBe(body);
});

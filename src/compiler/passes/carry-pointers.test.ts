/** `carry-pointers`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { carryPointers } from "./carry-pointers.ts";
import { removeDead } from "./remove-dead.ts";

/** After an Ethernet header, or after one and a VLAN tag: `then` is what happens at that offset. */
function atOffset(then: string, second = "v6"): string {
  return `v4 = load.2 packet v2 + 12
v5 = const 14
v6 = const 18
v7 = eq v4, v6
branch v7, b1, b2
b1: from b0
jump b3
b2: from b0
jump b3
b3: from b1, b2
v8 = phi v5, ${second}
${then}`;
}

test("a pointer that is made of a phi of offsets is a phi of pointers", () => {
  const text = transformed([carryPointers, removeDead], atOffset("v9: ptr = add v2, v8\nv10 = load.1 packet v9\nreturn v10"));
  expect(text).toContain("b1: from b0\nv11: ptr = add v2, v5\njump b3\nb2: from b0\nv12: ptr = add v2, v6\njump b3");
  expect(text).toContain("v13: ptr = phi v11, v12\nv10 = load.1 packet v13\nreturn v10");
});

test("what is added to the offset is added to the pointer", () => {
  const text = transformed(
    [carryPointers, removeDead],
    atOffset(`v9: ptr = add v2, v8
v10 = load.1 packet v9
v11 = const 15
v12 = and v10, v11
v13 = add v8, v12
v14: ptr = add v2, v13
v15 = add v12, v13
v16: ptr = add v2, v15
v17 = load.1 packet v14
v18 = load.1 packet v16
v19 = add v17, v18
return v19`),
  );
  expect(text).toContain(": ptr = add v22, v12\nv15: ptr = add v13, v12\nv17 = load.1 packet v13\nv18 = load.1 packet v15");
  expect(text).not.toContain("phi v5, v6");
});

test("an offset that is used as a number stays one", () => {
  const asNumber = atOffset("v9: ptr = add v2, v8\nv10 = load.1 packet v9\nv11 = add v10, v8\nreturn v11");
  expect(transformed([carryPointers], asNumber)).toBe(asNumber);
  const twice = atOffset("v9 = add v8, v8\nv10: ptr = add v2, v9\nv11 = load.1 packet v10\nreturn v11");
  expect(transformed([carryPointers], twice)).toBe(twice);
});

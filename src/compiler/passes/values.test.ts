/** `number-values`, `sink-operations`, `remove-dead`. */
import { describe, expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { numberValues } from "./number-values.ts";
import { removeDead } from "./remove-dead.ts";
import { simplify } from "./simplify.ts";
import { sinkOperations } from "./sink-operations.ts";

describe("equal values are computed once", () => {
  test("also with operands exchanged, also in a later block", () => {
    const text = transformed(
      [numberValues],
      `v4 = load.1 packet v2
      v5 = load.1 packet v2 + 1
      v6 = add v4, v5
      v7 = add v5, v4
      v8 = ult v6, v4
      v9 = ugt v4, v7
      branch v9, b1, b2
      b1: from b0
      v10 = add v4, v5
      return v10
      b2: from b0
      return v4`,
    );
    expect(text).toContain("v8 = ult v6, v4\nbranch v8, b1, b2\nb1: from b0\nreturn v6");
  });

  test("nothing moves up: two branches that compute the same do so each", () => {
    const body = `v4 = load.1 packet v2
v5 = const 1
v6 = eq v4, v5
branch v6, b1, b2
b1: from b0
v7 = add v4, v5
return v7
b2: from b0
v8 = add v4, v5
return v8`;
    expect(transformed([numberValues], body)).toBe(body);
  });

  test("not an offset that a comparison has sharpened meanwhile: the verifier knows the later one better", () => {
    const body = `v4 = load.4 packet v2
v5 = const 2
v6 = shl v4, v5
store.4 packet v2, v6
v7 = const 10
v8 = ugt v4, v7
branch v8, b1, b2
b1: from b0
return v7
b2: from b0
v9 = shl v4, v5
v10: ptr = add v2, v9
v11: ptr = add v10, v5
v12 = ugt v11, v3
branch v12, b3, b4
b3: from b2
return v7
b4: from b2
v13 = load.2 packet v10
return v13`;
    expect(transformed([numberValues], body)).toBe(body);
  });

  test("not two slots, two loads or two lookups", () => {
    const body = `v4 = slot 4 align 4
v5 = slot 4 align 4
v6 = const 0
store.4 stack v4, v6
store.4 stack v5, v6
v7 = map "m"
v8: ptr = call map_lookup_elem(v7, v4)
v9: ptr = call map_lookup_elem(v7, v4)
v10 = load.4 stack v4
v11 = load.4 stack v4
return v11`;
    expect(transformed([numberValues], body)).toBe(body);
  });
});

describe("what every path does last is done once", () => {
  const choice = (last: string): string => `v4 = load.1 packet v2
v5 = const 1
v6 = eq v4, v5
branch v6, b1, b2
b1: from b0
v7 = load.2 packet v2 + 12
v8 = bswap.16 v7
jump b3
b2: from b0
${last}
jump b3
b3: from b1, b2
v11 = phi v8, v10
v12 = const 2048
v13 = eq v11, v12
branch v13, b4, b5
b4: from b3
return v5
b5: from b3
return v4`;

  test("EtherTypes from two places are compared without a swap", () => {
    const text = transformed([sinkOperations, simplify, removeDead], choice("v9 = load.2 packet v2 + 16\nv10 = bswap.16 v9"));
    expect(text).not.toContain("bswap");
    expect(text).toMatch(/v(\d+) = phi v7, v9\nv(\d+) = const 8\nv(\d+) = eq v\1, v\2/);
  });

  test("a constant is swapped at compile time", () => {
    const text = transformed([sinkOperations, simplify, removeDead], choice("v10 = const 34525"));
    expect(text).not.toContain("bswap");
    expect(text).toContain("const 56710"); // 0x86dd
  });

  test("not where a path brings what no swap makes", () => {
    const body = choice("v10 = const 65536");
    expect(transformed([sinkOperations], body)).toBe(body);
  });
});

test("what nobody needs goes, phis that only feed each other too; calls with an effect stay", () => {
  const text = transformed(
    [removeDead],
    `v4 = const 0
    v5 = call ktime_get_ns()
    v6 = call get_smp_processor_id()
    v7 = load.4 packet v2
    jump b1
    b1: from b0, b1
    v8 = phi v4, v9
    v10 = phi v4, v11
    v9 = add v8, v7
    v12 = const 1
    v11 = add v10, v12
    v13 = ult v11, v12
    branch v13, b1, b2
    b2: from b1
    return v11`,
  );
  expect(text).toContain("v5 = call ktime_get_ns()");
  expect(text).not.toMatch(/v6|v7|v8|v9/);
});

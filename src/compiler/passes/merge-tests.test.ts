/** `merge-tests`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { mergeTests } from "./merge-tests.ts";
import { removeDead } from "./remove-dead.ts";

/** Behind a check for `reach` bytes: two tests, and what lies between them. */
function twoTests(first: string, second: string, { reach = 34, between = "", failed = "b9" } = {}): string {
  return `v4 = const ${reach}
v5 = const 8
v6 = const 4
v7 = const 5
v8 = const 15
v9 = const 2
v10: ptr = add v2, v4
v11 = ule v10, v3
branch v11, b1, b8
b1: from b0
${first}
branch v20, b2, b9
b2: from b1
${between}${second}
branch v30, b3, ${failed}
b3: from b2
return v8
b8: from b0${failed === "b8" ? ", b2" : ""}
return v9
b9: from b1${failed === "b9" ? ", b2" : ""}
return v7`;
}

const etherType = "v21 = load.2 packet v2 + 12\nv20 = eq v21, v5";
const version = "v21 = load.1 packet v2 + 14\nv22 = lshr v21, v6\nv20 = eq v22, v6";
const ihl = "v31 = load.1 packet v2 + 14\nv32 = and v31, v8\nv30 = eq v32, v7";
const ihlOfVersion = "v32 = and v21, v8\nv30 = eq v32, v7";

test("two fields of one byte are one comparison", () => {
  const text = transformed([mergeTests, removeDead], twoTests(version, ihlOfVersion));
  expect(text).toMatch(
    /v21 = load.1 packet v2 \+ 14\n(v\d+) = const 69\n(v\d+) = eq v21, \1\nbranch \2, b2, b9\nb2: from b1\njump b3/,
  );
});

test("neighbouring fields are one load, a mask and one comparison", () => {
  const text = transformed([mergeTests, removeDead], twoTests(etherType, ihl));
  expect(text).toMatch(
    /(v\d+) = load.4 packet v2 \+ 12\n(v\d+) = const 1048575\n(v\d+) = and \1, \2\n(v\d+) = const 327688\n(v\d+) = eq \3, \4/,
  );
});

test("the wider load stays inside of what was checked", () => {
  const text = transformed([mergeTests, removeDead], twoTests(etherType, ihl, { reach: 15 }));
  expect(text).toContain("load.4 packet v2 + 11");
  const unchecked = twoTests(etherType.replace("v2 + 12", "v10 + 12"), ihl.replace("v2 + 14", "v10 + 14"));
  expect(transformed([mergeTests], unchecked)).toBe(unchecked);
});

test("what fails alike in between is tested afterwards", () => {
  const between = (failed: string) =>
    twoTests(etherType, ihl)
      .replace(
        "b2: from b1\n",
        `b2: from b1\nv40 = load.1 packet v2 + 22\nv41 = ult v40, v8\nbranch v41, b4, ${failed}\nb4: from b2\n`,
      )
      .replace("b3: from b2", "b3: from b4")
      .replace("b9: from b1, b2", failed === "b9" ? "b9: from b1, b2, b4" : "b9: from b1, b4")
      .replace("b8: from b0", failed === "b8" ? "b8: from b0, b2" : "b8: from b0");
  const text = transformed([mergeTests, removeDead], between("b9"));
  expect(text).toMatch(/const 327688\n(v\d+) = eq v\d+, v\d+\nbranch \1, b2, b9\nb2: from b1\nv40 = /);
  expect(text).toContain("b4: from b2\njump b3");
  expect(transformed([mergeTests], between("b8"))).toBe(between("b8"));
});

test("not when they fail differently, or something happens between them", () => {
  const elsewhere = twoTests(etherType, ihl, { failed: "b8" });
  expect(transformed([mergeTests], elsewhere)).toBe(elsewhere);
  const store = twoTests(etherType, ihl, { between: "store.1 packet v2, v9\n" });
  expect(transformed([mergeTests], store)).toBe(store);
});

test("not when nothing is won", () => {
  const far = twoTests(etherType, ihl.replace("v2 + 14", "v2 + 20"));
  expect(transformed([mergeTests], far)).toBe(far);
});

test("fields that were read before the packet changed are tested as they were", () => {
  const source = twoTests(
    `v21 = load.2 packet v2 + 12\nv31 = load.1 packet v2 + 14\nstore.2 packet v2 + 12, v4\nv20 = eq v21, v5`,
    "v30 = eq v31, v7",
  );
  expect(transformed([mergeTests], source)).toBe(transformed([], source));
  const elsewhere = source.replace("store.2 packet v2 + 12", "store.2 packet v2 + 16");
  expect(transformed([mergeTests], elsewhere)).toContain("load.4 packet v2");
});

/** `share-slots`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { shareSlots } from "./share-slots.ts";

/** Two slots, each used by a lookup on a path of its own; `behind` is where the paths have met. */
function twoPaths({ other = "slot 8 align 8", behind = "" } = {}): string {
  return `v4 = const 2
v5 = load.2 packet v2 + 20
v6 = slot 8 align 8
v7 = ${other}
v8 = map "counters"
v11 = eq v5, v4
branch v11, b1, b2
b1: from b0
store.4 stack v6, v5
v20: ptr = call map_lookup_elem(v8, v6)
jump b3
b2: from b0
store.4 stack v7, v4
v30: ptr = call map_lookup_elem(v8, v7)
jump b3
b3: from b1, b2
${behind}
return v4`;
}

test("memory on paths that never meet is the same memory", () => {
  const text = transformed([shareSlots], twoPaths());
  expect(text).toContain("store.4 stack v6, v4");
  expect(text).toContain("v30: ptr = call map_lookup_elem(v8, v6)");
});

test("memory of different sizes stays apart", () => {
  expect(transformed([shareSlots], twoPaths({ other: "slot 16 align 8" }))).toContain("store.4 stack v7, v4");
});

test("memory that is read where the paths have met stays apart", () => {
  expect(transformed([shareSlots], twoPaths({ behind: "v40 = load.4 stack v7" }))).toContain("store.4 stack v7, v4");
});

test("memory whose address is kept stays apart", () => {
  expect(transformed([shareSlots], twoPaths().replace("store.4 stack v7, v4", "store.8 stack v7, v7"))).toContain(
    "store.8 stack v7, v7",
  );
});

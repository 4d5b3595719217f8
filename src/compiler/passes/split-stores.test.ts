/** `split-stores`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { mergeCopies } from "./merge-copies.ts";
import { removeDead } from "./remove-dead.ts";
import { splitStores } from "./split-stores.ts";

const START =
  "v4 = slot 16 align 8\nv5 = const 16\nv6 = load.2 stack v4 + 2\nv7 = load.2 stack v4 + 4\nv8 = shl v7, v5\nv9 = or v6, v8\n";
const after = (body: string): string => transformed([splitStores, removeDead, mergeCopies], START + body);

test("a number that was put together to be written is written in halves, and copies in the pieces that fit", () => {
  expect(
    after("v10 = load.2 stack v4 + 6\nstore.4 packet v2, v9\nstore.2 packet v2 + 4, v10\nreturn v5"),
  ).toMatchInlineSnapshot(`
    "v4 = slot 16 align 8
    v5 = const 16
    v15 = load.2 stack v4 + 2
    v17 = load.4 stack v4 + 4
    store.2 packet v2, v15
    store.4 packet v2 + 2, v17
    return v5"
  `);
});

test("one that is read otherwise, too, or that others may be reading, stays whole", () => {
  for (const body of [
    "store.4 packet v2, v9\nreturn v9",
    'v11 = map "m"\nv12: ptr = call map_lookup_elem(v11, v4)\nstore.4 map v12, v9\nreturn v5',
  ])
    expect(after(body)).toContain("v9 = or v6, v8");
});

test("the low part must not reach into the high one", () => {
  const body = "v10 = load.4 packet v2 + 8\nv11 = or v10, v8\nstore.4 packet v2, v11\nreturn v5";
  expect(after(body)).toContain("v11 = or v10, v8");
});

/** `keep-constants`. */
import { expect, test } from "vitest";
import { ConstantPool } from "../constant-pool.ts";
import type { Function } from "../ir/ir.ts";
import { transformed } from "../testing/transformed.ts";
import { keepConstants } from "./keep-constants.ts";

function kept(body: string): { text: string; bytes: number[] } {
  const pool = new ConstantPool(6);
  const text = transformed([(fn: Function) => keepConstants(fn, pool)], body);
  return { text, bytes: [...pool.bytes] };
}

/** A lookup whose key is on the stack. */
function lookup(key: string): string {
  return `v4 = const 2
v5 = slot 8 align 8
${key}
v6 = map "counters"
v7: ptr = call map_lookup_elem(v6, v5)
return v4`;
}

test("a key of constants goes to read-only data, aligned, behind what has names there", () => {
  const { text, bytes } = kept(lookup("store.4 stack v5, v4"));
  expect(text).toBe(`v4 = const 2
v5 = data ".rodata" + 8
v6 = map "counters"
v7: ptr = call map_lookup_elem(v6, v5)
return v4`);
  expect(bytes).toEqual([0, 0, 2, 0, 0, 0]);
});

test.each([
  ["a byte of it comes from the packet", "v8 = load.4 packet v2\nstore.4 stack v5, v8"],
  ["the same bytes have two values", "v8 = const 3\nstore.4 stack v5, v8\nstore.4 stack v5, v4"],
  ["there is a hole in it", "store.1 stack v5, v4\nstore.1 stack v5 + 2, v4"],
  ["it is read here, too", "store.4 stack v5, v4\nv8 = load.4 stack v5\nstore.4 packet v2, v8"],
  ["a helper writes it", 'store.4 stack v5, v4\nv8 = map "queue"\nv9 = call map_pop_elem(v8, v5)'],
])("nothing changes when %s", (_, key) => {
  const body = lookup(key);
  expect(kept(body)).toEqual({ text: body, bytes: [] });
});

test("equal constants are kept once", () => {
  const pool = new ConstantPool(0);
  expect([pool.place(Uint8Array.of(1, 0)), pool.place(Uint8Array.of(1)), pool.place(Uint8Array.of(1, 0))]).toEqual([0, 2, 0]);
});

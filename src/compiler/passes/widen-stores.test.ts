/** `widen-stores`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { widenStores } from "./widen-stores.ts";

const START = "v4 = slot 16 align 8\nv5 = const 0\nv6 = const 1\nv7 = load.1 packet v2\nv8 = load.4 packet v2 + 4\n";
const after = (body: string): string => transformed([widenStores], START + body).slice(START.length);

test("a number and the zeros written behind it are one store", () => {
  const text = after("store.1 stack v4, v7\nstore.1 stack v4 + 1, v5\nstore.2 stack v4 + 2, v5\nreturn v5");
  expect(text).toBe("store.4 stack v4, v7\nreturn v5");
});

test("so are a number and the zeros under it", () => {
  const text = after("store.8 stack v4 + 8, v5\nstore.4 stack v4 + 8, v8\nstore.1 stack v4 + 12, v7\nreturn v5");
  expect(text).toBe("store.8 stack v4 + 8, v8\nstore.1 stack v4 + 12, v7\nreturn v5");
});

test("what is not zero, not aligned or not whole stays as it is", () => {
  for (const body of [
    "store.1 stack v4, v7\nstore.1 stack v4 + 1, v6\nreturn v5",
    "store.1 stack v4 + 1, v7\nstore.1 stack v4 + 2, v5\nreturn v5",
    "store.1 stack v4, v8\nstore.1 stack v4 + 1, v5\nreturn v5",
    "store.1 stack v4, v7\nstore.2 stack v4, v5\nreturn v5",
  ])
    expect(after(body)).toBe(body);
});

test("zeros that come after a look at the place are not written early", () => {
  const body = "store.1 stack v4, v7\nv9 = load.1 stack v4 + 1\nstore.1 stack v4 + 1, v5\nreturn v9";
  expect(after(body)).toBe(body);
});

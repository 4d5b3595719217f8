import { expect, test } from "vitest";
import { withArticle } from "./article.ts";

test.each([
  ...["a HashMap", "an ArrayMap", "a Uint8Array", "a union", "an enum", "an int", "a per-CPU array", "an object"],
  ...["an xdp program", "an XskMap", "an LRU hash", "an lpm trie", "a devmap", "a link"],
])("%s", (expected) => {
  expect(withArticle(expected.slice(expected.indexOf(" ") + 1))).toBe(expected);
});

/** Longest prefix match: routes and address ranges. */
import type { Schema } from "../schema.ts";
import { declare, type KernelMap, type MutableMap, type TableOptions } from "./map.ts";

export interface LpmTrieMap<K extends Schema, V extends Schema> extends KernelMap<"lpmTrie", K, V>, MutableMap<K, V> {}

/**
 * A table of prefixes. The key is a struct that starts with a `u32`, the number of bits that count of what follows, which is in network
 * byte order: `struct({ prefixLength: u32, address: be32 })`. `lookup` gives the element with the longest prefix that matches.
 */
export function lpmTrie<K extends Schema, V extends Schema>(options: TableOptions & { key: K; value: V }): LpmTrieMap<K, V> {
  return declare("lpmTrie", options.key, options.value, options);
}

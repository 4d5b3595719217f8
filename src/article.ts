/** English in messages: names that are put into a sentence need "a" or "an". */

/** The name with its article: "a HashMap", "an ArrayMap", "an xdp program", "an lru hash", "a union". */
export function withArticle(name: string): string {
  // Abbreviations are said letter by letter: an XDP program, an LRU hash.
  return `${/^([aeio]|x[ds]|lpm|lru)/i.test(name) ? "an" : "a"} ${name}`;
}

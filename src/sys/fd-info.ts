/** What /proc tells about one of this process's descriptors: for a map its memory, and whether it is frozen. */
import { readFileSync } from "node:fs";
import type { Fd } from "./fd.ts";

/** Names and values as /proc/self/fdinfo has them; empty when /proc is not mounted. */
export function fdInfo(fd: Fd): ReadonlyMap<string, string> {
  let text: string;
  try {
    text = readFileSync(`/proc/self/fdinfo/${fd.number}`, "utf8");
  } catch {
    return new Map();
  }
  return new Map(
    text.split("\n").flatMap((line) => {
      const colon = line.indexOf(":");
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()] as const];
    }),
  );
}

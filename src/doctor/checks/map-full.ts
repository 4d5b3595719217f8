/** A table that programs or user space add to has no room left. Tables that make room themselves (LRU) are never full. */

import { nameOf, placeOf, word } from "../shell.ts";
import { describeMap } from "../snapshot/index.ts";
import { describeProgram, perSubject, programsOn } from "./check.ts";

export const mapFull = perSubject("map-full", ({ device }) =>
  programsOn(device).flatMap((program) =>
    program.maps
      // A table with room for one thing is a setting.
      .filter(({ count, maxEntries }) => count !== null && count >= maxEntries && maxEntries > 1)
      .map((map) => {
        const key = map.entries[0]?.key ?? null;
        return {
          place: placeOf(device),
          what: `The table ${describeMap(map)} of ${describeProgram(program)} on ${nameOf(device)} is full.`,
          evidence: `${map.count} of ${map.maxEntries} entries (${map.typeName}).`,
          why: "Nothing can be added (E2BIG): new flows, rules or neighbours are missing, and packets that need them take the way of unknown ones. Delete what is not needed any more, one entry at a time as here, or load the program with more entries or an LRU map.",
          fix: {
            command: `wirescript maps delete ${map.id} ${word(typeof key === "object" ? JSON.stringify(key) : `${key}`)}`,
            safe: false,
          },
        };
      }),
  ),
);

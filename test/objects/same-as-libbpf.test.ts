/**
 * Objects that clang made of our C files: through our loader and through libbpf they are the same instructions in the kernel, return the same, and leave
 * the same in their maps.
 */
import { describe, expect, it } from "vitest";
import { CLANGS, compiled, loadedByLibbpf, loadedByUs, missing } from "./against-libbpf.ts";

const PACKET = new Uint8Array(100).fill(7);

const OBJECTS: { name: string; flags?: string[]; only?: string; programs: string[] }[] = [
  { name: "core", programs: ["fields", "types", "enums", "guarded"] },
  { name: "core", flags: ["-DMATCHES"], only: "clang-19", programs: ["types"] },
  { name: "kernel", programs: ["kconfig", "symbols", "functions"] },
  { name: "maps", programs: ["fill", "send", "last"] },
  { name: "data", programs: ["p"] },
  { name: "functions", programs: ["first", "second", "third"] },
  { name: "sections", programs: ["plain", "frags", "tc_plain", "tc_classifier", "tc_action"] },
  ...["v1", "v3"].map((cpu) => ({ name: "instructions", flags: [`-mcpu=${cpu}`], programs: ["p"] })),
  { name: "instructions", flags: ["-mcpu=v4", "-DSIGNED_DIVISION"], only: "clang-19", programs: ["p"] },
  ...["v1", "v4"].map((cpu) => ({ name: "maps", flags: [`-mcpu=${cpu}`], only: "clang-19", programs: ["fill"] })),
];

describe.each(CLANGS)("what %s makes", (clang) => {
  const lacks = missing(clang, "bpftool");
  for (const { name, flags = [], only = clang, programs } of OBJECTS) {
    if (only !== clang) continue;
    it.skipIf(lacks !== "")(`of ${[name, ...flags].join(" ")} is the same as with libbpf${lacks}`, async () => {
      const file = compiled(clang, name, ...flags);
      const ours = await loadedByUs(file);
      const theirs = loadedByLibbpf(file);
      for (const program of programs) {
        expect(ours.code(program), program).toEqual(theirs.code(program));
        for (let round = 0; round < 3; round++) expect(ours.run(program, PACKET), program).toBe(theirs.run(program, PACKET));
      }
      expect(ours.contents()).toEqual(theirs.contents());
    });
  }
});

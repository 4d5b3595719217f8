/**
 * Objects that clang made of our C files: through our loader and through libbpf they are the same instructions in the kernel,
 * return the same, and leave the same in their maps.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
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
  { name: "instructions", flags: ["-mcpu=v4", "-DSIGNED_DIVISION", "-DNEWEST"], only: "clang-19", programs: ["p"] },
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

const lacks = missing("clang-19", "bpftool");

it.skipIf(lacks !== "")(`what bpftool links of two objects is the same as with libbpf${lacks}`, async () => {
  const [first, second] = [1, 2].map((start) =>
    compiled("clang-19", "linked", `-DSTART=${start}`, `-DPROGRAM=program${start}`),
  );
  const file = `${first}.linked.o`;
  execFileSync("bpftool", ["gen", "object", file, first ?? "", second ?? ""]);
  const ours = await loadedByUs(file);
  const theirs = loadedByLibbpf(file);
  for (const program of ["program1", "program2"]) {
    expect(ours.code(program)).toEqual(theirs.code(program));
    expect(ours.run(program, PACKET)).toBe(theirs.run(program, PACKET));
  }
  expect(ours.contents()).toEqual(theirs.contents());
});

const XDP_TOOLS = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/bpf`;
const lacksTools = existsSync(XDP_TOOLS) ? missing("bpftool") : " (skipped: needs xdp-tools)";

it.skipIf(lacksTools !== "").each([
  ["xdp-dispatcher", "xdp_dispatcher"],
  ["xdpdump_xdp", "xdpdump"],
  ["xsk_def_xdp_prog", "xsk_def_prog"],
])(`%s of xdp-tools is the same as with libbpf${lacksTools}`, async (name, program) => {
  const file = join(XDP_TOOLS, `${name}.o`);
  const ours = await loadedByUs(file);
  const theirs = loadedByLibbpf(file);
  expect(ours.code(program)).toEqual(theirs.code(program));
  expect(ours.contents()).toEqual(theirs.contents());
});

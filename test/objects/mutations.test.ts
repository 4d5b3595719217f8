/**
 * Damaged objects are read or refused: whatever is wrong with a file, its user gets an error that says so, never a crash, a
 * hang, or a process without memory. What is read goes through everything that loading does before the kernel is asked.
 *
 * WIRESCRIPT_MUTATIONS=100000 tries more, and WIRESCRIPT_SEED others.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { WirescriptError } from "../../src/errors.ts";
import { encodeBtf } from "../../src/object/btf/encode.ts";
import { kernelExt, lineStrings } from "../../src/object/btf/ext.ts";
import { KernelTypes } from "../../src/object/btf/kernel-types.ts";
import { withDataSections } from "../../src/object/btf/sections.ts";
import { applyCore } from "../../src/object/core/apply.ts";
import { declarationsOf } from "../../src/object/declarations.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { encode } from "../../src/object/encoding.ts";
import { kconfigSection, parseKconfig } from "../../src/object/externs/kconfig.ts";
import { linkExterns, type ResolvedExtern } from "../../src/object/externs/link.ts";
import type { ObjectSpec } from "../../src/object/spec.ts";
import { dataSectionCodec } from "../../src/runtime/data-section.ts";
import { mapCodecs } from "../../src/runtime/maps/codecs.ts";
import { relocate } from "../../src/runtime/relocate.ts";
import type { MapFd } from "../../src/sys/bpf.ts";
import { lacking } from "../foreign-tools.ts";
import { SEED } from "../property.ts";
import { CLANGS, compiledBytes } from "./against-libbpf.ts";
import { mutated, Random } from "./mutations.ts";

const COUNT = Number(process.env.WIRESCRIPT_MUTATIONS ?? 2500);

const OBJECTS: [string, ...string[]][] = [
  ["maps"],
  ["core"],
  ["kernel"],
  ["data"],
  ["functions"],
  ["kinds"],
  ["anywhere"],
  ["iproute2"],
  ["iproute2", "-g0"],
  ["old-libbpf"],
  ["sections", "-DANY_NAMES", "-DOPTIONAL", "-DOTHER_TYPES"],
  ["missing", "-DNEEDED"],
];

const KCONFIG = parseKconfig(
  'CONFIG_BPF_SYSCALL=y\nCONFIG_NET=y\nCONFIG_HZ=250\nCONFIG_INET=m\nCONFIG_DEFAULT_HOSTNAME="(none)"\n',
);
/** A kernel whose types are those of one of the objects. */
let kernel: KernelTypes;

/** All that loading does with an object before it asks the kernel. */
function everything(spec: ObjectSpec): void {
  // Numbers in place of descriptors.
  const fds = new Map([...spec.maps, ...spec.data].map(({ name }, number) => [name, { number } as MapFd]));
  fds.set(".kconfig", { number: 1 } as MapFd);
  const externs = new Map(
    (spec.externs ?? []).map(({ name, section }): [string, ResolvedExtern] => [
      name,
      section === ".kconfig" ? { kind: "data", section, offset: 0 } : { kind: "type", id: 1 },
    ]),
  );
  const facts = { version: 0x61200, config: () => KCONFIG };
  if (spec.btf !== null) kconfigSection(spec.externs ?? [], spec.btf, new Set(externs.keys()), facts);
  const { programs } = linkExterns(
    applyCore(spec, spec.programs, () => kernel),
    externs,
  ).spec;
  const { stringOffset } = encodeBtf(
    withDataSections(spec.btf, spec.data),
    programs.flatMap(({ functions }) => [...lineStrings(functions)]),
  );
  for (const program of programs) {
    encode(relocate(program, fds));
    kernelExt(program.functions, stringOffset);
  }
  for (const map of spec.maps) mapCodecs(map, spec.btf);
  for (const section of spec.data) dataSectionCodec(section, spec.btf);
  declarationsOf(spec, "x.o");
}

const lacks = lacking(...CLANGS);

describe.skipIf(lacks !== "")(`damaged objects${lacks}`, () => {
  let corpus: { name: string; bytes: Uint8Array }[];

  beforeAll(() => {
    corpus = OBJECTS.flatMap(([name, ...flags]) =>
      CLANGS.map((clang) => ({
        name: `${clang} ${name}`,
        bytes: compiledBytes(clang, name, ...flags),
      })),
    );
    const vmlinux = corpus.find(({ name }) => name.endsWith("core"))?.bytes;
    if (vmlinux === undefined) throw new Error("no object with types");
    const { btf } = readElf(vmlinux);
    if (btf === null) throw new Error("an object without types");
    kernel = new KernelTypes(encodeBtf(btf).bytes);
  });

  /** What became of it: "read", or the error's code. Throws for anything else than an error that helps. */
  function outcome(bytes: Uint8Array): string {
    let at = "read";
    try {
      const spec = readElf(bytes, "x.o");
      at = "loaded";
      everything(spec);
      return "read";
    } catch (error) {
      if (!(error instanceof WirescriptError)) throw error;
      const { message, why, fix, code } = error;
      if (at === "read" && !(message.startsWith("x.o: ") && code === "BAD_FILE"))
        throw new Error(`an error without the file: ${message}`);
      if (message === "" || !why || !fix) throw new Error(`an error that says too little: ${message}`);
      return `${at} ${code}`;
    }
  }

  it("are valid before", () => {
    for (const { name, bytes } of corpus)
      expect([name, outcome(bytes)]).toEqual([
        name,
        name.endsWith("missing") ? expect.stringMatching(/^read|loaded KERNEL|loaded BAD_FILE$/) : "read",
      ]);
  });

  it(`are read or refused with a reason: ${COUNT} of them`, () => {
    const random = new Random(SEED);
    const outcomes: Record<string, number> = {};
    let slowest = 0;
    for (let number = 0; number < COUNT; number++) {
      const { name, bytes } = random.pick(corpus);
      const damaged = mutated(bytes, random.pick(corpus).bytes, random);
      const begin = performance.now();
      try {
        const result = outcome(damaged);
        outcomes[result] = (outcomes[result] ?? 0) + 1;
      } catch (cause) {
        throw new Error(`mutation ${number} of seed ${SEED}, of ${name}`, { cause });
      }
      slowest = Math.max(slowest, performance.now() - begin);
    }
    if (process.env.WIRESCRIPT_MUTATIONS !== undefined)
      console.log(outcomes, `slowest ${slowest.toFixed(0)} ms`, `${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`);
    // Both happen, so both were tried.
    expect(Object.keys(outcomes)).toEqual(expect.arrayContaining(["read", "read BAD_FILE"]));
  }, 3_600_000);

  it("are refused at every length that a small one may be cut to", () => {
    const small = corpus.find(({ name }) => name === "clang-19 anywhere")?.bytes ?? new Uint8Array();
    for (let length = 0; length < small.length; length++) expect(outcome(small.slice(0, length))).toBe("read BAD_FILE");
  });
});

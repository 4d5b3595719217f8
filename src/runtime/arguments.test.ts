/** Values that the types forbid and JavaScript hands over all the same: each is refused by its name, before the kernel sees it. */
import { inspect, isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { countingProgram } from "../../test/fixtures/counting-program.ts";
import { lacking } from "../../test/foreign-tools.ts";
import { WirescriptError } from "../errors.ts";
import {
  adoptLink,
  attachChain,
  load,
  loadSpec,
  loadStep,
  openMapById,
  openPinnedMap,
  openProgram,
  programInfo,
  unpin,
} from "../index.ts";
import { readElf } from "../object/elf/read.ts";
import { writeElf } from "../object/elf/write.ts";
import { LoadedProgram } from "./program.ts";
import { readSource } from "./source.ts";

const noRoot = lacking("root");

/** What no type allows. */
const wrong = (value: unknown) => value as never;

async function refusal(work: () => unknown): Promise<WirescriptError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof WirescriptError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("nothing that can be loaded", () => {
  test.each([
    ["undefined", undefined],
    ["null", null],
    ["5", 5],
    ["an object", {}],
    ["an Array", []],
    ["a function", () => {}],
    ["an ArrayBuffer", new ArrayBuffer(8)],
  ])("%s", async (name, value) => {
    for (const way of [load, loadSpec, loadStep]) {
      const error = await refusal(() => way(wrong(value)));
      expect(error).toMatchObject({ code: "USAGE", why: expect.stringContaining(`${name} was given`) });
      expect(error.fix).toContain("load(");
    }
  });

  test.each(["http://example.org/echo.o", "file://elsewhere/echo.o"])("%s is no file of this machine", async (url) => {
    for (const source of [url, new URL(url)]) {
      expect(await refusal(() => load(source))).toMatchObject({ code: "BAD_FILE", fix: expect.stringContaining("bytes") });
    }
  });

  test("bytes that are no ELF object", async () => {
    expect(await refusal(() => load(new Uint8Array(10)))).toMatchObject({
      code: "BAD_FILE",
      message: expect.stringMatching(/^The object: /),
    });
  });

  test("a name where a list of names belongs", async () => {
    expect(await refusal(() => loadSpec(countingProgram(), { programs: wrong("count_packets") }))).toMatchObject({
      code: "USAGE",
      why: '`programs` is a list of names, and "count_packets" was given.',
    });
  });
});

describe("options that there are not", () => {
  test("when loading", async () => {
    const options = { setings: { limit: 1 } };
    for (const way of [loadSpec, loadStep]) {
      expect(await refusal(() => way(countingProgram(), wrong(options)))).toMatchObject({
        ...{ code: "USAGE", message: "Nothing was loaded.", why: 'There is no option "setings".' },
        fix: expect.stringMatching(/^Did you mean settings\? The options are pinPath, /),
      });
    }
    expect(await refusal(() => loadSpec(countingProgram(), wrong("settings")))).toMatchObject({ code: "USAGE" });
  });

  test("when attaching and running", async () => {
    const program = new LoadedProgram({ name: "p", section: "xdp", type: "xdp", fd: wrong(null) }, () => {});
    for (const way of ["attach", "attachPersistently"] as const) {
      expect(await refusal(() => program[way](wrong({ dev: "lo", modus: "skb" })))).toMatchObject({
        ...{ code: "USAGE", message: 'The program "p" was not attached.', why: 'There is no option "modus".' },
      });
    }
    expect(await refusal(() => program.attach(wrong({ dev: "lo", via: "tc" })))).toMatchObject({
      ...{ code: "USAGE", why: '`via` is "tcx" or "clsact", and "tc" was given.' },
    });
    expect(await refusal(() => program.run(new Uint8Array(64), wrong({ repeats: 2 })))).toMatchObject({
      ...{ code: "USAGE", fix: expect.stringContaining("Did you mean repeat?") },
    });
  });
});

describe.skipIf(noRoot !== "")(`names that an object does not have${noRoot}`, () => {
  test("are told with those that it has", async () => {
    using object = loadSpec(countingProgram());
    const [program] = Object.keys(object.programs);
    const [map] = Object.keys(object.maps);
    expect(await refusal(() => object.programs.typo?.attach({ dev: "lo" }))).toMatchObject({
      ...{ code: "NO_SUCH_PROGRAM", message: 'The object has no program "typo".', why: `It has ${program}.` },
    });
    expect(await refusal(() => object.maps.typo)).toMatchObject({ code: "MAP", why: `It has ${map}, .rodata.` });
    expect(["typo" in object.programs, String(program) in object.programs]).toEqual([false, true]);
    // Who only looks at the object, or waits for it, is told nothing.
    expect(inspect(object)).toContain(program);
    expect(isDeepStrictEqual(object.programs, object.maps)).toBe(false);
    expect(await Promise.resolve(object.maps)).toBe(object.maps);
    expect(Object.keys(JSON.parse(JSON.stringify({ ...object.programs })))).toEqual([program]);
  });

  test("nor numbers of entries that are none", async () => {
    const [map] = countingProgram().maps;
    const entries = wrong({ [map?.name ?? ""]: "10" });
    expect(await refusal(() => loadSpec(countingProgram(), { entries }))).toMatchObject({
      ...{ code: "USAGE", message: `The map "${map?.name}" cannot have "10" entries.` },
      why: 'Entries are counted by a number, and "10" was given.',
    });
  });
});

test("an ELF object's bytes are as good as its file", async () => {
  const bytes = writeElf(countingProgram());
  expect(await readSource(bytes)).toEqual({ spec: readElf(bytes), origin: "object" });
  expect(await readSource(Buffer.from(bytes))).toEqual({ spec: readElf(bytes), origin: "object" });
});

describe("what can be no id", () => {
  // 4294967297 would be 1 in the kernel's 32 bits: somebody else's.
  test.each([-1, 0, 1.5, Number.NaN, 1e12, 4294967297, "3", undefined, null])("%s", async (id) => {
    for (const open of [openMapById, openProgram, programInfo, adoptLink]) {
      const error = await refusal(() => open(wrong(id)));
      expect(error).toMatchObject({ code: "USAGE", why: expect.stringContaining("whole numbers from 1 to 4294967295") });
      expect(error.fix).toMatch(/wirescript (maps|progs|links)/);
    }
  });
});

test.each([undefined, null, 5, "", "/sys/fs/bpf/a\0b"])("%j is no path of a pin", async (path) => {
  for (const work of [openPinnedMap, unpin]) {
    expect(await refusal(() => work(wrong(path)))).toMatchObject({
      code: "USAGE",
      fix: expect.stringContaining("/sys/fs/bpf/NAME"),
    });
  }
});

test.each([undefined, "echo.o", {}])("%j is no list of steps", async (steps) => {
  expect(await refusal(() => attachChain(wrong(steps), { dev: "lo" }))).toMatchObject({
    code: "USAGE",
    fix: expect.stringContaining("loadStep"),
  });
});

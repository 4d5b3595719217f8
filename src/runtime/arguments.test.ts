/** Values that the types forbid and JavaScript hands over all the same: each is refused by its name, before the kernel sees it. */
import { describe, expect, test } from "vitest";
import { countingProgram } from "../../test/fixtures/counting-program.ts";
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
import { readSource } from "./source.ts";

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

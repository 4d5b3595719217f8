/** Objects for loaders that libbpf does not replace, and shapes that it does not take: each behaves as its author meant it. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { release } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ArrayMap, HashMap, PerCpuArrayMap } from "../../src/index.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { load } from "../../src/runtime/load.ts";
import { lacking } from "../foreign-tools.ts";
import { bpftool, freshBpffs } from "../kernel-objects.ts";
import { CLANGS, compiled, compiledBytes, loadedByUs, missing } from "./against-libbpf.ts";

const PACKET = new Uint8Array(100).fill(7);

describe.each(CLANGS)("what %s makes", (clang) => {
  const readable = lacking(clang);
  it.skipIf(readable !== "").each(["maps", "core", "data", "functions", "kinds", "sections", "instructions", "old-libbpf"])(
    `of %s and we write again is read as the same${readable}`,
    (name) => {
      const spec = readElf(compiledBytes(clang, name));
      expect(readElf(writeElf(spec))).toEqual(spec);
    },
  );

  it.skipIf(readable !== "")(`and only a kernel or iproute2 understands is not written wrongly${readable}`, () => {
    const written = (name: string) => () => writeElf(readElf(compiledBytes(clang, name)));
    expect(written("iproute2")).toThrow("map trackers is pinned global, as BTF cannot say");
    expect(written("anywhere")).toThrow("program shared is called by others");
    expect(written("kernel")).toThrow("LINUX_KERNEL_VERSION");
  });

  const lacks = missing(clang);

  it.skipIf(lacks !== "")(`for iproute2: types, tail calls by number, maps in maps${lacks}`, async () => {
    const { object, run } = await loadedByUs(compiled(clang, "iproute2"));
    expect(object.spec.programs.map(({ name, section, type }) => [name, section, type])).toEqual([
      ["receive", "rx", "xdp"],
      ["transmit", "tx", "sched_cls"],
      ["tail", "1/2", "sched_cls"],
    ]);
    run("receive", PACKET);
    run("receive", PACKET);
    expect([...object.map("trackers", HashMap)]).toEqual([
      [
        { local: 1, remote: 2 },
        { sent: 0n, received: 2n },
      ],
    ]);
    expect(run("transmit", PACKET)).toBe(2);
    expect(object.map("private", ArrayMap).get(1)).toEqual(Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0));
    expect(object.map("inner", ArrayMap).get(0)).toEqual(Uint8Array.of(9, 0, 0, 0));
    // Nothing is pinned unless somebody says where pins may go.
    expect(Object.values(object.maps).filter(({ pinnedAt }) => pinnedAt !== null)).toEqual([]);
  });

  it.skipIf(lacks !== "")(`for iproute2 without BTF, where the type of a program can be told${lacks}`, async () => {
    const file = compiled(clang, "iproute2", "-g0");
    const types = (await loadedByUs(file, { programs: ["receive"] })).object.spec.programs.map(({ type }) => type);
    expect(types).toEqual(["xdp", "xdp", "sched_cls"]);
    const { object, run } = await loadedByUs(file, { programTypes: { transmit: "sched_cls" } });
    run("receive", PACKET);
    expect(run("transmit", PACKET)).toBe(2);
    expect([...object.map("trackers", HashMap).values()]).toEqual([
      Uint8Array.of(1, ...Array(7).fill(0), 1, ...Array(7).fill(0)),
    ]);
    await expect(load(file, { programTypes: { nobody: "xdp" } })).rejects.toMatchObject({ code: "NO_SUCH_PROGRAM" });
  });

  it.skipIf(lacks !== "")(`for iproute2, with maps where it keeps them${lacks}`, async () => {
    const file = compiled(clang, "iproute2");
    const tcPinPath = join(freshBpffs(), "tc");
    const places = { pinPath: dirname(tcPinPath), tcPinPath };
    const first = await loadedByUs(file, { ...places, programs: ["receive"] });
    first.run("receive", PACKET);
    const second = await loadedByUs(file, { ...places, programs: ["transmit", "tail"] });
    second.run("transmit", PACKET);
    expect([...first.object.map("trackers", HashMap).values()]).toEqual([{ sent: 1n, received: 1n }]);
    const hash = createHash("sha1").update(readFileSync(file)).digest("hex");
    expect(readdirSync(join(tcPinPath, "globals"))).toEqual(["trackers"]);
    expect(readdirSync(join(tcPinPath, hash))).toEqual(["own"]);
    expect(readlinkSync(join(tcPinPath, "..", "xdp"))).toBe("tc/");
    expect(bpftool("map", "show", "pinned", join(tcPinPath, "../xdp/globals/trackers")).name).toBe("trackers");
    second.object.undoPins();
    first.object.undoPins();
    expect(existsSync(tcPinPath)).toBe(false);
  });

  it.skipIf(lacks !== "")(`for libbpf before 1.0${lacks}`, async () => {
    const { object, run } = await loadedByUs(compiled(clang, "old-libbpf"));
    run("xdp_prog1", PACKET);
    const copies = object.map("rxcnt", PerCpuArrayMap).get(17) as Uint8Array[];
    expect(copies.reduce((sum, [low = 0]) => sum + low, 0)).toBe(1);
    expect(object.map("seen", HashMap).info()).toMatchObject({ keySize: 4, valueSize: 8, maxEntries: 2, flags: 1 });
  });

  it.skipIf(lacks !== "")(`with static functions beside programs, and programs that others call${lacks}`, async () => {
    const { object, run } = await loadedByUs(compiled(clang, "anywhere"));
    expect(object.spec.programs.map(({ name }) => name).sort()).toEqual(["one", "shared", "two"]);
    expect([run("one", PACKET), run("two", PACKET), run("shared", PACKET)]).toEqual([3, 2, 2]);
    expect(object.globals.calls).toBe(1 + 100 + 2 + 100);
  });

  it.skipIf(lacks !== "").each(["-g", "-g0"])(`without any SEC() (%s)${lacks}`, async (debug) => {
    const { object, run } = await loadedByUs(compiled(clang, "text", debug));
    expect(object.spec.programs.map(({ name, section, type }) => [name, section, type])).toEqual([
      ["dropworld", ".text", "xdp"],
    ]);
    expect(run("dropworld", PACKET)).toBe(1);
  });

  it.skipIf(lacks !== "")(`in sections of any name, some optional, some of other types${lacks}`, async () => {
    const file = compiled(clang, "sections", "-DANY_NAMES", "-DOPTIONAL", "-DOTHER_TYPES", "-DNEW_NAMES");
    const { object } = await loadedByUs(file);
    const types = Object.fromEntries(object.spec.programs.map(({ name, type }) => [name, type]));
    expect(types).toMatchObject({
      tutorial: "xdp",
      receive: "xdp",
      transmit: "sched_cls",
      port_filter: "xdp",
      tc_action: "sched_act",
    });
    expect(types).toMatchObject({ tc_ingress: "sched_cls", tcx_egress: "sched_cls", on_device: "xdp", optional: "xdp" });
    expect(Object.keys(object.programs)).not.toContain("optional");
    expect(Object.keys((await loadedByUs(file, { programs: ["optional"] })).object.programs)).toEqual(["optional"]);
    expect(object.spec.omitted).toEqual([{ name: "probe", section: "kprobe/do_exit", kind: "kprobe" }]);
    await expect(load(file, { programs: ["probe"] })).rejects.toThrow(
      "Section kprobe/do_exit holds a program that Wirescript cannot load",
    );
  });

  it.skipIf(lacks !== "")(`with the kernel's settings as variables that nobody can change${lacks}`, async () => {
    const { object } = await loadedByUs(compiled(clang, "kernel"));
    const [, major = "", minor = ""] = /^(\d+)\.(\d+)/.exec(release()) ?? [];
    const { LINUX_KERNEL_VERSION, CONFIG_BPF_SYSCALL, CONFIG_NO_SUCH_SETTING } = object.globals;
    expect([Number(LINUX_KERNEL_VERSION) >> 8, CONFIG_BPF_SYSCALL, CONFIG_NO_SUCH_SETTING]).toEqual([
      ...[Number(major) * 256 + Number(minor), true, false],
    ]);
    expect(() => {
      object.globals.CONFIG_BPF_SYSCALL = false;
    }).toThrow("cannot be changed any more");
  });

  it.skipIf(lacks !== "")(`with settings, and variables in sections of its own${lacks}`, async () => {
    const settings = { port: 53, limits: { left: 1, right: 10 }, on: true, table: [2, 2, 2, 2] };
    const { object, run } = await loadedByUs(compiled(clang, "data", "-DOWN_BSS"), { settings });
    expect(run("p", PACKET)).toBe(2);
    expect(object.globals).toMatchObject({
      ...settings,
      ...{ level: 5 + 53, seen: 100n, hidden: 7 + 10 + 1000, own: 11 + 2, empty: 1 + 101 },
      ...{
        pairs: [
          { left: 0, right: 0 },
          { left: 1, right: 0 },
          { left: 0, right: 1017 },
        ],
        name: new TextEncoder().encode("wire\0\0\0\0"),
      },
    });
  });
});

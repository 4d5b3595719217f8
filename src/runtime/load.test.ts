/** Loading on the real kernel: programs run, failures leave nothing behind, pins are shared or refused. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { failure } from "../../test/failure.ts";
import {
  address,
  constant,
  counting,
  exit,
  load as loadFrom,
  maps,
  mov,
  object,
  TYPE,
  unchecked,
} from "../../test/fixtures/objects.ts";
import { bpftool, expectGone, freshBpffs, namesInKernel } from "../../test/kernel-objects.ts";
import { hasTool, isRoot, uniqueName } from "../../test/own-network.ts";
import type { ObjectSpec } from "../object/spec.ts";
import { possibleCpus } from "../sys/cpus.ts";
import { listPrograms, openPinnedMap, programInfo } from "./introspect.ts";
import { load, loadSpec } from "./load.ts";
import type { LoadedObject } from "./loaded-object.ts";
import { ArrayMap, PerCpuArrayMap } from "./maps/array.ts";
import { VerifierError } from "./verifier-log.ts";

const reason = isRoot ? (hasTool("bpftool") ? "" : " (skipped: bpftool is not installed)") : " (skipped: needs root on Linux)";
const packet = new Uint8Array(60).map((_, index) => index);

interface Stats {
  rx_packets: bigint;
  rx_bytes: bigint;
}

/** A program that counts in a per-CPU array which is pinned by name. */
function counter(name: string, more: Partial<ObjectSpec> = {}): ObjectSpec {
  return object([counting(`p_${name}`, `st_${name}`)], [maps.stats(name)], more);
}

function statsOf(loaded: LoadedObject, name: string): PerCpuArrayMap<Stats> {
  return loaded.map<PerCpuArrayMap<Stats>>(`st_${name}`, PerCpuArrayMap);
}

describe.skipIf(reason !== "")(`a loaded program${reason}`, () => {
  it("runs on a packet: its answer, the packet, and its counters", async () => {
    const name = uniqueName();
    await using loaded = await load(counter(name));
    const run = loaded.program(`p_${name}`).run(packet);
    expect(run.action).toBe(2);
    expect(run.packet).toEqual(packet);
    expect(statsOf(loaded, name).sum(2)).toEqual({ rx_packets: 1n, rx_bytes: 60n });
    loaded.program(`p_${name}`).run(packet, { repeat: 1000 });
    expect(statsOf(loaded, name).sum(2)).toEqual({ rx_packets: 1001n, rx_bytes: 60_060n });
  });

  it("sees the context that it is given", () => {
    const name = uniqueName();
    // r0 = ctx->ingress_ifindex
    const program = { ...constant(`p_${name}`, 0) };
    program.functions = [
      { ...program.functions[0], instructions: [loadFrom("W", 0, 1, 12), exit], name: `p_${name}`, typeId: 9, lines: [] },
    ];
    using loaded = loadSpec(object([program], []));
    expect(loaded.program(`p_${name}`).run(packet, { context: { ingressIfindex: 1 } }).action).toBe(1);
    expect(failure(() => loaded.program(`p_${name}`).run(packet, { context: { ingressIfindex: 999_999 } })).code).toBe("USAGE");
  });

  it("refuses a packet without an Ethernet header, and says so", () => {
    const name = uniqueName();
    using loaded = loadSpec(object([constant(`p_${name}`, 2)], []));
    expect(failure(() => loaded.program(`p_${name}`).run(new Uint8Array(13))).why).toContain("Ethernet header of 14 bytes");
    expect(loaded.program(`p_${name}`).run(new Uint8Array(14)).action).toBe(2);
  });

  it("tells about itself what bpftool tells", () => {
    const name = uniqueName();
    using loaded = loadSpec(counter(name));
    const info = loaded.program(`p_${name}`).info();
    const shown = bpftool("prog", "show", "id", String(info.id));
    expect(info).toMatchObject({
      name: shown.name,
      tag: shown.tag,
      xlatedBytes: shown.bytes_xlated,
      jitedBytes: shown.bytes_jited,
      mapIds: shown.map_ids,
    });
    expect(Math.abs(info.loadedAt.getTime() / 1000 - shown.loaded_at)).toBeLessThan(3);
    expect(info.verifiedInstructions).toBeGreaterThan(20);
    expect(programInfo(info.id)).toMatchObject({ name: info.name, tag: info.tag });
    expect(listPrograms().map(({ id }) => id)).toContain(info.id);
  });

  it("carries its source lines into the kernel", () => {
    const name = uniqueName();
    using loaded = loadSpec(counter(name));
    const id = String(loaded.program(`p_${name}`).info().id);
    expect(JSON.stringify(bpftool("prog", "dump", "xlated", "id", id, "linum"))).toContain("record.rx_packets++;");
  });

  it("is gone when its object is disposed of", async () => {
    const name = uniqueName();
    {
      await using loaded = await load(counter(name));
      expect(namesInKernel(name)).toEqual([`p_${name}`, `st_${name}`]);
      expect(loaded.mountedBpffs).toBeNull();
    }
    await expectGone(name);
  });

  it("is found by name, or the names that there are are told", () => {
    const name = uniqueName();
    using loaded = loadSpec(counter(name));
    expect(failure(() => loaded.program("nope"))).toMatchObject({ code: "NO_SUCH_PROGRAM", why: `It has p_${name}.` });
    expect(failure(() => loaded.map("nope"))).toMatchObject({ code: "MAP", why: `It has st_${name}.` });
    expect(failure(() => loaded.map(`st_${name}`, ArrayMap)).why).toBe("It is a per-CPU array, which is a PerCpuArrayMap.");
    expect(failure(() => loadSpec(counter(name), { programs: ["nope"] })).code).toBe("NO_SUCH_PROGRAM");
  });

  it("loads alone when it is the only one asked for", () => {
    const name = uniqueName();
    using loaded = loadSpec(object([constant(`a_${name}`, 1), constant(`b_${name}`, 2)], []), { programs: [`b_${name}`] });
    expect(Object.keys(loaded.programs)).toEqual([`b_${name}`]);
    expect(namesInKernel(name)).toEqual([`b_${name}`]);
  });
});

describe.skipIf(reason !== "")(`global data${reason}`, () => {
  const section = (bytes: number[], readonly: boolean) => ({
    name: readonly ? ".rodata" : ".data",
    bytes: new Uint8Array(bytes),
    readonly,
    variables: [
      { name: "port", offset: 0, size: 4, typeId: TYPE.u32 },
      { name: "limit", offset: 4, size: 4, typeId: TYPE.u32 },
    ],
  });
  /** r0 = the variable at `offset` of the section */
  const reader = (name: string, sectionName: string, offset: number) => {
    const program = constant(name, 0);
    const [entry] = program.functions;
    if (entry === undefined) throw new Error("the fixture has a function");
    const instructions = [address(1, { kind: "data", section: sectionName, offset }), loadFrom("W", 0, 1, 0), exit];
    return { ...program, functions: [{ ...entry, instructions }] };
  };

  it("is what the object says, unless a setting replaces it", () => {
    const name = uniqueName();
    const spec = object([reader(`p_${name}`, ".rodata", 4)], [], { data: [section([1, 0, 0, 0, 7, 0, 0, 0], true)] });
    using asBuilt = loadSpec(spec);
    expect(asBuilt.program(`p_${name}`).run(packet).action).toBe(7);
    using changed = loadSpec(spec, { settings: { limit: 9 } });
    expect(changed.program(`p_${name}`).run(packet).action).toBe(9);
    expect(changed.map(".rodata", ArrayMap).get(0)).toEqual({ port: 1, limit: 9 });
    expect(failure(() => loadSpec(spec, { settings: { limits: 9 } })).why).toBe("It has port, limit.");
  });

  it("that programs may write is read and written by user space", () => {
    const name = uniqueName();
    using loaded = loadSpec(
      object([reader(`p_${name}`, ".data", 0)], [], { data: [section([5, 0, 0, 0, 0, 0, 0, 0], false)] }),
    );
    const data = loaded.map<ArrayMap<{ port: number; limit: number }>>(".data", ArrayMap);
    expect(loaded.program(`p_${name}`).run(packet).action).toBe(5);
    data.set(0, { port: 6, limit: 0 });
    expect(loaded.program(`p_${name}`).run(packet).action).toBe(6);
    expect(bpftool("map", "show", "id", String(data.info().id)).name).toBe(`p_${name}.data`.slice(0, 15));
  });

  it("that is read-only is frozen", () => {
    const name = uniqueName();
    using loaded = loadSpec(
      object([reader(`p_${name}`, ".rodata", 0)], [], { data: [section([5, 0, 0, 0, 0, 0, 0, 0], true)] }),
    );
    const data = loaded.map<ArrayMap<{ port: number; limit: number }>>(".rodata", ArrayMap);
    expect(failure(() => data.set(0, { port: 6, limit: 0 })).message).toContain("is frozen");
  });
});

describe.skipIf(reason !== "")(`a program that the verifier rejects${reason}`, () => {
  it("is reported at its source line with the verifier's reason, and nothing stays behind", async () => {
    const name = uniqueName();
    const error = failure(() => loadSpec(object([unchecked(`p_${name}`, `st_${name}`)], [maps.stats(name)])));
    expect(error).toBeInstanceOf(VerifierError);
    const verdict = error as VerifierError;
    expect(verdict.code).toBe("VERIFIER");
    expect(verdict.location).toMatchObject({ file: "count.bpf.ts", line: 11, column: 3 });
    expect(verdict.reason).toContain("R0 invalid mem access 'map_value_or_null'");
    expect(verdict.message).toMatch(/at count\.bpf\.ts:11:3: R0 invalid mem access 'map_value_or_null'/);
    expect(verdict.message).toContain("  11 | record.rx_packets++;");
    expect(verdict.message).toMatch(/\(\d+ lines omitted; --verbose prints the whole log\)/);
    expect(verdict.log).toContain("processed");
    await expectGone(name);
  });

  it("in the second of two, takes the first away too, and its pins and directories", async () => {
    const name = uniqueName();
    const directory = freshBpffs();
    const spec = object([counting(`p_${name}`, `st_${name}`), unchecked(`q_${name}`, `st_${name}`)], [maps.stats(name)]);
    expect(failure(() => loadSpec(spec, { pinPath: join(directory, "a", "b") })).code).toBe("VERIFIER");
    await expectGone(name);
    expect(existsSync(join(directory, "a"))).toBe(false);
  });
});

describe.skipIf(reason !== "")(`pinned maps${reason}`, () => {
  it("are shared by name, so that counters survive a reload", async () => {
    const name = uniqueName();
    const pinPath = join(freshBpffs(), "eth0");
    {
      using first = loadSpec(counter(name), { pinPath });
      first.program(`p_${name}`).run(packet);
      expect(statsOf(first, name).pinnedAt).toBe(join(pinPath, `st_${name}`));
    }
    await expect.poll(() => namesInKernel(name)).toEqual([`st_${name}`]);
    using second = loadSpec(counter(name), { pinPath });
    second.program(`p_${name}`).run(packet);
    expect(statsOf(second, name).sum(2)).toEqual({ rx_packets: 2n, rx_bytes: 120n });
    expect(namesInKernel(name)).toEqual([`p_${name}`, `st_${name}`]);
  });

  it("are not made without a pin path", () => {
    const name = uniqueName();
    using loaded = loadSpec(counter(name));
    expect(statsOf(loaded, name).pinnedAt).toBeNull();
  });

  it("of another layout are refused with both layouts", () => {
    const name = uniqueName();
    const pinPath = freshBpffs();
    using first = loadSpec(counter(name), { pinPath });
    const spec = counter(name);
    const larger = { ...spec, maps: [{ ...maps.stats(name), maxEntries: 7 }] };
    const error = failure(() => loadSpec(larger, { pinPath }));
    expect(error.code).toBe("MAP");
    expect(error.why).toMatch(/pinned: per-CPU array, key 4 bytes .*5 entries/);
    expect(error.why).toMatch(/wanted: per-CPU array, key 4 bytes .*7 entries/);
    expect(error.fix).toContain(`rm ${pinPath}/st_${name}`);
    expect(statsOf(first, name).sum(2).rx_packets).toBe(0n);
  });

  it("of the same size but with other fields are refused, and so is what is no map", () => {
    const name = uniqueName();
    const pinPath = freshBpffs();
    using first = loadSpec(counter(name), { pinPath });
    const types = structuredClone(object([], []).btf?.types ?? []);
    const record = types[TYPE.record - 1];
    if (record?.kind !== "struct") throw new Error("the fixture's record is a struct");
    for (const member of record.members) member.name = `tx${member.name.slice(2)}`;
    expect(failure(() => loadSpec(counter(name, { btf: { types } }), { pinPath })).why).toContain("tx_packets");

    const other = uniqueName();
    first.program(`p_${name}`).pin(join(pinPath, `st_${other}`));
    expect(failure(() => loadSpec(counter(other), { pinPath })).why).toContain("pinned program");
  });

  it("are taken back when a later one cannot be pinned", () => {
    const name = uniqueName();
    const pinPath = freshBpffs();
    const tooLong = { ...maps.stats(name), name: "m".repeat(300) };
    expect(failure(() => loadSpec(object([], [maps.stats(name), tooLong]), { pinPath })).message).toContain("ENAMETOOLONG");
    expect(existsSync(join(pinPath, `st_${name}`))).toBe(false);
  });

  it("need a bpffs", () => {
    const error = failure(() => loadSpec(counter(uniqueName()), { pinPath: "/tmp/nowhere" }));
    expect(error).toMatchObject({ code: "USAGE" });
    expect(existsSync("/tmp/nowhere")).toBe(false);
  });

  it("are opened by path with the types that the kernel has", () => {
    const name = uniqueName();
    const pinPath = freshBpffs();
    using loaded = loadSpec(counter(name), { pinPath });
    loaded.program(`p_${name}`).run(packet);
    using opened = openPinnedMap(join(pinPath, `st_${name}`));
    expect(opened).toBeInstanceOf(PerCpuArrayMap);
    expect((opened as PerCpuArrayMap<Stats>).sum(2)).toEqual({ rx_packets: 1n, rx_bytes: 60n });
    expect((opened as PerCpuArrayMap<Stats>).get(0)).toHaveLength(possibleCpus());
    expect(failure(() => openPinnedMap(join(pinPath, "nope"))).why).toBe("The file does not exist.");
    expect(failure(() => openPinnedMap("/etc/passwd")).why).toContain("BPF file system");
    loaded.program(`p_${name}`).pin(join(pinPath, "program"));
    expect(failure(() => openPinnedMap(join(pinPath, "program"))).why).toContain("is a program");
  });
});

describe.skipIf(reason !== "")(`bad objects${reason}`, () => {
  it("are refused with a reason, and leave nothing", async () => {
    const name = uniqueName();
    const missing = object([counting(`p_${name}`, "nowhere")], [maps.stats(name)]);
    expect(failure(() => loadSpec(missing))).toMatchObject({
      code: "BAD_FILE",
      message: `The program "p_${name}" refers to the map "nowhere", which the object does not have.`,
    });
    const huge = object([], [{ ...maps.table(name), maxEntries: 0xffff_ffff, valueSize: 0x1000, valueTypeId: 0 }]);
    expect(failure(() => loadSpec(huge))).toMatchObject({ code: "MAP" });
    const empty = constant(`p_${name}`, 0);
    empty.functions = [{ name: `p_${name}`, instructions: [mov(0, 0)], typeId: 0, lines: [] }];
    expect(failure(() => loadSpec(object([empty], [])))).toMatchObject({ code: "VERIFIER" });
    await expectGone(name);
  });
});

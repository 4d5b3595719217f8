/** Arrays in this process's memory; what user space may do with a map; and maps that are opened by their ids, whatever they are. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { failure } from "../../../test/failure.ts";
import { frame, noKernel, type Running, start } from "../../../test/kernel.ts";
import { freshBpffs } from "../../../test/kernel-objects.ts";
import { uniqueName } from "../../../test/own-network.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import { BPF, type MapFd, mapCreate, objectGet } from "../../sys/bpf.ts";
import { ArrayMap } from "./array.ts";
import type { HashMap } from "./hash.ts";
import { OpaqueMap } from "./map.ts";
import { mapIds, openMapById, openMapFd } from "./open-existing.ts";
import type { RingBufferMap } from "./ring-buffer.ts";

const MODULE = `
  const Value = struct({ packets: u64, port: be16 });
  export const shared = array({ value: Value, entries: 700, mmapable: true });
  export const fixed = array({ value: u64, entries: 4, mmapable: true, readOnly: true });
  export const plain = array({ value: u64, entries: 4 });
  export const table = hash({ key: u32, value: u64, entries: 4 });
  export let total: u64 = 5;
  export const p = xdp((ctx) => {
    const index = ctx.at(u64, 16);
    if (!index) return XDP_DROP;
    total++;
    const value = shared.lookup(u32(index.value));
    if (!value) return XDP_ABORTED;
    value.packets++;
    return value.port === 80 ? XDP_TX : XDP_PASS;
  });`;

interface Value {
  packets: bigint;
  port: number;
}

describe.skipIf(noKernel)(`maps and this process${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  let running: Running;
  beforeAll(() => {
    running = start(MODULE);
  });
  afterAll(() => running[Symbol.dispose]());
  const map = (name: string) => running.object.map<ArrayMap<Value>>(name, ArrayMap);
  const run = (index: number) => running.run(frame([BigInt(index)], 64)).action;

  test("a mapped array is read and written without system calls, and programs see it", () => {
    using shared = map("shared").mmap();
    expect([shared.length, shared.stride, shared.writable]).toEqual([700, 16, true]);
    expect(run(699)).toBe(2);
    expect(shared.get(699)).toEqual({ packets: 1n, port: 0 });
    shared.set(699, { packets: 41n, port: 80 });
    expect(run(699)).toBe(3);
    expect(map("shared").get(699)).toEqual({ packets: 42n, port: 80 });
    expect(new BigUint64Array(shared.bytes.buffer, shared.bytes.byteOffset, 1400)[2 * 699]).toBe(42n);
    expect([...shared]).toHaveLength(700);
    expect([shared.get(700), shared.get(-1), shared.get(0.5)]).toEqual([undefined, undefined, undefined]);
    expect(failure(() => shared.set(700, { packets: 0n, port: 0 })).message).toContain("no index 700");
    expect(failure(() => shared.set(1, { packets: 0n, port: 70_000 })).message).toContain("port");
    expect(shared.get(1)).toEqual({ packets: 0n, port: 0 });
  });

  test("a mapping ends by close; bytes that are still held read as zeros", () => {
    const shared = map("shared").mmap();
    shared.set(3, { packets: 9n, port: 1 });
    const { bytes } = shared;
    shared.close();
    shared.close();
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(failure(() => shared.get(3)).code).toBe("USAGE");
    expect(map("shared").get(3)).toEqual({ packets: 9n, port: 1 });
  });

  test("what cannot be mapped, or only to be read, says why", () => {
    expect(failure(() => map("plain").mmap())).toMatchObject({ code: "MAP", why: expect.stringContaining("BPF_F_MMAPABLE") });
    const fixed = running.object.map<ArrayMap<bigint>>("fixed", ArrayMap);
    expect(failure(() => fixed.mmap()).fix).toBe("Map it with { writable: false }.");
    fixed.set(2, 7n);
    using readOnly = fixed.mmap({ writable: false });
    expect(readOnly.get(2)).toBe(7n);
    expect(failure(() => readOnly.set(2, 1n))).toMatchObject({ code: "USAGE", fix: "Map it with { writable: true }." });
  });

  test("a data section is an array that can be mapped; a frozen one only to be read", () => {
    const section = running.object.map<ArrayMap<{ total: bigint }>>(".data", ArrayMap);
    using data = section.mmap();
    const before = data.get(0)?.total ?? 0n;
    run(0);
    expect(data.get(0)).toEqual({ total: before + 1n });
  });

  test("freezing is refused while somebody has it mapped to write, and only once", () => {
    using other = start(MODULE);
    const shared = other.object.map<ArrayMap<Value>>("shared", ArrayMap);
    {
      using mapped = shared.mmap();
      expect(mapped.length).toBe(700);
      expect(failure(() => shared.freeze())).toMatchObject({ code: "MAP", why: expect.stringContaining("has mapped it") });
    }
    shared.freeze();
    expect(shared.info()).toMatchObject({ frozen: true, writable: false, readable: true });
    expect(failure(() => shared.freeze()).why).toBe("It is frozen already.");
    expect(failure(() => shared.set(0, { packets: 1n, port: 1 })).message).toContain("is frozen");
    expect(failure(() => shared.setMany([[0, { packets: 1n, port: 1 }]])).message).toContain("is frozen");
    expect(failure(() => shared.mmap()).why).toBe("It is frozen.");
    expect(run(0)).toBe(2);
    using mapped = shared.mmap({ writable: false });
    expect(mapped.get(0)?.packets).toBe(0n);
  });

  test("info tells flags by name, memory and what is allowed", () => {
    const info = map("shared").info();
    expect(info).toMatchObject({
      typeName: "array",
      flagNames: ["BPF_F_MMAPABLE"],
      frozen: false,
      readable: true,
      writable: true,
    });
    expect(info.memory).toBeGreaterThan(700 * 16);
    expect(running.object.map("fixed").info().flagNames).toEqual(["BPF_F_RDONLY_PROG", "BPF_F_MMAPABLE"]);
  });

  describe("restrictions", () => {
    const open = (flags: number): HashMap<Uint8Array, Uint8Array> => {
      const fd = mapCreate({ name: uniqueName(), type: MAP_TYPE.HASH, keySize: 4, valueSize: 4, maxEntries: 4, flags });
      const opened = openMapFd(fd) as HashMap<Uint8Array, Uint8Array>;
      onTestFinished(() => opened.close());
      return opened;
    };
    const [key, value] = [new Uint8Array(4), new Uint8Array(4)];

    test("of a map that is read-only for user space", () => {
      const readOnly = open(BPF.BPF_F_RDONLY);
      expect(readOnly.get(key)).toBeUndefined();
      for (const work of [
        () => readOnly.set(key, value),
        () => readOnly.delete(key),
        () => readOnly.setMany([[key, value]]),
        () => readOnly.clear(),
      ]) {
        expect(failure(work)).toMatchObject({
          code: "MAP",
          message: expect.stringContaining("is read-only for user space"),
          why: expect.stringContaining("BPF_F_RDONLY"),
        });
      }
      expect(readOnly.info()).toMatchObject({ readable: true, writable: false });
      expect(failure(() => readOnly.freeze()).why).toContain("for reading only");
    });

    test("of a map that is write-only for user space", () => {
      const writeOnly = open(BPF.BPF_F_WRONLY);
      writeOnly.set(key, value);
      for (const work of [() => writeOnly.get(key), () => [...writeOnly], () => writeOnly.take(key)]) {
        expect(failure(work)).toMatchObject({ code: "MAP", message: expect.stringContaining("is write-only for user space") });
      }
    });

    test("of a descriptor that was opened for reading only", () => {
      const directory = freshBpffs();
      open(0).pin(`${directory}/map`);
      const fd = objectGet(`${directory}/map`, BPF.BPF_F_RDONLY);
      const opened = openMapFd(fd as MapFd) as HashMap<Uint8Array, Uint8Array>;
      onTestFinished(() => opened.close());
      expect(failure(() => opened.set(key, value)).why).toContain("It was opened for reading only");
      const ring = { name: uniqueName(), type: MAP_TYPE.RINGBUF, keySize: 0, valueSize: 0, maxEntries: 4096 * 16, flags: 0 };
      using made = openMapFd(mapCreate(ring));
      made.pin(`${directory}/ring`);
      using readOnly = openMapFd(objectGet(`${directory}/ring`, BPF.BPF_F_RDONLY) as MapFd) as RingBufferMap;
      expect(failure(() => readOnly.reader()).why).toContain("for reading only");
    });
  });

  test("any map is opened by its id, with the types that the kernel has", () => {
    const id = running.object.map("shared").info().id;
    expect(mapIds()).toContain(id);
    using shared = openMapById(id);
    expect(shared).toBeInstanceOf(ArrayMap);
    expect((shared as ArrayMap<Value>).get(5)).toEqual({ packets: 0n, port: 0 });
    using data = openMapById(running.object.map(".data").info().id) as ArrayMap<{ total: bigint }>;
    expect(data.get(0)).toEqual(running.object.map<ArrayMap<{ total: bigint }>>(".data", ArrayMap).get(0));
    expect(typeof data.get(0)?.total).toBe("bigint");
    expect(failure(() => openMapById(0x7fff_fff0)).message).toContain("There is no map with id");
  });

  test("a type that has no operations here is opened all the same", () => {
    const BPF_MAP_TYPE_STACK_TRACE = 7;
    const BPF_MAP_TYPE_SOCKMAP = 15;
    for (const [type, valueSize, name] of [
      [BPF_MAP_TYPE_STACK_TRACE, 80, "stack trace"],
      [BPF_MAP_TYPE_SOCKMAP, 4, "sockmap"],
    ] as const) {
      const fd = mapCreate({ name: uniqueName(), type, keySize: 4, valueSize, maxEntries: 4, flags: 0 });
      using opened = openMapFd(fd);
      expect(opened).toBeInstanceOf(OpaqueMap);
      expect(opened.info()).toMatchObject({ type, maxEntries: 4, typeName: name });
    }
  });
});

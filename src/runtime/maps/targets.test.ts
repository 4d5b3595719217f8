/** Maps of devices, CPUs, sockets, programs and maps on the real kernel. */
import { closeSync, openSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { failure } from "../../../test/failure.ts";
import { frame, noKernel, type Running, start } from "../../../test/kernel.ts";
import { syscall } from "../../sys/ffi.ts";
import { ArrayMap } from "./array.ts";
import { MapOfMaps } from "./map-in-map.ts";
import { openMapById } from "./open-existing.ts";
import { type CpuEntry, CpuMap, type DeviceEntry, DevMap, ProgArray, XskMap } from "./targets.ts";

const MODULE = `
  import { arrayOfMaps, cpuMap, devMap, devMapHash, hashOfMaps, progArray, tc, TC_ACT_OK, xskMap } from "wirescript/kernel";
  export const devices = devMap({ entries: 4 });
  export const table = devMapHash({ entries: 1024 });
  export const devices_with = devMap({ entries: 4, programs: true });
  export const table_with = devMapHash({ entries: 4, programs: true });
  export const cpus = cpuMap({ entries: 256 });
  export const cpus_with = cpuMap({ entries: 4, programs: true });
  export const sockets = xskMap({ entries: 4 });
  export const next = progArray({ entries: 4 });
  export const arrays = arrayOfMaps({ inner: array({ value: u32, entries: 2 }), entries: 4 });
  export const hashes = hashOfMaps({ key: be32, inner: array({ value: u32, entries: 2 }), entries: 4 });
  export const p = xdp((ctx) => { next.tailCall(ctx, 1); return XDP_PASS; });
  export const leaving = xdp(() => XDP_PASS, { section: "xdp/devmap" });
  export const arriving = xdp(() => XDP_DROP, { section: "xdp/cpumap" });
  export const last = xdp(() => XDP_TX);
  export const other = tc.ingress(() => TC_ACT_OK);`;

describe.skipIf(noKernel)(`targets${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  let running: Running;
  beforeAll(() => {
    running = start(MODULE);
  });
  afterAll(() => running[Symbol.dispose]());
  const program = (name: string) => running.object.program(name);
  const id = (name: string) => program(name).info().id;

  // Interface 1 is always `lo`.
  test.each(["devices", "table"])("%s: ifindexes, set, read, listed and taken out", (name) => {
    const map = running.object.map<DevMap<number>>(name, DevMap);
    map.set(2, 1);
    map.set(0, 1, { flags: "any" });
    expect([map.get(2), map.get(3), map.has(0)]).toEqual([1, undefined, true]);
    expect([...map].sort()).toEqual([
      [0, 1],
      [2, 1],
    ]);
    expect(map.take(2)).toBe(1);
    expect([map.delete(0), map.delete(0), map.count()]).toEqual([true, false, 0]);
    expect(failure(() => map.set(1, 99_999)).why).toContain("no device with that ifindex");
    expect(failure(() => map.set(1, { ifindex: 1, program: program("leaving") })).message).toContain("takes no programs");
    const named = "lo" as unknown as number; // what JavaScript may give
    expect(failure(() => map.set(1, named))).toMatchObject({
      ...{ code: "MAP", message: expect.stringMatching(/^"lo" is no value of the map "/) },
      ...{ why: expect.stringContaining("ifindex"), fix: expect.stringContaining("ip link") },
    });
  });

  test("an index beyond the end is named", () => {
    const map = running.object.map<DevMap<number>>("devices", DevMap);
    expect(failure(() => map.set(4, 1)).message).toBe('The map "devices" has no index 4.');
    expect(map.get(4)).toBeUndefined();
  });

  test.each(["devices_with", "table_with"])("%s: with a program each, which is read as its id", (name) => {
    const map = running.object.map<DevMap<DeviceEntry>>(name, DevMap);
    map.set(1, { ifindex: 1, program: program("leaving") });
    map.set(2, 1);
    expect(map.get(1)).toEqual({ ifindex: 1, programId: id("leaving") });
    expect(map.get(2)).toEqual({ ifindex: 1, programId: null });
    map.set(3, { ifindex: 1, program: program("leaving").fd });
    map.set(0, { ifindex: 1, program: program("leaving").fd.number });
    expect(map.count()).toBe(4);
    expect(failure(() => map.set(1, { ifindex: 1, program: program("last") })).why).toContain("loaded for devices");
    expect(failure(() => map.set(1, { ifindex: 1, program: 9999 })).why).toContain("no program");
    const named = "leaving" as unknown as number; // what JavaScript may give
    expect(failure(() => map.set(1, { ifindex: 1, program: named })).message).toContain("takes a program");
    map.clear();
    expect(map.count()).toBe(0);
  });

  test("CPUs: the length of a queue, and a program", () => {
    const plain = running.object.map<CpuMap<number>>("cpus", CpuMap);
    plain.set(0, 192);
    expect([...plain]).toEqual([[0, 192]]);
    expect(failure(() => plain.set(0, 20_000)).why).toContain("16384 frames at most");
    expect(failure(() => plain.set(250, 64)).why).toContain("no such CPU");
    expect(failure(() => plain.set(256, 64)).message).toContain("no index 256");
    expect([plain.delete(0), plain.get(0)]).toEqual([true, undefined]);
    const map = running.object.map<CpuMap<CpuEntry>>("cpus_with", CpuMap);
    map.set(0, { queueSize: 64, program: program("arriving") });
    expect(map.get(0)).toEqual({ queueSize: 64, programId: id("arriving") });
    expect(failure(() => map.set(0, { queueSize: 64, program: program("leaving") })).why).toContain(
      "no program that was loaded for CPUs",
    );
    map.clear();
  });

  test("sockets can be set and taken out, and what is no AF_XDP socket is refused", () => {
    const map = running.object.map("sockets", XskMap);
    const file = openSync("/dev/null", "r");
    onTestFinished(() => closeSync(file));
    expect(failure(() => map.set(0, file)).why).toBe("That descriptor is no socket.");
    expect(failure(() => map.set(0, 9999)).why).toBe("That descriptor is not open.");
    const [AF_INET, SOCK_DGRAM, AF_XDP, SOCK_RAW, SOL_XDP, XDP_RX_RING] = [2, 2, 44, 3, 283, 2];
    const udp = syscall("socket", AF_INET, SOCK_DGRAM, 0);
    onTestFinished(() => closeSync(udp));
    expect(failure(() => map.set(0, udp)).why).toContain("no AF_XDP socket");
    let socket: number;
    try {
      socket = syscall("socket", AF_XDP, SOCK_RAW, 0);
    } catch {
      return; // a kernel without AF_XDP
    }
    onTestFinished(() => closeSync(socket));
    syscall("setsockopt", socket, SOL_XDP, XDP_RX_RING, new Uint8Array(new Uint32Array([64]).buffer), 4);
    map.set(0, socket);
    map.delete(0);
    map.delete(0);
    expect(failure(() => map.delete(4)).message).toContain("no index 4");
    expect(failure(() => map.set(4, socket)).message).toContain("no index 4");
  });

  test("programs are set as they are, or by descriptor, and read as ids", () => {
    const map = running.object.map("next", ProgArray);
    expect(program("p").run(frame([], 64)).action).toBe(2);
    map.set(1, program("last"));
    expect(program("p").run(frame([], 64)).action).toBe(3);
    map.set(2, program("last").fd);
    expect([...map]).toEqual([
      [1, id("last")],
      [2, id("last")],
    ]);
    expect([map.get(1), map.get(0), map.has(3)]).toEqual([id("last"), undefined, false]);
    expect(failure(() => map.set(0, program("other"))).why).toContain("this one differs");
    expect(failure(() => map.set(0, 9999)).why).toContain("not open");
    expect(failure(() => map.set(9, program("last"))).message).toContain("no index 9");
    expect([map.delete(1), map.delete(1), map.take(2), map.count()]).toEqual([true, false, id("last"), 0]);
    expect(program("p").run(frame([], 64)).action).toBe(2);
  });

  test.each([
    ["arrays", 1],
    ["hashes", 0x0a000001],
  ])("%s: maps by key, exchanged, opened again, listed with their ids, also by somebody who has only the id", (name, key) => {
    const outer = running.object.map<MapOfMaps<number, ArrayMap<number>>>(name, MapOfMaps);
    using first = outer.create("first");
    first.set(0, 7);
    outer.set(key, first);
    expect([...outer]).toEqual([[key, first.info().id]]);
    expect(outer.idAt(key)).toBe(first.info().id);
    using found = outer.get(key);
    expect(found?.get(0)).toBe(7);
    using second = outer.create();
    outer.set(key, second.fd);
    expect(outer.idAt(key)).toBe(second.info().id);
    second.set(1, 9);
    using opened = openMapById(outer.info().id) as MapOfMaps<unknown, ArrayMap<number>>;
    const [[givenKey]] = [...opened] as [[unknown, number]];
    using inner = opened.get(givenKey);
    expect(inner).toBeInstanceOf(ArrayMap);
    expect(inner?.get(1)).toBe(9);
    expect(failure(() => opened.create()).message).toContain("not known what the maps");
    expect(failure(() => outer.set(key, running.object.map("cpus").fd)).message).toContain(
      "behind the descriptor cannot be put into",
    );
    expect([outer.delete(key), outer.get(key)]).toEqual([true, undefined]);
  });
});

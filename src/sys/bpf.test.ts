/** bpf(2) on the real kernel, and what bpftool, which is not ours, says about the result. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as bpf from "./bpf.ts";
import { countCpus, possibleCpus } from "./cpus.ts";
import { ensureBpffs, onBpffs, unmount } from "./mount.ts";

const root = process.platform === "linux" && process.getuid?.() === 0;
const bpftool = hasTool("bpftool", "version");

function hasTool(tool: string, argument: string): boolean {
  try {
    execFileSync(tool, [argument], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const u32 = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);
const hash = { type: 1, keySize: 4, valueSize: 8, maxEntries: 64, flags: 0 };

/** r0 = 2 (XDP_PASS); exit */
const pass = new Uint8Array([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
const program = (instructions: Uint8Array) => ({
  name: `pass_${process.pid}`,
  type: bpf.BPF.BPF_PROG_TYPE_XDP,
  expectedAttachType: bpf.BPF.BPF_XDP,
  flags: 0,
  license: "MIT",
  instructions,
});

describe("possible CPUs", () => {
  it("counts lists with ranges and holes", () => {
    expect(["0", "0-3", "0-1,4-7,9"].map(countCpus)).toEqual([1, 4, 7]);
  });
});

describe.skipIf(!root)(`maps${root ? "" : " (skipped: needs root on Linux)"}`, () => {
  it("creates, updates, looks up, walks and deletes", () => {
    using map = bpf.mapCreate({ ...hash, name: `walk_${process.pid}` });
    const value = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(bpf.mapUpdate(map, u32(7), value, bpf.BPF.BPF_NOEXIST)).toBe(0);
    expect(bpf.mapUpdate(map, u32(7), value, bpf.BPF.BPF_NOEXIST)).toBe(-17);
    const read = new Uint8Array(8);
    expect(bpf.mapLookup(map, u32(7), read)).toBe(0);
    expect(read).toEqual(value);
    const next = new Uint8Array(4);
    expect(bpf.mapNextKey(map, null, next)).toBe(0);
    expect(next).toEqual(u32(7));
    expect(bpf.mapNextKey(map, u32(7), next)).toBe(-2);
    expect(bpf.mapDelete(map, u32(7))).toBe(0);
    expect(bpf.mapDelete(map, u32(7))).toBe(-2);
  });

  it("moves many entries in one call", () => {
    using map = bpf.mapCreate({ ...hash, name: `batch_${process.pid}` });
    const keys = new Uint8Array(new Uint32Array([1, 2, 3]).buffer);
    const values = new Uint8Array(new BigUint64Array([10n, 20n, 30n]).buffer);
    expect(bpf.mapUpdateBatch(map, keys, values, 3, 0)).toEqual({ result: 0, count: 3 });
    const batch = {
      map,
      start: null,
      end: new Uint8Array(4),
      keys: new Uint8Array(256),
      values: new Uint8Array(512),
      count: 64,
    };
    expect(bpf.mapLookupBatch(batch)).toEqual({ result: -2, count: 3 });
    const found = [...new Uint32Array(batch.keys.buffer, 0, 3)].sort();
    expect(found).toEqual([1, 2, 3]);
    expect(bpf.mapDeleteBatch(map, keys, 3)).toEqual({ result: 0, count: 3 });
    expect(bpf.mapLookupBatch(batch).count).toBe(0);
  });

  it("tells what the map is, and bpftool agrees", (ctx) => {
    if (!bpftool) ctx.skip("bpftool is not installed");
    using map = bpf.mapCreate({ ...hash, name: `info_${process.pid}` });
    const info = bpf.mapInfo(map);
    const shown = JSON.parse(execFileSync("bpftool", ["-j", "map", "show", "id", String(info.id)], { encoding: "utf8" }));
    expect({ name: info.name, bytes: info.keySize, value: info.valueSize, max: info.maxEntries }).toEqual({
      name: shown.name,
      bytes: shown.bytes_key,
      value: shown.bytes_value,
      max: shown.max_entries,
    });
    expect([...bpf.ids("MAP")]).toContain(info.id);
  });

  it("freezes: later updates are refused", () => {
    using map = bpf.mapCreate({ ...hash, type: 2, maxEntries: 1, name: `frozen_${process.pid}` });
    bpf.mapFreeze(map);
    expect(bpf.mapUpdate(map, u32(0), new Uint8Array(8), 0)).toBe(-1);
  });

  it("keeps one copy of a per-CPU value for each possible CPU", () => {
    using map = bpf.mapCreate({ ...hash, type: 6, maxEntries: 1, name: `percpu_${process.pid}` });
    const values = new Uint8Array(possibleCpus() * 8).fill(0xff);
    expect(bpf.mapLookup(map, u32(0), values)).toBe(0);
    expect(values.every((byte) => byte === 0)).toBe(true);
  });
});

describe.skipIf(!root)(`programs${root ? "" : " (skipped: needs root on Linux)"}`, () => {
  it("loads, tells, and runs on a packet", () => {
    const fd = bpf.programLoad(program(pass));
    if (!(fd instanceof bpf.Fd)) throw new Error(fd.log);
    using owned = fd;
    const info = bpf.programInfo(owned);
    expect(info).toMatchObject({ name: `pass_${process.pid}`, type: 6, xlatedBytes: 16, mapIds: [] });
    expect(info.tag).toMatch(/^[0-9a-f]{16}$/);
    const packet = new Uint8Array(60).map((_, index) => index);
    const run = bpf.programTestRun({ program: owned, packet, repeat: 10 });
    expect(run.value).toBe(2);
    expect(run.packet).toEqual(packet);
    using again = bpf.programById(info.id);
    expect(bpf.programInfo(again).tag).toBe(info.tag);
  });

  it("gives the verifier's log of a bad program", () => {
    const failure = bpf.programLoad(program(pass.slice(8)));
    expect(failure).toMatchObject({ errno: 13 });
    expect((failure as bpf.LoadFailure).log).toContain("R0 !read_ok");
  });

  it("lets the log grow until all of it is there", () => {
    // 60,000 moves at log level 2 give some megabytes; the last instruction reads a register that was never written.
    const bytes = new Uint8Array(60_001 * 8);
    for (let at = 0; at < 60_000 * 8; at += 8) bytes.set([0xb7, 1, 0, 0, at & 0xff, 0, 0, 0], at);
    bytes.set([0x95], 60_000 * 8);
    const failure = bpf.programLoad(program(bytes)) as bpf.LoadFailure;
    expect(failure.log.length).toBeGreaterThan(1 << 18);
    expect(failure.log).toContain("func#0");
    expect(failure.log).toContain("R0 !read_ok");
  });
});

describe.skipIf(!root)(`bpffs${root ? "" : " (skipped: needs root on Linux)"}`, () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "wirescript-bpffs-"));
  });
  afterAll(() => {
    if (onBpffs(directory)) unmount(directory);
    rmdirSync(directory);
  });

  it("is mounted once, holds pins, and goes away", () => {
    expect(onBpffs(directory)).toBe(false);
    expect(ensureBpffs(directory)).toEqual({ mounted: true });
    expect(ensureBpffs(directory)).toEqual({ mounted: false });
    expect(onBpffs(join(directory, "not", "yet"))).toBe(true);
    using map = bpf.mapCreate({ ...hash, name: `pin_${process.pid}` });
    bpf.objectPin(map, join(directory, "map"));
    using opened = bpf.objectGet(join(directory, "map"));
    expect(opened.kind).toBe("map");
    unmount(directory);
    expect(onBpffs(directory)).toBe(false);
  });
});

describe.skipIf(!root)(`file descriptors${root ? "" : " (skipped: needs root on Linux)"}`, () => {
  it("close once, and are of no use afterwards", () => {
    const map = bpf.mapCreate({ ...hash, name: `close_${process.pid}` });
    const number = map.number;
    map.close();
    using other = bpf.mapCreate({ ...hash, name: `other_${process.pid}` });
    expect(other.number).toBe(number);
    map.close();
    expect(bpf.mapInfo(other).name).toBe(`other_${process.pid}`);
    expect(() => map.number).toThrow("This map is closed.");
  });
});

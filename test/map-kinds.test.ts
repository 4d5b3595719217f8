/** Every type of map, in objects of ours before tools that we did not write, and in an object of clang's before our loader. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../src/compiler/compile.ts";
import { BloomFilterMap, HashMap, loadSpec, MapOfMaps, QueueMap, StackMap } from "../src/index.ts";
import { readElf } from "../src/object/elf/read.ts";
import { writeElf } from "../src/object/elf/write.ts";
import { isolated, lacking, temporaryDirectory } from "./foreign-tools.ts";
import { frame, PRELUDE } from "./kernel.ts";
import { takeRecords } from "./ring-buffer.ts";

const MODULE = `${PRELUDE}
import { arrayOfMaps, bloomFilter, cpuMap, devMap, devMapHash, hashOfMaps, lpmTrie, lruPerCpuHash, progArray, queue, ringBuffer, stack, xskMap } from "wirescript/kernel";
const Key = struct({ address: be32, port: be16 });
const Value = struct({ packets: u64, owner: bytes(6), up: bool });
const Prefix = struct({ prefixLength: u32, address: be32 });
export const m_array = array({ value: Value, entries: 4 });
export const m_percpu_array = perCpuArray({ value: u64, entries: 4 });
export const m_hash = hash({ key: Key, value: Value, entries: 4 });
export const m_percpu_hash = perCpuHash({ key: Key, value: u64, entries: 4 });
export const m_lru = lruHash({ key: Key, value: u64, entries: 64 });
export const m_lru_percpu = lruPerCpuHash({ key: Key, value: u64, entries: 64 });
export const m_trie = lpmTrie({ key: Prefix, value: u32, entries: 4 });
export const m_queue = queue({ value: Value, entries: 4 });
export const m_stack = stack({ value: u32, entries: 4 });
export const m_bloom = bloomFilter({ value: Key, entries: 4, hashes: 3 });
export const m_ring = ringBuffer({ value: Value, bytes: 4096 });
export const m_arrays = arrayOfMaps({ inner: array({ value: Value, entries: 4 }), entries: 4 });
export const m_rings = arrayOfMaps({ inner: ringBuffer({ value: Value, bytes: 4096 }), entries: 4 });
export const m_hashes = hashOfMaps({ key: Key, inner: bloomFilter({ value: u32, entries: 9 }), entries: 4 });
export const m_dev = devMap({ entries: 4 });
export const m_dev_hash = devMapHash({ entries: 4 });
export const m_cpu = cpuMap({ entries: 4 });
export const m_xsk = xskMap({ entries: 4 });
export const m_prog = progArray({ entries: 4 });
export const all_maps = xdp((ctx) => {
  const key = { address: 0x0a000001, port: 80 };
  const value = { packets: ctx.length, owner: bytes(6)(2, 0, 0, 0, 0, 1), up: true };
  m_array.update(1, value);
  m_hash.update(key, value);
  m_percpu_array.update(1, 1);
  m_percpu_hash.update(key, 2);
  m_lru.update(key, 3);
  m_lru_percpu.update(key, 4);
  m_trie.update({ prefixLength: 24, address: 0x0a000000 }, 5);
  m_queue.push(value);
  m_stack.push(6);
  m_bloom.push(key);
  m_ring.output(value);
  const inner = m_arrays.lookup(0);
  if (inner) inner.update(0, value);
  const ring = m_rings.lookup(1);
  if (ring) ring.output(value);
  const filter = m_hashes.lookup(key);
  if (filter && filter.has(7)) return XDP_ABORTED;
  m_prog.tailCall(ctx, 0);
  const a = m_dev.redirect(0, XDP_PASS);
  const b = m_dev_hash.redirect(0, XDP_PASS);
  const c = m_cpu.redirect(0, XDP_PASS);
  const d = m_xsk.redirect(0, XDP_PASS);
  return a === XDP_PASS && b === XDP_PASS && c === XDP_PASS && d === XDP_PASS ? XDP_TX : XDP_ABORTED;
});
`;

function ownObject(): Uint8Array {
  const file = resolve("test/example.bpf.ts");
  return writeElf(compile(file, { overlay: new Map([[file, MODULE]]) }).spec);
}

test("an object with every type of map reads as the spec it was written from", () => {
  const spec = readElf(ownObject());
  expect(readElf(writeElf(spec))).toEqual(spec);
  const { btf } = spec;
  // Nothing of what describes the section .maps is left over.
  const names = (btf?.types ?? []).flatMap((type) => ("name" in type ? [type.name] : []));
  expect(names.filter((name) => name.startsWith("m_") || name === ".maps")).toEqual([]);
});

const missing = lacking("root", "bpftool");

test.skipIf(missing !== "")(`bpftool loads, pins, runs and prints it${missing}`, () => {
  const directory = temporaryDirectory();
  const object = join(directory, "maps.o");
  writeFileSync(object, ownObject());
  writeFileSync(join(directory, "packet"), frame([], 64));
  const printed = isolated(`
    bpftool prog loadall ${object} /sys/fs/bpf/p type xdp pinmaps /sys/fs/bpf/m
    bpftool prog run pinned /sys/fs/bpf/p/all_maps data_in ${join(directory, "packet")} > ${directory}/run
    cat ${directory}/run
    for map in m_array m_hash m_trie m_percpu_hash; do bpftool -j map dump pinned /sys/fs/bpf/m/$map; echo; done
    bpftool map peek pinned /sys/fs/bpf/m/m_queue
    bpftool map pop pinned /sys/fs/bpf/m/m_stack
    ls /sys/fs/bpf/m | wc -l`);
  expect(printed).toContain("Return value: 3");
  const dumps = printed.split("\n").filter((line) => line.startsWith("[{"));
  const [array, hash, trie, perCpu] = dumps.map((line) => JSON.parse(line));
  const value = { packets: 64, owner: [2, 0, 0, 0, 0, 1], up: true };
  expect(array.find((entry: { formatted: { key: number } }) => entry.formatted.key === 1).formatted.value).toEqual(value);
  // bpftool prints numbers as the machine has them: these are in network byte order.
  expect(hash[0].formatted).toEqual({ key: { address: 0x0100000a, port: 0x5000 }, value });
  expect(trie[0].formatted).toEqual({ key: { prefixLength: 24, address: 0x0000000a }, value: 5 });
  expect(perCpu[0].formatted.values.reduce((sum: number, { value }: { value: number }) => sum + value, 0)).toBe(2);
  expect(printed).toMatch(/value: 40 00 00 00 00 00 00 00 {2}02 00 00 00 00 01 01/);
  expect(printed).toMatch(/value: 06 00 00 00/);
  expect(printed.trim().split("\n").at(-1)?.trim()).toBe("19");
});

const C = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char _license[] SEC("license") = "GPL";
struct flow { __u32 address; __u32 port; };
struct prefix { __u32 length; __u32 address; };
#define MAP(name, kind, keytype, valuetype) \\
  struct { __uint(type, kind); __type(key, keytype); __type(value, valuetype); __uint(max_entries, 16); } name SEC(".maps")
MAP(c_array, BPF_MAP_TYPE_ARRAY, __u32, struct flow);
MAP(c_percpu_array, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64);
MAP(c_hash, BPF_MAP_TYPE_HASH, struct flow, __u64);
MAP(c_percpu_hash, BPF_MAP_TYPE_PERCPU_HASH, struct flow, __u64);
MAP(c_lru, BPF_MAP_TYPE_LRU_HASH, struct flow, __u64);
MAP(c_lru_percpu, BPF_MAP_TYPE_LRU_PERCPU_HASH, struct flow, __u64);
MAP(c_dev, BPF_MAP_TYPE_DEVMAP, __u32, __u32);
MAP(c_dev_hash, BPF_MAP_TYPE_DEVMAP_HASH, __u32, __u32);
MAP(c_cpu, BPF_MAP_TYPE_CPUMAP, __u32, __u32);
MAP(c_xsk, BPF_MAP_TYPE_XSKMAP, __u32, __u32);
MAP(c_prog, BPF_MAP_TYPE_PROG_ARRAY, __u32, __u32);
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __type(key, struct prefix); __type(value, __u32); __uint(max_entries, 16); __uint(map_flags, BPF_F_NO_PREALLOC); } c_trie SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_QUEUE); __type(value, struct flow); __uint(max_entries, 16); } c_queue SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK); __uint(value_size, 4); __uint(max_entries, 16); } c_stack SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_BLOOM_FILTER); __type(value, struct flow); __uint(max_entries, 16); __uint(map_extra, 3); } c_bloom SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } c_ring SEC(".maps");
struct inner { __uint(type, BPF_MAP_TYPE_HASH); __type(key, struct flow); __type(value, __u64); __uint(max_entries, 8); } c_first SEC(".maps"), c_second SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __type(key, __u32); __uint(max_entries, 4); __array(values, struct inner); } c_arrays SEC(".maps") = { .values = { [1] = &c_first, [3] = &c_second } };
struct { __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS); __type(key, __u32); __uint(max_entries, 4); __array(values, struct inner); } c_hashes SEC(".maps");

SEC("xdp") int all_maps(struct xdp_md *ctx) {
  struct flow flow = { 7, 80 };
  __u32 one = 1, key = 1; __u64 value = 5;
  bpf_map_push_elem(&c_queue, &flow, 0);
  bpf_map_push_elem(&c_stack, &one, 0);
  bpf_map_push_elem(&c_bloom, &flow, 0);
  bpf_ringbuf_output(&c_ring, &flow, sizeof(flow), 0);
  void *table = bpf_map_lookup_elem(&c_arrays, &key);
  if (table) bpf_map_update_elem(table, &flow, &value, 0);
  table = bpf_map_lookup_elem(&c_hashes, &key);
  if (table) bpf_map_update_elem(table, &flow, &value, 0);
  bpf_map_update_elem(&c_hash, &flow, &value, 0);
  bpf_map_update_elem(&c_percpu_hash, &flow, &value, 0);
  bpf_map_update_elem(&c_lru, &flow, &value, 0);
  bpf_map_update_elem(&c_lru_percpu, &flow, &value, 0);
  bpf_map_update_elem(&c_array, &key, &flow, 0);
  bpf_map_update_elem(&c_percpu_array, &key, &value, 0);
  bpf_map_lookup_elem(&c_trie, &flow);
  bpf_tail_call(ctx, &c_prog, 0);
  bpf_redirect_map(&c_dev, 0, 0); bpf_redirect_map(&c_dev_hash, 0, 0); bpf_redirect_map(&c_cpu, 0, 0); bpf_redirect_map(&c_xsk, 0, 0);
  return XDP_TX;
}
`;

const noClang = lacking("root", "clang-19");

describe.skipIf(noClang !== "")(`an object of clang's with every type of map${noClang}`, () => {
  test("is loaded, and its maps are there, typed and filled", () => {
    const directory = temporaryDirectory();
    const source = join(directory, "maps.c");
    writeFileSync(source, C);
    const include = `-I/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
    execFileSync("clang-19", ["-O2", "-g", "--target=bpf", include, "-c", source, "-o", join(directory, "maps.o")]);
    const spec = readElf(readFileSync(join(directory, "maps.o")));
    const again = readElf(writeElf(spec));
    expect(again.maps.map(({ name, values }) => [name, values])).toEqual(spec.maps.map(({ name, values }) => [name, values]));
    using object = loadSpec(again);
    expect(Object.keys(object.maps).length).toBe(20);
    const hashes = object.map("c_hashes", MapOfMaps) as MapOfMaps<number, HashMap<unknown, unknown>>;
    using table = hashes.create();
    hashes.set(1, table);
    expect(object.program("all_maps").run(frame([], 64)).action).toBe(3);
    const flow = { address: 7, port: 80 };
    expect(object.map("c_queue", QueueMap).pop()).toEqual(flow);
    expect(object.map("c_stack", StackMap).pop()).toEqual(new Uint8Array([1, 0, 0, 0]));
    expect(object.map("c_bloom", BloomFilterMap).has(flow)).toBe(true);
    expect(object.map("c_bloom").info().extra).toBe(3);
    expect(takeRecords(object.map("c_ring"))).toEqual([new Uint8Array([7, 0, 0, 0, 80, 0, 0, 0])]);
    expect(table.get(flow)).toBe(5n);
    expect(object.map("c_first", HashMap).get(flow)).toBe(5n);
    expect([...object.map("c_arrays", MapOfMaps).keys()]).toEqual([1, 3]);
  });
});

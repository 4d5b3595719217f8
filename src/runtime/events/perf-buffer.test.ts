/** Perf buffers, from a program of clang's: one ring for each CPU, and a count of what found no room. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacking } from "../../../test/foreign-tools.ts";
import { frame } from "../../../test/kernel.ts";
import { ArrayMap, type LoadedObject, loadSpec, PerfEventArray } from "../../index.ts";
import { readElf } from "../../object/elf/read.ts";
import { pageSize } from "../../sys/page-size.ts";

const C = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char _license[] SEC("license") = "GPL";
struct event { __u64 id; __u32 cpu; __u16 port; };
struct event *unused __attribute__((unused));
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } events SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, __u64); __uint(max_entries, 2); } counts SEC(".maps");
SEC("xdp") int p(struct xdp_md *ctx) {
  __u32 zero = 0, one = 1;
  __u64 *id = bpf_map_lookup_elem(&counts, &zero), *failed = bpf_map_lookup_elem(&counts, &one);
  if (!id || !failed) return XDP_ABORTED;
  struct event event = { *id, bpf_get_smp_processor_id(), 80 };
  ++*id;
  if (bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event))) { ++*failed; return XDP_DROP; }
  return XDP_PASS;
}
SEC("xdp") int with_packet(struct xdp_md *ctx) {
  __u64 flags = BPF_F_CURRENT_CPU | ((__u64)(ctx->data_end - ctx->data) << 32);
  __u16 mark = 0xbeef;
  return bpf_perf_event_output(ctx, &events, flags, &mark, sizeof(mark)) ? XDP_DROP : XDP_PASS;
}
`;

const missing = lacking("root", "clang-19");
type Event = { id: bigint; cpu: number; port: number };

describe.skipIf(missing !== "")(`a perf buffer${missing}`, () => {
  let object: LoadedObject;
  let events: PerfEventArray;
  beforeAll(() => {
    const directory = mkdtempSync(join(tmpdir(), "wirescript-perf-"));
    try {
      const [source, file] = [join(directory, "perf.c"), join(directory, "perf.o")];
      writeFileSync(source, C);
      const include = `-I/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
      execFileSync("clang-19", ["-O2", "-g", "--target=bpf", include, "-c", source, "-o", file]);
      object = loadSpec(readElf(readFileSync(file)));
    } finally {
      rmSync(directory, { recursive: true });
    }
    events = object.map("events", PerfEventArray);
  });
  afterAll(() => object.close());

  /** On one CPU, unless told otherwise: records are in order only within a CPU's ring. */
  const run = (repeat = 1, cpu = 0) => object.program("p").run(frame([], 64), { repeat, cpu }).action;

  test("without a reader takes nothing; with one, records come typed and with their CPU", () => {
    expect(run()).toBe(1);
    using reader = events.reader<Event>({ type: "event" });
    run(3);
    const seen: Event[] = [];
    expect(
      reader.drain(({ cpu, data }) => {
        expect(data.cpu).toBe(cpu);
        seen.push(data);
      }),
    ).toBe(3);
    expect(seen.map(({ id }) => id)).toEqual([1n, 2n, 3n]);
    expect(seen[0]?.port).toBe(80);
    expect(reader.lost).toBe(0);
  });

  test("are bytes without a type, padded by the kernel, also with the packet behind them", () => {
    using reader = events.reader();
    const packet = Uint8Array.from({ length: 61 }, (_, index) => index);
    expect(object.program("with_packet").run(packet).action).toBe(2);
    const seen: Uint8Array[] = [];
    reader.drain(({ data }) => seen.push(data));
    expect(seen).toHaveLength(1);
    expect([...(seen[0] ?? [])].slice(0, 63)).toEqual([0xef, 0xbe, ...packet]);
    expect((seen[0]?.length ?? 0) % 8).toBe(4);
  });

  test("a record that wraps around the end is in one piece", () => {
    using reader = events.reader<Event>({ type: "event", bytesPerCpu: pageSize() });
    let last: bigint | undefined;
    let count = 0;
    for (let round = 0; round < 400; round++) {
      run(7);
      reader.drain(({ data }) => {
        if (last !== undefined) expect(data.id).toBe(last + 1n);
        last = data.id;
        count++;
      });
    }
    expect([count, reader.lost]).toEqual([2800, 0]);
  });

  test("counts what was lost", () => {
    using reader = events.reader<Event>({ type: "event", bytesPerCpu: pageSize() });
    const counts = object.map<ArrayMap<bigint>>("counts", ArrayMap);
    const lost = () => Number(counts.get(1));
    const before = lost();
    run(1000);
    const failed = lost() - before;
    let got = reader.drain(() => {});
    expect(got + failed).toBe(1000);
    // The count comes with the next record on the CPU that lost some.
    for (let cpu = 0; cpu < availableParallelism(); cpu++) {
      for (let tries = 0; tries < 200 && reader.lost < failed; tries++) {
        run(1, cpu);
        got += reader.drain(() => {});
      }
    }
    expect(reader.lost).toBe(failed);
    expect([...reader.lostByCpu.values()].reduce((sum, lost) => sum + lost)).toBe(failed);
  });

  test("is iterated, waiting; is aborted; has one reader at a time; is read again after it was closed", async () => {
    const controller = new AbortController();
    const reader = events.reader<Event>({ type: "event", signal: controller.signal });
    expect(() => events.reader()).toThrow('The perf buffer "events" is being read already.');
    setImmediate(() => run(2));
    let seen = 0;
    for await (const { data } of reader) {
      expect(data.port).toBe(80);
      if (++seen === 2) controller.abort(new Error("enough"));
    }
    expect(seen).toBe(2);
    expect(run()).toBe(1);
    using again = events.reader();
    expect(run()).toBe(2);
    expect(again.drain(() => {})).toBe(1);
  });

  test("says what is wrong with sizes and types", () => {
    expect(() => events.reader({ bytesPerCpu: 5000 })).toThrow("cannot be read with 5000 bytes for each CPU");
    expect(() => events.reader({ wakeUpEvents: 0 })).toThrow("waking after 0 records");
    expect(() => events.reader({ type: "nothing" })).toThrow('There is no type "nothing".');
    using reader = events.reader();
    expect(reader.closed).toBe(false);
  });

  test("wakes only after as many records as wanted", async () => {
    using reader = events.reader<Event>({ type: "event", wakeUpEvents: 5 });
    let seen = 0;
    reader.listen(() => seen++);
    // The first turns look without being woken.
    for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
    run(4, 0);
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toBe(0);
    run(1, 0);
    await expect.poll(() => seen).toBe(5);
  });
});

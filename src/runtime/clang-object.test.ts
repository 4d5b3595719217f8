/** Objects that clang built: they load, run, and share pinned maps with ours. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { counting, maps, object } from "../../test/fixtures/objects.ts";
import { freshBpffs } from "../../test/kernel-objects.ts";
import { hasTool, isRoot, uniqueName } from "../../test/own-network.ts";
import { load, loadSpec } from "./load.ts";
import { PerCpuArrayMap } from "./maps/array.ts";

const clang = ["clang-19", "clang-14", "clang"].find(hasTool);
const reason = !isRoot ? " (skipped: needs root on Linux)" : clang === undefined ? " (skipped: clang is not installed)" : "";

const source = (name: string) => `
typedef unsigned int __u32;
typedef unsigned long long __u64;
struct datarec { __u64 rx_packets; __u64 rx_bytes; };
struct xdp_md { __u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
struct {
  int (*type)[6]; int (*max_entries)[5]; __u32 *key; struct datarec *value; int (*pinning)[1];
} st_${name} __attribute__((section(".maps"), used));
static void *(*lookup)(void *, const void *) = (void *)1;
const volatile __u32 step = 1;
static __attribute__((noinline)) int count(struct xdp_md *ctx, __u32 action) {
  struct datarec *record = lookup(&st_${name}, &action);
  if (!record) return 0;
  record->rx_packets += step;
  record->rx_bytes += ctx->data_end - ctx->data;
  return action;
}
__attribute__((section("xdp"), used)) int p_${name}(struct xdp_md *ctx) { return count(ctx, 2); }
char _license[] __attribute__((section("license"), used)) = "Dual MIT/GPL";
`;

describe.skipIf(reason !== "")(`an object that clang built${reason}`, () => {
  it("runs, takes settings, and goes on counting in the map that ours pinned", async () => {
    const name = uniqueName();
    const directory = mkdtempSync(join(tmpdir(), "wirescript-clang-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = join(directory, "count.o");
    execFileSync(clang ?? "clang", ["-O2", "-g", "-target", "bpf", "-x", "c", "-c", "-", "-o", file], { input: source(name) });

    const pinPath = freshBpffs();
    const packet = new Uint8Array(100);
    using ours = loadSpec(object([counting(`o_${name}`, `st_${name}`)], [maps.stats(name)]), { pinPath });
    ours.program(`o_${name}`).run(packet);
    await using theirs = await load(file, { pinPath, settings: { step: 10 } });
    expect(theirs.program(`p_${name}`).run(packet).action).toBe(2);
    const stats = theirs.map(`st_${name}`, PerCpuArrayMap);
    expect(stats.pinnedAt).toBe(join(pinPath, `st_${name}`));
    expect(stats.sum(2)).toEqual({ rx_packets: 11n, rx_bytes: 200n });
  });
});

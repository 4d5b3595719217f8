/**
 * What the shipped programs count: every packet once, all its bytes, under the action that it got, on the CPU that handled it. And
 * `xdp_stats_map` as other programs see it: the XDP tutorial's contract.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadSpec, PerCpuArrayMap } from "../../src/index.ts";
import { lacking, output, temporaryDirectory } from "../foreign-tools.ts";
import { noKernel } from "../kernel.ts";
import { bpftool, freshBpffs } from "../kernel-objects.ts";
import { hasTool } from "../own-network.ts";
import { arpRequest, pattern, pingV4, pingV6 } from "../packets/index.ts";
import { miscounted } from "./cases.ts";
import { everyKind } from "./echo-cases.ts";
import { ACTIONS, type ActionName, type Counters, PROGRAMS, type ProgramName, Subject, specOf, XDP_TX } from "./subject.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;

/** All actions' records, of which these are not 0. */
function only(counted: Partial<Record<ActionName, [packets: number, bytes: number]>>): Record<ActionName, Counters> {
  const record = (name: ActionName): Counters => {
    const [packets, bytes] = counted[name] ?? [0, 0];
    return { rx_packets: BigInt(packets), rx_bytes: BigInt(bytes) };
  };
  return Object.fromEntries(ACTIONS.map((name) => [name, record(name)])) as Record<ActionName, Counters>;
}

const VERDICTS = [
  ["pass", "XDP_PASS"],
  ["drop", "XDP_DROP"],
  ["aborted", "XDP_ABORTED"],
] as const satisfies [ProgramName, ActionName][];

describe.skipIf(noKernel !== null)(`counters${reason}`, () => {
  for (const [program, action] of VERDICTS) {
    it(`${program}: every packet gets ${action}, unchanged, and is counted with all its bytes`, () => {
      using subject = new Subject(program);
      const packets = [pingV4(), pingV6(), arpRequest(), pattern(14), pattern(60), pattern(1514), pattern(3000)];
      for (const packet of packets) {
        expect(subject.run(packet)).toMatchObject({ action: ACTIONS.indexOf(action), packet });
      }
      const bytes = packets.reduce((sum, { length }) => sum + length, 0);
      expect(subject.counts()).toEqual(only({ [action]: [packets.length, bytes] }));
    });
  }

  it("echo: answers under XDP_TX, all others under XDP_PASS, every kind of packet with all its bytes", () => {
    using echo = new Subject("echo");
    expect(miscounted(echo, everyKind())).toBeNull();
    const { XDP_PASS, XDP_TX, ...others } = echo.counts();
    expect(Object.values(others)).toEqual(Array(3).fill({ rx_packets: 0n, rx_bytes: 0n }));
    expect(XDP_PASS.rx_packets).toBeGreaterThan(100n);
    expect(XDP_TX.rx_packets).toBeGreaterThan(100n);
  });

  it("counts beyond 32 bits, as bigints", () => {
    using drop = new Subject("drop");
    const map = drop.statistics;
    const almost = { rx_packets: 0xffff_ffffn, rx_bytes: 0x1f_ffff_ffff_ffffn };
    map.set(
      1,
      Array.from({ length: map.cpus }, () => almost),
    );
    drop.run(pattern(60));
    const cpus = BigInt(map.cpus);
    expect(map.sum(1)).toEqual({ rx_packets: almost.rx_packets * cpus + 1n, rx_bytes: almost.rx_bytes * cpus + 60n });
  });

  it.skipIf(!hasTool("taskset"))(`counts on the CPU that it runs on, on each of them${lacking("taskset")}`, () => {
    using echo = new Subject("echo");
    const packet = pingV4();
    const allowed = onlineCpus();
    try {
      for (const cpu of allowed) {
        moveTo(String(cpu));
        for (let count = 0; count <= cpu; count++) echo.run(packet);
      }
    } finally {
      moveTo(allowed.join(","));
    }
    const expected = Array.from({ length: echo.statistics.cpus }, (_, cpu) => {
      const count = allowed.includes(cpu) ? BigInt(cpu) + 1n : 0n;
      return { rx_packets: count, rx_bytes: count * BigInt(packet.length) };
    });
    expect(echo.statistics.get(XDP_TX)).toEqual(expected);
  });
});

/** The CPUs that this thread may run on. */
function onlineCpus(): number[] {
  const list = output("taskset", "-c", "-p", String(process.pid)).replace(/^.*: /s, "").trim();
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Moves the main thread, which makes the system calls, to these CPUs. */
function moveTo(cpus: string): void {
  output("taskset", "-c", "-p", cpus, String(process.pid));
}

const compiler = ["cc", "gcc", "clang", "clang-19"].find(hasTool);

describe.skipIf(noKernel !== null)(`xdp_stats_map, pinned${reason}`, () => {
  /** echo with its map pinned, after three answers and two others. */
  function pinnedEcho() {
    const pinPath = join(freshBpffs(), "eth0");
    const object = loadSpec(specOf("echo"), { pinPath });
    for (const packet of [pingV4(), pingV6(), pingV4(), arpRequest(), pattern(1000)]) object.program("echo").run(packet);
    const bytes = { answered: 2 * pingV4().length + pingV6().length, passed: arpRequest().length + 1000 };
    return { object, path: join(pinPath, "xdp_stats_map"), bytes };
  }

  it("lies where the tutorial's xdp_stats looks for it: DEV/xdp_stats_map, in a bpffs", () => {
    const { object, path } = pinnedEcho();
    using _ = object;
    expect(existsSync(path)).toBe(true);
  });

  it.skipIf(!hasTool("bpftool"))(`is what the tutorial says, for bpftool${lacking("bpftool")}`, () => {
    const { object, path, bytes } = pinnedEcho();
    using _ = object;
    expect(bpftool("map", "show", "pinned", path)).toMatchObject({
      ...{ type: "percpu_array", name: "xdp_stats_map" },
      ...{ bytes_key: 4, bytes_value: 16, max_entries: 5 },
    });
    // Since the map has types, bpftool formats: field names and numbers, for each CPU.
    const { formatted } = bpftool("map", "lookup", "pinned", path, "key", "3", "0", "0", "0");
    const sum = (field: keyof Counters) =>
      (formatted.values as { value: Record<keyof Counters, number> }[]).reduce((total, { value }) => total + value[field], 0);
    expect([sum("rx_packets"), sum("rx_bytes")]).toEqual([3, bytes.answered]);
  });

  const withoutCompiler = compiler === undefined ? " (skipped: needs a C compiler)" : "";
  it.skipIf(compiler === undefined)(`reads the same in C${withoutCompiler}`, () => {
    const { object, path, bytes } = pinnedEcho();
    using _ = object;
    const binary = join(temporaryDirectory(), "read-stats");
    const source = fileURLToPath(new URL("read-stats.c", import.meta.url));
    output(compiler as string, "-Wall", "-Wextra", "-Werror", "-O2", source, "-o", binary);
    expect(execFileSync(binary, [path], { encoding: "utf8" }).trimEnd().split("\n")).toEqual([
      "bpf_map_type:6 name:xdp_stats_map key_size:4 value_size:16 max_entries:5",
      "0 0 0",
      "1 0 0",
      `2 2 ${bytes.passed}`,
      `3 3 ${bytes.answered}`,
      "4 0 0",
    ]);
  });

  it("is shared by all four programs: one that is loaded later counts on", () => {
    const { object, path } = pinnedEcho();
    using _ = object;
    const pinPath = join(path, "..");
    for (const name of PROGRAMS.filter((name) => name !== "echo")) {
      using later = loadSpec(specOf(name), { pinPath });
      later.program(name).run(pattern(20));
    }
    const rows = ACTIONS.map((_, action) => object.map<PerCpuArrayMap<Counters>>("xdp_stats_map", PerCpuArrayMap).sum(action));
    expect(rows.map(({ rx_packets }) => rx_packets)).toEqual([1n, 1n, 3n, 3n, 0n]);
  });
});

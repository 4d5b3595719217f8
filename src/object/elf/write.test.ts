import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { callFunction, countingProgram, exit, movImm, op, wide } from "../../../test/fixtures/counting-program.ts";
import { isolated, lacking, output, temporaryDirectory } from "../../../test/foreign-tools.ts";
import { CLASS, MODE, SIZE } from "../opcodes.ts";
import { MAP_TYPE, type MapSpec, type ObjectSpec } from "../spec.ts";
import { writeElf } from "./write.ts";

function written(spec: ObjectSpec): string {
  const file = join(temporaryDirectory(), "object.o");
  writeFileSync(file, writeElf(spec));
  return file;
}

/** Two sections, two programs in the first, a subprogram shared by all, data of every kind, several kinds of maps. */
function severalPrograms(): ObjectSpec {
  const map = (name: string, type: number, rest: Partial<MapSpec> = {}): MapSpec => ({
    ...{
      name,
      type,
      keySize: 4,
      valueSize: 8,
      maxEntries: 4,
      flags: 0,
      extra: 0,
      pinning: "none",
      keyTypeId: 0,
      valueTypeId: 0,
    },
    ...rest,
  });
  const shared = { name: "shared", instructions: [movImm(0, 2), exit()], typeId: 0, lines: [] };
  const program = (name: string, section: string, type: "xdp" | "sched_cls") => {
    const instructions = [
      ...[".rodata", ".data", ".bss"].flatMap((data) => [
        wide(1, { kind: "data", section: data, offset: 8 }),
        op(CLASS.LDX | MODE.MEM | SIZE.W, 2, 1),
      ]),
      wide(1, { kind: "map", name: type === "xdp" ? "devices" : "counters" }),
      callFunction("shared"),
      exit(),
    ];
    return { name, section, type, functions: [{ name, instructions, typeId: 0, lines: [] }, shared] };
  };
  return {
    license: "Dual MIT/GPL",
    programs: [program("first", "xdp", "xdp"), program("second", "xdp", "xdp"), program("third", "tc", "sched_cls")],
    maps: [
      map("counters", MAP_TYPE.HASH, { flags: 1, maxEntries: 1000 }),
      map("devices", MAP_TYPE.DEVMAP, { valueSize: 4 }),
      map("events", MAP_TYPE.RINGBUF, { keySize: 0, valueSize: 0, maxEntries: 4096 }),
      map("prefixes", MAP_TYPE.LPM_TRIE, { keySize: 8, flags: 1 }),
    ],
    data: [
      { name: ".rodata", bytes: new Uint8Array(16).fill(7), readonly: true, variables: [] },
      {
        name: ".data",
        bytes: new Uint8Array(12).fill(1),
        readonly: false,
        variables: [{ name: "level", offset: 8, size: 4, typeId: 1 }],
      },
      {
        name: ".bss",
        bytes: new Uint8Array(12),
        readonly: false,
        variables: [{ name: "seen", offset: 8, size: 4, typeId: 1 }],
      },
    ],
    btf: { types: [{ kind: "int", name: "u32", size: 4, bits: 32, encoding: "unsigned" }] },
  };
}

it("the same spec gives the same bytes", () => {
  expect(writeElf(countingProgram())).toEqual(writeElf(countingProgram()));
});

describe("bpftool", () => {
  const missing = lacking("root", "bpftool", "unshare");

  it.skipIf(missing !== "")(`loads the program, pins its map by name, and prints its source lines${missing}`, () => {
    const file = written(countingProgram());
    const dump = isolated(`bpftool prog load ${file} /sys/fs/bpf/p; bpftool prog dump xlated pinned /sys/fs/bpf/p linum`);
    expect(dump).toContain("int count_packets(struct xdp_md * ctx):");
    expect(dump).toContain("; count(XDP_PASS); [file:/src/counting.bpf.ts line_num:7 line_col:3]");
    expect(dump).toContain("; if (record) record.rx_packets += step; [file:/src/counting.bpf.ts line_num:4 line_col:5]");
    const map = isolated(`bpftool prog load ${file} /sys/fs/bpf/p; bpftool -j map dump pinned /sys/fs/bpf/xdp_stats_map`);
    expect(JSON.parse(map)[0].formatted).toMatchObject({
      key: 0,
      values: [{ cpu: 0, value: { rx_packets: 0, rx_bytes: 0 } }, {}],
    });
  });

  it.skipIf(missing !== "")(`runs it: the counter grows by the step in .rodata${missing}`, () => {
    const file = written(countingProgram());
    const run =
      "head -c 64 /dev/zero > /tmp/packet-$$; bpftool prog run pinned /sys/fs/bpf/p data_in /tmp/packet-$$ repeat 3 2>&1; rm /tmp/packet-$$";
    const log = isolated(
      `bpftool prog load ${file} /sys/fs/bpf/p; ${run}; bpftool -j map dump pinned /sys/fs/bpf/xdp_stats_map`,
    );
    expect(log).toContain("Return value: 2");
    const entries = JSON.parse(log.slice(log.indexOf("[{")));
    const counts = entries[2].formatted.values.map((each: { value: { rx_packets: number } }) => each.value.rx_packets);
    expect(counts.reduce((sum: number, count: number) => sum + count, 0)).toBe(3);
  });

  it.skipIf(missing !== "")(`loads several programs of several sections with their maps and data${missing}`, () => {
    const file = written(severalPrograms());
    const log = isolated(
      `mkdir /sys/fs/bpf/p; bpftool prog loadall ${file} /sys/fs/bpf/p pinmaps /sys/fs/bpf/m; ls /sys/fs/bpf/p /sys/fs/bpf/m; bpftool map dump pinned /sys/fs/bpf/m/object_data`,
    );
    for (const name of ["first", "second", "third", "counters", "devices", "events", "prefixes"])
      expect(log).toContain(`${name}\n`);
    expect(log).toMatch(/"level": 16843009/);
  });
});

describe("the tools of the tutorials", () => {
  const noIp = lacking("root", "ip", "tc", "unshare");
  const veth = "ip link add w0 type veth peer name w1; ip link set w0 up; ip link set w1 up;";

  it.skipIf(noIp !== "")(`ip attaches the section, and pins the map where iproute2 keeps such${noIp}`, () => {
    const file = written(countingProgram());
    const log = isolated(`${veth} ip link set dev w0 xdp obj ${file} sec xdp; ip -d link show w0; ls /sys/fs/bpf/tc/globals`);
    expect(log).toContain("name count_packets");
    expect(log).toContain("xdp_stats_map");
  });

  it.skipIf(noIp !== "")(`tc attaches a program of a section of its own${noIp}`, () => {
    const file = written(severalPrograms());
    const log = isolated(
      `${veth} tc qdisc add dev w0 clsact; tc filter add dev w0 ingress bpf da obj ${file} sec tc; tc filter show dev w0 ingress`,
    );
    expect(log).toContain("direct-action");
    expect(log).toContain("name third");
  });

  const noLoader = lacking("root", "ip", "xdp-loader", "unshare");
  it.skipIf(noLoader !== "")(`xdp-loader attaches by the function's name, and lists it${noLoader}`, () => {
    const file = written(severalPrograms());
    const log = isolated(`${veth} xdp-loader load w0 ${file} -n second; xdp-loader status w0`);
    expect(log).toMatch(/w0 .*second|w0 .*xdp_dispatcher/);
  });
});

describe("readers of ELF", () => {
  const missing = lacking("llvm-readelf-19", "llvm-objdump-19", "readelf");
  it.skipIf(missing !== "")(`read it without complaint${missing}`, () => {
    for (const spec of [countingProgram(), severalPrograms()]) {
      const file = written(spec);
      for (const reader of [
        ["llvm-readelf-19", "-a"],
        ["llvm-objdump-19", "-d", "-r"],
        ["readelf", "-a"],
      ]) {
        const [command = "", ...args] = reader;
        expect(output(command, ...args, file)).not.toMatch(/warning|error|<unknown>|corrupt/i);
      }
    }
  });

  it.skipIf(missing !== "")(`see source lines, symbols and relocations${missing}`, () => {
    const file = written(countingProgram());
    const listing = output("llvm-objdump-19", "-d", "-S", "-r", file);
    expect(listing).toContain("; const record = xdp_stats_map.lookup(action);");
    expect(listing).toContain("R_BPF_64_64\txdp_stats_map");
    expect(listing).toContain("R_BPF_64_64\t.rodata");
    expect(listing).toContain("R_BPF_64_32\t.text");
    const symbols = output("llvm-readelf-19", "-s", file);
    expect(symbols).toMatch(/120 FUNC\s+LOCAL .* count_one/);
    expect(symbols).toMatch(/32 FUNC\s+GLOBAL .* count_packets/);
    expect(symbols).toMatch(/40 OBJECT\s+GLOBAL .* xdp_stats_map/);
  });
});

describe("a spec that contradicts itself is refused", () => {
  const refused = (change: (spec: ObjectSpec) => void) => {
    const spec = severalPrograms();
    change(spec);
    return expect(() => writeElf(spec));
  };
  it("a reference to nothing", () => refused((spec) => spec.maps.splice(1, 1)).toThrow('"name":"devices"'));
  it("two functions of one name", () =>
    refused((spec) =>
      spec.programs[1]?.functions.splice(1, 1, { name: "shared", instructions: [exit()], typeId: 0, lines: [] }),
    ).toThrow("two different functions named shared"));
  it("zeroed data that is not zero", () => refused((spec) => spec.data[2]?.bytes.fill(1)).toThrow(".bss is not all zeros"));
  it("a program without a function", () =>
    refused((spec) => spec.programs[0]?.functions.splice(0)).toThrow("program first has no function"));
});

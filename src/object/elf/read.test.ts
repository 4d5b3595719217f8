import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countingProgram } from "../../../test/fixtures/counting-program.ts";
import { isolated, lacking, temporaryDirectory } from "../../../test/foreign-tools.ts";
import { assertProperty } from "../../../test/property.ts";
import { codec } from "../btf/codec.ts";
import { disassemble } from "../disassemble.ts";
import { MAP_TYPE, type ObjectSpec } from "../spec.ts";
import { readElf } from "./read.ts";
import { writeElf } from "./write.ts";

const counting = writeElf(countingProgram());

describe("an object of our own", () => {
  it("reads as the spec it was written from", () => {
    expect(readElf(counting)).toEqual(countingProgram());
  });

  it("without types, maps and data too", () => {
    const functions = [
      { name: "p", instructions: [{ opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0 }], typeId: 0, lines: [] },
    ];
    const spec: ObjectSpec = {
      license: "",
      programs: [{ name: "p", section: "xdp", type: "xdp", functions }],
      maps: [],
      data: [],
      btf: null,
    };
    expect(readElf(writeElf(spec))).toEqual(spec);
  });
});

const CLANG = ["clang-19", "clang-14"];

/** The object that clang makes of a C program. */
function compiled(clang: string, source: string, ...flags: string[]): Uint8Array {
  const directory = temporaryDirectory();
  const file = join(directory, "program.c");
  writeFileSync(file, source);
  const object = join(directory, "program.o");
  const args = [
    "-O2",
    "-g",
    "--target=bpf",
    `-I/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`,
    ...flags,
  ];
  const { status, stderr, error } = spawnSync(clang, [...args, "-c", file, "-o", object], { encoding: "utf8" });
  if (status !== 0) throw new Error(error?.message ?? stderr);
  return readFileSync(object);
}

const HEADER = `
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
char _license[] SEC("license") = "GPL";
`;

const PROGRAM = `${HEADER}
struct datarec { __u64 rx_packets; __u64 rx_bytes; };
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct datarec);
  __uint(max_entries, XDP_REDIRECT + 1);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} xdp_stats_map SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(key_size, 6);
  __uint(value_size, 4);
  __uint(max_entries, 100);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} blocked SEC(".maps");

const volatile __u16 port = 7999;
const volatile __u32 step = 3;
__u32 level = 5;
__u64 seen;

static __attribute__((noinline)) __u32 count(struct xdp_md *ctx, __u32 action) {
  static __u64 calls;
  struct datarec *record = bpf_map_lookup_elem(&xdp_stats_map, &action);
  calls++;
  if (record) {
    record->rx_packets += step;
    record->rx_bytes += ctx->data_end - ctx->data + port;
  }
  return action;
}

__attribute__((noinline)) int twice(int value) {
  seen += level;
  return value * 2;
}

SEC("xdp_pass") int xdp_pass_func(struct xdp_md *ctx) { return count(ctx, XDP_PASS); }
SEC("xdp_pass") int xdp_drop_func(struct xdp_md *ctx) { return count(ctx, twice(XDP_ABORTED) + 1); }
SEC("tc") int classify(struct __sk_buff *skb) { __u8 key[6] = {}; return bpf_map_lookup_elem(&blocked, key) ? TC_ACT_SHOT : TC_ACT_OK; }
`;

describe.each(CLANG)("an object of %s", (clang) => {
  const missing = lacking(clang);

  it.skipIf(missing !== "")(`has its programs, subprograms, maps and data${missing}`, () => {
    const spec = readElf(compiled(clang, PROGRAM));
    expect(spec.license).toBe("GPL");
    expect(spec.programs.map(({ name, section, type }) => [name, section, type])).toEqual([
      ["xdp_pass_func", "xdp_pass", "xdp"],
      ["xdp_drop_func", "xdp_pass", "xdp"],
      ["classify", "tc", "sched_cls"],
    ]);
    expect(spec.programs.map(({ functions }) => functions.map(({ name }) => name).sort())).toEqual([
      ["count", "xdp_pass_func"],
      ["count", "twice", "xdp_drop_func"],
      ["classify"],
    ]);
    const [stats, blocked] = ["xdp_stats_map", "blocked"].map((name) => spec.maps.find((map) => map.name === name));
    expect(stats).toMatchObject({
      name: "xdp_stats_map",
      type: MAP_TYPE.PERCPU_ARRAY,
      keySize: 4,
      valueSize: 16,
      maxEntries: 5,
      pinning: "by-name",
    });
    expect(blocked).toMatchObject({
      name: "blocked",
      type: MAP_TYPE.HASH,
      keySize: 6,
      valueSize: 4,
      maxEntries: 100,
      flags: 1,
      pinning: "none",
    });
    const variables = spec.data.map(({ name, readonly, variables }) => [
      name,
      readonly,
      variables.map((each) => [each.name, each.size]),
    ]);
    expect(variables).toContainEqual([
      ".rodata",
      true,
      [
        ["port", 2],
        ["step", 4],
      ],
    ]);
    expect(variables).toContainEqual([".data", false, [["level", 4]]]);
    expect(variables.find(([name]) => name === ".bss")?.[2]).toContainEqual(["seen", 8]);
  });

  it.skipIf(missing !== "")(`has types for maps and variables, and none of sections${missing}`, () => {
    const { btf, maps, data } = readElf(compiled(clang, PROGRAM));
    if (btf === null) throw new Error("no BTF");
    const stats = maps.find((map) => map.name === "xdp_stats_map");
    expect(codec(btf, stats?.valueTypeId ?? 0).decode(Uint8Array.of(1, ...Array(15).fill(0)))).toEqual({
      rx_packets: 1n,
      rx_bytes: 0n,
    });
    const rodata = data.find(({ name }) => name === ".rodata");
    const values = rodata?.variables.map(({ typeId, offset }) => codec(btf, typeId).decode(rodata.bytes, offset));
    expect(values).toEqual([7999, 3]);
    expect(btf.types.filter(({ kind }) => kind === "var" || kind === "datasec")).toEqual([]);
  });

  it.skipIf(missing !== "")(`has references by name, and lines${missing}`, () => {
    const spec = readElf(compiled(clang, PROGRAM));
    const drop = spec.programs[1];
    const text = drop?.functions.flatMap(({ instructions }) => disassemble(instructions, { slotNumbers: false })) ?? [];
    for (const part of ["call count", "call twice", "r1 = map[xdp_stats_map]"]) expect(text).toContain(part);
    expect(text.filter((line) => line.includes("map[.rodata][0]+")).length).toBe(2);
    expect(drop?.functions[0]?.typeId).not.toBe(0);
    expect(drop?.functions[0]?.lines[0]).toMatchObject({
      slot: 0,
      file: expect.stringMatching(/program\.c$/),
      text: expect.stringContaining("xdp_drop_func"),
    });
  });

  const noKernel = lacking(clang, "root", "bpftool", "unshare");
  it.skipIf(noKernel !== "")(`written again, is the same spec, and loads${noKernel}`, () => {
    const spec = readElf(compiled(clang, PROGRAM));
    const bytes = writeElf(spec);
    expect(readElf(bytes)).toEqual(spec);
    const file = join(temporaryDirectory(), "again.o");
    writeFileSync(file, bytes);
    // The section xdp_pass says nothing to libbpf of its program's type; a section each of xdp and tc does.
    const known = {
      ...spec,
      programs: spec.programs.map((program) => (program.type === "xdp" ? { ...program, section: "xdp" } : program)),
    };
    writeFileSync(file, writeElf(known));
    const log = isolated(`mkdir /sys/fs/bpf/p; bpftool prog loadall ${file} /sys/fs/bpf/p; ls /sys/fs/bpf/p`);
    expect(log.split("\n")).toEqual(expect.arrayContaining(["classify", "xdp_drop_func", "xdp_pass_func"]));
  });
});

describe("the objects of Debian's xdp-tools", () => {
  const directory = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/bpf`;
  // xdpdump's fentry programs need CO-RE, the dispatcher wants an attach target.
  const files = existsSync(directory)
    ? readdirSync(directory).filter((name) => /^(xdpfilt|xdpdump_xdp|xsk_def)/.test(name))
    : [];
  const missing = files.length === 0 ? " (skipped: needs xdp-tools)" : lacking("root", "bpftool", "unshare");

  it.skipIf(missing !== "")(`are read, written by us, read the same, and loaded${missing}`, () => {
    const file = join(temporaryDirectory(), "again.o");
    for (const name of files) {
      const spec = readElf(readFileSync(join(directory, name)), name);
      const bytes = writeElf(spec);
      expect(readElf(bytes), name).toEqual(spec);
      writeFileSync(file, bytes);
      const loaded = isolated(`bpftool prog loadall ${file} /sys/fs/bpf/object; ls /sys/fs/bpf/object`);
      expect(loaded.trim().split("\n"), name).toEqual(spec.programs.map((program) => program.name));
    }
  });
});

describe("the type of a program", () => {
  const typeIn = (section: string) => {
    const spec = countingProgram();
    for (const program of spec.programs) program.section = section;
    return readElf(writeElf(spec)).programs[0]?.type;
  };
  it.each(["xdp", "xdp.frags", "xdp/devmap", "xdp_icmp_echo", "rx", "prog"])("is xdp in section %s", (section) =>
    expect(typeIn(section)).toBe("xdp"),
  );
  it.each(["tc", "tc/ingress", "classifier", "classifier/out", "tcx/ingress", "netkit/peer", "ingress"])(
    "is sched_cls in section %s",
    (section) => expect(typeIn(section)).toBe("sched_cls"),
  );
  it.each(["action", "action/x"])("is sched_act in section %s", (section) => expect(typeIn(section)).toBe("sched_act"));
  it.each(["kprobe/do_exit", "socket", "cgroup/skb", "fentry/x", "?tracepoint/a/b", "cgroup_skb/egress"])(
    "is refused in section %s",
    (section) => expect(() => typeIn(section)).toThrow("cannot load"),
  );
});

describe("what the running kernel has to say is noted for the loader", () => {
  const clang = CLANG.find((each) => lacking(each) === "") ?? "clang-19";
  const missing = lacking(clang);
  const read = (source: string) => readElf(compiled(clang, HEADER + source));
  const use = (expression: string) => `SEC("xdp") int p(struct xdp_md *ctx) { return ${expression}; }`;

  it.skipIf(missing !== "")(`CO-RE: what of which type an instruction wants to know${missing}`, () => {
    const type = "struct task { int a, pid; } __attribute__((preserve_access_index)); struct task *volatile current;";
    const { btf, programs } = read(`${type} ${use("current->pid")}`);
    const [relocation] = programs[0]?.functions[0]?.core ?? [];
    expect(relocation).toMatchObject({ kind: "field_byte_offset", path: [0, 1] });
    expect(btf?.types[(relocation?.typeId ?? 0) - 1]).toMatchObject({ kind: "struct", name: "task" });
  });
  it.skipIf(missing !== "")(`kconfig and ksyms: which names of which types${missing}`, () => {
    const { externs, btf } = read(
      `extern int CONFIG_HZ __kconfig; extern const void bpf_prog_active __ksym __weak; extern int bpf_some(void) __ksym;
       ${use("CONFIG_HZ + (long)&bpf_prog_active + bpf_some()")}`,
    );
    expect(externs?.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toMatchObject([
      { name: "CONFIG_HZ", section: ".kconfig", kind: "variable", weak: false },
      { name: "bpf_prog_active", section: ".ksyms", kind: "variable", typeId: 0, weak: true },
      { name: "bpf_some", section: ".ksyms", kind: "function", weak: false },
    ]);
    expect(btf?.types.filter(({ kind }) => kind === "datasec" || kind === "var")).toEqual([]);
  });
});

describe("what is not supported is named", () => {
  const clang = CLANG.find((each) => lacking(each) === "") ?? "clang-19";
  const missing = lacking(clang);
  const refused = (source: string, ...flags: string[]) =>
    expect(() => readElf(compiled(clang, HEADER + source, ...flags), "program.o"));
  const use = (expression: string) => `SEC("xdp") int p(struct xdp_md *ctx) { return ${expression}; }`;

  it.skipIf(missing !== "")(`functions that nobody defines${missing}`, () => {
    refused(`int bpf_some(void); ${use("bpf_some()")}`).toThrow("the function bpf_some, which it does not define");
    refused(`extern int some; ${use("some")}`).toThrow("the symbol some, which it does not define");
  });
  it.skipIf(missing !== "")(`numbers behind map definitions of the old kind${missing}`, () => {
    const numbers = "struct { int type, key_size, value_size, max_entries, map_flags, more; }";
    refused(`${numbers} old SEC("maps") = { 1, 4, 4, 1, 0, 7 }; ${use("2")}`).toThrow(
      "The definition of map old has 1 numbers more than struct bpf_map_def",
    );
    refused(`struct { int type, size; } old SEC("maps") = { 1, 2 }; ${use("2")}`).toThrow("Map old is damaged");
  });
  it.skipIf(missing !== "")(`maps without BTF${missing}`, () => {
    refused(`struct { __uint(type, BPF_MAP_TYPE_HASH); } m SEC(".maps"); ${use("2")}`, "-g0").toThrow(
      "Map m has no definition",
    );
  });
  it.skipIf(missing !== "")(`big-endian code${missing}`, () => {
    refused(use("2"), "--target=bpfeb").toThrow("The object is big-endian");
  });
  it.skipIf(missing !== "")(`addresses in data${missing}`, () => {
    refused(`static int a, b; int *volatile table[] = { &a, &b }; ${use("*table[ctx->ingress_ifindex & 1]")}`).toThrow(
      "holds the address of",
    );
  });
});

describe("damaged and hostile files", () => {
  const acceptable = (bytes: Uint8Array) => {
    try {
      readElf(bytes, "x.o");
    } catch (error) {
      expect(error).toMatchObject({
        code: "BAD_FILE",
        message: expect.stringMatching(/^x\.o: /),
        why: expect.any(String),
        fix: expect.any(String),
      });
    }
  };

  it("other files are called what they are not", () => {
    const refused = (bytes: Uint8Array) => expect(() => readElf(bytes, "x.o"));
    refused(new Uint8Array(0)).toThrow("x.o: This is not an ELF file.");
    refused(new TextEncoder().encode("export const echo = 1;")).toThrow("x.o: This is not an ELF file.");
    refused(readFileSync(process.execPath).subarray(0, 1 << 20)).toThrow("x.o: This is not an eBPF object.");
  });

  it("are refused at every truncation", () => {
    for (let length = 0; length < counting.length; length++) {
      expect(() => readElf(counting.subarray(0, length)), `${length} bytes`).toThrow(
        expect.objectContaining({ code: "BAD_FILE" }),
      );
    }
  });

  it("with any one byte changed, are read or refused", () => {
    assertProperty(
      fc.property(fc.nat(counting.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const copy = counting.slice();
        copy[at] = byte;
        acceptable(copy);
      }),
      { numRuns: 5000 },
    );
  });

  it("with several words changed, are read or refused", () => {
    const word = fc.record({ at: fc.nat(counting.length - 8), value: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }) });
    assertProperty(
      fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), (words) => {
        const copy = counting.slice();
        const view = new DataView(copy.buffer);
        for (const { at, value } of words) view.setBigUint64(at, value, true);
        acceptable(copy);
      }),
      { numRuns: 3000 },
    );
  });

  it("with every 32-bit word of the headers and tables at its extremes, are read or refused", () => {
    for (let at = 0; at + 4 <= counting.length; at += 4) {
      for (const value of [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
        const copy = counting.slice();
        new DataView(copy.buffer).setUint32(at, value, true);
        acceptable(copy);
      }
    }
  });

  it("cannot ask for more memory than they could use", () => {
    const spec = countingProgram();
    spec.data.push({ name: ".bss", bytes: new Uint8Array(8), readonly: false, variables: [] });
    const bytes = writeElf(spec);
    const view = new DataView(bytes.buffer);
    const table = Number(view.getBigUint64(40, true));
    for (let index = 0; index < view.getUint16(60, true); index++) {
      const header = table + index * 64;
      if (view.getUint32(header + 4, true) === 8) view.setBigUint64(header + 32, 1n << 40n, true);
    }
    expect(() => readElf(bytes)).toThrow("The sections of zeroed data are too large.");
  });
});

/** `wirescript progs` and `maps`: what they tell of programs and maps of anybody's, compared with what bpftool says of the same. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, ended, needs, printed, Sandbox, titled } from "./sandbox.ts";

const unique = `o${process.pid.toString(36)}`;
const noBpftool = needs("bpftool");

const MODULE = `import { array, be32, bytes, cpuMap, devMap, hash, hashOfMaps, lpmTrie, perCpuArray, perCpuHash, progArray, queue, struct, u16, u32, u64, XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet, IPv4 } from "wirescript/net";
const Key = struct({ source: be32, mac: bytes(6), port: u16 });
const Value = struct({ packets: u64, bytes: u64 });
export const ${unique}l = lpmTrie({ key: struct({ prefixLength: u32, address: be32 }), value: u32, entries: 8 });
export const ${unique}v = devMap({ entries: 4 });
export const ${unique}w = cpuMap({ entries: 2 });
export const ${unique}p = progArray({ entries: 2, pinned: true });
export const ${unique}m = hashOfMaps({ key: u32, inner: hash({ key: be32, value: u32, entries: 4 }), entries: 3 });
export const ${unique}i = perCpuHash({ key: struct({ address: bytes(16) }), value: struct({ mac: bytes(6), n: u16 }), entries: 8 });
export const ${unique}h = hash({ key: Key, value: Value, entries: 8 });
export const ${unique}c = perCpuArray({ value: Value, entries: 2 });
export const ${unique}a = array({ value: u32, entries: 3 });
export const ${unique}q = queue({ value: u32, entries: 3 });
export const ${unique}_with_a_long_name = xdp((ctx) => {
  if (ctx.length > 9000) {
    ${unique}p.tailCall(ctx, 0);
    const inner = ${unique}m.lookup(1);
    const route = ${unique}l.lookup({ prefixLength: 32, address: 1 });
    const key = ctx.at(struct({ address: bytes(16) }));
    const info = key ? ${unique}i.lookup({ address: key.address }) : null;
    return inner || route || info ? ${unique}v.redirect(0) : ${unique}w.redirect(0);
  }
  const record = ${unique}c.lookup(1);
  if (record) { record.packets++; record.bytes += u64(ctx.length); }
  const eth = ctx.at(Ethernet);
  const ip = ctx.at(IPv4, Ethernet.size);
  if (!eth || !ip) return XDP_PASS;
  const first = ${unique}a.lookup(0);
  if (first) first.value = ip.ttl;
  // The device has traffic of its own.
  if (ip.ttl === 77) ${unique}q.push(7);
  const flow = ${unique}h.lookup({ source: ip.src, mac: eth.src, port: 1 });
  if (flow) flow.packets++;
  return XDP_PASS;
});
`;

const RECORD_LINE = MODULE.split("\n").findIndex((line) => line.includes("const record = ")) + 1;

describe.skipIf(cannotRun !== null)(titled("looking at programs and maps"), () => {
  let box: Sandbox;
  let id: number;
  const dev = `${unique}d`;
  const json = (...args: string[]) => {
    const { status, stdout, stderr } = box.wirescript(...args, "--json");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return JSON.parse(stdout);
  };
  const text = (...args: string[]) => {
    const { status, stdout, stderr } = box.wirescript(...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout;
  };
  const bpftool = (...args: string[]) => JSON.parse(box.output("bpftool", "-j", ...args));
  let maps: { id: number; name: string }[];
  const mapId = (letter: string): number => maps.find(({ name }) => name === `${unique}${letter}`)?.id ?? -1;

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    writeFileSync(join(box.directory, "observed.bpf.ts"), MODULE);
    expect(box.wirescript("load", dev, join(box.directory, "observed.bpf.ts"))).toMatchObject({ status: 0, stderr: "" });
    id = JSON.parse(box.output("ip", "-json", "-details", "link", "show", "dev", dev))[0].xdp.prog.id;
    maps = json("progs", "show", `${id}`).maps;
    expect(box.wirescript("pin", "prog", `${id}`, "/sys/fs/bpf/seen").status).toBe(0);
  });
  afterAll(() => box[Symbol.dispose]());

  describe("programs", () => {
    test.skipIf(noBpftool !== "")(`are listed as bpftool lists them${noBpftool}`, () => {
      const theirs = bpftool("prog", "show", "id", `${id}`);
      const ours = json("progs").find((program: { id: number }) => program.id === id);
      expect(ours).toMatchObject({
        ...{ id, type: theirs.type, tag: theirs.tag, uid: theirs.uid, memory: theirs.bytes_memlock, btfId: theirs.btf_id },
        ...{ instructions: theirs.bytes_xlated / 8, jitedBytes: theirs.jited ? theirs.bytes_jited : 0 },
        maps: theirs.map_ids.map((map: number) => ({ id: map })),
        attached: [{ hook: "xdp", mode: "native", dev, netns: null, linkId: null }],
      });
      expect(Math.abs(Date.parse(ours.loadedAt) / 1000 - theirs.loaded_at)).toBeLessThan(3);
      const ids = (list: { id: number }[]) => list.map((each) => each.id);
      // Programs of others come and go between the two lists.
      expect(ids(json("progs", "--type", "xdp"))).toContain(id);
      expect(ids(json("progs", "--type", "sched_cls"))).not.toContain(id);
    });

    test("have their whole name, which is longer than the kernel's", () => {
      expect(json("progs", "show", `${id}`).name).toBe(`${unique}_with_a_long_name`);
      expect(json("progs", "show", `${unique}_with_a_long_name`).id).toBe(id);
      expect(text("progs", "show", `${id}`)).toContain(`attached  ${dev} (xdp native)`);
      expect(text("progs")).toMatch(
        new RegExp(`^${id} +xdp +${unique}_with_a_long_name +[0-9a-f]{16} +${dev} \\(xdp native\\)`, "m"),
      );
    });

    test.skipIf(noBpftool !== "")(
      `are dumped with their TypeScript lines, instruction by instruction as bpftool${noBpftool}`,
      () => {
        const theirs: { disasm: string; src?: string }[] = bpftool("prog", "dump", "xlated", "id", `${id}`, "linum");
        const ours: { text: string; source?: { text: string; line: number; file: string } }[] = json("progs", "dump", `${id}`);
        const instructions = theirs.filter(({ disasm }) => disasm !== undefined);
        expect(ours).toHaveLength(instructions.length);
        for (const [index, { disasm }] of instructions.entries()) {
          const plain = disasm.replace(/^\([0-9a-f]{2}\) /, "");
          // Calls and maps: bpftool has its own way of naming them.
          if (/call|map\[/.test(plain) || ours[index]?.text.includes("__percpu")) continue;
          expect(ours[index]?.text).toBe(plain);
        }
        const lines = ours.flatMap(({ source }) => (source === undefined ? [] : [source]));
        expect(lines).toContainEqual(
          expect.objectContaining({ file: expect.stringContaining("observed.bpf.ts"), line: RECORD_LINE }),
        );
        const calls = ours.filter(({ text }) => text.startsWith("call "));
        for (const { text } of calls) expect(text).not.toContain("unknown");
        expect(ours.some(({ text }) => text.includes(`map[id:${mapId("h")} ${unique}h]`))).toBe(true);
        expect(text("progs", "dump", `${id}`)).toMatch(
          new RegExp(`^; observed\\.bpf\\.ts:${RECORD_LINE} {2}const record = `, "m"),
        );
        expect(text("progs", "dump", `${id}`, "--no-source")).not.toContain("observed.bpf.ts");
      },
    );

    test.skipIf(needs("llvm-objdump-19") !== "" && needs("objdump") !== "")(
      `and as machine code, line by line${needs("llvm-objdump-19") && needs("objdump")}`,
      () => {
        const { jitedBytes } = json("progs", "show", `${id}`);
        const lines: { offset: number; text: string; source?: object }[] = json("progs", "dump", `${id}`, "--jit");
        expect(lines.length).toBeGreaterThan(40);
        expect(Math.max(...lines.map(({ offset }) => offset))).toBeLessThan(jitedBytes);
        expect(lines.filter(({ source }) => source !== undefined).length).toBeGreaterThan(10);
        // Jumps lead into the function, or to a function of the kernel by its name.
        const targets = lines.flatMap(({ text }) => /^(?:j|b)\w* +(?:\w+, )?0x([0-9a-f]+)$/.exec(text)?.[1] ?? []);
        expect(targets.length).toBeGreaterThan(0);
        for (const target of targets) expect(Number.parseInt(target, 16)).toBeLessThan(jitedBytes);
        expect(lines.some(({ text }) => /^(ret|jmp)/.test(text))).toBe(process.arch === "x64" || process.arch === "arm64");
      },
    );
  });

  describe("maps", () => {
    test.skipIf(noBpftool !== "")(`are listed as bpftool lists them${noBpftool}`, () => {
      const ours: { id: number }[] = json("maps");
      for (const letter of ["h", "c", "a", "q"]) {
        const theirs = bpftool("map", "show", "id", `${mapId(letter)}`);
        expect(ours.find((map) => map.id === theirs.id)).toMatchObject({
          ...{ id: theirs.id, name: theirs.name, keySize: theirs.bytes_key, valueSize: theirs.bytes_value },
          ...{ maxEntries: theirs.max_entries, memory: theirs.bytes_memlock, frozen: theirs.frozen === 1 },
          programs: [{ id }],
        });
      }
      expect(text("maps", "show", `${unique}h`)).toMatch(
        /^key {7}12 bytes, struct Key \{ __be32 source; __u8 mac\[6\]; __u16 port; \}$/m,
      );
    });

    test.skipIf(noBpftool !== "")(`entries written here are read by bpftool, and the other way round${noBpftool}`, () => {
      const map = `${unique}h`;
      text("maps", "set", map, "source=10.0.0.1,mac=02:00:00:00:00:01,port=1", "packets=5,bytes=18446744073709551615");
      text(
        "maps",
        "set",
        map,
        '{"source":"10.0.0.2","mac":"02:00:00:00:00:02","port":"0x10"}',
        '{"packets":1,"bytes":12345678901234567890}',
      );
      const theirs = bpftool("map", "dump", "name", map).map(
        ({ formatted }: { formatted: { key: { source: number } } }) => formatted,
      );
      expect(theirs).toHaveLength(2);
      expect(theirs.map(({ value }: { value: { packets: number } }) => value.packets).sort()).toEqual([1, 5]);
      expect(json("maps", "get", map, "source=10.0.0.1,mac=02:00:00:00:00:01,port=1")).toEqual({
        key: { source: "10.0.0.1", mac: "02:00:00:00:00:01", port: 1 },
        value: { packets: 5, bytes: "18446744073709551615" },
      });
      const lines = text("maps", "dump", map).trim().split("\n").sort();
      expect(lines[1]).toBe(
        "{ source: 10.0.0.2, mac: 02:00:00:00:00:02, port: 16 }  { packets: 1, bytes: 12345678901234567890 }",
      );
      box.output("bpftool", "map", "update", "name", `${unique}a`, "key", "1", "0", "0", "0", "value", "9", "1", "0", "0");
      expect(json("maps", "get", `${unique}a`, "1")).toEqual({ key: 1, value: 265 });
      text("maps", "delete", map, "source=10.0.0.2,mac=02:00:00:00:00:02,port=16");
      expect(json("maps", "dump", map)).toHaveLength(1);
    });

    test("are named by id, name or pin, in short and in full, by every verb", () => {
      const pin = `/sys/fs/bpf/${dev}/${unique}p`;
      const id = `${mapId("a")}`;
      text("maps", "set", "id", id, "2", "5");
      for (const named of [[id], ["id", id], [`${unique}a`], ["name", `${unique}a`]]) {
        expect(text("maps", "get", ...named, "2")).toBe("2  5\n");
      }
      expect(json("maps", "dump", "id", id)).toHaveLength(3);
      expect(json("maps", "show", "name", `${unique}a`).id).toBe(mapId("a"));
      expect(box.wirescript("maps", "watch", "id", id, "--count", "1", "--interval", "0.01").status).toBe(0);
      text("maps", "set", "id", id, "2", "0");
      text("maps", "set", "pinned", pin, "0", `id ${json("progs", "show", "pinned", "/sys/fs/bpf/seen").id}`);
      expect(json("maps", "get", "pinned", pin, "0")).toEqual(json("maps", "get", pin, "0"));
      text("maps", "delete", "pinned", pin, "0");
      expect(box.wirescript("maps", "get", "name", `${unique}a`).stderr).toContain("says no key");
    });

    test("of several CPUs are summed, or shown CPU by CPU", () => {
      const map = `${unique}c`;
      // The program, which sees traffic of the device's own, counts under 1.
      text("maps", "set", map, "0", '{"packets":2,"bytes":200}');
      const { value, values } = json("maps", "get", map, "0");
      expect(values.length).toBeGreaterThan(0);
      expect(value).toEqual({ packets: 2 * values.length, bytes: 200 * values.length });
      expect(text("maps", "get", map, "0", "--per-cpu")).toContain("0  cpu 0  { packets: 2, bytes: 200 }");
      expect(text("maps", "dump", map)).toMatch(
        new RegExp(`^0 {2}\\{ packets: ${value.packets}, bytes: ${value.bytes} \\}\n1 {2}\\{ packets: `),
      );
    });

    test("without keys take and show values", () => {
      text("maps", "set", `${unique}q`, "2a000000");
      expect(json("maps", "dump", `${unique}q`)).toEqual([{ key: null, value: "2a000000" }]);
    });

    test("of every other kind: prefixes, devices, CPUs, programs, maps, addresses", () => {
      const dumped = (letter: string) => json("maps", "dump", `${unique}${letter}`);
      text("maps", "set", `${unique}l`, "10.1.0.0/16", "7");
      expect(json("maps", "get", `${unique}l`, "10.1.2.3/32").value).toBe(7);
      expect(dumped("l")).toEqual([{ key: { prefixLength: 16, address: "10.1.0.0" }, value: 7 }]);
      text("maps", "set", `${unique}v`, "1", `${dev}p`);
      const [{ ifindex }] = JSON.parse(box.output("ip", "-json", "link", "show", "dev", `${dev}p`));
      expect(dumped("v")).toEqual([{ key: 1, value: { ifindex } }]);
      text("maps", "set", `${unique}w`, "0", "64");
      expect(dumped("w")).toEqual([{ key: 0, value: { queueSize: 64 } }]);
      text("maps", "set", `${unique}p`, "1", `${id}`);
      expect(dumped("p")).toEqual([{ key: 1, value: { programId: id } }]);
      expect(dumped("m")).toEqual([]);
      expect(box.wirescript("maps", "set", `${unique}m`, "1", `${unique}l`).stderr).toContain(
        "takes maps of one type and size only",
      );
      text("maps", "set", `${unique}i`, "fd00::7", "mac=02:00:00:00:00:09,n=0x10");
      const [entry] = dumped("i");
      expect(entry).toMatchObject({ key: { address: "fd00::7" }, value: null });
      expect(entry.values[0]).toEqual({ mac: "02:00:00:00:00:09", n: 16 });
      expect(text("maps", "dump", `${unique}i`)).toContain("{ address: fd00::7 }  cpu 0  { mac: 02:00:00:00:00:09, n: 16 }");
    });

    test("are watched while they change", async () => {
      const child = box.start("maps", "watch", `${unique}a`, "--interval", "0.05", "--json");
      const end = ended(child);
      await new Promise<void>((resolve) => child.stderr?.once("data", () => resolve()) ?? resolve());
      const seen = printed(child, '"after":77');
      try {
        text("maps", "set", `${unique}a`, "2", "77");
        await seen;
      } finally {
        child.kill("SIGINT");
      }
      const { status, stdout } = await end;
      expect(status).toBe(130);
      expect(JSON.parse(stdout.split("\n")[0] ?? "")).toMatchObject({ key: 2, before: 0, after: 77 });
    });
  });

  test.each<[number, string[], RegExp]>([
    [6, ["progs", "show", "4294967295"], /no program with id 4294967295/],
    [6, ["progs", "dump", "nosuch"], /no program named "nosuch"/],
    [6, ["progs", "show", "/sys/fs/bpf/nosuch"], /no pinned program/],
    [2, ["progs", "show", "a", "b"], /does not name a program/],
    [2, ["progs", "show"], /missing required argument[\s\S]*wirescript progs show \[options\] <program\.\.\.>/i],
    [2, ["progs", "lst"], /There is no `progs lst`\.\n.*list, show, dump[\s\S]*Did you mean list\?/],
    [2, ["progs", "17"], /There is no `progs 17`[\s\S]*wirescript progs show 17$/m],
    [2, ["progs", "list", "x"], /too much for progs list/],
    [2, ["maps", "wacht", "x"], /There is no `maps wacht`[\s\S]*Did you mean watch\?/],
    [2, ["progs", "--type", "xpd"], /one of socket_filter, .* xdp, [\s\S]*Did you mean xdp\?/],
    [2, ["pin", "porg", "1", "/sys/fs/bpf/x"], /one of prog, map, link[\s\S]*Did you mean prog\?/],
    [2, ["load", "--mode", "natve", "lo", "x"], /one of native, skb, hw, auto[\s\S]*Did you mean native\?/],
    [2, ["lab", "stauts"], /There is no `lab stauts`[\s\S]*Did you mean status\?/],
    [2, ["tutorial", "lst"], /There is no `tutorial lst`[\s\S]*Did you mean list\?/],
    [2, ["lab", "load", "--", "--mode", "x"], /"x" is not understood after --mode/],
    [2, ["maps", "dump", "id", "0"], /does not name a map/],
    [2, ["maps", "dump", "a", "b"], /"b" is too much for maps dump/],
    [12, ["maps", "dump", "4294967295"], /no map with id/],
    [12, ["maps", "get", `${unique}h`, "source=1.2.3.4,mac=02:00:00:00:00:01,port=1"], /has no entry/],
    [2, ["maps", "get", `${unique}h`, "17"], /not a valid key/],
    [2, ["maps", "get", `${unique}a`, "one"], /not a valid key/],
    [2, ["maps", "set", `${unique}a`, "1", "x"], /not a valid value/],
    [2, ["maps", "set", `${unique}a`, "1"], /no entry/],
    [12, ["maps", "set", `${unique}a`, "1", "4294967296"], /not a valid value/],
    [12, ["maps", "set", `${unique}a`, "99", "1"], /no index 99/],
    [12, ["maps", "set", "--new", `${unique}a`, "1", "1"], /exist|no operation/i],
    [12, ["maps", "delete", `${unique}a`, "1"], /Nothing can be deleted/],
    [2, ["maps", "get", `${unique}q`, "1"], /has no keys/],
    [5, ["maps", "set", `${unique}v`, "0", "nosuch"], /no network device "nosuch"/],
    [6, ["maps", "set", `${unique}p`, "0", "nosuch"], /no program named "nosuch"/],
    [12, ["maps", "dump", "/dev/null"], /not in a BPF file system/],
  ])("exit status %i for %j", (status, args, says) => {
    const outcome = box.wirescript(...args);
    expect(outcome).toMatchObject({ status, stdout: "" });
    expect(outcome.stderr).toMatch(says);
    expect(outcome.stderr).toMatch(/^ {2}why: \S[\s\S]*^ {2}fix: \S/m);
  });

  test("two programs of one name are told apart by id", () => {
    const other = `${unique}e`;
    box.addVeth(other);
    expect(box.wirescript("load", other, join(box.directory, "observed.bpf.ts")).status).toBe(0);
    const { status, stderr } = box.wirescript("progs", "show", `${unique}_with_a_long_name`);
    expect(status).toBe(2);
    expect(stderr).toMatch(new RegExp(`There are 2 programs named .*\\n.*${id} \\(/sys/fs/bpf/seen\\), \\d+`));
    expect(box.wirescript("unload", other).status).toBe(0);
  });

  test.each([["progs"], ["progs", "show", "1"], ["maps"], ["maps", "dump", "1"]])("without root: %s %s", (...args) => {
    const { status, stderr } = box.unprivileged(...args);
    expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringContaining("root") });
  });
});

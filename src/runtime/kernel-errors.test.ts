/**
 * What the kernel refuses by a number, met on the real kernel: each condition comes to the user as what happened, why, and what to do, with the
 * kernel's errno as its cause. (Missing privileges and the limits of a user namespace need processes of their own: test/cli.)
 */
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { constant, maps, object } from "../../test/fixtures/objects.ts";
import { lacking } from "../../test/foreign-tools.ts";
import { freshBpffs } from "../../test/kernel-objects.ts";
import { freshNamespace, uniqueName } from "../../test/own-network.ts";
import { WirescriptError } from "../errors.ts";
import { MAP_TYPE, type MapSpec } from "../object/spec.ts";
import { possibleCpus } from "../sys/cpus.ts";
import { errnoName, SyscallError } from "../sys/errno.ts";
import { ensureBpffs, unmount } from "../sys/mount.ts";
import { inNamespace } from "../sys/namespaces.ts";
import { addVethPair, deleteLink, getLink } from "../sys/netlink/index.ts";
import { openPinnedMap } from "./introspect.ts";
import { attachedXdp } from "./links/device.ts";
import { loadSpec } from "./load.ts";
import type { LoadedObject } from "./loaded-object.ts";
import { HashMap } from "./maps/hash.ts";
import { LpmTrieMap } from "./maps/lpm-trie.ts";

const missing = lacking("root", "ip", "prlimit");

/** The refusal, with all its parts, and the errno that is behind it. */
function refusal(work: () => unknown): WirescriptError & { errno: string | null } {
  try {
    work();
  } catch (error) {
    if (!(error instanceof WirescriptError)) throw error;
    expect(error.message).toMatch(/\S/);
    expect(error.why).toMatch(/\S/);
    expect(error.fix).toMatch(/\S/);
    return Object.assign(error, { errno: error.cause instanceof SyscallError ? errnoName(error.cause.errno) : null });
  }
  throw new Error("nothing was refused");
}

function loaded(spec: Parameters<typeof loadSpec>[0]): LoadedObject {
  const object = loadSpec(spec);
  onTestFinished(() => object.close());
  return object;
}

const withMap = (map: MapSpec) => loaded(object([], [map]));

describe.skipIf(missing !== "")(`the kernel's errors${missing}`, () => {
  it("ENOSPC: an LPM trie is full", () => {
    const name = uniqueName();
    const trie = withMap({ ...maps.trie(name), maxEntries: 2 }).map<LpmTrieMap<unknown, Uint8Array>>(`tr_${name}`, LpmTrieMap);
    for (const last of [1, 2]) trie.set(Uint8Array.of(32, 0, 0, 0, 10, 0, 0, last), new Uint8Array(16));
    expect(refusal(() => trie.set(Uint8Array.of(32, 0, 0, 0, 10, 0, 0, 3), new Uint8Array(16)))).toMatchObject({
      errno: "ENOSPC",
      code: "MAP",
      message: expect.stringContaining("is full"),
      why: expect.stringContaining("made for 2 entries"),
      fix: "Delete entries, or make the map with more entries.",
    });
  });

  it("E2BIG: a hash is full", () => {
    const name = uniqueName();
    const hash = withMap({ ...maps.raw(name), maxEntries: 1 }).map<HashMap<Uint8Array, Uint8Array>>(`ra_${name}`, HashMap);
    hash.set(new Uint8Array(3), new Uint8Array(5));
    expect(refusal(() => hash.set(new Uint8Array(3).fill(1), new Uint8Array(5)))).toMatchObject({
      errno: "E2BIG",
      code: "MAP",
      message: expect.stringContaining("is full"),
      fix: expect.stringContaining("an LRU hash"),
    });
  });

  it("E2BIG: a map is larger than the kernel makes them", () => {
    // Of a hash it looks at one entry's size, before it takes any memory.
    const huge = { ...maps.raw(uniqueName()), valueSize: 2 ** 30 };
    expect(refusal(() => withMap(huge))).toMatchObject({
      errno: "E2BIG",
      code: "MAP",
      why: expect.stringContaining("too much memory"),
      fix: expect.stringContaining("smaller values"),
    });
  });

  it("E2BIG: a map of CPUs has more entries than the kernel is built for", () => {
    const cpus = { ...maps.table(uniqueName()), type: MAP_TYPE.CPUMAP, keySize: 4, valueSize: 4, maxEntries: 100_000 };
    expect(refusal(() => withMap({ ...cpus, keyTypeId: 0, valueTypeId: 0, flags: 0 }))).toMatchObject({
      errno: "E2BIG",
      code: "MAP",
      why: expect.stringContaining("for fewer than 100000"),
      fix: `Make it with ${possibleCpus()} entries: so many CPUs this machine may have.`,
    });
  });

  it("E2BIG: a program has more than a million instructions", () => {
    const program = constant(`p_${uniqueName()}`, 2);
    const [entry] = program.functions;
    const [first, ...rest] = entry?.instructions ?? [];
    if (entry === undefined || first === undefined) throw new Error("an empty program");
    const instructions = [...new Array(1_000_001).fill(first), ...rest];
    const spec = object([{ ...program, functions: [{ ...entry, instructions, typeId: 0, lines: [] }] }], []);
    expect(refusal(() => loaded(spec))).toMatchObject({
      errno: "E2BIG",
      code: "KERNEL",
      why: expect.stringContaining("a million"),
      fix: expect.stringContaining("tail call"),
    });
  });

  it("E2BIG: the verifier would walk more than a million instructions", () => {
    const program = constant(`p_${uniqueName()}`, 2);
    const [entry] = program.functions;
    const [first, ...rest] = entry?.instructions ?? [];
    if (entry === undefined || first === undefined) throw new Error("an empty program");
    // r0 = 2; r0 += 1; if r0 != 0 goto the addition; exit
    const count = [
      { ...first, opcode: 0x07, imm: 1 },
      { ...first, opcode: 0x55, imm: 0, offset: -2 },
    ];
    const fn = { ...entry, instructions: [first, ...count, ...rest], typeId: 0, lines: [] };
    const refused = refusal(() => loaded(object([{ ...program, functions: [fn] }], [])));
    expect(refused).toMatchObject({ code: "VERIFIER", reason: expect.stringContaining("BPF program is too large") });
    expect(refused.fix).toMatch(/`noinline\(.*`tailCall`/);
  });

  it("EMFILE: the process has as many files open as it may", () => {
    const spec = object([constant(`p_${uniqueName()}`, 2)], [maps.table(uniqueName())]);
    const { before, release } = withoutFiles();
    try {
      expect(refusal(() => loaded(spec))).toMatchObject({ errno: "EMFILE", fix: expect.stringContaining("ulimit -n") });
    } finally {
      release();
    }
    expect(before).toBeGreaterThan(0);
    loaded(spec);
  });

  it("EBUSY: another program got onto the device in between", () => {
    const [first, second] = ["a", "b"].map((letter) => `${letter}_${uniqueName()}`) as [string, string];
    const both = loaded(object([constant(first, 2), constant(second, 2)], []));
    inNamespace(freshNamespace(), () => {
      addVethPair({ name: "a", peerName: "b" });
      both.program(first).attachPersistently({ dev: "a" });
      expect(refusal(() => both.program(second).attachPersistently({ dev: "a" }))).toMatchObject({
        code: "DEVICE_BUSY",
        message: expect.stringContaining(`"${first.slice(0, 15)}"`),
        fix: expect.stringMatching(/detachXdp.*wirescript unload a.*force: true.*--force/),
      });
      expect(attachedXdp("a")).toHaveLength(1);
    });
  });

  it("ENODEV: the device vanished under its link", () => {
    const name = uniqueName();
    const both = loaded(object([constant(`a_${name}`, 2), constant(`b_${name}`, 2)], []));
    inNamespace(freshNamespace(), () => {
      addVethPair({ name: "a", peerName: "b" });
      using link = both.program(`a_${name}`).attach({ dev: "a" });
      deleteLink(getLink("a").ifindex);
      expect(refusal(() => link.update(both.program(`b_${name}`)))).toMatchObject({
        code: "NO_SUCH_DEVICE",
        why: expect.stringContaining("a was removed"),
        fix: expect.stringContaining("follow"),
      });
      expect(refusal(() => both.program(`b_${name}`).attach({ dev: "a" }))).toMatchObject({ code: "NO_SUCH_DEVICE" });
    });
  });

  it("the namespace is gone: its name, its process", () => {
    const ended = Number(execFileSync("sh", ["-c", "echo $$"], { encoding: "utf8" }));
    for (const netns of [`gone${process.pid}`, ended]) {
      expect(refusal(() => attachedXdp("lo", { netns }))).toMatchObject({
        code: "NO_SUCH_NAMESPACE",
        fix: expect.stringContaining("ip netns list"),
      });
    }
  });

  it("the bpffs is not mounted any more", () => {
    const name = uniqueName();
    const map = withMap(maps.table(name)).map(`ta_${name}`);
    const directory = freshBpffs();
    map.pin(`${directory}/pinned`);
    unmount(directory);
    // For the one whose end unmounts it.
    onTestFinished(() => void ensureBpffs(directory));
    for (const work of [
      () => openPinnedMap(`${directory}/pinned`),
      () => map.pin(`${directory}/again`),
      () => loadSpec(object([], [{ ...maps.table(name), pinning: "by-name" }]), { pinPath: directory }),
    ]) {
      expect(refusal(work).fix).toContain("/sys/fs/bpf");
    }
  });

  it("a pinned map has another layout: both are shown", () => {
    const name = uniqueName();
    const pinPath = `${freshBpffs()}/maps`;
    const table = { ...maps.table(name), pinning: "by-name" as const };
    loadSpec(object([], [table]), { pinPath }).close();
    expect(refusal(() => loadSpec(object([], [{ ...table, maxEntries: 7 }]), { pinPath }))).toMatchObject({
      code: "MAP",
      why: expect.stringMatching(/pinned: array.*3 entries[\s\S]*wanted: array.*7 entries/),
      fix: expect.stringContaining(`${pinPath}/ta_${name}`),
    });
  });
});

/** Fills this process's table of files; `release` empties it again. */
function withoutFiles(): { before: number; release: () => void } {
  const limits = execFileSync("prlimit", ["--pid", `${process.pid}`, "--nofile", "--output=SOFT", "--noheadings"], {
    encoding: "utf8",
  });
  const set = (limit: string) => execFileSync("prlimit", ["--pid", `${process.pid}`, `--nofile=${limit}:`]);
  set("200");
  const open: number[] = [];
  try {
    for (;;) open.push(openSync("/dev/null", "r"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EMFILE") throw error;
  }
  const release = () => {
    for (const fd of open.splice(0)) closeSync(fd);
    set(limits.trim());
  };
  return { before: open.length, release };
}

/** The same object loaded by us and by libbpf (bpftool): what the kernel has of both afterwards, in the same words. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import type { LoadedObject } from "../../src/index.ts";
import { MAP_TYPE } from "../../src/object/spec.ts";
import { type LoadOptions, load } from "../../src/runtime/load.ts";
import {
  type Fd,
  type MapFd,
  mapById,
  mapInfo,
  mapLookup,
  mapNextKey,
  objectGet,
  type ProgramFd,
  programInfo,
  programTestRun,
} from "../../src/sys/bpf.ts";
import { possibleCpus } from "../../src/sys/cpus.ts";
import { lacking } from "../foreign-tools.ts";
import { bpftool, freshBpffs } from "../kernel-objects.ts";

/** clang 14 is what Debian 12 has, 19 the newest there. */
export const CLANGS = ["clang-14", "clang-19"] as const;

/** "" when a test with this compiler can run. */
export const missing = (clang: string, ...tools: string[]) => lacking(clang, "root", ...tools);

/** The object that `clang` makes of `test/objects/c/NAME.c`. */
export function compiledBytes(clang: string, name: string, ...flags: string[]): Uint8Array {
  const include = `-I/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  const source = resolve("test/objects/c", `${name}.c`);
  const command = ["-O2", "-g", "--target=bpf", include, ...flags, "-c", source, "-o", "-"];
  const { status, stdout, stderr } = spawnSync(clang, command, { maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(String(stderr));
  return new Uint8Array(stdout);
}

/** The same, as the path of a file in a directory that is gone when the test ends. */
export function compiled(clang: string, name: string, ...flags: string[]): string {
  const directory = mkdtempSync(join(tmpdir(), "wirescript-c-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const object = join(directory, `${name}.o`);
  writeFileSync(object, compiledBytes(clang, name, ...flags));
  return object;
}

/** The instructions of a program in the kernel, by function; numbers of maps are replaced by their names. */
type Code = Record<string, string[]>;

/** What a map is, and what is in it: bytes in hexadecimal digits by key. */
type Contents = Record<string, { shape: object; entries: Record<string, string> }>;

export interface InKernel {
  /** Runs a program on a packet, and gives what it returned. */
  run(program: string, packet: Uint8Array): number;
  code(program: string): Code;
  contents(): Contents;
}

export interface Ours extends InKernel {
  object: LoadedObject;
}

export async function loadedByUs(file: string, options: LoadOptions = {}): Promise<Ours> {
  const object = await load(file, options);
  onTestFinished(() => object.close());
  return {
    object,
    run: (program, packet) => programTestRun({ program: object.program(program).fd, packet, repeat: 1 }).value,
    code: (program) => codeOf(object.program(program).fd),
    contents: () => contentsOf(Object.values(object.maps).map(({ name, fd }) => [name, fd])),
  };
}

export function loadedByLibbpf(file: string): InKernel {
  const directory = freshBpffs();
  const [programs, maps] = [join(directory, "p"), join(directory, "m")];
  execFileSync("bpftool", ["prog", "loadall", file, programs, "pinmaps", maps], { stdio: ["ignore", "ignore", "pipe"] });
  const open = <F extends Fd>(path: string) => {
    // What kind of object is pinned where is known here.
    const fd = objectGet(path) as Fd as F;
    onTestFinished(() => fd.close());
    return fd;
  };
  const loaded = new Map(readdirSync(programs).map((name) => [name, open<ProgramFd>(join(programs, name))]));
  const created = (existsSync(maps) ? readdirSync(maps) : []).map((name): [string, MapFd] => [
    ownName(name),
    open<MapFd>(join(maps, name)),
  ]);
  const program = (name: string) => {
    const fd = loaded.get(name);
    if (fd === undefined) throw new Error(`libbpf has loaded no program ${name}`);
    return fd;
  };
  return {
    run: (name, packet) => programTestRun({ program: program(name), packet, repeat: 1 }).value,
    code: (name) => codeOf(program(name)),
    contents: () => contentsOf(created),
  };
}

/** libbpf calls the map of a data section after object and section, and its pin with "_" for each dot. */
function ownName(pin: string): string {
  const [, section] = /_((?:data|rodata|bss|kconfig)(?:_\w+)?)$/.exec(pin) ?? [];
  return section === undefined ? pin : `.${section.replaceAll("_", ".")}`;
}

/** bpftool has the words. */
function codeOf(fd: ProgramFd): Code {
  const lines: { proto?: string; disasm: string }[] = bpftool("prog", "dump", "xlated", "id", String(programInfo(fd).id));
  const code: Code = {};
  let current: string[] = [];
  for (const { proto, disasm } of lines) {
    if (proto !== undefined) {
      current = [];
      code[/(\w+)\(/.exec(proto)?.[1] ?? proto] = current;
    }
    current.push(
      disasm
        .replace(/map\[id:(\d+)\]/, (_, id) => `map[${mapName(Number(id))}]`)
        // Where a function stands is each loader's own choice.
        .replace(/(call |subprog\[)(pc)?[+-]\d+(#bpf_prog_[0-9a-f]+_)?/, "$1"),
    );
  }
  return code;
}

function mapName(id: number): string {
  using map = mapById(id);
  return mapInfo(map).name.replace(/^.*(\.(?:data|rodata|bss|kconfig))/, "$1");
}

const PER_CPU = new Set<number>([MAP_TYPE.PERCPU_HASH, MAP_TYPE.PERCPU_ARRAY, MAP_TYPE.LRU_PERCPU_HASH]);
/** Lookups give the ids of what is in them. */
const HOLDS_IDS = new Set<number>([MAP_TYPE.PROG_ARRAY, MAP_TYPE.ARRAY_OF_MAPS, MAP_TYPE.HASH_OF_MAPS]);

function contentsOf(maps: [name: string, map: MapFd][]): Contents {
  const contents: Contents = {};
  for (const [name, map] of maps.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const { type, keySize, valueSize, maxEntries, flags, extra } = mapInfo(map);
    const isData = name.startsWith(".");
    // libbpf makes constants mappable, too.
    const shape = { type, keySize, valueSize, maxEntries, extra, ...(!isData && { flags }) };
    contents[name] = { shape, entries: Object.fromEntries(entriesOf(map)) };
  }
  return contents;
}

function* entriesOf(map: MapFd): Generator<[string, string]> {
  const { type, keySize, valueSize } = mapInfo(map);
  const value = new Uint8Array(PER_CPU.has(type) ? ((valueSize + 7) & ~7) * possibleCpus() : valueSize);
  let key: Uint8Array | null = null;
  // Maps without keys have no next one.
  while (keySize > 0) {
    const next = new Uint8Array(keySize);
    if (mapNextKey(map, key, next) !== 0) return;
    key = next;
    // Slots may be empty, and programs and devices there unreadable.
    if (mapLookup(map, key, value) !== 0) continue;
    const shown = HOLDS_IDS.has(type) ? "filled" : PER_CPU.has(type) ? String(sum(value)) : Buffer.from(value).toString("hex");
    yield [Buffer.from(key).toString("hex"), shown];
  }
}

/** On which CPU a program ran is chance. */
function sum(copies: Uint8Array): bigint {
  return [...new BigUint64Array(copies.buffer)].reduce((total, word) => total + word, 0n);
}

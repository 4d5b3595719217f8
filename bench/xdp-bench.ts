/**
 * The program of `xdp-bench tx` (xdp-tools), which swaps MAC addresses and sends back: what a packet that is looked at takes at least.
 *
 * The command itself refuses to start where the kernel lacks one of the tracepoints that it counts errors with, so its program is taken out of
 * the installed command, where it lies as an ELF object, and loaded with the settings that the command gives it.
 */
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { delimiter, join } from "node:path";
import { readElf } from "../src/object/elf/read.ts";
import { loadSpec } from "../src/runtime/load.ts";
import type { LoadedObject } from "../src/runtime/loaded-object.ts";

const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
const EM_BPF = 247;
const PROGRAM = "xdp_basic_prog";
const XDP_TX = 3;

/** The installed command; null when there is none. */
export function findXdpBench(): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.map((folder) => join(folder, "xdp-bench")).find((path) => existsSync(path)) ?? null;
}

/** @throws Error when the command does not hold its program as this expects it. */
export function loadXdpBenchTx(command: string): LoadedObject {
  for (const object of objectsIn(readFileSync(command))) {
    if (!object.includes(PROGRAM)) continue;
    const spec = readElf(object, "xdp-bench");
    const settings = { action: XDP_TX, read_data: true, swap_macs: true, rxq_stats: false };
    // As the command does it: a counter for each CPU.
    const entries = Object.fromEntries(
      spec.maps.filter(({ maxEntries }) => maxEntries === 0).map(({ name }) => [name, cpus().length]),
    );
    return loadSpec(spec, { programs: [PROGRAM], settings, entries });
  }
  throw new Error(`${command} holds no program ${PROGRAM}`);
}

/** The BPF objects that lie in a file. */
function* objectsIn(file: Buffer): Generator<Buffer> {
  for (let at = file.indexOf(ELF); at !== -1; at = file.indexOf(ELF, at + 1)) {
    if (file.readUInt16LE(at + 18) !== EM_BPF) continue;
    const sections = Number(file.readBigUInt64LE(at + 40));
    yield file.subarray(at, at + sections + file.readUInt16LE(at + 58) * file.readUInt16LE(at + 60));
  }
}

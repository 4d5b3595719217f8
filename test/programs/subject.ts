/** A program under test: compiled as users compile it, loaded into the real kernel, run on packets without a device. */
import { fileURLToPath } from "node:url";
import { type CompileOptions, compile } from "../../src/compiler/compile.ts";
import { type LoadedObject, loadSpec, type ObjectSpec, PerCpuArrayMap } from "../../src/index.ts";

export const PROGRAMS = ["pass", "drop", "aborted", "echo"] as const;
export type ProgramName = (typeof PROGRAMS)[number];

/** The file of a shipped program, or of a module below `src`, e.g. "net/checksum.ts". */
export function sourceOf(program: ProgramName | `${string}.ts`): string {
  const path = program.endsWith(".ts") ? program : `programs/${program}.bpf.ts`;
  return fileURLToPath(new URL(`../../src/${path}`, import.meta.url));
}

export function specOf(program: ProgramName, options: CompileOptions = {}): ObjectSpec {
  return compile(sourceOf(program), options).spec;
}

/** The record of one action in `xdp_stats_map`. */
export interface Counters {
  rx_packets: bigint;
  rx_bytes: bigint;
}

export const ACTIONS = ["XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"] as const;
export type ActionName = (typeof ACTIONS)[number];
export const [XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT] = [0, 1, 2, 3, 4] as const;

export interface Answer {
  /** What the program returned. */
  action: number;
  /** The packet as it left it. */
  packet: Uint8Array;
}

export class Subject implements Disposable {
  readonly object: LoadedObject;
  readonly name: ProgramName;

  /** Loads `spec`, by default what the shipped program compiles to, with maps of its own that start at 0. */
  constructor(name: ProgramName, spec: ObjectSpec = specOf(name)) {
    this.name = name;
    this.object = loadSpec(spec);
  }

  get program() {
    return this.object.program(this.name);
  }

  get statistics(): PerCpuArrayMap<Counters> {
    return this.object.map<PerCpuArrayMap<Counters>>("xdp_stats_map", PerCpuArrayMap);
  }

  run(packet: Uint8Array): Answer {
    return this.program.run(packet);
  }

  /** The counters summed over the CPUs, by action. */
  counts(): Record<ActionName, Counters> {
    const map = this.statistics;
    return Object.fromEntries(ACTIONS.map((name, action) => [name, map.sum(action)])) as Record<ActionName, Counters>;
  }

  [Symbol.dispose](): void {
    this.object.close();
  }
}

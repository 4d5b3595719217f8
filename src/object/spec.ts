/**
 * An eBPF object as a plain value. The compiler makes one, `readElf` makes one, `writeElf` turns one into a file, and only the
 * runtime's `load` brings one into a kernel. Nothing here calls the system, and equal inputs give equal specs.
 */
import type { Btf } from "./btf/types.ts";
import type { CoreRelocation } from "./core/relocation.ts";
import type { Instruction } from "./instruction.ts";

export interface ObjectSpec {
  /** The `license` section, e.g. "Dual MIT/GPL": decides which helpers the kernel allows. */
  license: string;
  programs: ProgramSpec[];
  maps: MapSpec[];
  data: DataSpec[];
  /** Types of maps, functions and data. `null` for an object without BTF. */
  btf: Btf | null;
  /** What the running kernel has to provide. Left out when nothing is asked for. */
  externs?: ExternSpec[];
  /** Programs in the file of types that Wirescript does not load. Left out when there are none. */
  omitted?: OmittedProgram[];
  /**
   * 40 hex digits, the file's SHA-1: iproute2 keeps maps of one object apart by it. Only there when a map is pinned "object".
   */
  hash?: string;
}

/** `sched_cls` is TC's classifier with actions of its own, `sched_act` an action that other classifiers call. */
export type ProgramType = "xdp" | "sched_cls" | "sched_act";

export interface OmittedProgram {
  name: string;
  section: string;
  /** What its section's name stands for, e.g. "kprobe". */
  kind: string;
}

/** A variable or function of the kernel that the object declares and does not define. */
export interface ExternSpec {
  name: string;
  /** ".kconfig": how the kernel was built. ".ksyms": a symbol of it. */
  section: ".kconfig" | ".ksyms";
  kind: "variable" | "function";
  /** BTF id: of the variable's type (0 for one without, `void`), or of the function's prototype. */
  typeId: number;
  /** It may be missing: a variable then is 0, and a call is an error only when it is reached. */
  weak: boolean;
}

export interface ProgramSpec {
  /** The function's symbol. The kernel keeps its first 15 bytes. */
  name: string;
  /** ELF section, e.g. "xdp". */
  section: string;
  type: ProgramType;
  /** Which packets a program for TC is meant for. Not known of object files: their sections do not say. */
  direction?: "ingress" | "egress";
  /** The program's entry function, then every subprogram that it reaches. */
  functions: FunctionSpec[];
}

export interface FunctionSpec {
  name: string;
  instructions: Instruction[];
  /** BTF id of the FUNC; 0 when the object has no BTF. */
  typeId: number;
  /** Ascending by `slot`; the first is at slot 0. Empty when the object has no line info. */
  lines: LineSpec[];
  /** Ascending by `slot`. Left out when nothing in the function adapts itself to the running kernel's types. */
  core?: CoreRelocation[];
}

/** Where the instruction at `slot` (counted from the function's start) comes from. */
export interface LineSpec {
  slot: number;
  file: string;
  /** The source line's text, without its indentation. */
  text: string;
  /** 1-based. */
  line: number;
  /** 1-based. */
  column: number;
}

export interface MapSpec {
  name: string;
  /** A number of `enum bpf_map_type`; see `MAP_TYPE`. */
  type: number;
  /** Bytes. */
  keySize: number;
  /** Bytes, per CPU for the per-CPU types. */
  valueSize: number;
  maxEntries: number;
  flags: number;
  /** `map_extra`: a Bloom filter's number of hash functions, 0 for the kernel's choice; 0 for other types. */
  extra: number;
  /**
   * How loads share the map. "by-name": `LIBBPF_PIN_BY_NAME`, a file with its name in the pin directory. "global" and "object":
   * iproute2's `PIN_GLOBAL_NS` and `PIN_OBJECT_NS`, a file with its name in `tc/globals` and `tc/HASH` of the bpffs.
   */
  pinning: "none" | "by-name" | "global" | "object";
  /** The memory node that the map lies on; left out for any. It counts only with the flag BPF_F_NUMA_NODE. */
  numaNode?: number;
  /** BTF ids of key and value; 0 when unknown. */
  keyTypeId: number;
  valueTypeId: number;
  /** Of arrays and hashes of maps: what the maps in it look like. */
  inner?: MapSpec;
  /** Which maps or programs of the object are in it from the start: of maps of maps, and of program arrays. */
  values?: InitialValue[];
}

export type InitialValue = { index: number; map: string } | { index: number; program: string };

/** A section of global data: one map with one entry of `bytes.length` bytes. */
export interface DataSpec {
  /** ".rodata", ".data", ".bss" or a custom section with such a prefix. */
  name: string;
  bytes: Uint8Array;
  /** The program can only read it, and the loader freezes it. */
  readonly: boolean;
  /** Named variables inside, for replacing settings before load and for BTF. */
  variables: { name: string; offset: number; size: number; typeId: number }[];
}

/** `enum bpf_map_type` of linux/bpf.h, as far as this project knows them. */
export const MAP_TYPE = {
  HASH: 1,
  ARRAY: 2,
  PROG_ARRAY: 3,
  PERF_EVENT_ARRAY: 4,
  PERCPU_HASH: 5,
  PERCPU_ARRAY: 6,
  LRU_HASH: 9,
  LRU_PERCPU_HASH: 10,
  LPM_TRIE: 11,
  ARRAY_OF_MAPS: 12,
  HASH_OF_MAPS: 13,
  DEVMAP: 14,
  CPUMAP: 16,
  XSKMAP: 17,
  QUEUE: 22,
  STACK: 23,
  DEVMAP_HASH: 25,
  RINGBUF: 27,
  BLOOM_FILTER: 30,
} as const;

export type MapTypeName = keyof typeof MAP_TYPE;

/** The names of the maps that the program's own functions refer to. */
export function mapsUsedBy({ functions }: ProgramSpec): Set<string> {
  const references = functions.flatMap(({ instructions }) => instructions.map(({ reference }) => reference));
  return new Set(references.flatMap((reference) => (reference?.kind === "map" ? [reference.name] : [])));
}

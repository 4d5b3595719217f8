/**
 * An eBPF object as a plain value. The compiler makes one, `readElf` makes one, `writeElf` turns one into a file, and only the
 * runtime's `load` brings one into a kernel. Nothing here calls the system, and equal inputs give equal specs.
 */
import type { Btf } from "./btf/types.ts";
import type { Instruction } from "./instruction.ts";

export interface ObjectSpec {
  /** The `license` section, e.g. "Dual MIT/GPL": decides which helpers the kernel allows. */
  license: string;
  programs: ProgramSpec[];
  maps: MapSpec[];
  data: DataSpec[];
  /** Types of maps, functions and data. `null` for an object without BTF. */
  btf: Btf | null;
}

export type ProgramType = "xdp" | "sched_cls";

export interface ProgramSpec {
  /** The function's symbol. The kernel keeps its first 15 bytes. */
  name: string;
  /** ELF section, e.g. "xdp". */
  section: string;
  type: ProgramType;
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
  /** "by-name": `LIBBPF_PIN_BY_NAME`, the loader shares the map through a file with its name in the pin directory. */
  pinning: "none" | "by-name";
  /** BTF ids of key and value; 0 when unknown. */
  keyTypeId: number;
  valueTypeId: number;
  /** Of arrays and hashes of maps: what the maps in it look like. */
  inner?: MapSpec;
  /** Of these: which maps of the object are in it from the start. */
  values?: { index: number; map: string }[];
}

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

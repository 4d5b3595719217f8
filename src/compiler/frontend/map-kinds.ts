/** The map types of `wirescript/kernel`, by the name of the function that declares them: what they are to the kernel. */
import type { MapTypeName } from "../../object/spec.ts";

export interface MapKind {
  type: MapTypeName;
  /** "index": a u32 that need not be declared. */
  key: "declared" | "index" | "none";
  /** "number": a u32 that the kernel gives a meaning of its own, such as an ifindex. "map": another map. */
  value: "declared" | "number" | "map";
  /** `BPF_F_…` flags that the type needs. */
  flags: number;
  methods: readonly string[];
}

export const BPF_F_NO_PREALLOC = 1;
export const BPF_F_NO_COMMON_LRU = 1 << 1;
export const BPF_F_RDONLY_PROG = 1 << 7;
export const BPF_F_MMAPABLE = 1 << 10;
export const BPF_F_INNER_MAP = 1 << 12;

/** `entries` beyond which the kernel makes no map of the type, however much memory the machine has, and what the reason is. */
export interface MostEntries {
  limit: number;
  reason: string;
}

const BUCKETS: MostEntries = { limit: 2 ** 27, reason: "Its table of buckets would be larger than 4 GiB" };

/** Types that are not in the table are limited by memory alone. */
export const MOST_ENTRIES: Partial<Record<MapTypeName, MostEntries>> = {
  HASH: BUCKETS,
  PERCPU_HASH: BUCKETS,
  LRU_HASH: BUCKETS,
  LRU_PERCPU_HASH: BUCKETS,
  HASH_OF_MAPS: BUCKETS,
  DEVMAP_HASH: { limit: 2 ** 31, reason: "It has a bucket for each entry, and counts them in powers of two of 32 bits" },
  CPUMAP: { limit: 8192, reason: "It has one entry for each CPU, and no kernel is built for more" },
};

/** Types whose values may have room for a program behind the number. */
export const TAKES_PROGRAMS: ReadonlySet<string> = new Set(["DEVMAP", "DEVMAP_HASH", "CPUMAP"]);

const ELEMENTS = ["lookup", "update", "delete"] as const;

const table = (type: MapTypeName, flags = 0): MapKind => ({
  type,
  key: "declared",
  value: "declared",
  flags,
  methods: ELEMENTS,
});
const indexed = (type: MapTypeName): MapKind => ({
  type,
  key: "index",
  value: "declared",
  flags: 0,
  methods: ["lookup", "update"],
});
const perCpu = (kind: MapKind): MapKind => ({ ...kind, methods: [...kind.methods, "lookupPerCpu"] });
const targets = (type: MapTypeName, method = "redirect"): MapKind => ({
  type,
  key: "index",
  value: "number",
  flags: 0,
  methods: [method],
});
const keyless = (type: MapTypeName, ...methods: string[]): MapKind => ({
  type,
  key: "none",
  value: "declared",
  flags: 0,
  methods,
});

const ofMaps = (type: MapTypeName, key: "index" | "declared"): MapKind => ({
  type,
  key,
  value: "map",
  flags: 0,
  methods: ["lookup"],
});

export const MAP_KINDS: Readonly<Record<string, MapKind>> = {
  array: indexed("ARRAY"),
  perCpuArray: perCpu(indexed("PERCPU_ARRAY")),
  hash: table("HASH"),
  perCpuHash: perCpu(table("PERCPU_HASH")),
  lruHash: table("LRU_HASH"),
  lruPerCpuHash: perCpu(table("LRU_PERCPU_HASH")),
  lpmTrie: table("LPM_TRIE", BPF_F_NO_PREALLOC),
  queue: keyless("QUEUE", "push", "pop", "peek"),
  stack: keyless("STACK", "push", "pop", "peek"),
  bloomFilter: keyless("BLOOM_FILTER", "push", "has"),
  ringBuffer: keyless("RINGBUF", "reserve", "submit", "discard", "output", "query"),
  arrayOfMaps: ofMaps("ARRAY_OF_MAPS", "index"),
  hashOfMaps: ofMaps("HASH_OF_MAPS", "declared"),
  devMap: targets("DEVMAP"),
  devMapHash: targets("DEVMAP_HASH"),
  cpuMap: targets("CPUMAP"),
  xskMap: targets("XSKMAP"),
  progArray: targets("PROG_ARRAY", "tailCall"),
};

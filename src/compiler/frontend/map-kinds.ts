/** The map types of `wirescript/kernel`, by the name of the function that declares them: what they are to the kernel. */
import type { MapTypeName } from "../../object/spec.ts";

export interface MapKind {
  type: MapTypeName;
  /** "index": a u32 that need not be declared. */
  key: "declared" | "index";
  /** "number": a u32 that the kernel gives a meaning of its own, such as an ifindex. */
  value: "declared" | "number";
  /** `BPF_F_…` flags that the type needs. */
  flags: number;
}

const BPF_F_NO_PREALLOC = 1;

const table = (type: MapTypeName, flags = 0): MapKind => ({
  type,
  key: "declared",
  value: "declared",
  flags,
});
const indexed = (type: MapTypeName): MapKind => ({
  type,
  key: "index",
  value: "declared",
  flags: 0,
});
const targets = (type: MapTypeName): MapKind => ({
  type,
  key: "index",
  value: "number",
  flags: 0,
});

export const MAP_KINDS: Readonly<Record<string, MapKind>> = {
  array: indexed("ARRAY"),
  perCpuArray: indexed("PERCPU_ARRAY"),
  hash: table("HASH"),
  perCpuHash: table("PERCPU_HASH"),
  lruHash: table("LRU_HASH"),
  lruPerCpuHash: table("LRU_PERCPU_HASH"),
  lpmTrie: table("LPM_TRIE", BPF_F_NO_PREALLOC),
  devMap: targets("DEVMAP"),
  devMapHash: targets("DEVMAP_HASH"),
  cpuMap: targets("CPUMAP"),
  xskMap: targets("XSKMAP"),
  progArray: targets("PROG_ARRAY"),
};

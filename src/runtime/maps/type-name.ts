/** Map types in words, as messages use them. */
import { MAP_TYPE } from "../../object/spec.ts";

/** The rest of `enum bpf_map_type`: no other part of this project knows them. Source: include/uapi/linux/bpf.h of Linux 6.18. */
const OTHERS: readonly (readonly [number: number, name: string])[] = [
  [7, "stack trace"],
  [8, "cgroup array"],
  [15, "sockmap"],
  [18, "sockhash"],
  [19, "cgroup storage"],
  [20, "reuseport sockarray"],
  [21, "per-CPU cgroup storage"],
  [24, "socket storage"],
  [26, "struct_ops"],
  [28, "inode storage"],
  [29, "task storage"],
  [31, "user ring buffer"],
  [32, "cgroup storage"],
  [33, "arena"],
  [34, "instruction array"],
];

const WORDS = new Map<number, string>([
  ...OTHERS,
  ...Object.entries(MAP_TYPE).map(
    ([name, number]) => [number, name.toLowerCase().replaceAll("_", " ").replace("percpu", "per-CPU")] as const,
  ),
]);

export function mapTypeName(type: number): string {
  return WORDS.get(type) ?? `map of type ${type}`;
}

const PER_CPU = new Set<number>([MAP_TYPE.PERCPU_ARRAY, MAP_TYPE.PERCPU_HASH, MAP_TYPE.LRU_PERCPU_HASH]);

/** Has each value a copy for each possible CPU? */
export function isPerCpu(type: number): boolean {
  return PER_CPU.has(type);
}

/** Map types in words, as messages use them. */
import { MAP_TYPE } from "../../object/spec.ts";

const WORDS = new Map<number, string>(
  Object.entries(MAP_TYPE).map(([name, number]) => [
    number,
    name.toLowerCase().replaceAll("_", " ").replace("percpu", "per-CPU"),
  ]),
);

export function mapTypeName(type: number): string {
  return WORDS.get(type) ?? `map of type ${type}`;
}

const PER_CPU = new Set<number>([MAP_TYPE.PERCPU_ARRAY, MAP_TYPE.PERCPU_HASH, MAP_TYPE.LRU_PERCPU_HASH]);

/** Has each value a copy for each possible CPU? */
export function isPerCpu(type: number): boolean {
  return PER_CPU.has(type);
}

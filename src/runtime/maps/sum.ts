/** Adds the copies of a per-CPU value field by field. */
import { WirescriptError } from "../../errors.ts";

/** @throws WirescriptError (MAP) when a field is neither a number nor made of numbers. */
export function sumValues<V>(values: readonly V[], mapName: string): V {
  // Every branch of `add` gives back the shape that it was given.
  return values.reduce((left, right) => add(left, right, mapName, "value") as V);
}

function add(left: unknown, right: unknown, mapName: string, path: string): unknown {
  if (typeof left === "number" && typeof right === "number") return left + right;
  if (typeof left === "bigint" && typeof right === "bigint") return left + right;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.map((item, index) => add(item, right[index], mapName, `${path}[${index}]`));
  }
  if (isRecord(left) && isRecord(right)) {
    const sum: Record<string, unknown> = {};
    for (const name of Object.keys(left)) sum[name] = add(left[name], right[name], mapName, `${path}.${name}`);
    return sum;
  }
  throw new WirescriptError({
    code: "MAP",
    what: `The values of the map "${mapName}" have no sum: ${path} is ${left instanceof Uint8Array ? "bytes" : typeof left}.`,
    why: "Only integers can be added up over the CPUs.",
    fix: "Use get(), which gives each CPU's value.",
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}

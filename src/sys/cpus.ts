/** Possible CPUs: the number of copies in a value of a per-CPU map, which counts CPUs that may be plugged in later too. */
import { readFileSync } from "node:fs";
import { WirescriptError } from "../errors.ts";

const POSSIBLE = "/sys/devices/system/cpu/possible";
let known: number | null = null;

/** @throws WirescriptError (UNSUPPORTED_SYSTEM) when sysfs is not there. */
export function possibleCpus(): number {
  if (known !== null) return known;
  let list: string;
  try {
    list = readFileSync(POSSIBLE, "utf8");
  } catch (cause) {
    throw new WirescriptError({
      code: "UNSUPPORTED_SYSTEM",
      what: `The number of CPUs is unknown: ${POSSIBLE} cannot be read.`,
      why: "The kernel lays a per-CPU value out for every possible CPU, and says only in sysfs how many there are.",
      fix: "Mount sysfs: mount -t sysfs sysfs /sys",
      cause,
    });
  }
  known = countCpus(list);
  return known;
}

/** Counts the CPUs of a list such as "0-3,8". */
export function countCpus(list: string): number {
  let count = 0;
  for (const range of list.trim().split(",")) {
    const [first, last] = range.split("-").map(Number);
    count += (last ?? first ?? 0) - (first ?? 0) + 1;
  }
  return count;
}

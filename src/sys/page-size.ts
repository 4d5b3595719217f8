/** The size of a memory page, in which ring buffers and mappings are measured: 4096 bytes on x86-64, up to 65,536 on arm64. */
import { readFileSync } from "node:fs";

/** linux/auxvec.h */
const AT_PAGESZ = 6n;
const SMALLEST = 4096;

let known: number | null = null;

export function pageSize(): number {
  known ??= fromAuxiliaryVector() ?? SMALLEST;
  return known;
}

/** Pairs of type and value that the kernel gave this process at its start. Null when /proc is not mounted. */
function fromAuxiliaryVector(): number | null {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync("/proc/self/auxv");
  } catch {
    return null;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    if (view.getBigUint64(at, true) === AT_PAGESZ) return Number(view.getBigUint64(at + 8, true));
  }
  return null;
}

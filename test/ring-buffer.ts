/**
 * Reads a ring buffer as the kernel's documentation says (Documentation/bpf/ringbuf.rst, include/uapi/linux/bpf.h), so that tests see
 * what programs have submitted without relying on the product.
 */
import type { MapFd } from "../src/sys/bpf.ts";
import { mapMemory, syscall } from "../src/sys/ffi.ts";

const PAGE = 4096;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const BUSY = 0x8000_0000;
const DISCARDED = 0x4000_0000;

/** The records that are there, which are taken out. `bytes` is the ring buffer's size. Stops in front of one that is still reserved. */
export function takeRecords(fd: MapFd, bytes: number): Uint8Array[] {
  const consumer = mapMemory(fd.number, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  const producer = mapMemory(fd.number, PAGE + 2 * bytes, PROT_READ, MAP_SHARED, PAGE);
  try {
    const consumed = new BigUint64Array(consumer.memory.buffer, 0, 1);
    const produced = new BigUint64Array(producer.memory.buffer, 0, 1);
    const view = new DataView(producer.memory.buffer);
    const records: Uint8Array[] = [];
    let position = consumed[0] ?? 0n;
    while (position < (produced[0] ?? 0n)) {
      const at = PAGE + Number(position & BigInt(bytes - 1));
      const header = view.getUint32(at, true);
      if ((header & BUSY) !== 0) break;
      const length = header & ~DISCARDED;
      if ((header & DISCARDED) === 0) records.push(producer.memory.slice(at + 8, at + 8 + length));
      position += BigInt(Math.ceil((length + 8) / 8) * 8);
      consumed[0] = position;
    }
    return records;
  } finally {
    syscall("munmap", consumer.address, PAGE);
    syscall("munmap", producer.address, PAGE + 2 * bytes);
  }
}

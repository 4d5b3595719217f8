/**
 * Memory that is shared with the kernel (mmap(2)), made safe for JavaScript: whoever still holds its bytes after `close` reads zeros and
 * writes into nothing. For that its place is taken by empty memory when it is closed, and given back to the system only when no object
 * refers to it any more; unmapping it at once would end the process at the next access.
 */
import { mapMemory, syscall, unmapMemory } from "./ffi.ts";

/** asm-generic/mman-common.h and linux/mman.h; checked against the C headers by a test. */
export const MMAN = {
  PROT_READ: 1,
  PROT_WRITE: 2,
  MAP_SHARED: 0x01,
  MAP_PRIVATE: 0x02,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_NORESERVE: 0x4000,
} as const;

const abandoned = new FinalizationRegistry<{ address: bigint; length: number }>(({ address, length }) => {
  unmapMemory(address, length);
});

export class MappedMemory implements Disposable {
  readonly bytes: Uint8Array;
  readonly #address: bigint;
  #open = true;

  /**
   * Maps `length` bytes of `fd` from `offset`, a multiple of the page size, to be read, and written when `writable`.
   *
   * @throws SyscallError, e.g. EPERM (frozen), EACCES (read-only for programs), EINVAL, ENOMEM.
   */
  constructor(fd: number, length: number, { offset = 0, writable = false }: { offset?: number; writable?: boolean } = {}) {
    const protection = MMAN.PROT_READ | (writable ? MMAN.PROT_WRITE : 0);
    const { address, memory } = mapMemory(fd, length, protection, MMAN.MAP_SHARED, offset);
    this.bytes = memory;
    this.#address = address;
    abandoned.register(memory.buffer, { address, length });
  }

  get closed(): boolean {
    return !this.#open;
  }

  /** Lets go of the kernel's memory. Bytes that others still hold are zero from now on. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    const flags = MMAN.MAP_FIXED | MMAN.MAP_PRIVATE | MMAN.MAP_ANONYMOUS | MMAN.MAP_NORESERVE;
    syscall("mmap", this.#address, this.bytes.byteLength, MMAN.PROT_READ | MMAN.PROT_WRITE, flags, -1, 0);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A ring buffer's records, read as Documentation/bpf/ringbuf.rst of Linux has it. One page holds how far user space has read and may be
 * written; behind it lie how far programs have written, and the data twice in a row, so that a record which wraps around is in one piece.
 *
 * A record's header says whether it is still being written (busy) or was given up (discarded). Its program wakes a reader only when that
 * reader has read everything before the record; so the position is published before the last look at what is there, with atomics that
 * order the two: otherwise program and reader could miss each other.
 */
import { WirescriptError } from "../../errors.ts";
import type { MapFd } from "../../sys/bpf.ts";
import { MappedMemory } from "../../sys/mapped-memory.ts";
import { pageSize } from "../../sys/page-size.ts";
import type { EventSource, RecordDecoder } from "./event-source.ts";

/** linux/bpf.h: BPF_RINGBUF_BUSY_BIT is the header's highest bit, which makes it negative as an int32. */
const BPF_RINGBUF_DISCARD_BIT = 1 << 30;
/** BPF_RINGBUF_HDR_SZ: the length with its bits, and the kernel's own offset. */
const HEADER = 8;
const LENGTH = 0x3fff_ffff;

export class RingSource<T> implements EventSource<T> {
  readonly fds: readonly number[];
  readonly #name: string;
  readonly #decode: RecordDecoder<T>;
  readonly #mask: number;
  readonly #consumerPage: MappedMemory;
  readonly #producerPages: MappedMemory;
  readonly #consumer: BigInt64Array;
  readonly #consumerLow: Int32Array;
  /** The position of programs in word 0, and the headers. */
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #data: number;
  /** Positions are counters of bytes; their lower 32 bits tell everything, because a ring is smaller. */
  #position: number;
  #published: number;
  #publishedWhole: bigint;
  #discarded = 0;
  #closed = false;

  /** `size` is the map's number of entries: the ring's bytes. @throws SyscallError, WirescriptError (MAP) for a ring that is too large. */
  constructor(fd: MapFd, name: string, size: number, decode: RecordDecoder<T>) {
    if (size > LARGEST) {
      throw new WirescriptError({
        code: "MAP",
        what: `The ring buffer "${name}" is too large to be read here.`,
        why: `It has ${size} bytes, and a memory of JavaScript is limited; ${LARGEST} is the most.`,
        fix: "Make it smaller, or use one for each receive queue.",
      });
    }
    this.fds = [fd.number];
    this.#name = name;
    this.#decode = decode;
    this.#mask = size - 1;
    this.#data = pageSize();
    this.#consumerPage = new MappedMemory(fd.number, pageSize(), { writable: true });
    try {
      this.#producerPages = new MappedMemory(fd.number, pageSize() + 2 * size, { offset: pageSize() });
    } catch (error) {
      this.#consumerPage.close();
      throw error;
    }
    const { buffer } = this.#consumerPage.bytes;
    this.#consumer = new BigInt64Array(buffer, 0, 1);
    this.#consumerLow = new Int32Array(buffer, 0, 1);
    this.#bytes = this.#producerPages.bytes;
    this.#words = new Int32Array(this.#bytes.buffer);
    this.#publishedWhole = Atomics.load(this.#consumer, 0);
    this.#published = this.#position = Number(BigInt.asUintN(32, this.#publishedWhole));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Records that programs gave up. */
  get discarded(): number {
    return this.#discarded;
  }

  /** Bytes in the ring that were not taken out, headers and unfinished records included. */
  get unreadBytes(): number {
    return this.#closed ? 0 : (Atomics.load(this.#words, 0) - this.#position) >>> 0;
  }

  read(deliver: (event: T) => void, limit: number): number {
    if (this.#closed) return 0;
    if (Atomics.load(this.#consumerLow, 0) >>> 0 !== this.#published) {
      // Not by `release`, which would take records away from whoever reads them now.
      this.#unmap();
      throw this.#readByOthers();
    }
    let produced = Atomics.load(this.#words, 0);
    let count = 0;
    while (count < limit) {
      if (((produced - this.#position) | 0) <= 0) {
        this.release();
        produced = Atomics.load(this.#words, 0);
        if (((produced - this.#position) | 0) <= 0) break;
      }
      const at = this.#data + (this.#position & this.#mask);
      let header = Atomics.load(this.#words, at >>> 2);
      if (header < 0) {
        this.release();
        header = Atomics.load(this.#words, at >>> 2);
        if (header < 0) break;
      }
      const length = header & LENGTH;
      this.#position = (this.#position + ((length + HEADER + 7) & ~7)) >>> 0;
      if ((header & BPF_RINGBUF_DISCARD_BIT) !== 0) {
        this.#discarded++;
        continue;
      }
      count++;
      deliver(this.#decode(this.#bytes, at + HEADER, length));
      if (this.#closed) break;
      // Programs get room long before the ring is full.
      if ((this.#position - this.#published) >>> 0 > this.#mask >>> 3) this.release();
    }
    return count;
  }

  release(): void {
    if (this.#closed || this.#published === this.#position) return;
    this.#publishedWhole += BigInt((this.#position - this.#published) >>> 0);
    this.#published = this.#position;
    Atomics.store(this.#consumer, 0, this.#publishedWhole);
  }

  #readByOthers(): WirescriptError {
    return new WirescriptError({
      code: "MAP",
      what: `Somebody else reads the ring buffer "${this.#name}".`,
      why: "Its read position has changed without this reader: each record goes to one of them, and some to both.",
      fix: "Let one process read it. This reader is closed.",
    });
  }

  close(): void {
    if (this.#closed) return;
    this.release();
    this.#unmap();
  }

  #unmap(): void {
    this.#closed = true;
    this.#consumerPage.close();
    this.#producerPages.close();
  }
}

/** Twice as much is mapped, and Node.js takes less than 4 GiB as one memory. */
const LARGEST = 1 << 30;

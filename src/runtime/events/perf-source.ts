/**
 * A perf buffer's records: one ring for each CPU, as linux/perf_event.h has it (struct perf_event_mmap_page). Programs write to the ring of
 * their CPU with `bpf_perf_event_output`; what finds no room is lost, and counted by a record of its own as soon as there is room again.
 */

import type { Fd } from "../../sys/fd.ts";
import type { MappedMemory } from "../../sys/mapped-memory.ts";
import { pageSize } from "../../sys/page-size.ts";
import { PERF, PERF_FIELDS, PERF_SIZE } from "../../sys/perf-event.ts";
import type { EventSource, RecordDecoder } from "./event-source.ts";

/** What a program on CPU `cpu` has written. Records of different CPUs come in no order. */
export interface PerfEvent<T> {
  cpu: number;
  data: T;
}

/** An opened event and its ring; `PerfSource` closes both. */
export interface PerfRing {
  cpu: number;
  fd: Fd<"file">;
  memory: MappedMemory;
  /** Takes the event out of the map, so that programs stop writing to it. */
  remove(): void;
}

export class PerfSource<T> implements EventSource<PerfEvent<T>> {
  readonly fds: readonly number[];
  readonly #rings: readonly CpuRing<T>[];
  #next = 0;
  #closed = false;

  constructor(rings: readonly PerfRing[], decode: RecordDecoder<T>) {
    this.fds = rings.map(({ fd }) => fd.number);
    this.#rings = rings.map((ring) => new CpuRing(ring, decode));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Records that found no room, by CPU. */
  get lostByCpu(): ReadonlyMap<number, number> {
    return new Map(this.#rings.map(({ cpu, lost }) => [cpu, lost]));
  }

  read(deliver: (event: PerfEvent<T>) => void, limit: number): number {
    let count = 0;
    // A busy CPU must not keep the others waiting: the next call begins behind the ring where this one ended.
    for (let visited = 0; visited < this.#rings.length && count < limit && !this.#closed; visited++) {
      const ring = this.#rings[this.#next] as CpuRing<T>; // always below the length
      this.#next = (this.#next + 1) % this.#rings.length;
      count += ring.read(deliver, limit - count, () => this.#closed);
    }
    return count;
  }

  release(): void {
    for (const ring of this.#rings) ring.release();
  }

  close(): void {
    if (this.#closed) return;
    this.release();
    this.#closed = true;
    for (const ring of this.#rings) ring.close();
  }
}

const page = PERF_FIELDS.perf_event_mmap_page;
const header = PERF_FIELDS.perf_event_header;

class CpuRing<T> {
  readonly cpu: number;
  lost = 0;
  readonly #ring: PerfRing;
  readonly #decode: RecordDecoder<T>;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #headLow: Int32Array;
  readonly #tail: BigInt64Array;
  readonly #data: number;
  readonly #size: number;
  /** Lower 32 bits, which tell everything: the ring is smaller. */
  #position: number;
  #published: number;
  #publishedWhole: bigint;

  constructor(ring: PerfRing, decode: RecordDecoder<T>) {
    this.cpu = ring.cpu;
    this.#ring = ring;
    this.#decode = decode;
    this.#bytes = ring.memory.bytes;
    const { buffer } = this.#bytes;
    this.#view = new DataView(buffer);
    this.#headLow = new Int32Array(buffer, page.data_head, 1);
    this.#tail = new BigInt64Array(buffer, page.data_tail, 1);
    this.#data = pageSize();
    this.#size = this.#bytes.length - this.#data;
    this.#publishedWhole = Atomics.load(this.#tail, 0);
    this.#published = this.#position = Number(BigInt.asUintN(32, this.#publishedWhole));
  }

  read(deliver: (event: PerfEvent<T>) => void, limit: number, isClosed: () => boolean): number {
    let count = 0;
    let head = Atomics.load(this.#headLow, 0);
    while (count < limit) {
      if (((head - this.#position) | 0) <= 0) {
        this.release();
        head = Atomics.load(this.#headLow, 0);
        if (((head - this.#position) | 0) <= 0) break;
      }
      const at = this.#position & (this.#size - 1);
      const type = this.#view.getUint32(this.#data + at + header.type, true);
      const size = this.#view.getUint16(this.#data + at + header.size, true);
      const [bytes, from] = at + size <= this.#size ? [this.#bytes, this.#data + at] : [this.#unwrapped(at, size), 0];
      const view = bytes === this.#bytes ? this.#view : new DataView(bytes.buffer);
      this.#position = (this.#position + size) >>> 0;
      // struct { header; u64 id; u64 lost; } and struct { header; u32 size; char data[]; }
      if (type === PERF.PERF_RECORD_LOST) this.lost += Number(view.getBigUint64(from + PERF_SIZE.perf_event_header + 8, true));
      if (type !== PERF.PERF_RECORD_SAMPLE) continue;
      const length = view.getUint32(from + PERF_SIZE.perf_event_header, true);
      count++;
      deliver({ cpu: this.cpu, data: this.#decode(bytes, from + PERF_SIZE.perf_event_header + 4, length) });
      if (isClosed()) break;
      if ((this.#position - this.#published) >>> 0 > this.#size >>> 3) this.release();
    }
    return count;
  }

  /** A record that begins at the ring's end and goes on at its start, in one piece. */
  #unwrapped(at: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    const first = this.#bytes.subarray(this.#data + at, this.#data + this.#size);
    bytes.set(first);
    bytes.set(this.#bytes.subarray(this.#data, this.#data + size - first.length), first.length);
    return bytes;
  }

  release(): void {
    if (this.#ring.memory.closed || this.#published === this.#position) return;
    this.#publishedWhole += BigInt((this.#position - this.#published) >>> 0);
    this.#published = this.#position;
    Atomics.store(this.#tail, 0, this.#publishedWhole);
  }

  close(): void {
    this.#ring.remove();
    this.#ring.memory.close();
    this.#ring.fd.close();
  }
}

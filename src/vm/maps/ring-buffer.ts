/** BPF_MAP_TYPE_RINGBUF: records lie in memory of their own here, but room is counted as in the kernel's ring. */
import { Region } from "../memory.ts";
import { VmKeyless } from "./keyless.ts";
import type { Element } from "./map.ts";

/** BPF_RINGBUF_HDR_SZ */
const HEADER = 8;

type State = "reserved" | "submitted" | "discarded";

interface Record {
  region: Region;
  state: State;
  /** Bytes of the ring. */
  room: number;
}

export class VmRingBuffer extends VmKeyless {
  /** What user space has not taken yet, in the order of reservation. */
  #records: Record[] = [];
  #consumed = 0;
  #produced = 0;

  /** `null` when there is no room. */
  reserve(size: number): Region | null {
    const room = Math.ceil((size + HEADER) / 8) * 8;
    if (this.#produced - this.#consumed + room > this.spec.maxEntries - 1) return null;
    this.#produced += room;
    const region = new Region(`a record of the ring buffer ${this.spec.name}`, new Uint8Array(size));
    this.#records.push({ region, state: "reserved", room });
    return region;
  }

  /** False when `region` is no record that is reserved here. The program can reach it no more. */
  release(region: Region, state: "submitted" | "discarded"): boolean {
    const record = this.#records.find((each) => each.region === region && each.state === "reserved");
    if (record === undefined) return false;
    record.state = state;
    region.to = 0;
    return true;
  }

  /** Records that a program has reserved and not given back. */
  get reserved(): number {
    return this.#records.filter(({ state }) => state === "reserved").length;
  }

  /** For user space: the next submitted record, which is removed; `null` when there is none. */
  take(): Uint8Array | null {
    for (let record = this.#records[0]; record !== undefined && record.state !== "reserved"; record = this.#records[0]) {
      this.#records.shift();
      this.#consumed += record.room;
      if (record.state === "submitted") return record.region.bytes.slice();
    }
    return null;
  }

  /** BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE, BPF_RB_CONS_POS, BPF_RB_PROD_POS; 0 for anything else. */
  query(what: number): number {
    return [this.#produced - this.#consumed, this.spec.maxEntries, this.#consumed, this.#produced][what] ?? 0;
  }

  /** For printing: submitted records in their order, with the place of each as its key. */
  override elements(): Iterable<Element> {
    return this.#records
      .filter(({ state }) => state === "submitted")
      .map(({ region }, index) => ({
        key: Uint8Array.of(index >> 24, index >> 16, index >> 8, index),
        copies: [new Region(region.name, region.bytes.slice())],
      }));
  }
}

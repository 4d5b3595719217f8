/** What ring buffers do, as docs/language.md has it: records come out in the order in which they were reserved, those that were submitted. */
import type { Contents } from "./map-model.ts";
import { hex } from "./memory.ts";
import { placeOf } from "./queue-model.ts";
import type { MapDeclaration } from "./tree.ts";

/** In front of each record; records begin at multiples of it. */
const HEADER = 8;

export class RingModel {
  /** Bytes of the ring. */
  readonly size: number;
  /** Bytes that records take, given up or not: nobody reads while a packet is run. */
  unread = 0;
  readonly #records: { bytes: Uint8Array; state: "reserved" | "submit" | "discard" }[] = [];

  constructor({ entries }: MapDeclaration) {
    this.size = entries;
  }

  /** `null` when there is no room: one byte always stays free. */
  reserve(size: number): Uint8Array | null {
    const room = HEADER + Math.ceil(size / HEADER) * HEADER;
    if (this.unread + room >= this.size) return null;
    this.unread += room;
    const bytes = new Uint8Array(size);
    this.#records.push({ bytes, state: "reserved" });
    return bytes;
  }

  release(bytes: Uint8Array, how: "submit" | "discard"): void {
    const record = this.#records.find((each) => each.bytes === bytes);
    if (record?.state !== "reserved") throw new Error("a record is given back that nobody has");
    record.state = how;
  }

  output(value: Uint8Array): boolean {
    const record = this.reserve(value.length);
    if (record === null) return false;
    record.set(value);
    this.release(record, "submit");
    return true;
  }

  /** What a reader finds, by its place. */
  contents(): Contents {
    if (this.#records.some(({ state }) => state === "reserved")) throw new Error("a record is kept");
    const submitted = this.#records.filter(({ state }) => state === "submit");
    return new Map(submitted.map(({ bytes }, index) => [placeOf(index), { own: hex(bytes), others: null }]));
  }
}

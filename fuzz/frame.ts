/** The packet in its frame, and how the kernel lets a program move its edges (net/core/filter.c). */
import type { View } from "./memory.ts";

const HEADROOM = 256;
/** A page, less what the kernel keeps at both ends of it. */
const FRAME_START = 40;
const FRAME_END = 4096 - 320;
const ETHERNET_HEADER = 14;
const LONGEST_METADATA = 252;
/** Of what `ctx.at` reaches. */
export const LARGEST_OFFSET = 0xffffn;

export type Edge = "head" | "tail" | "meta";

/** What programs of either hook see of a packet. */
export interface Packet {
  readonly length: number;
  /** Metadata and packet: what a test run gives back. */
  readonly content: Uint8Array;
  /** `null` beyond the packet's end. */
  at(offset: bigint, size: number): View | null;
  /** `null` when there is less. */
  metadata(size: number): View | null;
}

export class Frame implements Packet {
  readonly #bytes = new Uint8Array(FRAME_END);
  #meta = HEADROOM;
  #data = HEADROOM;
  #end: number;

  constructor(packet: Uint8Array) {
    this.#bytes.set(packet, HEADROOM);
    this.#end = HEADROOM + packet.length;
  }

  get length(): number {
    return this.#end - this.#data;
  }

  get content(): Uint8Array {
    return this.#bytes.slice(this.#meta, this.#end);
  }

  at(offset: bigint, size: number): View | null {
    const from = BigInt.asUintN(64, offset);
    if (from + BigInt(size) > LARGEST_OFFSET || Number(from) + size > this.length) return null;
    return { bytes: this.#bytes, at: this.#data + Number(from) };
  }

  metadata(size: number): View | null {
    return this.#meta + size > this.#data ? null : { bytes: this.#bytes, at: this.#meta };
  }

  /** False when there is no room. The metadata goes with the packet's start. */
  move(edge: Edge, delta: number): boolean {
    if (edge === "meta") {
      const meta = this.#meta + delta;
      const length = this.#data - meta;
      if (meta < FRAME_START || length < 0 || length % 4 !== 0 || length > LONGEST_METADATA) return false;
      this.#meta = meta;
      return true;
    }
    if (edge === "head") {
      const data = this.#data + delta;
      const metadata = this.#data - this.#meta;
      if (data < FRAME_START + metadata || data > this.#end - ETHERNET_HEADER) return false;
      this.#bytes.copyWithin(this.#meta + delta, this.#meta, this.#data);
      this.#data = data;
      this.#meta += delta;
      return true;
    }
    const end = this.#end + delta;
    if (end > FRAME_END || end < this.#data + ETHERNET_HEADER) return false;
    if (delta > 0) this.#bytes.fill(0, this.#end, end);
    this.#end = end;
    return true;
  }
}

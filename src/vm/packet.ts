/**
 * The packet in its frame, and how helpers move its edges: as in a test run of Linux 6.18 (net/bpf/test_run.c, net/core/filter.c), with
 * the packet 256 bytes into a page, room for the kernel's own structures at both ends, and zeros where nothing was received.
 */
import { Region } from "./memory.ts";

/** XDP_PACKET_HEADROOM */
const HEADROOM = 256;
/** `struct xdp_frame` at the start of the frame. */
const FRAME_HEADER = 40;
/** A page, less `struct skb_shared_info` at its end. */
const FRAME_END = 4096 - 320;
const ETHERNET_HEADER = 14;
/** The largest length of metadata that fits its byte in `struct skb_shared_info`. */
const MAX_METADATA = 255;

/** Negative errno values, as helpers give them. */
const EACCES = -13n;
const EINVAL = -22n;

/** The longest packet that a frame has room for. */
export const MAX_PACKET = FRAME_END - HEADROOM;

export class Packet {
  readonly region: Region;
  meta = HEADROOM;
  data = HEADROOM;
  end: number;

  constructor(bytes: Uint8Array) {
    const frame = new Uint8Array(FRAME_END);
    frame.set(bytes, HEADROOM);
    this.region = new Region("the packet", frame);
    this.end = HEADROOM + bytes.length;
    this.#limit();
  }

  /** The packet as it is now. */
  get bytes(): Uint8Array {
    return this.region.bytes.slice(this.data, this.end);
  }

  /** bpf_xdp_adjust_head */
  moveHead(delta: number): bigint {
    const metadata = this.data - this.meta;
    const data = this.data + delta;
    if (data < FRAME_HEADER + metadata || data > this.end - ETHERNET_HEADER) return EINVAL;
    this.region.bytes.copyWithin(this.meta + delta, this.meta, this.data);
    this.data = data;
    this.meta += delta;
    this.#limit();
    return 0n;
  }

  /** bpf_xdp_adjust_tail: what is added is zero. */
  moveTail(delta: number): bigint {
    const end = this.end + delta;
    if (end > FRAME_END || end < this.data + ETHERNET_HEADER) return EINVAL;
    if (delta > 0) this.region.bytes.fill(0, this.end, end);
    this.end = end;
    this.#limit();
    return 0n;
  }

  /** bpf_xdp_adjust_meta */
  moveMeta(delta: number): bigint {
    const meta = this.meta + delta;
    if (meta < FRAME_HEADER || meta > this.data) return EINVAL;
    const length = this.data - meta;
    if (length % 4 !== 0 || length > MAX_METADATA) return EACCES;
    this.meta = meta;
    this.#limit();
    return 0n;
  }

  #limit(): void {
    this.region.from = this.meta;
    this.region.to = this.end;
  }
}

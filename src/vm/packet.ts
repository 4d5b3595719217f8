/**
 * The packet in its frame, and how helpers move its edges: as in a test run of Linux 6.18 (net/bpf/test_run.c, net/core/filter.c), with
 * the packet 256 bytes into a page, room for the kernel's own structures at both ends, and zeros where nothing was received.
 */
import { VmFault } from "./fault.ts";
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
const EFAULT = -14n;
const EINVAL = -22n;

/** The longest packet that a frame has room for. */
const MAX_LINEAR = FRAME_END - HEADROOM;
/** With frags: as many pages behind it as `struct skb_shared_info` can list (MAX_SKB_FRAGS). */
const MAX_FRAGS = 17 * 4096;
/** The longest packet that a program with frags gets. */
export const MAX_PACKET = MAX_LINEAR + MAX_FRAGS;
/** What bpf_xdp_load_bytes and bpf_xdp_store_bytes reach. */
const MAX_OFFSET = 0xffff;

export class Packet {
  readonly region: Region;
  meta = HEADROOM;
  data = HEADROOM;
  end: number;
  /** What lies in further buffers, which the program cannot reach by addresses. */
  readonly #frags: Uint8Array;

  /** @throws VmFault when the packet does not fit; only with `frags` it may lie in several buffers. */
  constructor(bytes: Uint8Array, frags = false) {
    if (bytes.length > (frags ? MAX_PACKET : MAX_LINEAR)) {
      throw new VmFault(`A packet of ${bytes.length} bytes does not fit a frame.`);
    }
    const linear = bytes.subarray(0, MAX_LINEAR);
    const frame = new Uint8Array(FRAME_END);
    frame.set(linear, HEADROOM);
    this.region = new Region("the packet", frame);
    this.end = HEADROOM + linear.length;
    this.#frags = bytes.slice(MAX_LINEAR);
    this.#limit();
  }

  /** The packet as it is now, behind its metadata: what a test run gives back. */
  get bytes(): Uint8Array {
    return Uint8Array.of(...this.region.bytes.subarray(this.meta, this.end), ...this.#frags);
  }

  /** bpf_xdp_get_buff_len */
  get length(): number {
    return this.end - this.data + this.#frags.length;
  }

  /** bpf_xdp_load_bytes; `null` beyond the end. */
  load(offset: number, length: number): Uint8Array | null {
    const start = offset + this.data - this.meta;
    return this.#reaches(offset, length) ? this.bytes.slice(start, start + length) : null;
  }

  /** bpf_xdp_store_bytes */
  store(offset: number, bytes: Uint8Array): bigint {
    if (!this.#reaches(offset, bytes.length)) return EFAULT;
    const linear = Math.max(0, Math.min(bytes.length, this.end - this.data - offset));
    this.region.bytes.set(bytes.subarray(0, linear), this.data + offset);
    this.#frags.set(bytes.subarray(linear), Math.max(0, offset - (this.end - this.data)));
    return 0n;
  }

  #reaches(offset: number, length: number): boolean {
    return offset <= MAX_OFFSET && length <= MAX_OFFSET && offset + length <= this.length;
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
    if (this.#frags.length > 0) throw new VmFault("The interpreter does not move the end of a packet in several buffers.");
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

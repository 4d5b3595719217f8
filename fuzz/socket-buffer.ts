/** The packet in a socket buffer, and how the kernel lets TC programs change it (net/core/filter.c, net/core/skbuff.c), as in a test run. */
import { LARGEST_OFFSET, type Packet } from "./frame.ts";
import type { View } from "./memory.ts";
import type { Reshape } from "./tree.ts";

const ETHERNET_HEADER = 14;
const ADDRESSES = 12;
const TAG = 4;
const VLAN = 0x8100;
const TAGS = [VLAN, 0x88a8];
/** What is no smaller is an EtherType, else a length: IEEE 802.3. */
const SMALLEST_TYPE = 0x600;
const [RAW_802_3, LLC_802_2] = [0x0001, 0x0004];
/** Four pages, less what the kernel keeps of them. */
const LONGEST = 16_384 - 320;

/** Bytes of the shortest, by EtherType. */
const IP_HEADERS = new Map([
  [0x0800, 20],
  [0x86dd, 40],
]);
const MOST_ROOM = 0xfff;

/** A tag that is beside the packet, not in it. */
interface Tag {
  protocol: number;
  tci: number;
}

export class SocketBuffer implements Packet {
  #bytes: Uint8Array;
  #tag: Tag | null = null;
  #protocol: number;
  /** Where the kernel takes the header behind the Ethernet header to begin, which tags in the packet do not change: no packet ends before it. */
  #network = ETHERNET_HEADER;

  constructor(packet: Uint8Array) {
    this.#bytes = packet.slice();
    this.#protocol = this.#typeAt(ADDRESSES);
  }

  get length(): number {
    return this.#bytes.length;
  }

  get content(): Uint8Array {
    return this.#bytes.slice();
  }

  at(offset: bigint, size: number): View | null {
    const from = BigInt.asUintN(64, offset);
    if (from + BigInt(size) > LARGEST_OFFSET || Number(from) + size > this.length) return null;
    return { bytes: this.#bytes, at: Number(from) };
  }

  /** A test run has none. */
  metadata(size: number): View | null {
    return size > 0 ? null : { bytes: this.#bytes, at: 0 };
  }

  get protocol(): number {
    return this.#protocol;
  }

  get vlanTci(): number {
    return this.#tag?.tci ?? 0;
  }

  get vlanProtocol(): number {
    return this.#tag?.protocol ?? 0;
  }

  /** Numbers are what the calls are given, in the order of their parameters. False when the kernel refuses. */
  reshape(how: Reshape["h"], first = 0, second = 0, mode?: Reshape["mode"]): boolean {
    switch (how) {
      case "pull":
        return first <= this.length;
      case "changeTail": {
        if (first < this.#network || first > LONGEST) return false;
        const bytes = new Uint8Array(first);
        bytes.set(this.#bytes.subarray(0, first));
        this.#bytes = bytes;
        return true;
      }
      case "changeHead":
        if (this.length + first > LONGEST) return false;
        this.#insert(0, new Uint8Array(first));
        this.#network += first;
        return true;
      case "adjustRoom":
        return this.#adjustRoom(first, mode === "net");
      case "pushVlan":
        if (this.#tag !== null) {
          const { protocol, tci } = this.#tag;
          this.#insert(ADDRESSES, Uint8Array.of(protocol >> 8, protocol, tci >> 8, tci));
          this.#protocol = protocol;
        }
        this.#tag = { protocol: TAGS.includes(first) ? first : VLAN, tci: second };
        return true;
      case "popVlan":
        return this.#pop();
    }
  }

  /** Room behind the Ethernet header, or behind the IP header without options that the packet is said to have. */
  #adjustRoom(delta: number, behindIp: boolean): boolean {
    const header = IP_HEADERS.get(this.#protocol);
    if (header === undefined || Math.abs(delta) > MOST_ROOM) return false;
    const at = this.#network + (behindIp ? header : 0);
    if (delta >= 0) {
      if (this.length + delta > LONGEST) return false;
      this.#insert(at, new Uint8Array(delta));
      return true;
    }
    // The IP header stays, and what is taken away is there.
    if (this.length - this.#network + delta < header || at - delta > this.length) return false;
    this.#remove(at, -delta);
    return true;
  }

  /** The tag beside the packet, else the first in it; what is the first in it then comes beside it. */
  #pop(): boolean {
    if (this.#tag !== null) this.#tag = null;
    else if (!TAGS.includes(this.#protocol)) return true;
    else if (this.#take() === null) return false;
    if (!TAGS.includes(this.#protocol)) return true;
    const protocol = this.#protocol;
    const tci = this.#take();
    if (tci !== null) this.#tag = { protocol, tci };
    return tci !== null;
  }

  #take(): number | null {
    if (this.length < ETHERNET_HEADER + TAG) return null;
    const tci = this.#word(ADDRESSES + 2);
    this.#protocol = this.#typeAt(ADDRESSES + TAG);
    this.#remove(ADDRESSES, TAG);
    this.#network = Math.max(this.#network - TAG, ETHERNET_HEADER);
    return tci;
  }

  #insert(at: number, inserted: Uint8Array): void {
    const bytes = new Uint8Array(this.length + inserted.length);
    bytes.set(this.#bytes.subarray(0, at));
    bytes.set(inserted, at);
    bytes.set(this.#bytes.subarray(at), at + inserted.length);
    this.#bytes = bytes;
  }

  #remove(at: number, length: number): void {
    const bytes = new Uint8Array(this.length - length);
    bytes.set(this.#bytes.subarray(0, at));
    bytes.set(this.#bytes.subarray(at + length), at);
    this.#bytes = bytes;
  }

  #word(at: number): number {
    return ((this.#bytes[at] ?? 0) << 8) | (this.#bytes[at + 1] ?? 0);
  }

  #typeAt(at: number): number {
    const type = this.#word(at);
    if (type >= SMALLEST_TYPE) return type;
    return this.#word(at + 2) === 0xffff ? RAW_802_3 : LLC_802_2;
  }
}

/**
 * A socket buffer, and how helper functions change it: as in a test run of Linux 6.18 (net/bpf/test_run.c, net/core/filter.c,
 * net/core/skbuff.c), all of it linear. Whenever the packet may move it gets a new region, and the old one can no longer be accessed:
 * what the verifier forgets is a fault here.
 */
import { noField, type VmContext } from "./context.ts";
import type { AddressSpace } from "./memory.ts";
import { Region } from "./memory.ts";

/** What `struct __sk_buff` tells a test run. */
export interface SkbFields {
  mark?: number;
  priority?: number;
  ingressIfindex?: number;
  /** The interface at whose hook the program runs; the loopback interface unless given. */
  ifindex?: number;
  tstamp?: bigint;
  /** Bytes on the wire; the packet's length unless given. */
  wireLength?: number;
  gsoSegments?: number;
  gsoSize?: number;
}

/** Offsets in `struct __sk_buff`. */
export const SKB = {
  len: 0,
  pkt_type: 4,
  mark: 8,
  queue_mapping: 12,
  protocol: 16,
  vlan_present: 20,
  vlan_tci: 24,
  vlan_proto: 28,
  priority: 32,
  ingress_ifindex: 36,
  ifindex: 40,
  tc_index: 44,
  cb: 48,
  hash: 68,
  tc_classid: 72,
  data: 76,
  data_end: 80,
  data_meta: 140,
  tstamp: 152,
  wire_len: 160,
  gso_segs: 164,
  gso_size: 176,
} as const;

/** Fields that programs may write, by offset: bytes, and the largest number that is kept. */
const WRITABLE = new Map<number, { size: number; most: bigint }>([
  [SKB.mark, { size: 4, most: 0xffff_ffffn }],
  [SKB.queue_mapping, { size: 4, most: 0xfffen }],
  [SKB.priority, { size: 4, most: 0xffff_ffffn }],
  [SKB.tc_index, { size: 4, most: 0xffffn }],
  [SKB.tc_classid, { size: 4, most: 0xffffn }],
  [SKB.tstamp, { size: 8, most: 0xffff_ffff_ffff_ffffn }],
]);

const ETHERNET_HEADER = 14;
const VLAN_HEADER = 4;
const ETH_P_802_3 = 1;
const ETH_P_802_2 = 4;
const ETH_P_8021Q = 0x8100;
const ETH_P_8021AD = 0x88a8;
const SMALLEST_ETHERTYPE = 0x600;
/** SKB_MAX_ALLOC: four pages, less the kernel's own structure. */
const LONGEST = 16_384 - 320;

/** Negative errno values, as helpers give them. */
const ENOMEM = -12n;
const EINVAL = -22n;
const ENOTSUPP = -524n;
const EFAULT = -14n;

export class Skb implements VmContext {
  region: Region;
  readonly #space: AddressSpace;
  /** All fields but the packet's addresses. */
  readonly #fields = new DataView(new ArrayBuffer(192));
  /** Where the network header is said to be: the packet may not end before it. Tags that are put into the packet do not move it (Linux 6.12). */
  #network = ETHERNET_HEADER;
  /** A tag that is not in the packet, but beside it. */
  #tag: { protocol: number; tci: number } | null = null;

  constructor(space: AddressSpace, packet: Uint8Array, fields: SkbFields = {}) {
    this.#space = space;
    this.region = new Region("the packet", packet.slice());
    this.#set(SKB.pkt_type, packetType(packet));
    this.protocol = etherTypeOf(packet, 12);
    this.#set(SKB.ifindex, fields.ifindex ?? 1);
    this.#set(SKB.mark, fields.mark ?? 0);
    this.#set(SKB.priority, fields.priority ?? 0);
    this.#set(SKB.ingress_ifindex, fields.ingressIfindex ?? 0);
    this.#fields.setBigUint64(SKB.tstamp, fields.tstamp ?? 0n, true);
    this.#set(SKB.wire_len, fields.wireLength ?? packet.length);
    this.#set(SKB.gso_segs, fields.gsoSegments ?? 0);
    this.#set(SKB.gso_size, fields.gsoSize ?? 0);
  }

  /** The packet as it is now; a tag beside it is not in it. */
  get bytes(): Uint8Array {
    return this.region.bytes.slice();
  }

  get length(): number {
    return this.region.bytes.length;
  }

  // -- struct __sk_buff --

  load(offset: number, size: number): bigint {
    if (size === 4) {
      switch (offset) {
        case SKB.data:
        case SKB.data_meta:
          return this.#space.address(this.region, 0);
        case SKB.data_end:
          return this.#space.address(this.region, this.length);
      }
    }
    if (offset < 0 || offset + size > this.#fields.byteLength) throw noField("reads", offset, size);
    this.#set(SKB.len, this.length);
    this.#set(SKB.vlan_present, this.#tag === null ? 0 : 1);
    this.#set(SKB.vlan_tci, this.#tag?.tci ?? 0);
    this.#set(SKB.vlan_proto, swap16(this.#tag?.protocol ?? 0));
    switch (size) {
      case 1:
        return BigInt(this.#fields.getUint8(offset));
      case 2:
        return BigInt(this.#fields.getUint16(offset, true));
      case 4:
        return BigInt(this.#fields.getUint32(offset, true));
      default:
        return this.#fields.getBigUint64(offset, true);
    }
  }

  store(offset: number, size: number, value: bigint): void {
    if (offset >= SKB.cb && offset + size <= SKB.hash && (size === 4 || size === 8)) {
      if (size === 4) this.#set(offset, Number(BigInt.asUintN(32, value)));
      else this.#fields.setBigUint64(offset, value, true);
      return;
    }
    const field = WRITABLE.get(offset);
    if (field === undefined || field.size !== size) throw noField("writes", offset, size);
    if (size === 8) return this.#fields.setBigUint64(offset, value, true);
    const low = BigInt.asUintN(32, value);
    // The kernel takes 65535 for "no queue", and leaves the field alone.
    if (offset === SKB.queue_mapping && low > field.most) return;
    this.#set(offset, Number(low & field.most));
  }

  field(name: Exclude<keyof typeof SKB, "tstamp" | "cb">): number {
    return Number(this.load(SKB[name], 4));
  }

  get tstamp(): bigint {
    return this.load(SKB.tstamp, 8);
  }

  /** In host order. */
  get protocol(): number {
    return swap16(this.#fields.getUint16(SKB.protocol, true));
  }

  set protocol(type: number) {
    this.#set(SKB.protocol, swap16(type));
  }

  setHash(hash: number): void {
    this.#set(SKB.hash, hash);
  }

  get hash(): number {
    return this.#fields.getUint32(SKB.hash, true);
  }

  /** bpf_skb_change_type: only among those that a received packet can have. */
  changeType(type: number): bigint {
    if (type > 3 || this.#fields.getUint32(SKB.pkt_type, true) > 3) return EINVAL;
    this.#set(SKB.pkt_type, type);
    return 0n;
  }

  // -- the packet --

  /** Whether the bytes up to `end` are there to be changed. The packet may move in any case. */
  makeWritable(end: number): boolean {
    this.#replace(this.region.bytes);
    return end <= this.length;
  }

  /** bpf_skb_pull_data */
  pull(length: number): bigint {
    return this.makeWritable(length) ? 0n : ENOMEM;
  }

  /** bpf_skb_store_bytes */
  storeBytes(offset: number, bytes: Uint8Array, flags: bigint): bigint {
    if (flags > 3n) return EINVAL;
    if (offset > 0x7fff_ffff || !this.makeWritable(offset + bytes.length)) return EFAULT;
    this.region.bytes.set(bytes, offset);
    if ((flags & 2n) !== 0n) this.setHash(0);
    return 0n;
  }

  /** bpf_skb_change_tail */
  changeTail(length: number): bigint {
    if (length > LONGEST || length < this.#network) return EINVAL;
    const bytes = new Uint8Array(length);
    bytes.set(this.region.bytes.subarray(0, length));
    this.#replace(bytes);
    if (this.#isGso) for (const offset of [SKB.gso_size, SKB.gso_segs]) this.#set(offset, 0);
    return 0n;
  }

  /** bpf_skb_change_head */
  changeHead(room: number): bigint {
    if (room > 0x7fff_ffff || this.length + room > LONGEST) return EINVAL;
    this.#insert(0, room);
    this.#network += room;
    return 0n;
  }

  /** bpf_skb_adjust_room, without its flags; `mode` 0 is behind the IP header, 1 behind the MAC header. */
  adjustRoom(delta: number, mode: number): bigint {
    const room = Math.abs(delta);
    if (room > 0xfff) return EFAULT;
    const base = this.protocol === 0x0800 ? 20 : this.protocol === 0x86dd ? 40 : null;
    // The segments of a test run are of no protocol whose size the kernel would know to adjust.
    if (base === null || mode > 1 || this.#isGso) return ENOTSUPP;
    const behind = this.length - this.#network;
    if (delta < 0 && (room >= behind || behind - room < base)) return ENOTSUPP;
    if (delta > 0 && this.length + room > LONGEST) return ENOTSUPP;
    const offset = this.#network + (mode === 0 ? base : 0);
    if (delta >= 0) this.#insert(offset, room);
    else if (offset + room > this.length) return ENOMEM;
    else this.#remove(offset, room);
    return 0n;
  }

  /** bpf_skb_vlan_push: a tag that is beside the packet goes into it, and the new one beside it. */
  pushVlan(protocol: number, tci: number): bigint {
    if (this.#tag !== null) {
      const tag = Uint8Array.of(this.#tag.protocol >> 8, this.#tag.protocol, this.#tag.tci >> 8, this.#tag.tci);
      this.#insert(12, VLAN_HEADER);
      this.region.bytes.set(tag, 12);
      this.protocol = this.#tag.protocol;
    } else {
      this.#replace(this.region.bytes);
    }
    this.#tag = { protocol: isVlan(protocol) ? protocol : ETH_P_8021Q, tci: tci & 0xffff };
    return 0n;
  }

  /** bpf_skb_vlan_pop: the tag beside the packet, else the first in it; the next one in the packet comes beside it. */
  popVlan(): bigint {
    this.#replace(this.region.bytes);
    if (this.#tag !== null) {
      this.#tag = null;
    } else {
      if (!isVlan(this.protocol)) return 0n;
      if (this.#takeTag() === null) return ENOMEM;
    }
    const protocol = this.protocol;
    if (!isVlan(protocol)) return 0n;
    const tci = this.#takeTag();
    if (tci === null) return ENOMEM;
    this.#tag = { protocol, tci };
    return 0n;
  }

  /** __skb_vlan_pop */
  #takeTag(): number | null {
    if (this.length < ETHERNET_HEADER + VLAN_HEADER) return null;
    const tci = this.region.view.getUint16(14);
    this.protocol = etherTypeOf(this.region.bytes, 16);
    this.#remove(12, VLAN_HEADER);
    this.#network = Math.max(this.#network - VLAN_HEADER, ETHERNET_HEADER);
    return tci;
  }

  #insert(offset: number, length: number): void {
    const bytes = new Uint8Array(this.length + length);
    bytes.set(this.region.bytes.subarray(0, offset));
    bytes.set(this.region.bytes.subarray(offset), offset + length);
    this.#replace(bytes);
  }

  #remove(offset: number, length: number): void {
    const bytes = new Uint8Array(this.length - length);
    bytes.set(this.region.bytes.subarray(0, offset));
    bytes.set(this.region.bytes.subarray(offset + length), offset);
    this.#replace(bytes);
  }

  #replace(bytes: Uint8Array): void {
    this.region.to = this.region.from;
    this.region = new Region("the packet", bytes.slice());
  }

  get #isGso(): boolean {
    return this.#fields.getUint32(SKB.gso_size, true) !== 0;
  }

  #set(offset: number, value: number): void {
    this.#fields.setUint32(offset, value, true);
  }
}

function isVlan(type: number): boolean {
  return type === ETH_P_8021Q || type === ETH_P_8021AD;
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

/** eth_type_trans and vlan_set_encap_proto: what stands at `offset`, or which kind of IEEE 802.3 frame it is. */
function etherTypeOf(packet: Uint8Array, offset: number): number {
  const word = (at: number) => ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
  const type = word(offset);
  if (type >= SMALLEST_ETHERTYPE) return type;
  return packet.length >= offset + 4 && word(offset + 2) === 0xffff ? ETH_P_802_3 : ETH_P_802_2;
}

/** PACKET_HOST, _MULTICAST or _OTHERHOST to the loopback device, whose address is zero, as is its broadcast address. */
function packetType(packet: Uint8Array): number {
  const destination = packet.subarray(0, 6);
  if (destination.every((byte) => byte === 0)) return 0;
  return ((destination[0] ?? 0) & 1) === 1 ? 2 : 3;
}

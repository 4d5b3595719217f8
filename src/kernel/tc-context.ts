/** What a TC program is given: the kernel's socket buffer (skb). Source: `struct __sk_buff`, linux/bpf.h; bpf-helpers(7). */
import type { PacketContext } from "./context.ts";
import type { be32, i32, i64, u16, u32, u64 } from "./integers.ts";
import type { Bytes, Given, Infer, Schema } from "./schema.ts";
import type { TcAction } from "./tc-actions.ts";

/**
 * `at` reaches the packet's linear part, `linearLength` bytes: what the driver put into one piece, in general all headers. What lies
 * behind is reached after `pull`, or by `loadBytes` and `storeBytes`.
 */
export interface TcContext extends PacketContext {
  /** The interface at whose hook the program runs. */
  readonly ifindex: u32;
  /** The EtherType of what the frame carries (behind a VLAN tag that the device has taken off), in host order. */
  readonly protocol: u16;
  /** Who the packet is for: 0 this host, 1 everyone, 2 a group, 3 someone else, 4 it goes out (PACKET_HOST …). */
  readonly packetType: u32;
  /** A number that travels with the packet inside this host: rules of nftables, routing and `tc` can ask for it. */
  mark: u32;
  /** The class or priority that queueing disciplines go by. */
  priority: u32;
  /** The transmit queue on egress, the receive queue plus one on ingress; 0 when none was recorded. Writing 65535 does nothing. */
  queueMapping: u16;
  /** A number for `tc`'s own use (`tc_index`). */
  tcIndex: u16;
  /** Five numbers of the program's own (`cb`), which programs that it tail-calls find as it left them. */
  cb0: u32;
  cb1: u32;
  cb2: u32;
  cb3: u32;
  cb4: u32;
  /** The class that a queueing discipline takes the packet for, on egress. */
  tcClassid: u16;
  /** When the packet came in or is to be sent, in nanoseconds; 0 when unknown. */
  tstamp: u64;
  /** Whether the frame has a VLAN tag that the device has taken off. */
  readonly vlanPresent: boolean;
  /** That tag's priority, drop eligible bit and VLAN id. */
  readonly vlanTci: u16;
  /** That tag's EtherType, in host order; 0 without a tag. */
  readonly vlanProtocol: u16;
  /** The flow's hash as the device or the kernel computed it; 0 when nobody has. */
  readonly hash: u32;
  /** Bytes on the wire, headers of all segments counted. */
  readonly wireLength: u32;
  /** Segments that the packet will become, and bytes of payload in each; 0 when it stays whole. */
  readonly gsoSegments: u32;
  readonly gsoSize: u32;

  /**
   * Makes the first `length` bytes linear and writable (all of them for 0). Every view from before is dead afterwards. `false` when
   * the packet is shorter.
   */
  pull(length: u32): boolean;

  /** Sends the packet out of interface `ifindex`, or with `ingress` into it, as if it had come in there: `return ctx.redirect(7)`. */
  redirect(ifindex: u32, options?: { ingress?: boolean }): TcAction;
  /**
   * As `redirect`, with the MAC addresses filled in from the neighbour table: those of `nextHop`, or without it of the route to the packet's
   * own destination. Linux 5.10.
   */
  redirectNeigh(ifindex: u32, nextHop?: { ipv4: be32 } | { ipv6: Bytes<16> }): TcAction;
  /**
   * Sends a copy of the packet out of interface `ifindex`, or into it, and keeps the packet. Every view from before is dead afterwards.
   * `false` when it could not be sent.
   */
  cloneRedirect(ifindex: u32, options?: { ingress?: boolean }): boolean;

  /** Puts a VLAN tag on; `protocol` is EtherType.VLAN or EtherType.QINQ. Every view from before is dead afterwards. */
  pushVlan(protocol: u16, tci: u16): boolean;
  /** Takes the outermost VLAN tag off, if there is one. Every view from before is dead afterwards. */
  popVlan(): boolean;
  /** Makes the packet `length` bytes long. Every view from before is dead afterwards. For answers that are made of the packet. */
  changeTail(length: u32): boolean;
  /** Makes `bytes` of room in front of the packet, zeroed. Every view from before is dead afterwards. */
  changeHead(bytes: u32): boolean;
  /**
   * Makes room of `delta` bytes behind the IP header ("net") or behind the MAC header ("mac"), zeroed; negative takes bytes away. For
   * packets of IPv4 and IPv6. The options tell the kernel what the room is for, so that it can still cut large packets to size. Every view
   * from before is dead afterwards.
   */
  adjustRoom(delta: i32, mode: "net" | "mac", options?: AdjustRoomOptions): boolean;
  /**
   * Writes `value`, wherever it lies in the packet. `recomputeChecksum` keeps a checksum right that the device has computed over the
   * whole packet, `invalidateHash` forgets the flow's hash. Every view from before is dead afterwards. `false` beyond the packet's end.
   */
  storeBytes<S extends Schema>(
    offset: u32,
    schema: S,
    value: Given<S>,
    options?: { recomputeChecksum?: boolean; invalidateHash?: boolean },
  ): boolean;
  /**
   * Updates the IPv4 header's checksum at `offset` for a field of type `schema` (2 or 4 bytes) that changes from `from` to `to`. Every
   * view from before is dead afterwards.
   */
  replaceL3Checksum<S extends Schema>(offset: u32, schema: S, from: Infer<S>, to: Infer<S>): boolean;
  /** Adds `difference`, which `csumDiff` gives, to the IPv4 header's checksum at `offset`. Every view from before is dead afterwards. */
  addToL3Checksum(offset: u32, difference: i64): boolean;
  /**
   * As `replaceL3Checksum`, for the checksum of TCP, UDP or ICMP. `pseudoHeader`: the field is part of the pseudo header, as addresses
   * are. `mangledZero`: leave a checksum of 0 alone, and never write one, as UDP wants it.
   */
  replaceL4Checksum<S extends Schema>(
    offset: u32,
    schema: S,
    from: Infer<S>,
    to: Infer<S>,
    options?: L4ChecksumOptions,
  ): boolean;
  /** As `addToL3Checksum`, for the checksum of TCP, UDP or ICMP. */
  addToL4Checksum(offset: u32, difference: i64, options?: L4ChecksumOptions): boolean;

  /** Says who the packet is for: one of the numbers of `packetType`. */
  changeType(type: u32): boolean;
  /** Gives the flow the hash `hash`. */
  setHash(hash: u32): void;
  /** The flow's hash, computed when nobody has yet. */
  recalculateHash(): u32;
  /** Forgets the flow's hash: after a change of addresses or ports. */
  invalidateHash(): void;
}

/** BPF_F_ADJ_ROOM_… of linux/bpf.h. */
export interface AdjustRoomOptions {
  /** The size of the segments stays as it is. */
  fixedGso?: boolean;
  /** The room is for an outer IP header … */
  encapIpv4?: boolean;
  encapIpv6?: boolean;
  /** … and what follows it. */
  encapGre?: boolean;
  encapUdp?: boolean;
  encapEthernet?: boolean;
  /** Bytes of an inner link layer header, 0 to 255. */
  encapL2Length?: number;
  /** The IP header in front goes, and this one is behind it (Linux 6.3). */
  decapIpv4?: boolean;
  decapIpv6?: boolean;
  /** A checksum that the device has computed still holds. */
  noChecksumReset?: boolean;
}

export interface L4ChecksumOptions {
  pseudoHeader?: boolean;
  mangledZero?: boolean;
}

/** The ingress hook's context: here a packet can also change over to another namespace at once. */
export interface TcIngressContext extends TcContext {
  /**
   * Sends the packet to the other end of the veth or netkit pair that `ifindex` belongs to, in whatever namespace that is, without
   * a detour over this host's queues. Linux 5.10.
   */
  redirectPeer(ifindex: u32): TcAction;
}

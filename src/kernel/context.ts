/** What a program is given: the packet, and what the kernel knows about it. */
import type { u32 } from "./integers.ts";
import type { Given, Schema, View } from "./schema.ts";

/** What the contexts of all hooks have: code that reads packets takes this, and serves them all. */
export interface PacketContext {
  /** Bytes of the whole frame, from the Ethernet header on, without the frame check sequence. */
  readonly length: u32;
  /**
   * Bytes of the frame that `at` can reach: on XDP all of them, unless the program takes frames in several buffers (`frags`); on TC the
   * linear part.
   */
  readonly linearLength: u32;
  /** The interface that the packet came in by; on TC 0 for packets that this host made. */
  readonly ingressIfindex: u32;
  /**
   * The packet's bytes from `offset` on, seen as `schema`; `null` when they do not reach that far. The check for `null` is the bounds
   * check that the kernel's verifier wants.
   */
  at<S extends Schema>(schema: S, offset?: number): View<S> | null;
  /**
   * The metadata in front of the packet, seen as `schema`; `null` when there is less. What an XDP program leaves there, a program on
   * TC's ingress hook finds.
   */
  meta<S extends Schema>(schema: S): View<S> | null;
  /**
   * A copy of the packet's bytes from `offset` on, wherever they lie, on the program's stack and seen as `schema`; `null` when the packet
   * ends before. Linux 5.18 on XDP.
   */
  loadBytes<S extends Schema>(offset: u32, schema: S): View<S> | null;
  /** Writes `value` to the packet from `offset` on, wherever that lies; `false` when the packet ends before. Linux 5.18 on XDP. */
  storeBytes<S extends Schema>(offset: u32, schema: S, value: Given<S>): boolean;
}

/** What an XDP program is given. Source: `struct xdp_md`, linux/bpf.h. */
export interface XdpContext extends PacketContext {
  /** The receive queue of the interface that the packet came in by. */
  readonly rxQueueIndex: u32;
  /**
   * Moves the packet's start by `delta` bytes: negative makes room for a header, positive removes one. Every view from before is dead
   * afterwards. `false` when the driver has no such room, or less than an Ethernet header would remain.
   */
  adjustHead(delta: number): boolean;
  /** Moves the packet's end: negative cuts, positive grows where the driver can. Every view from before is dead afterwards. */
  adjustTail(delta: number): boolean;
  /** Moves the metadata's start: `adjustMeta(-Schema.size)` makes room, by multiples of four bytes. Every view from before is dead afterwards. */
  adjustMeta(delta: number): boolean;
}

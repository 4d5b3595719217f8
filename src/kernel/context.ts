/** What a program is given: the packet, and what the kernel knows about it. */
import type { u32 } from "./integers.ts";
import type { Schema, View } from "./schema.ts";

/** What the contexts of all hooks have: code that reads packets takes this, and serves them all. */
export interface PacketContext {
  /** Bytes of the frame, from the Ethernet header on, without the frame check sequence. */
  readonly length: u32;
  /** The interface that the packet came in by. */
  readonly ingressIfindex: u32;
  /**
   * The packet's bytes from `offset` on, seen as `schema`; `null` when the packet is too short. The check for `null` is the
   * bounds check that the kernel's verifier wants.
   */
  at<S extends Schema>(schema: S, offset?: number): View<S> | null;
  /**
   * The metadata in front of the packet, seen as `schema`; `null` when there is less. A program on TC's ingress hook reads what was
   * written here. `adjustMeta(-Schema.size)` makes room first.
   */
  meta<S extends Schema>(schema: S): View<S> | null;
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
  /** Moves the metadata's start: negative makes room, by multiples of four bytes. Every view from before is dead afterwards. */
  adjustMeta(delta: number): boolean;
}

/** What an XDP program is given. Source: `struct xdp_md`, linux/bpf.h. */
import type { u32 } from "./integers.ts";
import type { Schema, View } from "./schema.ts";

export interface XdpContext {
  /** Bytes of the frame, from the Ethernet header on, without the frame check sequence. */
  readonly length: u32;
  /** The interface that the packet came in by. */
  readonly ingressIfindex: u32;
  /** The receive queue of that interface. */
  readonly rxQueueIndex: u32;
  /**
   * The packet's bytes from `offset` on, seen as `schema`; `null` when the packet is too short. The check for `null` is the
   * bounds check that the kernel's verifier wants.
   */
  at<S extends Schema>(schema: S, offset?: number): View<S> | null;
}

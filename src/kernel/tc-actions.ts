/**
 * What a TC program answers in direct-action mode (`tc filter … da`, TCX). Source: linux/pkt_cls.h.
 *
 * Some of the numbers are those of XDP actions with another meaning (2 is TC_ACT_SHOT and XDP_PASS), so these carry a brand: mixing
 * the two is a type error.
 */
declare const brand: unique symbol;
type Verdict<N extends number> = number & { readonly [brand]: N };

/** No verdict: go on with the next filter or program, and with the packet when there is none. */
export const TC_ACT_UNSPEC = -1 as Verdict<-1>;
/** Let the packet go on, and ask no other filter. */
export const TC_ACT_OK = 0 as Verdict<0>;
/** Start the classification anew. */
export const TC_ACT_RECLASSIFY = 1 as Verdict<1>;
/** Drop the packet. */
export const TC_ACT_SHOT = 2 as Verdict<2>;
/** Go on with the next action of the filter. */
export const TC_ACT_PIPE = 3 as Verdict<3>;
/** Take the packet away: it is freed, and does not count as dropped. */
export const TC_ACT_STOLEN = 4 as Verdict<4>;
/** As TC_ACT_STOLEN: someone else has the packet now. */
export const TC_ACT_QUEUED = 5 as Verdict<5>;
/** Send the packet to where `ctx.redirect` said. */
export const TC_ACT_REDIRECT = 7 as Verdict<7>;
/** Give the packet to the CPU, on hardware that forwards by itself; else as TC_ACT_STOLEN. */
export const TC_ACT_TRAP = 8 as Verdict<8>;

/** A closed set: returning any other number, or an XDP action, is a type error. */
export type TcAction =
  | typeof TC_ACT_UNSPEC
  | typeof TC_ACT_OK
  | typeof TC_ACT_RECLASSIFY
  | typeof TC_ACT_SHOT
  | typeof TC_ACT_PIPE
  | typeof TC_ACT_STOLEN
  | typeof TC_ACT_QUEUED
  | typeof TC_ACT_REDIRECT
  | typeof TC_ACT_TRAP;

/** What an XDP program answers. Source: `enum xdp_action`, linux/bpf.h. */

/** Drop the packet and raise the tracepoint xdp:xdp_exception: something went wrong. */
export const XDP_ABORTED = 0;
/** Drop the packet. */
export const XDP_DROP = 1;
/** Give the packet to the network stack. */
export const XDP_PASS = 2;
/** Send the packet out of the device that it came in by. */
export const XDP_TX = 3;
/** Send the packet to where `redirect` said. */
export const XDP_REDIRECT = 4;

/** A closed set: returning any other number is a type error. */
export type XdpAction = typeof XDP_ABORTED | typeof XDP_DROP | typeof XDP_PASS | typeof XDP_TX | typeof XDP_REDIRECT;

/**
 * Hands a number from XDP to TC, packet by packet, as the kernel's sample xdp2skb_meta does: XDP puts it in front of the packet, and the
 * program on TC's ingress hook makes it the packet's mark, which nftables, routing rules and `tc` filters can ask for.
 *
 * A mark of 41 says that there was no metadata: XDP did not run, or a driver or a copy of the packet dropped it.
 */
import { struct, TC_ACT_OK, tc, u32, XDP_ABORTED, XDP_PASS, xdp } from "wirescript/kernel";

const Meta = struct({ mark: u32 });

export const xdp_mark = xdp(
  (ctx) => {
    if (!ctx.adjustMeta(-Meta.size)) return XDP_ABORTED;
    const meta = ctx.meta(Meta);
    if (!meta) return XDP_ABORTED;
    meta.mark = 42;
    return XDP_PASS;
  },
  { section: "xdp_mark" },
);

export const tc_mark = tc.ingress(
  (ctx) => {
    const meta = ctx.meta(Meta);
    ctx.mark = meta ? meta.mark : 41;
    return TC_ACT_OK;
  },
  { section: "tc_mark" },
);

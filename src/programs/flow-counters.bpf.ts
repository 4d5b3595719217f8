/**
 * Counts the packets and bytes of IPv4 by who talks with whom: what comes in, in the driver, and what goes out, on TC's egress hook, in one
 * table, as the ACM tutorial's layercoop does. Everything passes; bytes include the Ethernet header. When the table is full, new pairs are
 * not counted.
 *
 * Packets of one pair may arrive on several CPUs at once, and be sent meanwhile: the additions are atomic, which the tutorial's are not. And
 * all bytes that are sent count, not only those of the packet's linear part.
 */
import { atomicAdd, be32, hash, type Infer, struct, TC_ACT_OK, tc, u64, XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet, EtherType, IPv4 } from "wirescript/net";

/** This host's address, and the other's. */
const Pair = struct({ lip: be32, rip: be32 });
type Pair = Infer<typeof Pair>;

const Counters = struct({ tx_cnt: u64, rx_cnt: u64, tx_bytes: u64, rx_bytes: u64 });
type Counters = Infer<typeof Counters>;

/** One check of the packet's length is enough for both. */
const Headers = struct({ eth: Ethernet, ip: IPv4 });

export const trackers = hash({ key: Pair, value: Counters, entries: 2048, pinned: true });

export const rx = xdp(
  (ctx) => {
    const headers = ctx.at(Headers);
    if (!headers || headers.eth.type !== EtherType.IPv4) return XDP_PASS;
    const counters = countersOf({ lip: headers.ip.dst, rip: headers.ip.src });
    if (!counters) return XDP_PASS;
    atomicAdd(counters.rx_cnt, 1);
    atomicAdd(counters.rx_bytes, ctx.length);
    return XDP_PASS;
  },
  { section: "rx" },
);

export const tx = tc.egress(
  (ctx) => {
    const headers = ctx.at(Headers);
    if (!headers || headers.eth.type !== EtherType.IPv4) return TC_ACT_OK;
    const counters = countersOf({ lip: headers.ip.src, rip: headers.ip.dst });
    if (!counters) return TC_ACT_OK;
    atomicAdd(counters.tx_cnt, 1);
    atomicAdd(counters.tx_bytes, ctx.length);
    return TC_ACT_OK;
  },
  { section: "tx" },
);

/** The pair's counters, made when it is new; `null` when there is no room. */
function countersOf(pair: Pair): Counters | null {
  const known = trackers.lookup(pair);
  if (known) return known;
  // Another CPU may be first. Then this fails, and its counters are there.
  trackers.update(pair, { tx_cnt: 0, rx_cnt: 0, tx_bytes: 0, rx_bytes: 0 }, "noexist");
  return trackers.lookup(pair);
}

/**
 * A hub: what comes in by one device goes out by all others. Attach it to the ingress hook of each device of the hub, and put their ifindexes
 * into `ports`; it never sends a packet back where it came from.
 *
 *     tc qdisc add dev DEV clsact
 *     tc filter add dev DEV ingress bpf da obj broadcast.o sec classifier
 *
 * It is a program for TC, because XDP has one verdict for a packet, and copies need one each. The packet itself ends here: nothing comes up
 * to the network stack of the machine that is the hub.
 */
import { array, arrayOf, TC_ACT_SHOT, tc, u32 } from "wirescript/kernel";

/** The hub's devices; 0 is no port. Pinned, so that user space fills it while packets flow. */
export const ports = array({ value: arrayOf(u32, 16), entries: 1, pinned: true });

export const broadcast = tc.ingress(
  (ctx) => {
    const hub = ports.lookup(0);
    if (!hub) return TC_ACT_SHOT;
    const from = ctx.ifindex;
    for (let index = 0; index < hub.length; index++) {
      const port = hub[index] ?? 0;
      // A device that is gone, or down, does not keep the others from getting theirs.
      if (port !== 0 && port !== from) ctx.cloneRedirect(port);
    }
    return TC_ACT_SHOT;
  },
  { section: "classifier" },
);

/** What programs of each hook are made with, and what they may decide. */
import type { Hook } from "./tree.ts";

/** A verdict, and the number that the kernel sees. */
interface Decision {
  name: string;
  number: number;
}

export const VERDICTS: Readonly<Record<Hook, readonly Decision[]>> = {
  xdp: [
    { name: "XDP_ABORTED", number: 0 },
    { name: "XDP_DROP", number: 1 },
    { name: "XDP_PASS", number: 2 },
    { name: "XDP_TX", number: 3 },
  ],
  tc: [
    { name: "TC_ACT_OK", number: 0 },
    { name: "TC_ACT_SHOT", number: 2 },
    { name: "TC_ACT_UNSPEC", number: -1 },
    { name: "TC_ACT_PIPE", number: 3 },
  ],
};

/** Verdicts behind which a chain goes on with its next program. */
export const GOES_ON: Readonly<Record<Hook, readonly string[]>> = {
  xdp: ["XDP_PASS"],
  tc: ["TC_ACT_OK", "TC_ACT_UNSPEC", "TC_ACT_PIPE"],
};

/** What `redirect` gives. */
export const REDIRECT: Readonly<Record<Hook, bigint>> = { xdp: 4n, tc: 7n };

export const HOOKS = { xdp: { make: "xdp", context: "XdpContext" }, tc: { make: "tc.ingress", context: "TcContext" } } as const;

/** The map of the programs that tail calls go to, and its size. */
export const TAILS = "tails";
export const MOST_TAILS = 4;

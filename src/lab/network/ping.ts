/** Pings between the hosts of a lab, over both families. */
import { type PingOptions, type PingResult, ping } from "../ping.ts";
import type { HostPlan, NetworkPlan } from "./plan.ts";

export interface HostPair {
  from: HostPlan;
  to: HostPlan;
}

export interface PairResult extends HostPair {
  /** The address of `to` that was pinged. */
  destination: string;
  result: PingResult;
}

/** Each host with each other one, both ways. */
export function allPairs({ hosts }: NetworkPlan): HostPair[] {
  return hosts.flatMap((from) => hosts.filter((to) => to !== from).map((to) => ({ from, to })));
}

/** Pings each pair over IPv4, then IPv6, one after the other. Ends early with `signal`. @throws WirescriptError as `ping` does. */
export async function* pingPairs(
  pairs: readonly HostPair[],
  options: Omit<PingOptions, "destination" | "namespace"> = {},
): AsyncGenerator<PairResult> {
  for (const { from, to } of pairs) {
    for (const destination of [to.ip4, to.ip6]) {
      const result = await ping({ ...options, destination, namespace: from.namespace });
      // Cut short, it says nothing.
      if (options.signal?.aborted === true && result.sent === 0) return;
      yield { from, to, destination, result };
    }
  }
}

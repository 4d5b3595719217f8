/** What the datapath has counted, read from its maps: nothing is kept here, so restarts and changes do not matter. */
import { Reason } from "../../programs/balancer-maps.bpf.ts";
import type { Counters } from "../contract.ts";
import type { DatapathMaps } from "./installed.ts";

export interface ServiceCounters {
  counters: Counters;
  drops: number;
}

const NOTHING: Counters = { packets: 0, bytes: 0, replies: 0, replyBytes: 0, flows: 0 };

/** `number` undefined: a service that is not in the datapath. Counters beyond 2^53 are rounded. */
export function serviceCounters(maps: DatapathMaps, number: number | undefined): ServiceCounters {
  if (number === undefined) return { counters: NOTHING, drops: 0 };
  const { drops, ...counters } = maps.service_stats.sum(number);
  return { counters: rounded(counters), drops: Number(drops) };
}

export function backendCounters(maps: DatapathMaps, number: number | undefined): Counters {
  return number === undefined ? NOTHING : rounded(maps.backend_stats.sum(number));
}

/** By the names of `Reason`, in lower case: all of them. */
export function reasonCounters(maps: DatapathMaps): Record<string, { packets: number; bytes: number }> {
  return Object.fromEntries(
    Object.entries(Reason).map(([name, number]) => {
      const { packets, bytes } = maps.reasons.sum(number);
      return [name.toLowerCase(), { packets: Number(packets), bytes: Number(bytes) }];
    }),
  );
}

function rounded({ packets, bytes, replies, replyBytes, flows }: Record<keyof Counters, bigint>): Counters {
  return {
    packets: Number(packets),
    bytes: Number(bytes),
    replies: Number(replies),
    replyBytes: Number(replyBytes),
    flows: Number(flows),
  };
}

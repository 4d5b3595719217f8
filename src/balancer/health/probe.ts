/**
 * One question to a backend: is it well? A probe returns when it is, and throws a `Sick` that says in words what is wrong. They use the network
 * namespace of the thread, and no other thread.
 */
import type { Check } from "../state.ts";
import { probeHttp } from "./http.ts";
import { probeIcmp } from "./icmp.ts";
import { probeTcp } from "./tcp.ts";
import { probeUdp } from "./udp.ts";

export interface Target {
  address: string;
  /** 0 for ICMP. */
  port: number;
}

/** Ends in time, well or not: `signal` is aborted when the check's timeout is over, and when nobody wants to know any more. */
export async function probe(check: Check, target: Target, signal: AbortSignal): Promise<void> {
  switch (check.type) {
    case "tcp":
      return await probeTcp(target, signal);
    case "http":
    case "https":
      return await probeHttp(check, target, signal);
    case "udp":
      return await probeUdp(check, target, signal);
    case "icmp":
      return await probeIcmp(target, signal);
  }
}

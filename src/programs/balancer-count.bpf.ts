/** The balancer's counters and clock: per CPU, so that nobody waits for anybody. */
import {
  jiffies64,
  ktimeGetCoarseNs,
  u32,
  type u64,
  XDP_DROP,
  XDP_PASS,
  type XdpAction,
  type XdpContext,
} from "wirescript/kernel";
import { type Backend, backend_stats, backends, reasons, service_stats } from "./balancer-maps.bpf.ts";

/** A number of `Reason`. */
export type ReasonNumber = u32;

export function count(ctx: XdpContext, reason: ReasonNumber): void {
  const record = reasons.lookup(reason);
  if (!record) return;
  record.packets++;
  record.bytes += ctx.length;
}

export function drop(ctx: XdpContext, reason: ReasonNumber): XdpAction {
  count(ctx, reason);
  return XDP_DROP;
}

export function pass(ctx: XdpContext, reason: ReasonNumber): XdpAction {
  count(ctx, reason);
  return XDP_PASS;
}

/** A packet from a client that goes to `backend`, whose number is `number`. */
export function countRequest(ctx: XdpContext, number: u32, backend: Backend): void {
  const length = ctx.length;
  const ofBackend = backend_stats.lookup(number);
  if (ofBackend) {
    ofBackend.packets++;
    ofBackend.bytes += length;
  }
  const ofService = service_stats.lookup(backend.service);
  if (ofService) {
    ofService.packets++;
    ofService.bytes += length;
  }
}

/** A connection that is remembered from now on. */
export function countFlow(number: u32): void {
  const backend = backends.lookup(number);
  if (!backend) return;
  const ofBackend = backend_stats.lookup(number);
  if (ofBackend) ofBackend.flows++;
  const ofService = service_stats.lookup(backend.service);
  if (ofService) ofService.flows++;
}

/** A packet of the service that goes nowhere: the reason counts beside it. */
export function dropOfService(ctx: XdpContext, service: u32, reason: ReasonNumber): XdpAction {
  const ofService = service_stats.lookup(service);
  if (ofService) ofService.drops++;
  return drop(ctx, reason);
}

/** A packet from a backend that goes to a client. */
export function countReply(ctx: XdpContext, number: u32, service: u32): void {
  const length = ctx.length;
  const ofBackend = backend_stats.lookup(number);
  if (ofBackend) {
    ofBackend.replies++;
    ofBackend.replyBytes += length;
  }
  const ofService = service_stats.lookup(service);
  if (ofService) {
    ofService.replies++;
    ofService.replyBytes += length;
  }
}

/** The kernel's tick (its low 32 bits, above) and the time at it, for all CPUs: asking for the time costs more than all the rest of a look-up. */
export let clock: u64 = 0;

/** The time in units of 2^30 ns, as `lastSeen` has it. */
export function seconds(): u32 {
  const tick = u32(jiffies64());
  const known: u64 = clock;
  if (known >> 32 === tick) return u32(known);
  const now = u32(ktimeGetCoarseNs() >> 30);
  clock = (tick << 32) | now;
  return now;
}

/**
 * Which backend a packet goes to. A connection that is known has one; a new one takes what the service's ring has at the slot that a hash of
 * the client picks, and is remembered, unless there are more new ones than the rate guard lets through.
 */
import { i64, u16, u32, XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX, type XdpAction } from "wirescript/kernel";
import { TcpFlag } from "wirescript/net";

import {
  type Backend,
  BackendState,
  type Flow,
  FlowState,
  flow_rate,
  GRACE,
  icmp_rate,
  type Rate,
  rates,
  rings,
  type Service,
} from "./balancer-maps.bpf.ts";

/**
 * A backend's number, with the port for NAT and a flag in the bits above; or, below zero, what becomes of a packet that goes nowhere. One number,
 * since functions that are called return one.
 */
export type Choice = i64;
export const DROP: Choice = -XDP_DROP;
export const PASS: Choice = -XDP_PASS;
/** An action as functions return it beside other numbers. */
export function done(action: XdpAction): i64 {
  return -action;
}

/** Of what `done` gave. */
export function actionOf(negated: i64): XdpAction {
  switch (negated) {
    case -XDP_PASS:
      return XDP_PASS;
    case -XDP_TX:
      return XDP_TX;
    case -XDP_REDIRECT:
      return XDP_REDIRECT;
    default:
      return XDP_DROP;
  }
}

/** No connection is known: one must be opened. */
export const NEW: Choice = 0;
/** It is a backend's answer. */
export const ANSWER: Choice = -16;
/** The backend is for this packet only: more new connections than are remembered. */
const GUARDED: Choice = 0x1_0000_0000_0000;
const NAT_PORT_SHIFT = 32;

export function choice(number: u32, natPort: u32): Choice {
  return i64(number | (natPort << NAT_PORT_SHIFT));
}

export function guarded(number: u32): Choice {
  return i64(number | GUARDED);
}

export function isGuarded(choice: Choice): boolean {
  return (choice & GUARDED) !== 0;
}

export function natPortOf(choice: Choice): u16 {
  return u16(choice >> NAT_PORT_SHIFT);
}

/** An error that goes to the backend `number` through its tunnel, with the hash that its flow's packets have there. */
export function throughTunnel(number: u32, hash: u32): Choice {
  return i64(number | ((hash & TUNNEL_HASH) << NAT_PORT_SHIFT));
}

export function tunnelHash(choice: Choice): u32 {
  return u32((choice >> NAT_PORT_SHIFT) & TUNNEL_HASH);
}
/** As much as a flow label has. */
const TUNNEL_HASH = 0xfffff;

/** Flags of TCP that change what becomes of a connection. */
export const CLOSING = TcpFlag.FIN | TcpFlag.RST;

/** Whether the connection goes on with its backend: it is still the same one and up, and neither time nor a new SYN has ended it. */
export function goesOn(flow: Flow, backend: Backend, now: u32, tcpFlags: u32): boolean {
  if (backend.generation !== flow.generation || backend.state !== BackendState.UP) return false;
  if (isOver(now, flow.lastSeen, backend.timeout)) return false;
  return flow.state === FlowState.OPEN || (tcpFlags & TcpFlag.SYN) === 0;
}

/** Whether `touch` would change something. */
export function isNoteworthy(of: { lastSeen: u32 }, now: u32, tcpFlags: u32): boolean {
  return of.lastSeen !== now || (tcpFlags & CLOSING) !== 0;
}

/** The same of a connection. */
export function isFlowNoteworthy(flow: Flow, now: u32, tcpFlags: u32): boolean {
  return flow.grace === 0 || isNoteworthy(flow, now, tcpFlags);
}

export function touchFlow(flow: Flow, now: u32, tcpFlags: u32): void {
  touch(flow, now, tcpFlags);
  flow.grace = GRACE;
}

/** Notes in a connection, or in its port of NAT, that it was seen, and when it ends. */
export function touch(of: { lastSeen: u32; state: u32 }, now: u32, tcpFlags: u32): void {
  of.lastSeen = now;
  if ((tcpFlags & CLOSING) !== 0) of.state = FlowState.CLOSED;
}

/** `timeout` 0: never. Another CPU's clock may be ahead of ours by a tick. */
export function isOver(now: u32, lastSeen: u32, timeout: u32): boolean {
  return timeout !== 0 && i64(now) - lastSeen > timeout;
}

/** The number in the ring's slot for `hash`; 0 when there is none. */
export function slotOf(service: Service, hash: u32): u32 {
  const slot = rings.lookup(service.number)?.lookup((hash * service.ringSize) >> 32);
  return slot ? slot.value : 0;
}

/** Whether this CPU may remember one more new connection in this second. */
export function mayRemember(now: u32): boolean {
  const rate = rateOf(now);
  if (!rate || rate.flows >= flow_rate) return false;
  rate.flows++;
  return true;
}

/** Whether this CPU may send one more ICMP error in this second. */
export function mayComplain(now: u32): boolean {
  const rate = rateOf(now);
  if (!rate || rate.errors >= icmp_rate) return false;
  rate.errors++;
  return true;
}

function rateOf(now: u32): Rate | null {
  const rate = rates.lookup(0);
  if (rate && rate.second !== now) {
    rate.second = now;
    rate.flows = 0;
    rate.errors = 0;
  }
  return rate;
}

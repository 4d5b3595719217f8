/** Maps whose elements are places to go on to: devices, CPUs, sockets, other programs. User space fills them. */
import type { XdpAction } from "../actions.ts";
import type { PacketContext } from "../context.ts";
import { u32 } from "../integers.ts";
import { kernelOnly, type MapOptions } from "./map.ts";

interface TargetMap<Kind extends string> {
  readonly kind: Kind;
  readonly key: typeof u32;
  readonly value: typeof u32;
  readonly options: MapOptions;
}

interface RedirectMap<Kind extends string> extends TargetMap<Kind> {
  /**
   * The action that sends the packet to element `key`, or `fallback` when there is none (XDP_ABORTED unless given; not
   * XDP_REDIRECT).
   */
  redirect(key: u32, fallback?: XdpAction): XdpAction;
}

export interface DevMap extends RedirectMap<"devMap"> {}
export interface DevMapHash extends RedirectMap<"devMapHash"> {}
export interface CpuMap extends RedirectMap<"cpuMap"> {}
export interface XskMap extends RedirectMap<"xskMap"> {}

export interface ProgArray extends TargetMap<"progArray"> {
  /** Goes on in program `index` and does not come back; does nothing when there is none. At most 33 in a row. */
  tailCall(ctx: PacketContext, index: u32): void;
}

function redirectMap<Kind extends string>(kind: Kind, options: MapOptions): RedirectMap<Kind> {
  return { kind, key: u32, value: u32, options, redirect: kernelOnly };
}

/** An array of devices by index: ifindexes. */
export function devMap(options: MapOptions): DevMap {
  return redirectMap("devMap", options);
}

/** A table of devices by any number: ifindexes. */
export function devMapHash(options: MapOptions): DevMapHash {
  return redirectMap("devMapHash", options);
}

/** CPUs that take over packets, by CPU number: the length of each one's queue. */
export function cpuMap(options: MapOptions): CpuMap {
  return redirectMap("cpuMap", options);
}

/** AF_XDP sockets by receive queue: file descriptors. */
export function xskMap(options: MapOptions): XskMap {
  return redirectMap("xskMap", options);
}

/** Programs to go on in, by index: file descriptors. */
export function progArray(options: MapOptions): ProgArray {
  return { kind: "progArray", key: u32, value: u32, options, tailCall: kernelOnly };
}

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

/** Options of maps whose elements can have a program each. */
export interface ProgramsOption<P extends boolean> extends MapOptions {
  /**
   * Elements have room for a program, which user space sets: it runs on each frame behind the redirect, and is of the section "xdp/devmap"
   * or "xdp/cpumap".
   */
  programs?: P;
}

interface WithPrograms<Kind extends string, P extends boolean> extends RedirectMap<Kind> {
  readonly programs: P;
}

export interface DevMap<P extends boolean = boolean> extends WithPrograms<"devMap", P> {}
export interface DevMapHash<P extends boolean = boolean> extends WithPrograms<"devMapHash", P> {}
export interface CpuMap<P extends boolean = boolean> extends WithPrograms<"cpuMap", P> {}
export interface XskMap extends RedirectMap<"xskMap"> {}

export interface ProgArray extends TargetMap<"progArray"> {
  /** Goes on in program `index` and does not come back; does nothing when there is none. At most 33 in a row. */
  tailCall(ctx: PacketContext, index: u32): void;
}

function redirectMap<Kind extends string>(kind: Kind, options: MapOptions): RedirectMap<Kind> {
  return { kind, key: u32, value: u32, options, redirect: kernelOnly };
}

function withPrograms<Kind extends string, P extends boolean>(kind: Kind, options: ProgramsOption<P>): WithPrograms<Kind, P> {
  // Left out, it is false, as the type parameter's default says.
  return { ...redirectMap(kind, options), programs: (options.programs ?? false) as P };
}

/** An array of devices by index: ifindexes, with a program each if `programs` says so (Linux 5.8). */
export function devMap<const P extends boolean = false>(options: ProgramsOption<P>): DevMap<P> {
  return withPrograms("devMap", options);
}

/** A table of devices by any number: ifindexes, with a program each if `programs` says so (Linux 5.8). */
export function devMapHash<const P extends boolean = false>(options: ProgramsOption<P>): DevMapHash<P> {
  return withPrograms("devMapHash", options);
}

/** CPUs that take over packets, by CPU number: the length of each one's queue, with a program each if `programs` says so (Linux 5.9). */
export function cpuMap<const P extends boolean = false>(options: ProgramsOption<P>): CpuMap<P> {
  return withPrograms("cpuMap", options);
}

/** AF_XDP sockets by receive queue: file descriptors. */
export function xskMap(options: MapOptions): XskMap {
  return redirectMap("xskMap", options);
}

/** Programs to go on in, by index: file descriptors. */
export function progArray(options: MapOptions): ProgArray {
  return { kind: "progArray", key: u32, value: u32, options, tailCall: kernelOnly };
}

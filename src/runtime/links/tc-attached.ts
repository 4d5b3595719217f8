/**
 * What TC programs a device has, in the order in which they run. There are two lists for each direction: TCX first (Linux 6.6), then, for packets
 * that every program of it let go on (TC_ACT_UNSPEC), the filters of the clsact qdisc by priority.
 */
import { type Direction, programById, programInfo, queryTcx, unlessGone } from "../../sys/bpf.ts";
import { getLink, listFilters } from "../../sys/netlink/index.ts";
import { inNetwork, type NetworkNamespace } from "./network-namespace.ts";

export interface AttachedTcProgram {
  /** The program's id. */
  id: number;
  /** The program's name in the kernel, at most 15 bytes. */
  name: string;
  /** Hash of its instructions, 16 hex digits. */
  tag: string;
  direction: Direction;
  /** "clsact": a filter that `tc filter show` lists too. */
  via: "tcx" | "clsact";
  /** The bpf_link that holds it; null for a filter, and for a TCX program that stands by itself. */
  linkId: number | null;
  /** Where the filter is; null for TCX. */
  filter: { priority: number; handle: number; name: string } | null;
}

/** The TC programs of a device, ingress before egress, each in the order of their running. @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE */
export function attachedTc(
  device: string | number,
  options: { netns?: NetworkNamespace; direction?: Direction } = {},
): AttachedTcProgram[] {
  return inNetwork(options.netns, () => {
    const { ifindex } = getLink(device);
    const directions: Direction[] = options.direction === undefined ? ["ingress", "egress"] : [options.direction];
    return directions.flatMap((direction) => attachedTcTo(ifindex, direction));
  });
}

/** As `attachedTc`, in the calling thread's namespace. */
export function attachedTcTo(ifindex: number, direction: Direction): AttachedTcProgram[] {
  const tcx = queryTcx(ifindex, direction)?.entries ?? [];
  const first = tcx.flatMap(({ programId, linkId }) => describe(programId, { direction, via: "tcx", linkId, filter: null }));
  const then = listFilters(ifindex, direction).flatMap(({ filter }) => {
    if (filter === null) return [];
    const { programId, priority, handle, name } = filter;
    return describe(programId, { direction, via: "clsact", linkId: null, filter: { priority, handle, name } });
  });
  return [...first, ...then];
}

/** Nothing for a program that is gone by now. */
function describe(id: number, place: Omit<AttachedTcProgram, "id" | "name" | "tag">): AttachedTcProgram[] {
  const fd = unlessGone(() => programById(id));
  if (fd === null) return [];
  using program = fd;
  const { name, tag } = programInfo(program);
  return [{ id, name, tag, ...place }];
}

/** The list of TCX programs of one direction, and its revision, which rises with every change. @throws WirescriptError NO_SUCH_DEVICE */
export function tcxRevision(
  device: string | number,
  direction: Direction,
  options: { netns?: NetworkNamespace } = {},
): bigint | null {
  return inNetwork(options.netns, () => queryTcx(getLink(device).ifindex, direction)?.revision ?? null);
}

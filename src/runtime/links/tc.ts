/** Attaching TC programs: by a link, or so that they stay. */
import { WirescriptError } from "../../errors.ts";
import { type Direction, linkById, linkDetach, programById, queryTcx } from "../../sys/bpf.ts";
import { detachTcx } from "../../sys/bpf-tcx.ts";
import { isErrno } from "../../sys/errno.ts";
import { getLink, type Link } from "../../sys/netlink/index.ts";
import type { Attachable } from "./bpf-link.ts";
import { addFilter, exchangeFilter, removeFilter } from "./clsact.ts";
import { attachClsactLink, type ClsactLink } from "./clsact-link.ts";
import { describeHolders, describeLettingGo, holdersOfLink } from "./holders.ts";
import { inNetwork, type NetworkNamespace } from "./network-namespace.ts";
import { type AttachedTcProgram, attachedTcTo } from "./tc-attached.ts";
import { noTcx } from "./tc-failure.ts";
import { attachTcxLink, type TcOrder, type TcxLink } from "./tcx-link.ts";

/** What holds a TC program; `via` tells which of the two. */
export type TcLink = TcxLink | ClsactLink;

/** What `attach` gives: which of the two is known when the options say it. */
export type TcLinkOf<Via> = Via extends "tcx" ? TcxLink : Via extends "clsact" ? ClsactLink : TcLink;

export interface TcAttachOptions {
  /** The device's name or index. */
  dev: string | number;
  /** The network namespace that the device is in. Default: the calling thread's. */
  netns?: NetworkNamespace;
  /** Packets on their way in, or out. Known for programs of ours; an object file's section "tc" does not tell it. */
  direction?: Direction;
  /** "tcx" (Linux 6.6), or "clsact" for a filter that `tc` lists. Default: TCX where the kernel has it. */
  via?: "tcx" | "clsact";
  /** TCX: where among the other programs. Default "last". */
  order?: TcOrder;
  /** TCX: fail with DEVICE_BUSY unless the list still has this revision; see `tcxRevision`. */
  expectedRevision?: bigint;
  /** clsact: filters run from the lowest on. Default: before those that are there. */
  priority?: number;
  /** clsact: tells filters of one priority apart. Default: a free one. */
  handle?: number;
}

/** @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE, DEVICE_BUSY, USAGE, UNSUPPORTED_SYSTEM, NO_PRIVILEGES */
export function attachTc(program: Attachable, options: TcAttachOptions & { direction: Direction }): TcLink {
  return inNetwork(options.netns, () => {
    const device = getLink(options.dev);
    const { direction, order, expectedRevision } = options;
    const hasTcx = queryTcx(device.ifindex, direction) !== null;
    if (options.via === "tcx" && !hasTcx) throw noTcx(program.name);
    const via = options.via ?? (hasTcx ? "tcx" : "clsact");
    if (via === "tcx") return attachTcxLink(program, { device, direction, order, expectedRevision });
    return attachClsactLink(program, { device, direction, priority: options.priority ?? 0, handle: options.handle ?? 0 });
  });
}

export interface TcFilterOptions {
  /** The device's name or index. */
  dev: string | number;
  /** The network namespace that the device is in. Default: the calling thread's. */
  netns?: NetworkNamespace;
  direction?: Direction;
  /** Filters run from the lowest on. Default: before those that are there. */
  priority?: number;
  /** Tells filters of one priority apart. Default: a free one. */
  handle?: number;
  /** Replace the filter with a program of the same name, or the one of that priority and handle. Without it such a filter is an error. */
  force?: boolean;
}

export interface PersistentTcAttachment {
  dev: string;
  ifindex: number;
  direction: Direction;
  priority: number;
  handle: number;
  /** The program that gave way, at once; null when there was none. */
  replaced: AttachedTcProgram | null;
}

/**
 * Attaches a TC program so that it survives this process: as a filter of clsact, which `tc filter` and `bpftool net` show and remove, and
 * `detachTc`. Other filters stay beside it; one with a program of the same name, or of the same priority and handle, is replaced only with
 * `force`.
 *
 * @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE, DEVICE_BUSY, UNSUPPORTED_SYSTEM, NO_PRIVILEGES
 */
export function attachTcPersistently(
  program: Attachable,
  options: TcFilterOptions & { direction: Direction },
): PersistentTcAttachment {
  return inNetwork(options.netns, () => {
    const device = getLink(options.dev);
    const { name: dev, ifindex } = device;
    const { direction } = options;
    const present = rivalOf(program, ifindex, options);
    if (present !== undefined && options.force !== true) throw filterBusy(device, present);
    if (present?.filter != null) {
      const { priority, handle } = exchangeFilter(program, device, { ...present.filter, direction, programId: present.id });
      return { dev, ifindex, direction, priority, handle, replaced: present };
    }
    const { priority, handle } = addFilter(program, {
      device,
      direction,
      priority: options.priority ?? 0,
      handle: options.handle ?? 0,
    });
    return { dev, ifindex, direction, priority, handle, replaced: null };
  });
}

/** The filter whose place the program would take. */
function rivalOf(program: Attachable, ifindex: number, options: TcFilterOptions & { direction: Direction }) {
  const filters = attachedTcTo(ifindex, options.direction).filter(({ via }) => via === "clsact");
  if (options.priority === undefined) return filters.find(({ name }) => name === program.name.slice(0, 15));
  const { priority, handle = 1 } = options;
  return filters.find(({ filter }) => filter?.priority === priority && filter.handle === handle);
}

function filterBusy(device: Link, { name, id, tag, direction, filter }: AttachedTcProgram): WirescriptError {
  return new WirescriptError({
    code: "DEVICE_BUSY",
    what: `The ${direction} of ${device.name} already has the program "${name}" (id ${id}, tag ${tag}, priority ${filter?.priority}, handle ${filter?.handle}).`,
    why: "A second one of the same name or place is likely to be a mistake.",
    fix: `Replace it: { force: true }, --force. Or take it off (detachTc, wirescript unload ${device.name} --${direction}), or choose another priority: { priority }, --priority.`,
  });
}

export interface DetachTcOptions {
  netns?: NetworkNamespace;
  direction?: Direction;
  /** Only this program, by its id or name. */
  program?: number | string;
  /** Also what a bpf_link holds. */
  force?: boolean;
}

/**
 * Takes TC programs off a device, by default all of them, and tells which they were; empty when there were none. The clsact qdisc goes too
 * when it came with one of our filters and holds nothing else.
 *
 * @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE; DEVICE_BUSY when a bpf_link holds one and `force` is not set.
 */
export function detachTc(dev: string | number, options: DetachTcOptions = {}): AttachedTcProgram[] {
  return inNetwork(options.netns, () => {
    const device = getLink(dev);
    const directions: Direction[] = options.direction === undefined ? ["ingress", "egress"] : [options.direction];
    const present = directions.flatMap((direction) => attachedTcTo(device.ifindex, direction));
    const chosen = present.filter(({ id, name }) => options.program === undefined || [id, name].includes(options.program));
    const held = chosen.find(({ linkId }) => linkId !== null);
    if (held !== undefined && options.force !== true) throw linkHolds(device, held);
    return chosen.filter((attached) => detachOne(device, attached));
  });
}

function detachOne(device: Link, { id, direction, linkId, filter }: AttachedTcProgram): boolean {
  if (filter !== null) return removeFilter(device.ifindex, { direction, ...filter }).removed;
  try {
    if (linkId !== null) {
      using link = linkById(linkId);
      linkDetach(link);
    } else {
      using program = programById(id);
      detachTcx(program, device.ifindex, direction);
    }
    return true;
  } catch (error) {
    // Gone between looking and removing: then it is what was asked for.
    if (isErrno(error, "ENOENT", "ENOLINK")) return false;
    throw error;
  }
}

function linkHolds(device: Link, { name, id, direction, linkId }: AttachedTcProgram): WirescriptError {
  const holders = holdersOfLink(linkId ?? 0);
  return new WirescriptError({
    code: "DEVICE_BUSY",
    what: `The program "${name}" (id ${id}) was not taken off the ${direction} of ${device.name}.`,
    why: `It is on bpf_link ${linkId}, ${describeHolders(holders)}.`,
    fix: `${describeLettingGo(holders, device.name)}, or detach its link: { force: true }, --force.`,
  });
}

/** The direction that a section names: "tc/egress", "tcx/ingress", "classifier/ingress" are libbpf's and others' names; null for "tc". */
export function directionOf(section: string): Direction | null {
  const named = /(?:^|[/_])(ingress|egress)$/.exec(section)?.[1];
  return named === "ingress" || named === "egress" ? named : null;
}

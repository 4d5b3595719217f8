/**
 * TC programs as filters of the clsact qdisc (Linux 4.5), as `tc filter add … bpf direct-action` attaches them: the device holds them, and every
 * tool can see, replace and remove them.
 *
 * The qdisc is made when it is not there, and removed with the last filter, but only if we made it: somebody who made it before may have
 * something in mind. The kernel does not tell who made it, so the filter's name does; it says so across processes.
 */
import { WirescriptError } from "../../errors.ts";
import { type Direction, programById, programInfo, unlessGone } from "../../sys/bpf.ts";
import { isErrno } from "../../sys/errno.ts";
import {
  addClsact,
  deleteClsact,
  deleteFilter,
  type Link,
  listFilters,
  listQdiscs,
  setFilter,
} from "../../sys/netlink/index.ts";
import type { Attachable } from "./bpf-link.ts";
import { tcFailure } from "./tc-failure.ts";

export interface Filter {
  direction: Direction;
  priority: number;
  handle: number;
  programId: number;
}

/** Ends the names of filters that came with their qdisc. */
const WITH_QDISC = "+clsact]";

export interface AddFilter {
  device: Link;
  direction: Direction;
  /** 0: before all filters that are there. */
  priority: number;
  handle: number;
}

/** Adds a filter, and the qdisc when there is none. @throws WirescriptError DEVICE_BUSY when the priority and handle are taken. */
export function addFilter(program: Attachable, { device, direction, priority, handle }: AddFilter): Filter {
  const { ifindex } = device;
  if (!Number.isInteger(priority) || priority < 0 || priority > LOWEST_PRIORITY) throw noPriority(priority);
  const madeQdisc = ensureClsact(device, direction, program.name);
  const programId = programInfo(program.fd).id;
  try {
    const made = setFilter({
      ifindex,
      direction,
      fd: program.fd.number,
      name: nameOf(program, madeQdisc),
      priority,
      handle,
      replace: false,
    });
    return { direction, priority: made.priority, handle: made.handle, programId };
  } catch (error) {
    if (madeQdisc) removeQdiscIfEmpty(ifindex);
    if (!isErrno(error, "EEXIST")) throw tcFailure(error, device, direction, program.name);
    throw new WirescriptError({
      code: "DEVICE_BUSY",
      what: `The ${direction} of ${device.name} already has a filter of priority ${priority} and handle ${handle}.`,
      why: "Two filters cannot have the same place, and this one is not replaced unless you say so.",
      fix: "Take another priority ({ priority }, --priority), or replace it: { force: true }, --force.",
      cause: error,
    });
  }
}

/** It has 16 bits, of which 0 leaves the choice to the kernel. */
const LOWEST_PRIORITY = 0xffff;

function noPriority(priority: number): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `${priority} is no priority of a filter.`,
    why: `Priorities are whole numbers from 1 to ${LOWEST_PRIORITY}; filters run from the lowest on.`,
    fix: "Take one of these, or none: then the filter runs first.",
  });
}

/** Gives a filter another program; every packet meets one of the two. @throws WirescriptError */
export function exchangeFilter(program: Attachable, device: Link, filter: Filter): Filter {
  const present = filterAt(device.ifindex, filter);
  const name = nameOf(program, present?.name.endsWith(WITH_QDISC) === true);
  const { direction, priority, handle } = filter;
  try {
    setFilter({ ifindex: device.ifindex, direction, priority, handle, fd: program.fd.number, name, replace: true });
    return { direction, priority, handle, programId: programInfo(program.fd).id };
  } catch (error) {
    throw tcFailure(error, device, direction, program.name);
  }
}

/** What is at that place; null when there is nothing. */
export function filterAt(ifindex: number, { direction, priority, handle }: Omit<Filter, "programId">) {
  const there = listFilters(ifindex, direction).map(({ filter }) => filter);
  return there.find((filter) => filter?.priority === priority && filter.handle === handle) ?? null;
}

/** Removes a filter, and the qdisc if that came with a filter of ours and holds nothing else. Returns whether there was such a filter. */
export function removeFilter(ifindex: number, filter: Omit<Filter, "programId">): { removed: boolean; qdisc: boolean } {
  const present = filterAt(ifindex, filter);
  if (present === null) return { removed: false, qdisc: false };
  try {
    deleteFilter(ifindex, filter);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "EINVAL", "ENODEV")) throw error;
    return { removed: false, qdisc: false };
  }
  const qdisc = present.name.endsWith(WITH_QDISC) && removeQdiscIfEmpty(ifindex);
  return { removed: true, qdisc };
}

/** Puts a program's filter back where it was. Does nothing when the program is gone. */
export function restoreFilter(device: Link, { programId, ...place }: Filter): void {
  const fd = unlessGone(() => programById(programId));
  if (fd === null) return;
  using program = fd;
  addFilter({ name: programInfo(program).name, fd: program }, { device, ...place });
}

function ensureClsact(device: Link, direction: Direction, program: string): boolean {
  try {
    addClsact(device.ifindex);
    return true;
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw tcFailure(error, device, direction, program);
  }
  // The older qdisc "ingress" takes the same place and has no egress.
  if (direction === "ingress" || listQdiscs(device.ifindex).includes("clsact")) return false;
  throw new WirescriptError({
    code: "DEVICE_BUSY",
    what: `The program "${program}" was not attached to the egress of ${device.name}.`,
    why: 'The device has a qdisc "ingress", which has no egress and takes the place of clsact.',
    fix: `Remove it if nobody needs its filters: tc qdisc del dev ${device.name} ingress`,
  });
}

function removeQdiscIfEmpty(ifindex: number): boolean {
  const empty = (["ingress", "egress"] as const).every((direction) => listFilters(ifindex, direction).length === 0);
  if (!empty) return false;
  try {
    deleteClsact(ifindex);
    return true;
  } catch (error) {
    if (!isErrno(error, "ENOENT", "EINVAL", "ENODEV")) throw error;
    return false;
  }
}

function nameOf({ name }: Attachable, withQdisc: boolean): string {
  return `${name}:[wirescript${withQdisc ? WITH_QDISC : "]"}`;
}

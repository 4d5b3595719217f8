/**
 * Traffic control, as far as packet programs need it: the clsact qdisc, which gives a device two hooks (Linux 4.5), and BPF filters on them in
 * "direct action" mode, whose verdict is what becomes of the packet. `tc filter` and `bpftool net` show and remove what is made here. Everything
 * happens in the calling thread's network namespace.
 */
import type { Direction } from "../bpf-tcx.ts";
import { isErrno } from "../errno.ts";
import { NETLINK, SIZE, TC } from "./constants.ts";
import {
  type Attributes,
  concatenate,
  decodeAttributes,
  type Message,
  nestedAttribute,
  readString,
  readU32,
  stringAttribute,
  u32Attribute,
} from "./message.ts";
import { requestRtnetlink } from "./socket.ts";

/** A BPF filter on a hook of clsact. */
export interface TcFilter {
  direction: Direction;
  /** 1 to 65535; filters run from the lowest on. */
  priority: number;
  /** Tells filters of one priority apart. */
  handle: number;
  /** What the one who attached it called it. */
  name: string;
  /** 0 for a filter of classic BPF. */
  programId: number;
  /** The program's verdict decides; without it the verdict is a class only. */
  directAction: boolean;
}

/** The queueing disciplines of a device by their kinds, e.g. "noqueue" and "clsact". */
export function listQdiscs(ifindex: number): string[] {
  const messages = requestRtnetlink({
    type: NETLINK.RTM_GETQDISC,
    flags: NETLINK.NLM_F_DUMP,
    payload: trafficControl({ ifindex }),
    about: `list qdiscs of link ${ifindex}`,
  });
  return messages
    .filter((message) => ifindexOf(message) === ifindex)
    .map((message) => text(decodeAttributes(message.payload, SIZE.tcmsg), TC.TCA_KIND));
}

/** Gives the device a clsact qdisc. @throws SyscallError EEXIST: it has one, or one of kind "ingress"; ENODEV. */
export function addClsact(ifindex: number): void {
  requestRtnetlink({
    type: NETLINK.RTM_NEWQDISC,
    flags: NETLINK.NLM_F_CREATE | NETLINK.NLM_F_EXCL,
    payload: concatenate([
      trafficControl({ ifindex, parent: TC.TC_H_CLSACT, handle: CLSACT_HANDLE }),
      stringAttribute(TC.TCA_KIND, "clsact"),
    ]),
    about: `add clsact to link ${ifindex}`,
  });
}

/** Removes the clsact qdisc, with all filters on it. @throws SyscallError ENOENT or EINVAL: there is none. */
export function deleteClsact(ifindex: number): void {
  requestRtnetlink({
    type: NETLINK.RTM_DELQDISC,
    payload: trafficControl({ ifindex, parent: TC.TC_H_CLSACT, handle: CLSACT_HANDLE }),
    about: `delete clsact of link ${ifindex}`,
  });
}

/** The filters on a hook, BPF or not, in the order in which they run. Empty without a clsact qdisc. @throws SyscallError ENODEV */
export function listFilters(ifindex: number, direction: Direction): { kind: string; filter: TcFilter | null }[] {
  try {
    const messages = requestRtnetlink({
      type: NETLINK.RTM_GETTFILTER,
      flags: NETLINK.NLM_F_DUMP,
      payload: trafficControl({ ifindex, parent: PARENT[direction] }),
      about: `list ${direction} filters of link ${ifindex}`,
    });
    return messages.flatMap((message) => {
      const attributes = decodeAttributes(message.payload, SIZE.tcmsg);
      const kind = text(attributes, TC.TCA_KIND);
      const filter = kind === "bpf" ? decodeFilter(message, direction) : null;
      // A priority as such is listed too, without options.
      return kind === "bpf" && filter === null ? [] : [{ kind, filter }];
    });
  } catch (error) {
    // EINVAL: no qdisc, or one without classes.
    if (isErrno(error, "EINVAL", "ENOENT")) return [];
    throw error;
  }
}

export interface SetFilter {
  ifindex: number;
  direction: Direction;
  /** The program's file descriptor. */
  fd: number;
  name: string;
  /** 0: the kernel takes one lower than all that are there, so that the filter runs first; the first one gets 49152. */
  priority: number;
  /** 0: the kernel takes a free one. */
  handle: number;
  /** True: the filter of that priority and handle gets another program at once. False: such a filter makes it fail with EEXIST. */
  replace: boolean;
}

/**
 * Adds a filter in direct action mode, or exchanges its program, and gives what it became.
 *
 * @throws SyscallError EEXIST: there is one of that priority and handle; EINVAL: no clsact qdisc, or the priority belongs to filters of another
 * kind; ENODEV.
 */
export function setFilter(filter: SetFilter): TcFilter {
  const { ifindex, direction, priority, handle } = filter;
  const options = nestedAttribute(
    TC.TCA_OPTIONS,
    u32Attribute(TC.TCA_BPF_FD, filter.fd),
    stringAttribute(TC.TCA_BPF_NAME, filter.name),
    u32Attribute(TC.TCA_BPF_FLAGS, TC.TCA_BPF_FLAG_ACT_DIRECT),
  );
  const messages = requestRtnetlink({
    type: NETLINK.RTM_NEWTFILTER,
    flags: NETLINK.NLM_F_CREATE | NETLINK.NLM_F_ECHO | (filter.replace ? NETLINK.NLM_F_REPLACE : NETLINK.NLM_F_EXCL),
    payload: concatenate([
      trafficControl({ ifindex, parent: PARENT[direction], handle, info: filterInfo(priority) }),
      stringAttribute(TC.TCA_KIND, "bpf"),
      options,
    ]),
    about: `set ${direction} filter of link ${ifindex}`,
  });
  const made = messages.map((message) => decodeFilter(message, direction)).find((each) => each !== null);
  // A kernel that does not echo: the filter is what was asked for, and only priority 0 and handle 0 leave a question.
  return made ?? { direction, priority, handle, name: filter.name, programId: 0, directAction: true };
}

/** Removes a filter. @throws SyscallError ENOENT or EINVAL: there is none; ENODEV. */
export function deleteFilter(
  ifindex: number,
  { direction, priority, handle }: Pick<TcFilter, "direction" | "priority" | "handle">,
): void {
  requestRtnetlink({
    type: NETLINK.RTM_DELTFILTER,
    payload: concatenate([
      trafficControl({ ifindex, parent: PARENT[direction], handle, info: filterInfo(priority) }),
      stringAttribute(TC.TCA_KIND, "bpf"),
    ]),
    about: `delete ${direction} filter ${priority}/${handle} of link ${ifindex}`,
  });
}

/** The qdisc's own: TC_H_MAKE(TC_H_CLSACT, 0). */
const CLSACT_HANDLE = 0xffff0000;

/** TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_…) */
const PARENT = {
  ingress: CLSACT_HANDLE + TC.TC_H_MIN_INGRESS,
  egress: CLSACT_HANDLE + TC.TC_H_MIN_EGRESS,
} as const;

/** ETH_P_ALL of linux/if_ether.h, in network byte order. */
const ALL_PROTOCOLS = 0x0300;

/** TC_H_MAKE(priority << 16, htons(ETH_P_ALL)) */
function filterInfo(priority: number): number {
  return priority * 0x10000 + ALL_PROTOCOLS;
}

/** struct tcmsg */
function trafficControl(fields: { ifindex: number; handle?: number; parent?: number; info?: number }): Uint8Array {
  const bytes = new Uint8Array(SIZE.tcmsg);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, fields.ifindex, true);
  view.setUint32(8, fields.handle ?? 0, true);
  view.setUint32(12, fields.parent ?? 0, true);
  view.setUint32(16, fields.info ?? 0, true);
  return bytes;
}

function viewOf({ payload }: Message): DataView {
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
}

function ifindexOf(message: Message): number {
  return viewOf(message).getInt32(4, true);
}

function decodeFilter(message: Message, direction: Direction): TcFilter | null {
  const options = decodeAttributes(message.payload, SIZE.tcmsg).get(TC.TCA_OPTIONS);
  if (options === undefined) return null;
  const attributes = decodeAttributes(options);
  const id = attributes.get(TC.TCA_BPF_ID);
  const flags = attributes.get(TC.TCA_BPF_FLAGS);
  const view = viewOf(message);
  return {
    direction,
    priority: view.getUint32(16, true) >>> 16,
    handle: view.getUint32(8, true),
    name: text(attributes, TC.TCA_BPF_NAME),
    programId: id === undefined ? 0 : readU32(id),
    directAction: flags !== undefined && (readU32(flags) & TC.TCA_BPF_FLAG_ACT_DIRECT) !== 0,
  };
}

function text(attributes: Attributes, type: number): string {
  const value = attributes.get(type);
  return value === undefined ? "" : readString(value);
}

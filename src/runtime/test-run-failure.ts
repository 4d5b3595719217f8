/** Why the kernel does not run a program on a packet. It says EINVAL to nearly everything, so the facts are looked at here. */
import { readFileSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import type { SyscallError } from "../sys/errno.ts";
import { findLink } from "../sys/netlink/index.ts";
import type { LiveRunOptions, Runnable, RunOptions } from "./test-run.ts";

const ETHERNET_HEADER = 14;
/** What a page holds besides headroom and the kernel's own bookkeeping. */
const LONGEST_LIVE = 3400;
const LONGEST = 65_535;

export function unusable(
  program: Pick<Runnable, "name">,
  with_: string,
  why: string,
  fix: string,
  cause?: unknown,
): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `The program "${program.name}" cannot be run with ${with_}.`,
    why,
    fix,
    cause,
  });
}

/** The most likely reason for a refusal. */
export function testRunRefused(
  program: Runnable,
  packet: Uint8Array,
  options: RunOptions | LiveRunOptions,
  error: SyscallError,
): WirescriptError {
  const { context = {}, cpu } = options;
  const because = (with_: string, why: string, fix: string) => unusable(program, with_, why, fix, error);
  if (error.call === "sched_setaffinity") {
    return because(
      `CPU ${cpu}`,
      `The CPUs that are online are ${online()}; a cpuset may allow this process fewer.`,
      "Name one of these, or leave the CPU out.",
    );
  }
  if (error.errnoName === "EBADMSG") {
    return because(
      "a checksum to be kept right",
      "Afterwards the checksum of the packet's bytes was not what the socket buffer says: the program wrote to the packet and left the sum as it was.",
      "Update the sum with the helper csum_update, or write by helpers that do so (skb_store_bytes with BPF_F_RECOMPUTE_CSUM).",
    );
  }
  const sized = `a packet of ${packet.length} bytes`;
  const tc = program.type !== "xdp";
  if (packet.length < ETHERNET_HEADER || (tc && packet.length === ETHERNET_HEADER)) {
    return because(
      sized,
      packet.length < ETHERNET_HEADER
        ? "A packet begins with an Ethernet header of 14 bytes."
        : "This kernel wants a TC program to have something behind the Ethernet header of 14 bytes.",
      `Pad the packet to ${Math.max(ETHERNET_HEADER, packet.length + 1)} bytes or more.`,
    );
  }
  for (const [name, ifindex] of [
    ["ingressIfindex", context.ingressIfindex],
    ["ifindex", (context as { ifindex?: number }).ifindex],
  ] as const) {
    if (ifindex === undefined || ifindex === 0 || findLink(ifindex) !== null) continue;
    return because(
      `${name} ${ifindex}`,
      "No device of this network namespace has that index.",
      "Give the index of one that exists: ip link shows them.",
    );
  }
  const { rxQueueIndex } = context;
  if (rxQueueIndex !== undefined && rxQueueIndex > 0) {
    const queues = findLink(context.ingressIfindex ?? 0)?.rxQueues;
    if (queues === undefined || rxQueueIndex >= queues) {
      return because(
        `receive queue ${rxQueueIndex}`,
        queues === undefined
          ? "A receive queue is one of a device, and ingressIfindex names none."
          : `The device has ${queues}, counted from 0.`,
        "Give ingressIfindex, and a queue that the device has.",
      );
    }
  }
  const meta = context.meta?.length ?? 0;
  if (meta > 0 && (meta % 4 !== 0 || meta > 32)) {
    return because(
      `metadata of ${meta} bytes`,
      "Metadata has a multiple of 4 bytes, and has to fit in front of the packet: at most 216 bytes (32 before Linux 6.5).",
      "Give such metadata.",
    );
  }
  const live = "live" in options;
  const longest = live ? LONGEST_LIVE : LONGEST;
  if (packet.length > longest || error.errnoName === "ENOMEM" || error.errnoName === "E2BIG") {
    return because(
      sized,
      live
        ? "A live packet has to fit into one page with what the kernel puts around it."
        : "It is longer than the kernel makes packets.",
      `Give at most ${longest} bytes.`,
    );
  }
  if (live) {
    return because(
      "live packets",
      `The kernel refused: ${error.errnoName}. Live packets exist since Linux 5.18.`,
      "Leave out `live`.",
    );
  }
  return because(
    sized,
    tc
      ? `The kernel refused: ${error.errnoName}. An IP header may be cut off, wireLength may be less than the packet's length, or gsoSize and gsoSegments may not fit it.`
      : `The kernel refused: ${error.errnoName}. A program for a devmap, a cpumap or one device is not run alone, and one without frags not on a packet of several buffers.`,
    "Give the whole packet, and a context that goes with it.",
  );
}

function online(): string {
  try {
    return readFileSync("/sys/devices/system/cpu/online", "utf8").trim();
  } catch {
    return "not known (no sysfs)";
  }
}

/**
 * Programs that are loaded for one device. "Bound" ones run where all programs run, but may call what only that device's driver has: the functions
 * for a packet's hardware timestamp, hash and VLAN tag (Linux 6.3). "Offloaded" ones, with their maps, are translated for the card and run on it.
 */
import { WirescriptError } from "../errors.ts";
import type { ProgramSpec } from "../object/spec.ts";
import { BPF } from "../sys/bpf.ts";
import type { SyscallError } from "../sys/errno.ts";
import { getLink, type Link } from "../sys/netlink/index.ts";
import { wrongArgument } from "./arguments.ts";

export interface TargetOptions {
  /**
   * Load the programs for this device alone, a name or index in the calling thread's network namespace. XDP programs may then use what its driver
   * knows of packets (Linux 6.3), and cannot be attached to another device, or run by `run`.
   */
  device?: string | number;
  /** With `device`: load programs and maps onto the card, to be attached in mode "hw". Few cards can. */
  offload?: boolean;
}

export interface TargetDevice {
  link: Link;
  offload: boolean;
}

/** @throws WirescriptError NO_SUCH_DEVICE, USAGE for `offload` without a device. */
export function targetDevice({ device, offload = false }: TargetOptions): TargetDevice | null {
  if (device !== undefined) return { link: getLink(device), offload };
  if (!offload) return null;
  throw wrongArgument(
    "Nothing was loaded.",
    device,
    "Programs are offloaded to the card of a device, `device`",
    'Name it: load(source, { device: "eth0", offload: true })',
  );
}

/** What the kernel is told of a program's device. */
export function programTarget(target: TargetDevice | null, { type }: ProgramSpec): { ifindex: number; flags: number } {
  if (target === null || (type !== "xdp" && !target.offload)) return { ifindex: 0, flags: 0 };
  return { ifindex: target.link.ifindex, flags: target.offload ? 0 : BPF.BPF_F_XDP_DEV_BOUND_ONLY };
}

/** The device that a map is made on: only an offloaded program's maps are on the card. */
export function mapTarget(target: TargetDevice | null): number {
  return target?.offload === true ? target.link.ifindex : 0;
}

/** The error to throw for a verifier's log, or `null` when it complains of something else. */
export function needsDevice(program: string, log: string): WirescriptError | null {
  if (!log.includes("metadata kfuncs require device-bound program")) return null;
  return new WirescriptError({
    code: "USAGE",
    what: `The program "${program}" calls functions of a device's driver.`,
    why: "What a driver knows of a packet (bpf_xdp_metadata_rx_hash and its like) differs from driver to driver.",
    fix: 'Load it for the device that it will be attached to: load(source, { device: "eth0" })',
  });
}

/** Why the kernel refused something for that device, before it looked at it. */
export function targetRefused(what: string, { link, offload }: TargetDevice, cause: SyscallError): WirescriptError {
  const driver = link.kind === null ? "The driver" : `The driver (${link.kind})`;
  return new WirescriptError({
    code: "MODE_UNSUPPORTED",
    what: `${what} ${offload ? `onto the card of ${link.name}` : `for ${link.name}`}: ${cause.errnoName}.`,
    why: offload
      ? `${driver} has no card that runs eBPF, or not this: cards take neither frags nor all types of maps.`
      : `${driver} has no native XDP, or the kernel is older than Linux 6.3.`,
    fix: offload
      ? 'Load it without `offload`, and attach it in mode "native": then the driver runs it, in front of everything else.'
      : "Load it without `device`: then it runs on any, but without the functions of a driver.",
    cause,
  });
}

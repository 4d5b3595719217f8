/** The stack drops packets whose senders it would answer through another device (RFC 3704), and has done so. */
import type { Finding } from "../finding.ts";
import { nameOf, placeOf, sysctl } from "../shell.ts";
import type { Device } from "../snapshot/index.ts";
import { concerned, perSubject } from "./check.ts";

export const STRICT = 1;
export const LOOSE = 2;

export const reversePathFilter = perSubject("reverse-path-filter", (subject) =>
  concerned(subject)
    .filter(({ ipv4, reversePathDrops }) => ipv4?.rpFilter === STRICT && reversePathDrops > 0)
    .map((device) =>
      reversePathFilterAt(device, `it has dropped ${device.reversePathDrops} packets in this namespace (IPReversePathFilter)`),
    ),
);

/** `seen` says how it is known that it drops packets. */
export function reversePathFilterAt(device: Device, seen: string): Omit<Finding, "id"> {
  return {
    place: placeOf(device),
    what: `${nameOf(device)} drops packets whose sender it would reach through another device.`,
    evidence: `The reverse-path filter is on (the larger one of net.ipv4.conf.all.rp_filter and net.ipv4.conf.${device.link.name}.rp_filter is ${device.ipv4?.rpFilter}), and ${seen}.`,
    why: "A redirected or routed packet often arrives at another device than the one that leads back to its sender; a strict filter takes it for forged and drops it without a word.",
    fix: { command: sysctl(device.network, ["ipv4", "conf", device.link.name, "rp_filter"], LOOSE), safe: false },
  };
}

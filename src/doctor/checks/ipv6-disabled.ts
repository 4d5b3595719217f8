/** IPv6 is switched off at one end of a cable whose other end uses it. */
import type { Finding } from "../finding.ts";
import { nameOf, placeOf, sysctl } from "../shell.ts";
import type { Device } from "../snapshot/index.ts";
import { concerned, perSubject } from "./check.ts";

export const ipv6Disabled = perSubject("ipv6-disabled", (subject) =>
  concerned(subject).flatMap((device) => {
    const address = device.peer?.addresses.find(({ family, scope }) => family === 6 && scope === 0);
    if (device.ipv6?.disabled !== true || device.peer === null || address === undefined) return [];
    return [ipv6DisabledAt(device, `${nameOf(device.peer)}, its other end, has the address ${address.address}`)];
  }),
);

/** `wanted` says by whom IPv6 is wanted there. */
export function ipv6DisabledAt(device: Device, wanted: string): Omit<Finding, "id"> {
  return {
    place: placeOf(device),
    what: `IPv6 is switched off on ${nameOf(device)}.`,
    evidence: `net.ipv6.conf.${device.link.name}.disable_ipv6 = 1, and ${wanted}.`,
    why: "The device has no IPv6 addresses and answers no neighbour solicitation, the stack drops every IPv6 packet there, and bpf_fib_lookup finds no way. Its addresses went when IPv6 was switched off: give them again.",
    fix: { command: sysctl(device.network, ["ipv6", "conf", device.link.name, "disable_ipv6"], 0), safe: true },
  };
}

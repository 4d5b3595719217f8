/** The program asks the routing table, and the kernel answers that this device does not forward. */
import type { Finding } from "../finding.ts";
import { nameOf, placeOf, sysctl } from "../shell.ts";
import type { Device } from "../snapshot/index.ts";
import { describeProgram, perSubject, programsOn } from "./check.ts";

export const forwardingOff = perSubject("forwarding-off", ({ device }) => {
  const router = programsOn(device).find(({ routes }) => routes);
  if (router === undefined) return [];
  const has = (family: 4 | 6): boolean => device.addresses.some((address) => address.family === family && address.scope === 0);
  const findings: Omit<Finding, "id">[] = [];
  if (device.ipv4?.forwarding === false && has(4)) findings.push(forwardingOffFor(device, 4, describeProgram(router)));
  if (device.ipv6?.forwarding === false && !device.ipv6.disabled && has(6)) {
    findings.push(forwardingOffFor(device, 6, describeProgram(router)));
  }
  return findings;
});

/** What is said of a device that does not forward a family; `asker`: who asked the routing table. */
export function forwardingOffFor(device: Device, family: 4 | 6, asker: string): Omit<Finding, "id"> {
  const { network, link } = device;
  const setting = `net.ipv${family}.conf.${link.name}.forwarding`;
  return {
    place: placeOf(device),
    what: `${nameOf(device)} does not forward IPv${family}, so nothing that arrives there is routed.`,
    evidence: `${setting} = 0, and ${asker} asks the routing table.`,
    why: "The kernel answers bpf_fib_lookup with BPF_FIB_LKUP_RET_FWD_DISABLED (5) as long as the device on which the packet came in does not forward, whatever routes there are.",
    fix:
      family === 4
        ? { command: sysctl(network, ["ipv4", "conf", link.name, "forwarding"], 1), safe: true }
        : // Of the whole namespace: packets that the program hands to the stack need it. Devices stop listening to router advertisements by it.
          { command: sysctl(network, ["ipv6", "conf", "all", "forwarding"], 1), safe: false },
  };
}

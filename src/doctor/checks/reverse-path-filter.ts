/** The stack drops packets whose senders it would answer through another device (RFC 3704), and has done so. */
import { nameOf, placeOf, sysctl } from "../shell.ts";
import { concerned, perSubject } from "./check.ts";

export const STRICT = 1;
export const LOOSE = 2;

export const reversePathFilter = perSubject("reverse-path-filter", (subject) =>
  concerned(subject)
    .filter(({ ipv4, reversePathDrops }) => ipv4?.rpFilter === STRICT && reversePathDrops > 0)
    .map((device) => ({
      place: placeOf(device),
      what: `${nameOf(device)} drops packets whose sender it would reach through another device.`,
      evidence: `The strict reverse-path filter is on (the larger one of net.ipv4.conf.all.rp_filter and net.ipv4.conf.${device.link.name}.rp_filter is 1), and has dropped ${device.reversePathDrops} packets in this namespace (IPReversePathFilter).`,
      why: "A redirected or routed packet often arrives at another device than the one that leads back to its sender; a strict filter takes it for forged and drops it without a word.",
      fix: { command: sysctl(device.network, ["ipv4", "conf", device.link.name, "rp_filter"], LOOSE), safe: false },
    })),
);

/** A device on the way is down, or its cable leads nowhere. */
import type { Finding } from "../finding.ts";
import { inside, ip, nameOf, placeOf, word } from "../shell.ts";
import type { Device } from "../snapshot/index.ts";
import { concerned, perSubject } from "./check.ts";

/** A driver without carrier detection says "unknown" and works. */
const WITHOUT_CARRIER = new Set(["down", "lowerlayerdown", "notpresent", "dormant"]);

export const linkDown = perSubject("link-down", (subject) =>
  concerned(subject).flatMap((device): Omit<Finding, "id">[] => {
    const { link, network, peer } = device;
    if (!link.up) {
      return [linkDownAt(device)];
    }
    // Then the other end is the finding.
    if (!WITHOUT_CARRIER.has(link.operstate) || peer?.link.up === false) return [];
    return [
      {
        place: placeOf(device),
        what: `${nameOf(device)} is up and has no carrier.`,
        evidence: `Its state is ${link.operstate}.`,
        why: "There is no cable, or nobody at its other end: nothing comes in, and what goes out is lost.",
        fix: { command: inside(network, `ethtool ${word(link.name)}`), safe: false },
      },
    ];
  }),
);

/** What is said of a device that is not set up. */
export function linkDownAt(device: Device): Omit<Finding, "id"> {
  const { link, network } = device;
  return {
    place: placeOf(device),
    what: `${nameOf(device)} is down.`,
    evidence: `IFF_UP is not set; its state is ${link.operstate}.`,
    why: "A device that is down neither receives nor sends; what is redirected to it is dropped (ENETDOWN).",
    fix: { command: ip(network, `link set dev ${word(link.name)} up`), safe: true },
  };
}

/** Pings from inside a lab to its outside: what `lab ping` does. */
import { WirescriptError } from "../errors.ts";
import { MESSAGES } from "./messages.ts";
import { type PingOptions, type PingResult, ping } from "./ping.ts";
import { vlansFor } from "./plan.ts";
import type { Lab } from "./setup.ts";

export interface PingTarget {
  /** IPv4 instead of IPv6. */
  legacyIp?: boolean;
  /** The first VLAN. */
  vlan?: boolean;
}

/**
 * The address outside that a lab's ping goes to.
 *
 * @throws WirescriptError USAGE when both are asked for, LAB when the lab has no such address.
 */
export function pingDestination(lab: Lab, target: PingTarget = {}): string {
  const failure = (code: "USAGE" | "LAB", what: string, fix: string) => new WirescriptError({ code, what, fix });
  if (target.legacyIp === true && target.vlan === true)
    throw failure("USAGE", MESSAGES.legacyAndVlan, "The VLANs have IPv6 only.");
  if (target.legacyIp === true) {
    if (lab.legacyIp && lab.plan.ip4 !== null) return lab.plan.ip4.outside;
    throw failure("LAB", MESSAGES.noLegacyIp, "Tear it down and set it up with --legacy-ip.");
  }
  if (target.vlan === true) {
    const [first] = lab.vlan ? vlansFor(lab.number, lab.name) : [];
    if (first !== undefined) return first.outside;
    throw failure("LAB", MESSAGES.noVlans, "Tear it down and set it up with --vlan.");
  }
  return lab.plan.ip6.outside;
}

/** Pings the outside from inside. @throws WirescriptError as `pingDestination` and `ping` do. */
export async function pingFromInside(
  lab: Lab,
  target: PingTarget,
  options: Omit<PingOptions, "destination" | "namespace"> = {},
): Promise<PingResult> {
  return await ping({ ...options, destination: pingDestination(lab, target), namespace: lab.name });
}

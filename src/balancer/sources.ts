/**
 * The addresses that the balancer sends from: what the state says, else one of the first device's that other hosts can answer to.
 *
 * Connections through NAT end when it changes, so it is the one that the device has had for longest (the kernel lists IPv6 addresses newest first), and one that is in
 * use stays as long as the device has it, whatever else comes.
 */
import { findLink, type InterfaceAddress, listAddresses } from "../sys/netlink/index.ts";
import type { Family, Service, State } from "./contract.ts";
import type { Sources } from "./datapath/records.ts";
import { isAddress, readAddress } from "./network-address.ts";

export const NO_SOURCES: Sources = { source4: null, source6: null };

/** Those of the first device, in this process's network namespace, now; `used` are the ones until now. */
export function foundSources({ devices, services }: Partial<Pick<State, "devices" | "services">>, used: Sources): Sources {
  const name = devices?.[0]?.name;
  const link = name === undefined ? null : findLink(name);
  return link === null ? NO_SOURCES : chosenSources(listAddresses(link.ifindex), services ?? [], used);
}

/** What a state says goes before what was found. */
export function statedSources(state: Pick<State, "source4" | "source6">, found: Sources): Sources {
  return { source4: state.source4 ?? found.source4, source6: state.source6 ?? found.source6 };
}

/** Of a device's addresses. */
export function chosenSources(
  addresses: readonly InterfaceAddress[],
  services: readonly Pick<Service, "address">[],
  used: Sources,
): Sources {
  const one = (family: Family, before: string | null): string | null => {
    const ours = addresses.filter((each) => each.family === family && each.scope === 0 && !each.tentative);
    if (before !== null && ours.some(({ address }) => address === before)) return before;
    const lasting = ours.filter(({ deprecated }) => !deprecated).sort((left, right) => left.created - right.created);
    // One that the device has for a service's sake goes with the service, but is better than none.
    return (lasting.find((each) => !isOfService(each, services)) ?? lasting[0])?.address ?? null;
  };
  return { source4: one(4, used.source4), source6: one(6, used.source6) };
}

/** A single address that clients send to. */
function isOfService(
  { address, family, prefixLength }: InterfaceAddress,
  services: readonly Pick<Service, "address">[],
): boolean {
  if (prefixLength !== (family === 4 ? 32 : 128)) return false;
  return services.some((service) => {
    const read = readAddress(service.address);
    return isAddress(read) && read.text === address;
  });
}

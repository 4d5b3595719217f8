/** What labs there are, and what is known about one of them; as values, and as the tutorial's test environment prints them. */
import { closeSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { namespaceExists, openNamespace } from "../sys/namespaces.ts";
import { listAddresses } from "../sys/netlink/address.ts";
import { findLink, type Link } from "../sys/netlink/link.ts";
import { getNamespaceId } from "../sys/netlink/namespace-id.ts";
import { formatNetworkStatus, type NetworkStatus, networkStatus } from "./network/status.ts";
import { IP4_PREFIX_SIZE, IP6_PREFIX_SIZE, planFor } from "./plan.ts";
import { requireRoot } from "./preflight.ts";
import { currentLab, defaultStateDirectory, findState, listLabs, listNetworks, listUnfinished } from "./state.ts";

export interface LabStatus {
  name: string;
  /** null when the namespace is gone; its id as `ip netns` shows it, where it has one. */
  namespace: { name: string; id: number | null } | null;
  /** "fc00:dead:cafe:1::/64"; null when the state file is damaged. */
  prefix: string | null;
  /** "10.11.1.0/24"; null without IPv4. */
  legacyPrefix: string | null;
  vlan: boolean;
  /** The device outside; null when it is gone. */
  iface: (Link & { addresses: string[] }) | null;
}

export interface Status {
  selected: LabStatus | null;
  /** The selected lab when it is one with hosts; `selected` is null then. */
  network: NetworkStatus | null;
  /** Names of all labs, those with hosts included. */
  environments: string[];
  /** Names of labs that are being made, or whose making was killed. */
  unfinished: string[];
}

/** @throws WirescriptError NO_PRIVILEGES: the state is root's to read. */
export function status(options: { name?: string; stateDirectory?: string } = {}): Status {
  requireRoot();
  const directory = options.stateDirectory ?? defaultStateDirectory();
  const name = options.name ?? currentLab(directory);
  const labs = listLabs(directory);
  const networks = listNetworks(directory);
  return {
    selected: name !== null && labs.includes(name) ? statusOf(name, directory) : null,
    network: name !== null && networks.includes(name) ? networkStatus({ name, stateDirectory: directory }) : null,
    environments: [...labs, ...networks].sort(),
    unfinished: listUnfinished(directory),
  };
}

function statusOf(name: string, directory: string): LabStatus {
  const state = stateUnlessDamaged(name, directory);
  const plan = state && planFor(state.number);
  const link = findLink(name);
  return {
    name,
    namespace: namespaceExists(name) ? { name, id: namespaceIdOf(name) } : null,
    prefix: plan === null ? null : `${plan.ip6.prefix}/${IP6_PREFIX_SIZE}`,
    legacyPrefix: state?.legacyIp && plan?.ip4 ? `${plan.ip4.prefix}0/${IP4_PREFIX_SIZE}` : null,
    vlan: state?.vlan ?? false,
    iface: link && {
      ...link,
      addresses: listAddresses(link.ifindex).map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    },
  };
}

function stateUnlessDamaged(name: string, directory: string) {
  try {
    return findState(directory, name);
  } catch (error) {
    if (error instanceof WirescriptError) return null;
    throw error;
  }
}

function namespaceIdOf(name: string): number | null {
  const fd = openNamespace(name);
  try {
    return getNamespaceId(fd);
  } finally {
    closeSync(fd);
  }
}

/** The lines that `status` prints. */
export function formatStatus({ selected, network, environments, unfinished }: Status): string[] {
  const lines =
    network === null ? [`Currently selected environment: ${selected?.name ?? "None"}`] : formatNetworkStatus(network);
  if (selected !== null) {
    const { namespace, prefix, legacyPrefix, iface } = selected;
    const id = namespace?.id == null ? "" : ` (id: ${namespace.id})`;
    lines.push(`  Namespace:      ${namespace === null ? "(gone)" : namespace.name + id}`);
    lines.push(`  Prefix:         ${prefix ?? "(unknown)"}`);
    if (legacyPrefix !== null) lines.push(`  Legacy prefix:  ${legacyPrefix}`);
    lines.push(`  Iface:          ${iface === null ? "(gone)" : formatIface(iface)}`);
  }
  lines.push("", "All existing environments:");
  lines.push(...(environments.length === 0 ? ["  No environments exist"] : environments.map((name) => `  ${name}`)));
  lines.push(...unfinished.map((name) => `  ${name} (unfinished: run teardown, or setup again)`));
  return lines;
}

/** As `ip -br address show` has it, with single spaces: "test@if2 UP 10.11.1.1/24 fc00:dead:cafe:1::1/64". */
function formatIface(iface: Link & { addresses: string[] }): string {
  const peer = iface.peerIfindex === null ? "" : `@if${iface.peerIfindex}`;
  return [iface.name + peer, iface.operstate.toUpperCase(), ...iface.addresses].join(" ");
}

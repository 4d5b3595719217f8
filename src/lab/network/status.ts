/** What is known about a lab with hosts: as values, and as lines in the manner of the other labs' status. */
import { inNamespace, namespaceExists } from "../../sys/namespaces.ts";
import { findLink, type Operstate } from "../../sys/netlink/link.ts";
import { type HostPlan, type Middle, SWITCH_DEVICE } from "./plan.ts";
import { type Lookup, openNetwork } from "./setup.ts";

export interface HostStatus extends HostPlan {
  /** Whether its namespace is there. */
  exists: boolean;
  /** Of its device; null when that is gone. */
  state: Operstate | null;
  /** Of its port in the middle; null when that is gone. */
  portState: Operstate | null;
}

export interface NetworkStatus {
  name: string;
  middle: Middle;
  /** Whether the namespace in the middle is there, and in it the switch, if it has one. */
  exists: boolean;
  hosts: HostStatus[];
}

/** @throws WirescriptError LAB when it is none; NO_PRIVILEGES */
export function networkStatus(lookup: Lookup = {}): NetworkStatus {
  const { name, middle, hosts } = openNetwork(lookup);
  const stateOf = (namespace: string, device: string) =>
    namespaceExists(namespace) ? inNamespace(namespace, () => findLink(device)?.operstate ?? null) : null;
  return {
    name,
    middle,
    exists: middle === "switch" ? stateOf(name, SWITCH_DEVICE) !== null : namespaceExists(name),
    hosts: hosts.map((host) => ({
      ...host,
      exists: namespaceExists(host.namespace),
      state: stateOf(host.namespace, host.device),
      portState: stateOf(name, host.port),
    })),
  };
}

/** The lines that `status` prints about it. */
export function formatNetworkStatus({ name, middle, exists, hosts }: NetworkStatus): string[] {
  const rows = hosts.map((host) => [
    `Host ${host.number}:`,
    host.exists ? host.namespace : "(gone)",
    host.state === null ? "(gone)" : `${host.device} ${host.state.toUpperCase()}`,
    host.ip4,
    host.ip6,
    host.portState === null ? "(port gone)" : `at ${host.port} ${host.portState.toUpperCase()}`,
  ]);
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return [
    `Currently selected environment: ${name}`,
    `  Middle:  ${exists ? `a ${middle}, in namespace ${name}` : "(gone)"}`,
    ...rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd()),
  ];
}

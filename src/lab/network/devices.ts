/**
 * The parts of a lab with hosts in the kernel: a namespace in the middle and one for each host, a veth pair between them, and in the
 * middle a bridge, or forwarding. Synchronous, because a namespace is worked on by entering it with this thread.
 */
import { closeSync, writeFileSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";
import { isErrno } from "../../sys/errno.ts";
import { createNamespace, deleteNamespace, inNamespace, namespaceExists, openNamespace } from "../../sys/namespaces.ts";
import { addAddress } from "../../sys/netlink/address.ts";
import { addBridge, addVethPair, getLink, setLinkMac, setLinkMaster, setLinkUp } from "../../sys/netlink/link.ts";
import { setPermanentNeighbour } from "../../sys/netlink/neighbour.ts";
import { addRoute } from "../../sys/netlink/route.ts";
import { prepareForXdp, quieten, removePair } from "../devices.ts";
import { wakeDevice } from "../peer.ts";
import { removePins } from "../pins.ts";
import { type HostPlan, IP4_PREFIX_LENGTH, IP6_PREFIX_LENGTH, type NetworkPlan, namespacesOf, SWITCH_DEVICE } from "./plan.ts";

/** Makes everything. Whatever it made before an exception, `removeNetwork` takes away. */
export function makeNetwork(plan: NetworkPlan): void {
  createNamespace(plan.name);
  inNamespace(plan.name, () => {
    setLinkUp(getLink("lo").ifindex, true);
    if (plan.middle === "switch") makeSwitch();
    else makeRouter();
  });
  for (const host of plan.hosts) makeHost(plan, host);
}

function makeSwitch(): void {
  try {
    addBridge(SWITCH_DEVICE);
  } catch (cause) {
    if (!isErrno(cause, "EOPNOTSUPP")) throw cause;
    throw new WirescriptError({
      code: "UNSUPPORTED_SYSTEM",
      what: "A lab with a switch cannot be made here.",
      why: "The switch is a bridge, which this kernel does not have (CONFIG_BRIDGE).",
      fix: "Load the module with `modprobe bridge`, or have a router in the middle: --router",
      cause,
    });
  }
  quieten(SWITCH_DEVICE);
  setLinkUp(getLink(SWITCH_DEVICE).ifindex, true);
}

function makeRouter(): void {
  writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
}

function makeHost({ name, middle }: NetworkPlan, host: HostPlan): void {
  createNamespace(host.namespace);
  const inside = openNamespace(host.namespace);
  try {
    inNamespace(name, () => {
      addVethPair({ name: host.port, peerName: host.device, peerNamespaceFd: inside });
      const { ifindex } = getLink(host.port);
      setLinkMac(ifindex, host.portMac);
      quieten(host.port);
      if (middle === "switch") setLinkMaster(ifindex, getLink(SWITCH_DEVICE).ifindex);
      setLinkUp(ifindex, true);
      if (host.gateway !== null) addEnd(ifindex, host.gateway, host, host.mac);
    });
    inNamespace(inside, () => {
      setLinkUp(getLink("lo").ifindex, true);
      const { ifindex } = getLink(host.device);
      setLinkMac(ifindex, host.mac);
      quieten(host.device);
      setLinkUp(ifindex, true);
      addEnd(ifindex, host, host.gateway, host.portMac);
      if (host.gateway !== null) addDefaultRoutes(ifindex, host.gateway);
      prepareForXdp(host.device);
      // What a program in the middle sends to this host by XDP_TX or XDP_REDIRECT arrives only at an end with a program.
      wakeDevice(host.device);
    });
    inNamespace(name, () => prepareForXdp(host.port));
  } finally {
    closeSync(inside);
  }
}

interface Addresses {
  ip4: string;
  ip6: string;
}

/** The addresses of one end. The other end of a routed link is a neighbour that is never asked for; on a switch, hosts ask. */
function addEnd(ifindex: number, own: Addresses, other: Addresses | null, mac: string): void {
  addAddress({ ifindex, address: own.ip4, prefixLength: IP4_PREFIX_LENGTH });
  addAddress({ ifindex, address: own.ip6, prefixLength: IP6_PREFIX_LENGTH });
  if (other === null) return;
  for (const address of [other.ip4, other.ip6]) setPermanentNeighbour({ ifindex, address, mac });
}

function addDefaultRoutes(ifindex: number, gateway: Addresses): void {
  addRoute({ destination: { address: "0.0.0.0", prefixLength: 0 }, gateway: gateway.ip4, ifindex });
  addRoute({ destination: { address: "::", prefixLength: 0 }, gateway: gateway.ip6, ifindex });
}

export interface RemovedNetwork {
  /** The names of the namespaces that were there and are gone. */
  namespaces: string[];
  /** The names that should have been there. */
  missing: string[];
  /** Whether there were pins of theirs. */
  pins: boolean;
}

/** Takes away whatever of it there is, and says what that was. */
export function removeNetwork(plan: NetworkPlan): RemovedNetwork {
  removePairs(plan);
  const removed: RemovedNetwork = { namespaces: [], missing: [], pins: false };
  for (const namespace of namespacesOf(plan)) {
    if (deleteNamespace(namespace)) removed.namespaces.push(namespace);
    else removed.missing.push(namespace);
    if (removePins(namespace)) removed.pins = true;
  }
  return removed;
}

/** The pairs go first: a namespace ends only when its last process does, and would keep its ends until then. */
function removePairs({ name, hosts }: NetworkPlan): void {
  if (!namespaceExists(name)) return;
  try {
    inNamespace(name, () => {
      for (const { port } of hosts) removePair(port);
    });
  } catch (error) {
    // A name without a namespace, left by a setup that was killed: it has no devices.
    if (!isErrno(error, "EINVAL")) throw error;
  }
}

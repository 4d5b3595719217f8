/**
 * The parts of a lab in the kernel: a namespace, a veth pair between it and the outside, addresses, neighbours and routes; made and
 * taken away by rtnetlink. Everything here is synchronous, because the inside is worked on by entering it with this thread.
 */
import { closeSync, writeFileSync } from "node:fs";
import { isErrno } from "../sys/errno.ts";
import { setOffloads } from "../sys/ethtool.ts";
import { createNamespace, deleteNamespace, inNamespace, openNamespace } from "../sys/namespaces.ts";
import { addAddress } from "../sys/netlink/address.ts";
import { addVethPair, addVlan, deleteLink, findLink, getLink, type Link, setLinkUp } from "../sys/netlink/link.ts";
import { setPermanentNeighbour } from "../sys/netlink/neighbour.ts";
import { addRoute } from "../sys/netlink/route.ts";
import {
  INSIDE_DEVICE,
  IP4_FULL_PREFIX_SIZE,
  IP4_PREFIX_SIZE,
  IP4_SUBNET,
  IP6_FULL_PREFIX_SIZE,
  IP6_PREFIX_SIZE,
  IP6_SUBNET,
  planFor,
  vlansFor,
} from "./plan.ts";
import type { LabState } from "./state.ts";

/** Settings of both ends that would send packets nobody asked for, or keep an address from being used at once. */
const QUIET_SETTINGS = [
  "accept_dad",
  "accept_ra",
  "mldv1_unsolicited_report_interval",
  "mldv2_unsolicited_report_interval",
] as const;

/**
 * Makes the namespace, the devices and all that belongs to them, and returns what is to be remembered. Whatever it made before an
 * exception, `removeDevices` takes away.
 */
export function makeDevices(lab: Pick<LabState, "name" | "number" | "legacyIp" | "vlan">): LabState {
  const { name } = lab;
  createNamespace(name);
  const inside = openNamespace(name);
  try {
    addVethPair({ name, peerName: INSIDE_DEVICE, peerNamespaceFd: inside });
    const outsideLink = getLink(name);
    const insideLink = inNamespace(inside, () => getLink(INSIDE_DEVICE));
    const state = { ...lab, outsideMac: outsideLink.mac ?? "", insideMac: insideLink.mac ?? "" };
    quieten(name);
    inNamespace(inside, () => {
      setLinkUp(getLink("lo").ifindex, true);
      quieten(INSIDE_DEVICE);
    });
    configureEnd(outsideLink, state, "outside");
    inNamespace(inside, () => configureEnd(insideLink, state, "inside"));
    // After both ends are up: only then does the driver take note that the other end can receive.
    prepareForXdp(name);
    inNamespace(inside, () => {
      prepareForXdp(INSIDE_DEVICE);
      addRoutes(insideLink, state);
    });
    if (lab.vlan) makeVlans(outsideLink, insideLink, inside, state);
    return state;
  } finally {
    closeSync(inside);
  }
}

/** Brings one end up and gives it its addresses and the other end as a neighbour that is never asked for. */
function configureEnd({ ifindex }: Link, state: LabState, side: "outside" | "inside"): void {
  const other = side === "outside" ? "inside" : "outside";
  const mac = side === "outside" ? state.insideMac : state.outsideMac;
  const { ip6, ip4 } = planFor(state.number);
  setLinkUp(ifindex, true);
  addAddress({ ifindex, address: ip6[side], prefixLength: IP6_PREFIX_SIZE });
  setPermanentNeighbour({ ifindex, address: ip6[other], mac });
  if (!state.legacyIp || ip4 === null) return;
  addAddress({ ifindex, address: ip4[side], prefixLength: IP4_PREFIX_SIZE });
  setPermanentNeighbour({ ifindex, address: ip4[other], mac });
}

/** The way from inside to all other labs leads through the outside. */
function addRoutes({ ifindex }: Link, state: LabState): void {
  const { ip6, ip4 } = planFor(state.number);
  addRoute({
    destination: { address: `${IP6_SUBNET}::`, prefixLength: IP6_FULL_PREFIX_SIZE },
    gateway: ip6.outside,
    ifindex,
  });
  if (!state.legacyIp || ip4 === null) return;
  const destination = { address: `${IP4_SUBNET}.0.0`, prefixLength: IP4_FULL_PREFIX_SIZE };
  addRoute({ destination, gateway: ip4.outside, ifindex });
}

function makeVlans(outsideLink: Link, insideLink: Link, inside: number, state: LabState): void {
  for (const vlan of vlansFor(state.number, state.name)) {
    const makeEnd = (parent: Link, device: string, side: "outside" | "inside", mac: string) => {
      addVlan({ name: device, parentIfindex: parent.ifindex, vlanId: vlan.id });
      const { ifindex } = getLink(device);
      quieten(device);
      setLinkUp(ifindex, true);
      addAddress({ ifindex, address: vlan[side], prefixLength: IP6_PREFIX_SIZE });
      setPermanentNeighbour({ ifindex, address: vlan[side === "outside" ? "inside" : "outside"], mac });
    };
    makeEnd(outsideLink, vlan.outsideDevice, "outside", state.insideMac);
    inNamespace(inside, () => makeEnd(insideLink, vlan.insideDevice, "inside", state.outsideMac));
  }
}

/**
 * Frames as a network card would deliver them: VLAN tags are in the frame, where programs can see them, and checksums are complete;
 * what XDP_TX or XDP_REDIRECT sends on would otherwise carry one that nobody finishes. GRO turns the receiver's NAPI on, without
 * which the driver drops what XDP_REDIRECT sends to it.
 */
export function prepareForXdp(device: string): void {
  setOffloads(device, { rxVlan: false, txVlan: false, txChecksum: false, gro: true });
}

/** No packets that nobody asked for, and addresses that can be used at once. */
export function quieten(device: string): void {
  for (const setting of QUIET_SETTINGS) {
    // A name may contain dots, which are no separators here.
    writeFileSync(`/proc/sys/net/ipv6/conf/${device}/${setting}`, "0");
  }
}

export interface RemovedDevices {
  link: boolean;
  namespace: boolean;
}

/** Takes away the pair and the namespace, whichever of them there is, and says which there was. */
export function removeDevices(name: string): RemovedDevices {
  // The pair goes first: a namespace ends only when its last process does, and would keep its end until then.
  return { link: removePair(name), namespace: deleteNamespace(name) };
}

/** Takes a veth pair away by one of its ends. @returns false when there was none of that name, or it is of another kind. */
export function removePair(name: string): boolean {
  const link = findLink(name);
  // Of another kind it is not ours.
  if (link?.kind !== "veth") return false;
  try {
    deleteLink(link.ifindex);
    return true;
  } catch (error) {
    // The kernel was about to take it away itself, after its other end's namespace.
    if (isErrno(error, "ENODEV")) return false;
    throw error;
  }
}

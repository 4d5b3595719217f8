/** Network devices: what there is, and what can be changed about them. Everything here happens in the calling thread's network namespace. */
import { WirescriptError } from "../../errors.ts";
import { isErrno } from "../errno.ts";
import { formatMac, parseMac } from "../mac.ts";
import { LINK, NETLINK, SIZE } from "./constants.ts";
import {
  type Attributes,
  bytesAttribute,
  concatenate,
  decodeAttributes,
  type Message,
  nestedAttribute,
  readString,
  readU32,
  stringAttribute,
  u16Attribute,
  u32Attribute,
} from "./message.ts";
import { requestRtnetlink } from "./socket.ts";
import { decodeXdp, type XdpAttachment } from "./xdp.ts";

/** IF_OPER_…, RFC 2863 section 3.1.14, by number. */
const OPERSTATES = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"] as const;

export type Operstate = (typeof OPERSTATES)[number];

export interface Link {
  ifindex: number;
  name: string;
  /** "02:00:00:00:00:01"; null for devices without one. */
  mac: string | null;
  /** Bytes. */
  mtu: number;
  /** Whether it has been set up (IFF_UP); whether it carries traffic is `operstate`. */
  up: boolean;
  /** IFF_… */
  flags: number;
  operstate: Operstate;
  /** The driver's kind as `ip -d link` prints it ("veth", "vlan", "bridge"); null for hardware. */
  kind: string | null;
  /** The other end of a veth, or the device under a VLAN: an index in the namespace `peerNamespaceId`. */
  peerIfindex: number | null;
  /** The id that this namespace has for the peer's namespace (`ip netns list-id`); null when the peer is in the same one. */
  peerNamespaceId: number | null;
  /** The bridge or bond that it belongs to. */
  masterIfindex: number | null;
  rxQueues: number;
  txQueues: number;
  /** The XDP programs on the device, one a mode; empty when there is none. */
  xdp: XdpAttachment[];
}

/** All devices, in the order of their index. */
export function listLinks(): Link[] {
  // Statistics are most of a link's description, and nobody here reads them.
  const payload = concatenate([interfaceInfo({}), u32Attribute(LINK.IFLA_EXT_MASK, LINK.RTEXT_FILTER_SKIP_STATS)]);
  return requestRtnetlink({ type: NETLINK.RTM_GETLINK, flags: NETLINK.NLM_F_DUMP, payload, about: "list links" })
    .map(decodeLink)
    .sort((a, b) => a.ifindex - b.ifindex);
}

/** The device of that name or index. @throws WirescriptError NO_SUCH_DEVICE, with the names of the devices that exist. */
export function getLink(device: string | number): Link {
  const link = findLink(device);
  if (link === null) throw noSuchDevice(device);
  return link;
}

/** As `getLink`, but null when there is no such device. */
export function findLink(device: string | number): Link | null {
  if (typeof device === "number" ? !isIndex(device) : typeof device !== "string") return null;
  // The kernel answers ERANGE, not ENODEV, to a name that no device can have.
  if (typeof device === "string" && (device === "" || Buffer.byteLength(device) >= LINK.IFNAMSIZ)) return null;
  const mask = u32Attribute(LINK.IFLA_EXT_MASK, LINK.RTEXT_FILTER_SKIP_STATS);
  const payload =
    typeof device === "number"
      ? concatenate([interfaceInfo({ ifindex: device }), mask])
      : concatenate([interfaceInfo({}), stringAttribute(LINK.IFLA_IFNAME, device), mask]);
  try {
    const [message] = requestRtnetlink({ type: NETLINK.RTM_GETLINK, payload, about: `get link ${device}` });
    return message === undefined ? null : decodeLink(message);
  } catch (error) {
    if (isErrno(error, "ENODEV")) return null;
    throw error;
  }
}

/** The kernel counts devices from 1, in 31 bits. */
function isIndex(number: number): boolean {
  return Number.isInteger(number) && number > 0 && number <= 0x7fff_ffff;
}

export function noSuchDevice(device: string | number, cause?: unknown): WirescriptError {
  const names = listLinks().map((link) => link.name);
  return new WirescriptError({
    code: "NO_SUCH_DEVICE",
    what:
      typeof device === "number"
        ? `There is no network device with index ${device}.`
        : `There is no network device "${device}".`,
    why: `This network namespace has ${names.length === 0 ? "no devices" : names.join(", ")}.`,
    fix: "Name one of these, or run the command in the network namespace that the device is in.",
    cause,
  });
}

/** Where a device is made or moved to: an open file descriptor of a network namespace. */
export type NamespaceFd = number;

/**
 * Makes a veth pair: `name` here and `peerName` in the namespace `peerNamespaceFd` (here too when it is not given).
 *
 * @throws SyscallError EEXIST when either name is taken.
 */
export function addVethPair(options: { name: string; peerName: string; peerNamespaceFd?: NamespaceFd }): void {
  const peer = [interfaceInfo({}), stringAttribute(LINK.IFLA_IFNAME, options.peerName)];
  if (options.peerNamespaceFd !== undefined) peer.push(u32Attribute(LINK.IFLA_NET_NS_FD, options.peerNamespaceFd));
  addLink(options.name, [], "veth", [nestedAttribute(LINK.VETH_INFO_PEER, ...peer)]);
}

/**
 * Makes a VLAN device on top of another device.
 *
 * @throws SyscallError EOPNOTSUPP when the kernel has no VLAN devices (CONFIG_VLAN_8021Q), EEXIST when the name or id is taken.
 */
export function addVlan(options: { name: string; parentIfindex: number; vlanId: number }): void {
  const parent = u32Attribute(LINK.IFLA_LINK, options.parentIfindex);
  addLink(options.name, [parent], "vlan", [u16Attribute(LINK.IFLA_VLAN_ID, options.vlanId)]);
}

/** Makes a bridge: a switch in the kernel. @throws SyscallError EOPNOTSUPP when the kernel has none (CONFIG_BRIDGE), EEXIST when the name is taken. */
export function addBridge(name: string): void {
  addLink(name, [], "bridge", []);
}

function addLink(name: string, attributes: Uint8Array[], kind: string, data: Uint8Array[]): void {
  const payload = concatenate([
    interfaceInfo({}),
    stringAttribute(LINK.IFLA_IFNAME, name),
    ...attributes,
    nestedAttribute(
      LINK.IFLA_LINKINFO,
      stringAttribute(LINK.IFLA_INFO_KIND, kind),
      nestedAttribute(LINK.IFLA_INFO_DATA, ...data),
    ),
  ]);
  const flags = NETLINK.NLM_F_CREATE | NETLINK.NLM_F_EXCL;
  requestRtnetlink({ type: NETLINK.RTM_NEWLINK, flags, payload, about: `add ${kind} ${name}` });
}

/** Removes a device; of a veth pair, both ends. @throws SyscallError ENODEV when it is gone, EOPNOTSUPP for hardware. */
export function deleteLink(ifindex: number): void {
  requestRtnetlink({ type: NETLINK.RTM_DELLINK, payload: interfaceInfo({ ifindex }), about: `delete link ${ifindex}` });
}

/** Sets a device up or down. */
export function setLinkUp(ifindex: number, up: boolean): void {
  const payload = interfaceInfo({ ifindex, flags: up ? LINK.IFF_UP : 0, change: LINK.IFF_UP });
  requestRtnetlink({ type: NETLINK.RTM_NEWLINK, payload, about: `set link ${ifindex} ${up ? "up" : "down"}` });
}

/** Sets the largest packet that a device sends, in bytes. @throws SyscallError EINVAL when the driver does not go so far. */
export function setLinkMtu(ifindex: number, mtu: number): void {
  changeLink(ifindex, u32Attribute(LINK.IFLA_MTU, mtu), `set MTU of link ${ifindex} to ${mtu}`);
}

/** Renames a device, which has to be down before Linux 6.2. */
export function renameLink(ifindex: number, name: string): void {
  changeLink(ifindex, stringAttribute(LINK.IFLA_IFNAME, name), `rename link ${ifindex} to ${name}`);
}

/** Moves a device into another network namespace. It arrives down and without addresses. */
export function moveLink(ifindex: number, namespaceFd: NamespaceFd): void {
  changeLink(ifindex, u32Attribute(LINK.IFLA_NET_NS_FD, namespaceFd), `move link ${ifindex}`);
}

/** Makes a device a port of a bridge, or a part of a bond. */
export function setLinkMaster(ifindex: number, masterIfindex: number): void {
  changeLink(ifindex, u32Attribute(LINK.IFLA_MASTER, masterIfindex), `make link ${ifindex} a port of link ${masterIfindex}`);
}

/** Gives a device another MAC address; many drivers want it down. */
export function setLinkMac(ifindex: number, mac: string): void {
  changeLink(ifindex, bytesAttribute(LINK.IFLA_ADDRESS, parseMac(mac)), `set the MAC address of link ${ifindex}`);
}

function changeLink(ifindex: number, attribute: Uint8Array, about: string): void {
  const payload = concatenate([interfaceInfo({ ifindex }), attribute]);
  requestRtnetlink({ type: NETLINK.RTM_NEWLINK, payload, about });
}

/** struct ifinfomsg */
export function interfaceInfo(fields: { ifindex?: number; flags?: number; change?: number }): Uint8Array {
  const bytes = new Uint8Array(SIZE.ifinfomsg);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, fields.ifindex ?? 0, true);
  view.setUint32(8, fields.flags ?? 0, true);
  view.setUint32(12, fields.change ?? 0, true);
  return bytes;
}

function decodeLink(message: Message): Link {
  const { payload } = message;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload, SIZE.ifinfomsg);
  const flags = view.getUint32(8, true);
  const mac = attributes.get(LINK.IFLA_ADDRESS);
  const info = attributes.get(LINK.IFLA_LINKINFO);
  const kind = info && decodeAttributes(info).get(LINK.IFLA_INFO_KIND);
  const name = attributes.get(LINK.IFLA_IFNAME);
  const xdp = attributes.get(LINK.IFLA_XDP);
  return {
    ifindex: view.getInt32(4, true),
    name: name === undefined ? "" : readString(name),
    mac: mac?.length === 6 ? formatMac(mac) : null,
    mtu: numberAt(attributes, LINK.IFLA_MTU) ?? 0,
    up: (flags & LINK.IFF_UP) !== 0,
    flags,
    operstate: OPERSTATES[attributes.get(LINK.IFLA_OPERSTATE)?.[0] ?? 0] ?? "unknown",
    kind: kind === undefined ? null : readString(kind),
    peerIfindex: numberAt(attributes, LINK.IFLA_LINK),
    peerNamespaceId: numberAt(attributes, LINK.IFLA_LINK_NETNSID),
    masterIfindex: numberAt(attributes, LINK.IFLA_MASTER),
    rxQueues: numberAt(attributes, LINK.IFLA_NUM_RX_QUEUES) ?? 1,
    txQueues: numberAt(attributes, LINK.IFLA_NUM_TX_QUEUES) ?? 1,
    xdp: xdp === undefined ? [] : decodeXdp(xdp),
  };
}

function numberAt(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value === undefined ? null : readU32(value);
}

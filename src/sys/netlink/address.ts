/** IP addresses of devices, in the calling thread's network namespace. */
import { AF_INET, AF_UNSPEC, familyOf, formatIp, type Prefix, parseIp } from "../ip-address.ts";
import { ADDRESS, NETLINK, SIZE } from "./constants.ts";
import { bytesAttribute, concatenate, decodeAttributes, type Message, readU32, u32Attribute } from "./message.ts";
import { requestRtnetlink } from "./socket.ts";

export interface InterfaceAddress extends Prefix {
  ifindex: number;
  family: 4 | 6;
  /** Duplicate address detection has not finished: the address cannot be used yet. */
  tentative: boolean;
  /** Its preferred time is over, or it never had one: nothing new is to be sent from it (RFC 4862, section 5.5.4). */
  deprecated: boolean;
  /** When the device got it, in hundredths of a second since the kernel booted. */
  created: number;
  /** RT_SCOPE_…: 0 is global, 253 is link, 254 is host. */
  scope: number;
}

/** The addresses of one device, or of all; IPv4 first, as `ip address` lists them. */
export function listAddresses(ifindex?: number): InterfaceAddress[] {
  // Asking the kernel for one device would give ENODEV for a device that has just gone; filtering here gives nothing, as it should.
  const messages = requestRtnetlink({
    type: NETLINK.RTM_GETADDR,
    flags: NETLINK.NLM_F_DUMP,
    payload: addressHeader(AF_UNSPEC, 0, 0),
    about: "list addresses",
  });
  return messages.map(decodeAddress).filter((address) => ifindex === undefined || address.ifindex === ifindex);
}

/**
 * Gives a device an address, in IPv6 without duplicate address detection. Packets to an IPv6 address are accepted a moment later,
 * when a work queue of the kernel has made its local route: see `isLocalAddress`.
 *
 * @throws SyscallError EEXIST when the device has it, EACCES or EPERM when IPv6 is disabled on the device.
 */
export function addAddress(options: { ifindex: number } & Prefix): void {
  const bytes = parseIp(options.address);
  const family = familyOf(bytes);
  const parts = [
    addressHeader(family, options.prefixLength, options.ifindex),
    bytesAttribute(ADDRESS.IFA_LOCAL, bytes),
    bytesAttribute(ADDRESS.IFA_ADDRESS, bytes),
  ];
  if (family !== AF_INET) parts.push(u32Attribute(ADDRESS.IFA_FLAGS, ADDRESS.IFA_F_NODAD));
  requestRtnetlink({
    type: NETLINK.RTM_NEWADDR,
    flags: NETLINK.NLM_F_CREATE | NETLINK.NLM_F_EXCL,
    payload: concatenate(parts),
    about: `add address ${options.address}/${options.prefixLength} to link ${options.ifindex}`,
  });
}

/** struct ifaddrmsg */
function addressHeader(family: number, prefixLength: number, ifindex: number): Uint8Array {
  const bytes = new Uint8Array(SIZE.ifaddrmsg);
  bytes[0] = family;
  bytes[1] = prefixLength;
  new DataView(bytes.buffer).setUint32(4, ifindex, true);
  return bytes;
}

function decodeAddress({ payload }: Message): InterfaceAddress {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload, SIZE.ifaddrmsg);
  // On point-to-point links IFA_ADDRESS is the other end; IFA_LOCAL, where present, is always ours.
  const address = attributes.get(ADDRESS.IFA_LOCAL) ?? attributes.get(ADDRESS.IFA_ADDRESS) ?? new Uint8Array(4);
  const allFlags = attributes.get(ADDRESS.IFA_FLAGS);
  const flags = allFlags === undefined ? view.getUint8(2) : readU32(allFlags);
  // struct ifa_cacheinfo: two lifetimes, then when it was created and last updated.
  const times = attributes.get(ADDRESS.IFA_CACHEINFO);
  return {
    ifindex: view.getUint32(4, true),
    family: view.getUint8(0) === AF_INET ? 4 : 6,
    address: formatIp(address),
    prefixLength: view.getUint8(1),
    tentative: (flags & ADDRESS.IFA_F_TENTATIVE) !== 0,
    deprecated: (flags & ADDRESS.IFA_F_DEPRECATED) !== 0,
    created: times === undefined ? 0 : readU32(times.subarray(8)),
    scope: view.getUint8(3),
  };
}

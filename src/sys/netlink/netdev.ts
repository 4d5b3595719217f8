/**
 * What a device's driver can do for XDP, by its own word: the generic netlink family "netdev" (Linux 6.3). Source:
 * Documentation/netlink/specs/netdev.yaml.
 */
import { isErrno } from "../errno.ts";
import { concatenate, decodeAttributes, stringAttribute, u32Attribute } from "./message.ts";
import { requestNetlink } from "./socket.ts";

const NETLINK_GENERIC = 16;
/** Of linux/genetlink.h: the family that tells the numbers of others. */
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
/** Of linux/netdev.h. */
const NETDEV_CMD_DEV_GET = 1;
const NETDEV_A_DEV_IFINDEX = 1;
const NETDEV_A_DEV_XDP_FEATURES = 3;
const NETDEV_A_DEV_XDP_ZC_MAX_SEGS = 4;

/** `enum netdev_xdp_act`, by bit. */
export const XDP_FEATURES = ["basic", "redirect", "ndo-xmit", "xsk-zerocopy", "hw-offload", "rx-sg", "ndo-xmit-sg"] as const;

export interface XdpFeatures {
  /**
   * "basic": the verdicts but redirect; "redirect"; "ndo-xmit": others may redirect to it; "xsk-zerocopy": AF_XDP without copies;
   * "hw-offload"; "rx-sg", "ndo-xmit-sg": frames in several buffers (frags), received and sent. Empty: no native XDP.
   */
  features: string[];
  /** Most buffers of one frame with AF_XDP without copies. */
  zeroCopySegments: number;
}

/** In the calling thread's namespace; null when the kernel does not tell (before Linux 6.3). @throws SyscallError */
export function getXdpFeatures(ifindex: number): XdpFeatures | null {
  const family = familyId("netdev");
  if (family === null) return null;
  const payload = concatenate([genericHeader(NETDEV_CMD_DEV_GET), u32Attribute(NETDEV_A_DEV_IFINDEX, ifindex)]);
  const [message] = requestNetlink(NETLINK_GENERIC, { type: family, payload, about: `get XDP features of link ${ifindex}` });
  if (message === undefined) return null;
  const attributes = decodeAttributes(message.payload, GENERIC_HEADER);
  const bits = number(attributes.get(NETDEV_A_DEV_XDP_FEATURES));
  return {
    features: XDP_FEATURES.filter((_, bit) => ((bits >> BigInt(bit)) & 1n) === 1n),
    zeroCopySegments: Number(number(attributes.get(NETDEV_A_DEV_XDP_ZC_MAX_SEGS))),
  };
}

function familyId(name: string): number | null {
  const payload = concatenate([genericHeader(CTRL_CMD_GETFAMILY), stringAttribute(CTRL_ATTR_FAMILY_NAME, name)]);
  try {
    const [message] = requestNetlink(NETLINK_GENERIC, {
      type: GENL_ID_CTRL,
      payload,
      about: `find the netlink family ${name}`,
    });
    const id = message && decodeAttributes(message.payload, GENERIC_HEADER).get(CTRL_ATTR_FAMILY_ID);
    return id === undefined ? null : Number(number(id));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return null;
    throw error;
  }
}

/** `struct genlmsghdr`: command, version, two bytes reserved. */
const GENERIC_HEADER = 4;

function genericHeader(command: number): Uint8Array {
  return Uint8Array.of(command, 1, 0, 0);
}

/** An unsigned number of 2, 4 or 8 bytes; 0 when it is not there. */
function number(value: Uint8Array | undefined): bigint {
  return Array.from(value ?? []).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

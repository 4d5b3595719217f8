/**
 * XDP programs on devices, as `ip link` attaches and shows them: by netlink, so that every other tool sees the program and can
 * remove it, and it stays when this process ends.
 */
import { LINK, NETLINK, SIZE } from "./constants.ts";
import { concatenate, decodeAttributes, nestedAttribute, readU32, u32Attribute } from "./message.ts";
import { requestRtnetlink } from "./socket.ts";

/** Where a program runs: in the driver ("native"), in the stack after it ("skb", also called generic), or on the card ("hw"). */
export type XdpMode = "native" | "skb" | "hw";

export interface XdpAttachment {
  mode: XdpMode;
  programId: number;
}

export interface SetXdp {
  ifindex: number;
  /** The program's file descriptor; -1 detaches. */
  fd: number;
  /** "unspecified" lets the kernel choose native where the driver has it, else skb. */
  mode: XdpMode | "unspecified";
  /** When false, a program that is there in this mode makes it fail with EBUSY. Default: true, it is replaced at once. */
  replace?: boolean;
  /** Only change anything when this program (file descriptor; -1: none) is the one attached, else fail with EEXIST. Linux 5.7. */
  expectedFd?: number;
}

const MODE_FLAG = {
  unspecified: 0,
  native: LINK.XDP_FLAGS_DRV_MODE,
  skb: LINK.XDP_FLAGS_SKB_MODE,
  hw: LINK.XDP_FLAGS_HW_MODE,
} as const;

/**
 * Attaches, replaces or detaches a device's program.
 *
 * @throws SyscallError ENODEV: no such device; EOPNOTSUPP: the driver lacks the mode; EBUSY: a program is there and `replace` is
 * false, or a bpf_link holds the device; EEXIST: a program is attached in the other one of native and skb, or it is not `expectedFd`;
 * EINVAL and ERANGE from the driver: its settings (MTU, queues, offloads) do not go with XDP. `why` holds the kernel's explanation.
 */
export function setXdp(options: SetXdp): void {
  let flags: number = MODE_FLAG[options.mode];
  if (options.replace === false) flags |= LINK.XDP_FLAGS_UPDATE_IF_NOEXIST;
  const xdp = [u32Attribute(LINK.IFLA_XDP_FD, options.fd)];
  if (options.expectedFd !== undefined) {
    flags |= LINK.XDP_FLAGS_REPLACE;
    xdp.push(u32Attribute(LINK.IFLA_XDP_EXPECTED_FD, options.expectedFd));
  }
  if (flags !== 0) xdp.push(u32Attribute(LINK.IFLA_XDP_FLAGS, flags));
  const header = new Uint8Array(SIZE.ifinfomsg);
  new DataView(header.buffer).setInt32(4, options.ifindex, true);
  const payload = concatenate([header, nestedAttribute(LINK.IFLA_XDP, ...xdp)]);
  const verb = options.fd === -1 ? "detach XDP from" : "attach XDP to";
  requestRtnetlink({ type: NETLINK.RTM_NEWLINK, payload, about: `${verb} link ${options.ifindex}` });
}

/** Reads IFLA_XDP of a link's description. */
export function decodeXdp(value: Uint8Array): XdpAttachment[] {
  const attributes = decodeAttributes(value);
  const modes: [XdpMode, number][] = [
    ["native", LINK.IFLA_XDP_DRV_PROG_ID],
    ["skb", LINK.IFLA_XDP_SKB_PROG_ID],
    ["hw", LINK.IFLA_XDP_HW_PROG_ID],
  ];
  return modes.flatMap(([mode, type]) => {
    const id = attributes.get(type);
    return id === undefined || readU32(id) === 0 ? [] : [{ mode, programId: readU32(id) }];
  });
}

/** What a device's driver does to packets on its own account, read and set by the ethtool ioctl (linux/ethtool.h, linux/sockios.h). */
import { WirescriptError } from "../errors.ts";
import { isErrno } from "./errno.ts";
import { addressOf, syscall } from "./ffi.ts";
import { noSuchDevice } from "./netlink/link.ts";

export const ETHTOOL = {
  SIOCETHTOOL: 0x8946,
  ETHTOOL_GTXCSUM: 0x16,
  ETHTOOL_STXCSUM: 0x17,
  ETHTOOL_GFLAGS: 0x25,
  ETHTOOL_SFLAGS: 0x26,
  ETHTOOL_GGRO: 0x2b,
  ETHTOOL_SGRO: 0x2c,
  ETH_FLAG_TXVLAN: 1 << 7,
  ETH_FLAG_RXVLAN: 1 << 8,
} as const;

/** `struct ifreq`: the name in 16 bytes, then a union whose first word is a pointer here. */
const IFREQ = { size: 40, data: 16, nameBytes: 16 } as const;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

export interface Offloads {
  /** The driver takes VLAN tags out of received frames: programs then do not see them. */
  rxVlan: boolean;
  /** The driver puts VLAN tags into sent frames. */
  txVlan: boolean;
  /**
   * Generic receive offload. On veth it also turns NAPI on, without which native XDP_REDIRECT frames from the other end are dropped;
   * the driver takes note when it is switched while both ends are up. XDP_TX is different: Linux up to 6.18 delivers its frames only
   * when the receiving end has an XDP program.
   */
  gro: boolean;
  /** The driver fills in checksums. On veth nobody ever does, so that frames cross the pair with unfinished ones. */
  txChecksum: boolean;
}

/** The offloads of a device in the calling thread's network namespace. @throws WirescriptError NO_SUCH_DEVICE. */
export function getOffloads(device: string): Offloads {
  return withSocket((fd) => {
    const flags = call(fd, device, ETHTOOL.ETHTOOL_GFLAGS, 0);
    return {
      rxVlan: (flags & ETHTOOL.ETH_FLAG_RXVLAN) !== 0,
      txVlan: (flags & ETHTOOL.ETH_FLAG_TXVLAN) !== 0,
      gro: call(fd, device, ETHTOOL.ETHTOOL_GGRO, 0) !== 0,
      txChecksum: call(fd, device, ETHTOOL.ETHTOOL_GTXCSUM, 0) !== 0,
    };
  });
}

/**
 * Switches the given offloads and leaves the others.
 *
 * @throws WirescriptError NO_SUCH_DEVICE; UNSUPPORTED_SYSTEM when the driver keeps one as it is; SyscallError EPERM without CAP_NET_ADMIN.
 */
export function setOffloads(device: string, wanted: Partial<Offloads>): void {
  withSocket((fd) => {
    const { rxVlan, txVlan, gro, txChecksum } = wanted;
    if (rxVlan !== undefined) setFlag(fd, device, ETHTOOL.ETH_FLAG_RXVLAN, rxVlan, "rxVlan");
    if (txVlan !== undefined) setFlag(fd, device, ETHTOOL.ETH_FLAG_TXVLAN, txVlan, "txVlan");
    if (gro !== undefined) call(fd, device, ETHTOOL.ETHTOOL_SGRO, gro ? 1 : 0, "gro");
    if (txChecksum !== undefined) call(fd, device, ETHTOOL.ETHTOOL_STXCSUM, txChecksum ? 1 : 0, "txChecksum");
  });
  // Some drivers accept a change and do not make it.
  const actual = getOffloads(device);
  for (const [name, value] of Object.entries(wanted) as [keyof Offloads, boolean | undefined][]) {
    if (value !== undefined && actual[name] !== value) throw keptByDriver(device, name);
  }
}

function setFlag(fd: number, device: string, flag: number, on: boolean, name: keyof Offloads): void {
  const flags = call(fd, device, ETHTOOL.ETHTOOL_GFLAGS, 0);
  call(fd, device, ETHTOOL.ETHTOOL_SFLAGS, on ? flags | flag : flags & ~flag, name);
}

function withSocket<Result>(work: (fd: number) => Result): Result {
  const fd = syscall("socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    return work(fd);
  } finally {
    syscall("close", fd);
  }
}

/** One `struct ethtool_value { u32 cmd; u32 data }` there and back. `changes` is the offload that the command sets, if it sets one. */
function call(fd: number, device: string, command: number, data: number, changes?: keyof Offloads): number {
  const value = new Uint8Array(8);
  const valueView = new DataView(value.buffer);
  valueView.setUint32(0, command, true);
  valueView.setUint32(4, data, true);
  const request = new Uint8Array(IFREQ.size);
  const name = new TextEncoder().encode(device);
  if (name.length === 0 || name.length >= IFREQ.nameBytes) throw noSuchDevice(device);
  request.set(name);
  new DataView(request.buffer).setBigUint64(IFREQ.data, addressOf(value), true);
  try {
    syscall("ioctl", fd, ETHTOOL.SIOCETHTOOL, request);
  } catch (error) {
    if (isErrno(error, "ENODEV")) throw noSuchDevice(device, error);
    if (isErrno(error, "EOPNOTSUPP") && changes !== undefined) throw keptByDriver(device, changes, error);
    throw error;
  }
  return valueView.getUint32(4, true);
}

function keptByDriver(device: string, name: keyof Offloads, cause?: unknown): WirescriptError {
  return new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: `An offload of ${device} cannot be switched.`,
    why: `Its driver does not change ${name}.`,
    fix: `See what it can do with \`ethtool -k ${device}\`.`,
    cause,
  });
}

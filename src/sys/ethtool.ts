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
  ETHTOOL_GDRVINFO: 0x3,
  ETHTOOL_GCHANNELS: 0x3c,
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

/** How many queues a device has, now and at most; `combined` ones receive and send. */
export interface Channels {
  rx: number;
  tx: number;
  combined: number;
  maxRx: number;
  maxTx: number;
  maxCombined: number;
}

/** The device's queues; null when its driver does not tell. @throws WirescriptError NO_SUCH_DEVICE. */
export function getChannels(device: string): Channels | null {
  // struct ethtool_channels: cmd, the most of rx, tx, other, combined, then how many there are.
  const answer = ask(device, ETHTOOL.ETHTOOL_GCHANNELS, 36);
  if (answer === null) return null;
  const word = (index: number): number => answer.getUint32(index * 4, true);
  return { maxRx: word(1), maxTx: word(2), maxCombined: word(4), rx: word(5), tx: word(6), combined: word(8) };
}

/** The name of the device's driver, e.g. "veth"; null when it has none. @throws WirescriptError NO_SUCH_DEVICE. */
export function getDriver(device: string): string | null {
  // struct ethtool_drvinfo: cmd, then the driver's name in 32 bytes.
  const answer = ask(device, ETHTOOL.ETHTOOL_GDRVINFO, 196);
  if (answer === null) return null;
  const name = new Uint8Array(answer.buffer, 4, 32);
  return new TextDecoder().decode(name.subarray(0, name.indexOf(0))) || null;
}

/** A command that fills a structure; null when the driver does not know it. */
function ask(device: string, command: number, size: number): DataView | null {
  return withSocket((fd) => {
    const memory = new Uint8Array(size);
    new DataView(memory.buffer).setUint32(0, command, true);
    try {
      request(fd, device, memory);
      return new DataView(memory.buffer);
    } catch (error) {
      if (isErrno(error, "EOPNOTSUPP")) return null;
      throw error;
    }
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
  try {
    request(fd, device, value);
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP") && changes !== undefined) throw keptByDriver(device, changes, error);
    throw error;
  }
  return valueView.getUint32(4, true);
}

/** `command` begins with the command's number. */
function request(fd: number, device: string, command: Uint8Array): void {
  const bytes = new Uint8Array(IFREQ.size);
  const name = new TextEncoder().encode(device);
  if (name.length === 0 || name.length >= IFREQ.nameBytes) throw noSuchDevice(device);
  bytes.set(name);
  new DataView(bytes.buffer).setBigUint64(IFREQ.data, addressOf(command), true);
  try {
    syscall("ioctl", fd, ETHTOOL.SIOCETHTOOL, bytes);
  } catch (error) {
    if (isErrno(error, "ENODEV")) throw noSuchDevice(device, error);
    throw error;
  }
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

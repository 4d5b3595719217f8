/**
 * Sockets that Node.js does not offer: raw ICMP and ICMPv6, and whole Ethernet frames. Like every socket they belong to the network
 * namespace that the thread was in when they were opened, and can be used from anywhere afterwards.
 *
 * Receiving blocks the thread, for as long as the caller says: the time of an answer is then exact to the microsecond, which an
 * event loop's is not. Callers that wait long do so in slices and let the event loop run in between (`lab/ping.ts`).
 */
import { WirescriptError } from "../errors.ts";
import { isErrno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./ffi.ts";
import { AF_INET, AF_INET6, formatIp, parseIp } from "./ip-address.ts";

/** The socket layer's numbers, checked against the C headers by a test. */
export const SOCKET = {
  AF_PACKET: 17,
  SOCK_RAW: 3,
  SOCK_CLOEXEC: 0o2000000,
  SOCK_NONBLOCK: 0o4000,
  IPPROTO_ICMP: 1,
  IPPROTO_ICMPV6: 58,
  SOL_RAW: 255,
  SOL_PACKET: 263,
  ICMP_FILTER: 1,
  ICMPV6_FILTER: 1,
  PACKET_ADD_MEMBERSHIP: 1,
  PACKET_MR_PROMISC: 1,
  PACKET_IGNORE_OUTGOING: 23,
  ETH_P_ALL: 3,
  MSG_TRUNC: 0x20,
  POLLIN: 1,
  ICMP_ECHOREPLY: 0,
  ICMP_ECHO: 8,
  ICMPV6_ECHO_REQUEST: 128,
  ICMPV6_ECHO_REPLY: 129,
} as const;

/** Sizes in bytes. */
export const SOCKET_SIZE = {
  sockaddr_in: 16,
  sockaddr_in6: 28,
  sockaddr_ll: 20,
  packet_mreq: 16,
  pollfd: 8,
  timespec: 16,
} as const;

const LARGEST_PACKET = 65_536;

export interface Received {
  bytes: Uint8Array;
  /** The sender's IP address; for a packet socket its Ethernet address is in the frame, and this is "". */
  source: string;
}

/** An open socket of this module. Close it, or let `using` do so. */
export class RawSocket implements Disposable {
  readonly #fd: Fd<"socket">;
  readonly #buffer = new Uint8Array(LARGEST_PACKET);

  /** Takes ownership of `fd`. */
  constructor(fd: number) {
    this.#fd = new Fd("socket", fd);
  }

  /** To wait for with `Readiness`; reading is this object's: `receive(0)` until it gives null. */
  get fd(): number {
    return this.#fd.number;
  }

  /** Sends to the address that the socket was opened for. @throws SyscallError, e.g. ENETUNREACH or EHOSTUNREACH. */
  send(bytes: Uint8Array): void {
    syscall("sendto", this.#fd.number, bytes, bytes.length, 0, null, 0);
  }

  /**
   * The next packet, or null when none came within `timeoutMs`, or a signal came first. Blocks the thread.
   *
   * @throws SyscallError for what the network reported about an earlier packet, e.g. EHOSTUNREACH, ENETDOWN.
   */
  receive(timeoutMs: number): Received | null {
    if (!this.#wait(timeoutMs)) return null;
    const address = new Uint8Array(SOCKET_SIZE.sockaddr_in6);
    const length = new Uint8Array([address.length, 0, 0, 0]);
    try {
      const received = syscall("recvfrom", this.#fd.number, this.#buffer, this.#buffer.length, 0, address, length);
      return { bytes: this.#buffer.slice(0, received), source: sourceOf(address) };
    } catch (error) {
      // A checksum that the kernel found wrong after it had announced the packet.
      if (isErrno(error, "EAGAIN", "EINTR")) return null;
      throw error;
    }
  }

  #wait(timeoutMs: number): boolean {
    const poll = new Uint8Array(SOCKET_SIZE.pollfd);
    const view = new DataView(poll.buffer);
    view.setInt32(0, this.#fd.number, true);
    view.setUint16(4, SOCKET.POLLIN, true);
    const timeout = new Uint8Array(SOCKET_SIZE.timespec);
    const nanoseconds = BigInt(Math.max(0, Math.round(timeoutMs * 1e6)));
    new DataView(timeout.buffer).setBigInt64(0, nanoseconds / 1_000_000_000n, true);
    new DataView(timeout.buffer).setBigInt64(8, nanoseconds % 1_000_000_000n, true);
    try {
      return syscall("ppoll", poll, 1, timeout, null, 0) > 0;
    } catch (error) {
      if (isErrno(error, "EINTR")) return false;
      throw error;
    }
  }

  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A socket that sends echo requests to `destination` and receives echo replies from there and nothing else. IPv4 replies come with
 * their IP header and an unchecked ICMP checksum; ICMPv6 ones come without a header, and the kernel fills in and checks the checksum.
 *
 * @throws WirescriptError NO_PRIVILEGES without CAP_NET_RAW, USAGE when `destination` is no address; SyscallError ENETUNREACH
 * without a route, EAFNOSUPPORT without IPv6.
 */
export function openEchoSocket(destination: string): RawSocket {
  const isIpv4 = parseIp(destination).length === 4;
  return openRaw(isIpv4 ? AF_INET : AF_INET6, isIpv4 ? SOCKET.IPPROTO_ICMP : SOCKET.IPPROTO_ICMPV6, (fd) => {
    if (isIpv4) {
      const filter = new Uint8Array(4);
      new DataView(filter.buffer).setUint32(0, ~(1 << SOCKET.ICMP_ECHOREPLY) >>> 0, true);
      syscall("setsockopt", fd, SOCKET.SOL_RAW, SOCKET.ICMP_FILTER, filter, filter.length);
    } else {
      // A set bit blocks its type (RFC 3542, section 3.2).
      const filter = new Uint8Array(32).fill(0xff);
      const type = SOCKET.ICMPV6_ECHO_REPLY;
      filter[type >> 3] = 0xff & ~(1 << (type & 7));
      syscall("setsockopt", fd, SOCKET.IPPROTO_ICMPV6, SOCKET.ICMPV6_FILTER, filter, filter.length);
    }
    const address = socketAddress(destination);
    syscall("connect", fd, address, address.length);
  });
}

/**
 * A socket that sends whole Ethernet frames out of a device and receives all that come in by it, whoever they are for.
 *
 * @throws WirescriptError NO_PRIVILEGES without CAP_NET_RAW; SyscallError ENODEV.
 */
export function openPacketSocket(ifindex: number): RawSocket {
  // Opened without a protocol, so that nothing from another device gets in before it is bound.
  return openRaw(SOCKET.AF_PACKET, 0, (fd) => {
    const one = new Uint8Array([1, 0, 0, 0]);
    syscall("setsockopt", fd, SOCKET.SOL_PACKET, SOCKET.PACKET_IGNORE_OUTGOING, one, one.length);
    const membership = new Uint8Array(SOCKET_SIZE.packet_mreq);
    const view = new DataView(membership.buffer);
    view.setInt32(0, ifindex, true);
    view.setUint16(4, SOCKET.PACKET_MR_PROMISC, true);
    syscall("setsockopt", fd, SOCKET.SOL_PACKET, SOCKET.PACKET_ADD_MEMBERSHIP, membership, membership.length);
    // struct sockaddr_ll: family, protocol in network order, index.
    const address = new Uint8Array(SOCKET_SIZE.sockaddr_ll);
    const addressView = new DataView(address.buffer);
    addressView.setUint16(0, SOCKET.AF_PACKET, true);
    addressView.setUint16(2, SOCKET.ETH_P_ALL, false);
    addressView.setInt32(4, ifindex, true);
    syscall("bind", fd, address, address.length);
  });
}

function openRaw(family: number, protocol: number, prepare: (fd: number) => void): RawSocket {
  let fd: number;
  try {
    fd = syscall("socket", family, SOCKET.SOCK_RAW | SOCKET.SOCK_CLOEXEC | SOCKET.SOCK_NONBLOCK, protocol);
  } catch (cause) {
    if (!isErrno(cause, "EPERM", "EACCES")) throw cause;
    throw new WirescriptError({
      code: "NO_PRIVILEGES",
      what: "This process may not open a raw socket.",
      why: "That needs root (CAP_NET_RAW).",
      fix: "Run it as root, e.g. with sudo.",
      cause,
    });
  }
  try {
    prepare(fd);
    return new RawSocket(fd);
  } catch (error) {
    syscall("close", fd);
    throw error;
  }
}

/** struct sockaddr_in or sockaddr_in6, port 0. */
function socketAddress(text: string): Uint8Array {
  const address = parseIp(text);
  const isIpv4 = address.length === 4;
  const bytes = new Uint8Array(isIpv4 ? SOCKET_SIZE.sockaddr_in : SOCKET_SIZE.sockaddr_in6);
  new DataView(bytes.buffer).setUint16(0, isIpv4 ? AF_INET : AF_INET6, true);
  bytes.set(address, isIpv4 ? 4 : 8);
  return bytes;
}

function sourceOf(address: Uint8Array): string {
  const family = new DataView(address.buffer).getUint16(0, true);
  if (family === AF_INET) return formatIp(address.subarray(4, 8));
  return family === AF_INET6 ? formatIp(address.subarray(8, 24)) : "";
}

/**
 * One request, one answer. Netlink requests are answered by the kernel before `sendto` returns, so a synchronous exchange never
 * waits for anything but the reading of its own answer; this keeps namespaces simple, because a socket belongs to the network
 * namespace that the thread was in when it opened it. Opening one takes microseconds: each operation opens its own.
 */
import { isErrno, SyscallError } from "../errno.ts";
import { type Argument, syscall } from "../ffi.ts";
import { NETLINK, SIZE } from "./constants.ts";
import { decodeAttributes, decodeMessages, encodeMessage, type Message, readI32, readString } from "./message.ts";

const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const MSG_PEEK = 0x2;
const MSG_TRUNC = 0x20;

export interface Request {
  /** RTM_… */
  type: number;
  /** NLM_F_… besides NLM_F_REQUEST and NLM_F_ACK. */
  flags?: number;
  /** The fixed struct and the attributes. */
  payload: Uint8Array;
  /** What the request is about, for the error's text, e.g. "add link test". */
  about: string;
}

/**
 * Sends a request on the calling thread's network namespace and returns the messages that answer it, without the final
 * acknowledgement: none for a change, one for a get, any number for a dump.
 *
 * @throws SyscallError with the kernel's errno; `why` is the kernel's own explanation where it gives one (extended ack, Linux 4.12).
 */
export function requestRtnetlink(request: Request): Message[] {
  return requestNetlink(NETLINK.NETLINK_ROUTE, request);
}

/** As `requestRtnetlink`, of another of netlink's families. @throws SyscallError */
export function requestNetlink(family: number, request: Request): Message[] {
  const fd = openSocket(family);
  try {
    return exchange(fd, request);
  } finally {
    syscall("close", fd);
  }
}

function openSocket(family: number): number {
  const fd = syscall("socket", NETLINK.AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family);
  try {
    const one = new Uint8Array([1, 0, 0, 0]);
    // Explanations in errors, errors without a copy of the request, and dumps that refuse filters they would ignore.
    for (const option of [NETLINK.NETLINK_EXT_ACK, NETLINK.NETLINK_CAP_ACK, NETLINK.NETLINK_GET_STRICT_CHK]) {
      syscall("setsockopt", fd, NETLINK.SOL_NETLINK, option, one, one.length);
    }
    return fd;
  } catch (error) {
    syscall("close", fd);
    throw error;
  }
}

function exchange(fd: number, request: Request): Message[] {
  const isDump = ((request.flags ?? 0) & NETLINK.NLM_F_DUMP) === NETLINK.NLM_F_DUMP;
  for (let sequence = 1; ; sequence++) {
    // A dump ends with NLMSG_DONE; asking for an ACK besides would leave one more message behind.
    const flags = NETLINK.NLM_F_REQUEST | (isDump ? 0 : NETLINK.NLM_F_ACK) | (request.flags ?? 0);
    const bytes = encodeMessage(request.type, flags, sequence, request.payload);
    const kernel = new Uint8Array(SIZE.sockaddr_nl);
    kernel[0] = NETLINK.AF_NETLINK;
    syscall("sendto", fd, bytes, bytes.length, 0, kernel, kernel.length);
    const answer = collect(fd, sequence, request.about);
    if (answer !== "interrupted") return answer;
  }
}

/** Reads until the acknowledgement; "interrupted" when the table changed during a dump, which then has to be repeated. */
function collect(fd: number, sequence: number, about: string): Message[] | "interrupted" {
  const messages: Message[] = [];
  let interrupted = false;
  for (;;) {
    for (const message of decodeMessages(receive(fd))) {
      if (message.sequence !== sequence) continue;
      if ((message.flags & NETLINK.NLM_F_DUMP_INTR) !== 0) interrupted = true;
      if (message.type === NETLINK.NLMSG_ERROR || message.type === NETLINK.NLMSG_DONE) {
        throwIfError(message, about);
        return interrupted ? "interrupted" : messages;
      }
      messages.push(message);
    }
  }
}

function throwIfError(message: Message, about: string): void {
  const errno = message.payload.length >= 4 ? -readI32(message.payload) : 0;
  if (errno > 0) throw new SyscallError("rtnetlink", errno, about, explanation(message));
}

/** NLMSG_ERROR holds the errno and the request's header, NLMSG_DONE the errno alone; the attributes follow. */
function explanation(message: Message): string | undefined {
  if ((message.flags & NETLINK.NLM_F_ACK_TLVS) === 0) return undefined;
  const offset = message.type === NETLINK.NLMSG_DONE ? 4 : 4 + SIZE.nlmsghdr;
  const text = decodeAttributes(message.payload, offset).get(NETLINK.NLMSGERR_ATTR_MSG);
  return text === undefined ? undefined : `The kernel says: ${readString(text)}.`;
}

/** One datagram, whatever its size. */
function receive(fd: number): Uint8Array {
  const length = untilAnswered("recvfrom", fd, null, 0, MSG_PEEK | MSG_TRUNC);
  const buffer = new Uint8Array(length);
  return buffer.subarray(0, untilAnswered("recvfrom", fd, buffer, buffer.length, 0));
}

function untilAnswered(name: "recvfrom", ...args: Argument[]): number {
  for (;;) {
    try {
      return syscall(name, ...args);
    } catch (error) {
      if (!isErrno(error, "EINTR")) throw error;
    }
  }
}

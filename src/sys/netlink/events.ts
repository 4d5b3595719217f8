/**
 * What happens to network devices, as the kernel tells it to everybody who listens (RTNLGRP_LINK): made, changed, renamed, removed, moved to
 * another namespace. The socket belongs to the network namespace that the thread was in when it was opened. Reading never waits; `Readiness`
 * tells when there is something to read.
 */
import { isErrno } from "../errno.ts";
import { Fd } from "../fd.ts";
import { syscall } from "../ffi.ts";
import { AF_UNSPEC } from "../ip-address.ts";
import { LINK, NETLINK, SIZE } from "./constants.ts";
import { decodeAttributes, decodeMessages, type Message, readString } from "./message.ts";

const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** More than the kernel puts into one message of this group. */
const LARGEST_MESSAGE = 65_536;

export interface LinkEvent {
  /** "present": made or changed in any way; "absent": removed, or moved to another namespace. */
  kind: "present" | "absent";
  ifindex: number;
  name: string;
}

export class LinkEvents implements Disposable {
  readonly #fd: Fd<"socket">;
  readonly #buffer = new Uint8Array(LARGEST_MESSAGE);

  constructor() {
    const flags = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    this.#fd = new Fd("socket", syscall("socket", NETLINK.AF_NETLINK, flags, NETLINK.NETLINK_ROUTE));
    // struct sockaddr_nl: family, port id (0: the kernel's choice), groups.
    const address = new Uint8Array(SIZE.sockaddr_nl);
    const view = new DataView(address.buffer);
    view.setUint16(0, NETLINK.AF_NETLINK, true);
    view.setUint32(8, NETLINK.RTMGRP_LINK, true);
    try {
      syscall("bind", this.#fd.number, address, address.length);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** To wait for; reading is this object's. */
  get fd(): number {
    return this.#fd.number;
  }

  /** All that happened since the last time; null when it was more than the socket holds, so that some of it is lost. */
  read(): LinkEvent[] | null {
    const events: LinkEvent[] = [];
    let lost = false;
    for (;;) {
      const datagram = this.#receive();
      if (datagram === "nothing") return lost ? null : events;
      if (datagram === "lost") lost = true;
      else events.push(...decodeMessages(datagram).flatMap(decode));
    }
  }

  #receive(): Uint8Array | "nothing" | "lost" {
    for (;;) {
      try {
        const length = syscall("recvfrom", this.#fd.number, this.#buffer, this.#buffer.length, 0);
        return this.#buffer.slice(0, length);
      } catch (error) {
        if (isErrno(error, "EAGAIN")) return "nothing";
        if (isErrno(error, "ENOBUFS")) return "lost";
        if (!isErrno(error, "EINTR")) throw error;
      }
    }
  }

  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Bridges tell of their ports by the same messages, in a family of their own: a port that leaves its bridge is not absent. */
function decode({ type, payload }: Message): LinkEvent[] {
  if (type !== NETLINK.RTM_NEWLINK && type !== NETLINK.RTM_DELLINK) return [];
  if (payload[0] !== AF_UNSPEC) return [];
  const name = decodeAttributes(payload, SIZE.ifinfomsg).get(LINK.IFLA_IFNAME);
  const ifindex = new DataView(payload.buffer, payload.byteOffset).getInt32(4, true);
  const kind = type === NETLINK.RTM_NEWLINK ? "present" : "absent";
  return [{ kind, ifindex, name: name === undefined ? "" : readString(name) }];
}

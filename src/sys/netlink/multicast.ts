/**
 * What rtnetlink tells to everybody who listens, by groups. The socket belongs to the network namespace that the thread was in when it was opened.
 * Reading never waits; `Readiness` tells when there is something to read.
 */
import { isErrno } from "../errno.ts";
import { Fd } from "../fd.ts";
import { syscall } from "../ffi.ts";
import { NETLINK, SIZE } from "./constants.ts";
import { decodeMessages, type Message } from "./message.ts";

const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** More than the kernel puts into one message of these groups. */
const LARGEST_MESSAGE = 65_536;

export class Multicasts implements Disposable {
  readonly #fd: Fd<"socket">;
  readonly #buffer = new Uint8Array(LARGEST_MESSAGE);

  /** `groups`: RTMGRP_… */
  constructor(groups: number) {
    const flags = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    this.#fd = new Fd("socket", syscall("socket", NETLINK.AF_NETLINK, flags, NETLINK.NETLINK_ROUTE));
    // struct sockaddr_nl: family, port id (0: the kernel's choice), groups.
    const address = new Uint8Array(SIZE.sockaddr_nl);
    const view = new DataView(address.buffer);
    view.setUint16(0, NETLINK.AF_NETLINK, true);
    view.setUint32(8, groups, true);
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

  /** All messages since the last time; null when they were more than the socket holds, so that some are lost. */
  read(): Message[] | null {
    const messages: Message[] = [];
    let lost = false;
    for (;;) {
      const datagram = this.#receive();
      if (datagram === "nothing") return lost ? null : messages;
      if (datagram === "lost") lost = true;
      else messages.push(...decodeMessages(datagram));
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

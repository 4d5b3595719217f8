/**
 * What happens to network devices, as the kernel tells it to everybody who listens (RTNLGRP_LINK): made, changed, renamed, removed, moved to
 * another namespace. The socket belongs to the network namespace that the thread was in when it was opened. Reading never waits; `Readiness`
 * tells when there is something to read.
 */
import { AF_UNSPEC } from "../ip-address.ts";
import { LINK, NETLINK, SIZE } from "./constants.ts";
import { decodeAttributes, type Message, readString } from "./message.ts";
import { Multicasts } from "./multicast.ts";

export interface LinkEvent {
  /** "present": made or changed in any way; "absent": removed, or moved to another namespace. */
  kind: "present" | "absent";
  ifindex: number;
  name: string;
}

export class LinkEvents implements Disposable {
  readonly #messages = new Multicasts(NETLINK.RTMGRP_LINK);

  /** To wait for; reading is this object's. */
  get fd(): number {
    return this.#messages.fd;
  }

  /** All that happened since the last time; null when it was more than the socket holds, so that some of it is lost. */
  read(): LinkEvent[] | null {
    return this.#messages.read()?.flatMap(decode) ?? null;
  }

  close(): void {
    this.#messages.close();
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

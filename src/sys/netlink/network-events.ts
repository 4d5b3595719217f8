/** What changes where packets go: neighbours one by one, and that devices, addresses or routes are others than before. */
import { NETLINK } from "./constants.ts";
import { Multicasts } from "./multicast.ts";
import { decodeNeighbour, type Neighbour } from "./neighbour.ts";

export interface NetworkNews {
  /** Neighbours that are new or have changed; those that were forgotten have no `mac` and the state "none". */
  neighbours: Neighbour[];
  /** Devices, addresses or routes have changed. */
  routes: boolean;
}

const GROUPS =
  NETLINK.RTMGRP_LINK |
  NETLINK.RTMGRP_NEIGH |
  NETLINK.RTMGRP_IPV4_IFADDR |
  NETLINK.RTMGRP_IPV4_ROUTE |
  NETLINK.RTMGRP_IPV6_IFADDR |
  NETLINK.RTMGRP_IPV6_ROUTE;

export class NetworkEvents implements Disposable {
  readonly #messages = new Multicasts(GROUPS);

  /** To wait for; reading is this object's. */
  get fd(): number {
    return this.#messages.fd;
  }

  /** All that happened since the last time; null when some of it is lost, so that everything may be otherwise. */
  read(): NetworkNews | null {
    const messages = this.#messages.read();
    if (messages === null) return null;
    const news: NetworkNews = { neighbours: [], routes: false };
    for (const message of messages) {
      if (message.type === NETLINK.RTM_NEWNEIGH) news.neighbours.push(decodeNeighbour(message));
      else if (message.type === NETLINK.RTM_DELNEIGH)
        news.neighbours.push({ ...decodeNeighbour(message), mac: null, state: "none" });
      else news.routes = true;
    }
    return news;
  }

  close(): void {
    this.#messages.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

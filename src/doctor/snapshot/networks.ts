/**
 * The network namespaces of this machine: the user's own, those that have a name, and those of processes (containers have no name here). A veth's
 * other end can be in any of them.
 */
import { closeSync, openSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { inNamespace, listNamespaces, NETNS_DIRECTORY } from "../../sys/namespaces.ts";
import { getNamespaceId, type Link, listLinks } from "../../sys/netlink/index.ts";
import type { Network } from "./snapshot.ts";

const OWN = "/proc/thread-self/ns/net";

/** Namespaces with open descriptors, so that none goes while it is looked at. */
export class Networks implements Disposable {
  readonly all: Network[] = [];
  /** Of the thread that made this. */
  readonly home: Network;
  readonly #fds = new Map<Network, number>();
  /** By which number a namespace knows another. */
  readonly #ids = new Map<Network, Map<number, Network>>();

  constructor() {
    const home = this.#add(OWN, null, null, true);
    if (home === null) throw new Error(`${OWN} cannot be opened`);
    this.home = home;
    for (const name of listNamespaces()) this.#add(`${NETNS_DIRECTORY}/${name}`, name, null, false);
    for (const pid of processes()) this.#add(`/proc/${pid}/ns/net`, null, pid, false);
  }

  /** The namespace that is open as `fd`. */
  of(fd: number): Network | null {
    return this.all.find(({ number }) => number === inode(`/proc/thread-self/fd/${fd}`)) ?? null;
  }

  /** Runs `work` with the calling thread in the namespace. */
  in<Result>(network: Network, work: () => Result): Result {
    const fd = this.#fds.get(network);
    if (fd === undefined) throw new Error("a namespace that is not open");
    return inNamespace(fd, work);
  }

  /** Where the other end of a veth is: a namespace and an index in it. */
  peerOf(network: Network, { kind, peerIfindex, peerNamespaceId }: Link): { network: Network; link: Link } | null {
    if (kind !== "veth" || peerIfindex === null) return null;
    const there = peerNamespaceId === null ? network : this.#known(network, peerNamespaceId);
    const link = there?.links.find(({ ifindex }) => ifindex === peerIfindex);
    return there === null || link === undefined ? null : { network: there, link };
  }

  #known(network: Network, id: number): Network | null {
    let ids = this.#ids.get(network);
    if (ids === undefined) {
      const numbered = [...this.#fds].map(([other, fd]) => [this.in(network, () => getNamespaceId(fd)), other] as const);
      ids = new Map(numbered.flatMap(([number, other]) => (number === null ? [] : [[number, other]])));
      this.#ids.set(network, ids);
    }
    return ids.get(id) ?? null;
  }

  /** Null for a namespace that is known already, or has gone. */
  #add(path: string, name: string | null, pid: number | null, home: boolean): Network | null {
    const number = inode(path);
    const known = this.all.find((network) => network.number === number);
    if (number === 0 || known !== undefined) {
      // The first name is what it is called; the user's own is called nothing.
      if (known !== undefined) known.name ??= known.home ? null : name;
      return null;
    }
    let fd: number;
    try {
      fd = openSync(path, "r");
    } catch {
      return null;
    }
    try {
      const network = { name, pid, home, number, links: inNamespace(fd, listLinks) };
      this.#fds.set(network, fd);
      this.all.push(network);
      return network;
    } catch {
      // A name without a namespace behind it.
      closeSync(fd);
      return null;
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.values()) closeSync(fd);
    this.#fds.clear();
  }
}

/** 0 when there is none. A link of /proc names the inode without being opened. */
function inode(path: string): number {
  try {
    const named = path.startsWith("/proc/") ? /\[(\d+)\]$/.exec(readlinkSync(path))?.[1] : undefined;
    return named === undefined ? (statSync(path, { throwIfNoEntry: false })?.ino ?? 0) : Number(named);
  } catch {
    return 0;
  }
}

function processes(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

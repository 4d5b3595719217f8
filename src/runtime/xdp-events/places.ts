/**
 * Devices as people know them, from what tracepoints know: an ifindex and the number of a network namespace. A namespace is called what `--netns` takes: by
 * its name, or else by a process in it.
 */
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";
import { listNamespaces, NETNS_DIRECTORY } from "../../sys/namespaces.ts";
import { listLinks } from "../../sys/netlink/index.ts";
import { inNetwork } from "../links/network-namespace.ts";

export interface Place {
  ifindex: number;
  /** What it is called now, or was called when its first event came; null when there never was such a device, as far as is known. */
  name: string | null;
  /** Null for this process's own namespace; else a name under /run/netns, or the id of a process in it, or "net:[NUMBER]" when neither is known. */
  netns: string | null;
}

/** "eth0", "left/veth0"; "no device 42" for one that does not exist. */
export function placeText({ ifindex, name, netns }: Place): string {
  const device = name ?? `no device ${ifindex}`;
  return netns === null ? device : `${netns}/${device}`;
}

/** Good for one look: names change. */
export class Places {
  readonly #netns = new Map<number, string | null>();
  readonly #devices = new Map<number, ReadonlyMap<number, string>>();
  #processesKnown = false;

  constructor() {
    for (const name of listNamespaces()) {
      const number = statSync(`${NETNS_DIRECTORY}/${name}`, { throwIfNoEntry: false })?.ino;
      if (number !== undefined) this.#netns.set(number, name);
    }
    this.#netns.set(statSync("/proc/thread-self/ns/net").ino, null);
  }

  /** `remembered`: its name at its first event. */
  place(netns: number, ifindex: number, remembered: string | null): Place {
    const name = this.#devicesOf(netns).get(ifindex) ?? remembered;
    return { ifindex, name, netns: this.#nameOf(netns) };
  }

  #nameOf(netns: number): string | null {
    if (!this.#netns.has(netns)) this.#askProcesses();
    const name = this.#netns.get(netns);
    return name === undefined ? `net:[${netns}]` : name;
  }

  #askProcesses(): void {
    if (this.#processesKnown) return;
    this.#processesKnown = true;
    for (const pid of readdirSync("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        const number = Number(/^net:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1]);
        if (!this.#netns.has(number)) this.#netns.set(number, pid);
      } catch {
        // It has ended.
      }
    }
  }

  #devicesOf(netns: number): ReadonlyMap<number, string> {
    let devices = this.#devices.get(netns);
    if (devices === undefined) {
      devices = this.#list(netns);
      this.#devices.set(netns, devices);
    }
    return devices;
  }

  #list(netns: number): ReadonlyMap<number, string> {
    const name = this.#nameOf(netns);
    if (name?.startsWith("net:[")) return new Map();
    const where = name === null ? undefined : /^\d+$/.test(name) && !listNamespaces().includes(name) ? Number(name) : name;
    try {
      return inNetwork(where, () => new Map(listLinks().map((link) => [link.ifindex, link.name])));
    } catch (error) {
      // The namespace has ended, or this process may not enter it.
      if (error instanceof WirescriptError) return new Map();
      throw error;
    }
  }
}

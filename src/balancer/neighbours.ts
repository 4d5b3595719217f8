/**
 * Where packets to backends leave, and to whom: the kernel's routes and neighbours, followed by its events, so that the datapath need not ask for
 * each packet.
 *
 * The datapath's packets are none of the kernel's, so it does not notice that a neighbour is in use, and would forget it or never look whether
 * it is still there: it is asked now and then. Who does not answer keeps the MAC address that it had, until another one is known or the way
 * leads elsewhere: to judge whether a backend is well is for its checks.
 */

import { isErrno } from "../sys/errno.ts";
import { parseMac } from "../sys/mac.ts";
import { askNeighbour, askRoute, findLink, listNeighbours, type Neighbour, NetworkEvents } from "../sys/netlink/index.ts";
import { Readiness } from "../sys/readiness.ts";
import type { Backend } from "./contract.ts";
import type { Hop } from "./datapath/records.ts";

/** What the way to a backend is known by: its address, or the MAC address and the device that its state says. */
export function hopKey({ address, mac, device }: Pick<Backend, "address" | "mac" | "device">): string {
  return mac === undefined || device === undefined ? address : `${mac} ${device}`;
}

/** What became of a way. `mac` null: nobody answers, or there is no way. */
export interface HopChange {
  /** Its `hopKey`. */
  key: string;
  mac: string | null;
  device: string | null;
}

export interface NeighbourOptions {
  /** The ways that are others now. */
  changed: (changes: HopChange[]) => void;
  /** Devices, addresses or routes are others now, after `changed` was told what follows from it. */
  network: () => void;
  /** How often neighbours are asked whether they are still there, in seconds. */
  askEvery?: number;
}

/** The way to an address. */
interface NextHop {
  ifindex: number;
  /** Who gets the packets on that device: a gateway, or the address itself. */
  neighbour: string;
}

interface Way {
  /** Null when there is none. */
  next: NextHop | null;
  /** The last MAC address that its neighbour had; null when it is not known yet. */
  mac: string | null;
  hop: Hop | null;
  /** Nobody has answered lately. */
  silent: boolean;
}

/** States in which a neighbour's MAC address is known to the kernel. */
const KNOWN = new Set<Neighbour["state"]>(["reachable", "stale", "delay", "probe", "permanent", "noarp"]);
const NO_WAY: Way = { next: null, mac: null, hop: null, silent: false };
const ASK_EVERY = 30;
/** Routes change in bursts; they are looked at once, so much later, in milliseconds. */
const SETTLE = 20;

export class Neighbours {
  readonly #ways = new Map<string, Way>();
  readonly #changed: (changes: HopChange[]) => void;
  readonly #network: () => void;
  readonly #events = new NetworkEvents();
  readonly #readiness: Readiness;
  readonly #asking: NodeJS.Timeout;
  #settling: NodeJS.Timeout | undefined;
  /** MAC addresses of devices; read anew when routes are. */
  #devices = new Map<number, { name: string; mac: string | null } | null>();

  constructor({ changed, network, askEvery = ASK_EVERY }: NeighbourOptions) {
    this.#changed = changed;
    this.#network = network;
    this.#readiness = new Readiness([this.#events.fd]);
    this.#readiness.wait(this.#read);
    this.#asking = setInterval(() => this.#askAll(), askEvery * 1000);
  }

  /** Follows the ways with these keys and no others. What the kernel knows of new ones is known afterwards. */
  set(keys: Iterable<string>): void {
    const wanted = new Set(keys);
    for (const key of this.#ways.keys()) if (!wanted.has(key)) this.#ways.delete(key);
    const added = [...wanted].filter((key) => !this.#ways.has(key));
    if (added.length === 0) return;
    const known = knownNeighbours();
    for (const key of added) this.#ways.set(key, this.#find(key, known));
    this.#askUnknown();
  }

  /** Null: there is no way, or the kernel must be asked; undefined: the neighbour's answer is awaited. */
  hopTo(key: string): Hop | null | undefined {
    const way = this.#ways.get(key);
    if (way === undefined || (way.next !== null && way.mac === null)) return undefined;
    return way.hop;
  }

  /** The devices that the ways lead out of. */
  get ifindexes(): Set<number> {
    return new Set([...this.#ways.values()].flatMap(({ hop }) => hop?.ifindex ?? []));
  }

  #find(key: string, known: ReadonlyMap<string, string>, before?: Way): Way {
    const [first = "", device] = key.split(" ");
    if (device !== undefined) return this.#stated(first, device);
    const next = routeTo(key);
    if (next === null) return NO_WAY;
    const neighbour = neighbourKey(next.ifindex, next.neighbour);
    const isSameWay = before?.next != null && neighbourKey(before.next.ifindex, before.next.neighbour) === neighbour;
    const mac = known.get(neighbour) ?? (isSameWay ? before.mac : null);
    return { next, mac, hop: this.#hop(next, mac), silent: isSameWay && before.silent };
  }

  #stated(mac: string, device: string): Way {
    const link = findLink(device);
    if (link === null) return NO_WAY;
    this.#devices.set(link.ifindex, link);
    return { ...NO_WAY, mac, hop: this.#hop(link, mac) };
  }

  #hop({ ifindex }: { ifindex: number }, mac: string | null): Hop | null {
    const sourceMac = this.#device(ifindex)?.mac ?? null;
    return mac === null || sourceMac === null ? null : { ifindex, mac: parseMac(mac), sourceMac: parseMac(sourceMac) };
  }

  #device(ifindex: number): { name: string; mac: string | null } | null {
    const known = this.#devices.get(ifindex);
    if (known !== undefined) return known;
    const device = findLink(ifindex);
    this.#devices.set(ifindex, device);
    return device;
  }

  readonly #read = (): void => {
    const news = this.#events.read();
    if (news === null || news.routes) this.#settling ??= setTimeout(() => this.#findAll(), SETTLE);
    if (news !== null) this.#take(news.neighbours);
    this.#readiness.wait(this.#read);
  };

  /** What happened to neighbours. */
  #take(neighbours: readonly Neighbour[]): void {
    // The last word on each counts.
    const latest = new Map(neighbours.map((each) => [neighbourKey(each.ifindex, each.address), each]));
    if (latest.size === 0) return;
    const changes: HopChange[] = [];
    for (const [key, way] of this.#ways) {
      const told = way.next === null ? undefined : latest.get(neighbourKey(way.next.ifindex, way.next.neighbour));
      if (way.next === null || told === undefined) continue;
      if (told.state === "none") ask(way.next);
      const device = this.#device(way.next.ifindex)?.name ?? null;
      if (told.mac !== null && KNOWN.has(told.state)) {
        if (told.mac === way.mac && !way.silent) continue;
        this.#ways.set(key, { ...way, mac: told.mac, hop: this.#hop(way.next, told.mac), silent: false });
        changes.push({ key, mac: told.mac, device });
      } else if (told.state === "failed" && !way.silent) {
        this.#ways.set(key, { ...way, silent: true });
        changes.push({ key, mac: null, device });
      }
    }
    if (changes.length > 0) this.#changed(changes);
  }

  /** Devices, addresses or routes are others. */
  #findAll(): void {
    this.#settling = undefined;
    this.#devices = new Map();
    const known = knownNeighbours();
    const changes: HopChange[] = [];
    for (const [key, before] of this.#ways) {
      const way = this.#find(key, known, before);
      this.#ways.set(key, way);
      if (isSameHop(before.hop, way.hop)) continue;
      const ifindex = way.hop?.ifindex ?? way.next?.ifindex;
      changes.push({ key, mac: way.mac, device: ifindex === undefined ? null : (this.#device(ifindex)?.name ?? null) });
    }
    this.#askUnknown();
    if (changes.length > 0) this.#changed(changes);
    this.#network();
  }

  #askUnknown(): void {
    this.#ask(({ mac }) => mac === null);
  }

  #askAll(): void {
    this.#ask(() => true);
  }

  /** Each neighbour once, however many addresses are behind it. */
  #ask(which: (way: Way) => boolean): void {
    const asked = new Map<string, NextHop>();
    for (const way of this.#ways.values()) {
      if (way.next !== null && which(way)) asked.set(neighbourKey(way.next.ifindex, way.next.neighbour), way.next);
    }
    for (const next of asked.values()) ask(next);
  }

  close(): void {
    clearInterval(this.#asking);
    clearTimeout(this.#settling);
    this.#readiness.close();
    this.#events.close();
  }
}

/** By the kernel's own routing; null when there is no way to it, or packets to it are delivered here. */
function routeTo(address: string): NextHop | null {
  const answer = askRoute({ destination: address });
  if (!("type" in answer) || answer.type !== "unicast" || answer.ifindex === null) return null;
  return { ifindex: answer.ifindex, neighbour: answer.gateway ?? address };
}

/** On devices that are down or gone there is nobody to ask; their events come when they are back. */
function ask({ ifindex, neighbour }: NextHop): void {
  try {
    askNeighbour({ ifindex, address: neighbour });
  } catch (error) {
    if (!isErrno(error, "ENODEV", "ENETDOWN", "EINVAL", "ENOBUFS")) throw error;
  }
}

/** The MAC addresses that the kernel knows. */
function knownNeighbours(): Map<string, string> {
  const known = new Map<string, string>();
  for (const { ifindex, address, mac, state } of listNeighbours()) {
    if (mac !== null && KNOWN.has(state)) known.set(neighbourKey(ifindex, address), mac);
  }
  return known;
}

function neighbourKey(ifindex: number, address: string): string {
  return `${ifindex} ${address}`;
}

function isSameHop(left: Hop | null, right: Hop | null): boolean {
  if (left === null || right === null) return left === right;
  return left.ifindex === right.ifindex && equal(left.mac, right.mac) && equal(left.sourceMac, right.sourceMac);
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.every((byte, index) => byte === right[index]);
}

/**
 * The servers that `src/programs/loadbal.bpf.ts` sends datagrams to, in its pinned maps. A set of rules takes the place of the one before
 * while packets flow: new servers are written first, then the slots of the ring that move, and then those that are gone are cleared, so that
 * no slot ever names a server that is not there. A server that stays keeps its number, and so its counters.
 */
import { dirname, join } from "node:path";
import { WirescriptError } from "../../errors.ts";
import { ArrayMap, openPinnedMap, PerCpuArrayMap } from "../../index.ts";
import { ipv4ToNumber, numberToIpv4 } from "../../sys/ip-address.ts";
import { formatMac, parseMac } from "../../sys/mac.ts";
import { type RingMember, spread } from "./ring.ts";

export interface Rule {
  /** IPv4 address. */
  server: string;
  /** Where the server's frames go. */
  mac: string;
  /** The interface that the server is behind. */
  ifindex: number;
}

export interface RuleReport extends Rule {
  /** Datagrams and bytes (whole frames) since the server was added. */
  packets: bigint;
  bytes: bigint;
}

interface Server {
  address: number;
  source: number;
  ifindex: number;
  mac: Uint8Array;
}

interface Forwarded {
  packets: bigint;
  bytes: bigint;
}

/** The most rules: half of the numbers, so that a whole new set has room beside the old one. */
export const MAX_RULES = 127;

export class RuleTable implements Disposable {
  readonly #servers: ArrayMap<Server>;
  readonly #ring: ArrayMap<number>;
  readonly #stats: PerCpuArrayMap<Forwarded>;

  /**
   * Opens the maps of a program that has been loaded.
   *
   * @param path where `servers` is pinned; `server_ring` and `server_stats` are beside it.
   * @throws WirescriptError MAP when one of them is missing or is something else.
   */
  constructor(path: string) {
    const directory = dirname(path);
    const open: Disposable[] = [];
    const pinned = <T extends Disposable>(at: string, type: abstract new (...args: never[]) => T): T => {
      const map = openPinnedMap(at);
      open.push(map);
      if (map instanceof type) return map;
      throw new WirescriptError({
        code: "MAP",
        what: `${at} does not hold servers.`,
        why: `It is a map of type ${map.info().typeName}, and not one that loadbal.bpf.ts makes.`,
        fix: "Load that program first, and give the path of its map `servers`.",
      });
    };
    try {
      this.#servers = pinned<ArrayMap<Server>>(path, ArrayMap);
      this.#ring = pinned<ArrayMap<number>>(join(directory, "server_ring"), ArrayMap);
      this.#stats = pinned<PerCpuArrayMap<Forwarded>>(join(directory, "server_stats"), PerCpuArrayMap);
    } catch (error) {
      for (const map of open) map[Symbol.dispose]();
      throw error;
    }
  }

  /** The rules in the order in which their servers were first added, with what was forwarded to each. */
  list(): RuleReport[] {
    return this.#known().map(({ number, server }) => {
      const { packets, bytes } = this.#stats.sum(number);
      const { address, mac, ifindex } = server;
      return { server: numberToIpv4(address), mac: formatMac(mac), ifindex, packets, bytes };
    });
  }

  /**
   * Replaces all rules. `source` is the address that forwarded datagrams say they come from.
   *
   * @throws WirescriptError USAGE for addresses that are none, a server given twice, or more than MAX_RULES.
   */
  replace(rules: readonly Rule[], source: string): void {
    const wanted = rules.map((rule) => ({ ...rule, address: ipv4ToNumber(rule.server), mac: parseMac(rule.mac) }));
    const origin = ipv4ToNumber(source);
    if (wanted.length > MAX_RULES || new Set(wanted.map(({ address }) => address)).size < wanted.length) {
      throw new WirescriptError({
        code: "USAGE",
        what: "These rules cannot be put into the map.",
        why: `A server is given twice, or there are more than ${MAX_RULES} rules.`,
        fix: "Give each server once.",
      });
    }
    this.#makeRoom();
    const known = new Map(this.#known().map(({ number, server }) => [server.address, number]));
    const free = this.#freeNumbers(new Set(known.values()));
    const numbered = wanted.map(({ address, mac, ifindex }) => {
      const number = known.get(address) ?? free.next().value ?? 0;
      if (!known.has(address)) this.#stats.set(number, new Array(this.#stats.cpus).fill({ packets: 0n, bytes: 0n }));
      this.#servers.set(number, { address, source: origin, ifindex, mac });
      return { number, address };
    });
    this.#keepOnly(numbered);
  }

  /**
   * A replacement that was interrupted leaves servers of two sets, and then a third set would find no numbers. Half of them have to do for the moment
   * until it is there.
   */
  #makeRoom(): void {
    const known = this.#known();
    if (known.length <= MAX_RULES) return;
    this.#keepOnly(known.slice(0, MAX_RULES).map(({ number, server }) => ({ number, address: server.address })));
  }

  /** Spreads the ring over these servers, and then clears all others. */
  #keepOnly(members: readonly RingMember[]): void {
    for (const [slot, number] of spread(members, this.#ring.maxEntries).entries()) {
      if (this.#ring.get(slot) !== number) this.#ring.set(slot, number);
    }
    const kept = new Set(members.map(({ number }) => number));
    for (const { number } of this.#known()) {
      if (!kept.has(number)) this.#servers.set(number, { address: 0, source: 0, ifindex: 0, mac: new Uint8Array(6) });
    }
  }

  #known(): { number: number; server: Server }[] {
    return [...this.#servers.entries()]
      .map(([number, server]) => ({ number, server }))
      .filter(({ server }) => server.ifindex !== 0);
  }

  /** 0 stands for no server. */
  *#freeNumbers(used: ReadonlySet<number>): Generator<number> {
    for (let number = 1; number < this.#servers.maxEntries; number++) if (!used.has(number)) yield number;
  }

  [Symbol.dispose](): void {
    for (const map of [this.#servers, this.#ring, this.#stats]) map.close();
  }
}

/** What programs are told before they run, ours and their C counterparts alike: settings, and what user space puts into their tables. */
import type { Settings } from "../src/runtime/data-section.ts";
import type { LoadedObject } from "../src/runtime/loaded-object.ts";
import { mapUpdate } from "../src/sys/bpf.ts";
import type { FibLookup } from "../src/vm/index.ts";
import { HOST, PEER } from "../test/packets/index.ts";
import { BALANCER } from "./conditions-balancer.ts";
import { FIREWALL } from "./conditions-firewall.ts";
import { fibLookupBy } from "./network.ts";
import type { ProgramName } from "./programs.ts";

export interface Conditions {
  settings?: Settings;
  /** Entries by the map's name, in bytes as the kernel has them. */
  tables?: Tables;
  /** Of these, maps that programs only read, and that are too large to be compared. */
  untouched?: readonly string[];
  /** What the interpreter answers to those who ask for a route, as the kernel does in the network of `network.ts`. */
  fibLookup?: FibLookup;
}

export type Tables = Readonly<Record<string, readonly Entry[]>>;
export type Entry = readonly [key: ArrayLike<number>, value: ArrayLike<number>];

/** The loopback device: it is there in every network, and a test run sends nothing. */
const LOOPBACK = 1;

export const CONDITIONS: Partial<Record<ProgramName, Conditions>> = {
  redirect: {
    settings: {
      ifindex: LOOPBACK,
      dest_mac: Uint8Array.of(2, 0xde, 0xad, 0xbe, 0xef, 1),
      src_mac: Uint8Array.of(2, 5, 4, 3, 2, 1),
    },
  },
  "redirect-map": {
    tables: {
      tx_port: [
        [
          [0, 0, 0, 0],
          [LOOPBACK, 0, 0, 0],
        ],
      ],
      redirect_params: [
        [PEER.mac, [2, 0xde, 0xad, 0xbe, 0xef, 1]],
        [HOST.mac, [2, 0xde, 0xad, 0xbe, 0xef, 2]],
      ],
    },
  },
  router: { fibLookup: fibLookupBy({ ifindex: LOOPBACK + 1, mac: HOST.mac }) },
  firewall: { tables: FIREWALL },
  balancer: BALANCER,
};

/** Puts the entries in. @throws Error when a map does not take one. */
export function fill(object: LoadedObject, { tables = {} }: Conditions): void {
  for (const [name, entries] of Object.entries(tables)) {
    for (const [key, value] of entries) {
      const result = mapUpdate(object.map(name).fd, Uint8Array.from(key), Uint8Array.from(value), 0);
      if (result !== 0) throw new Error(`the map ${name} does not take an entry (${result})`);
    }
  }
}

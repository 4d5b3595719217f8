/**
 * The datapath in the kernel: its program, its maps and the devices that it is on, all of them pinned in one directory. Opening it makes what is not
 * there and takes over what is, whoever left it: the program is exchanged in place, so no packet is lost, and the maps go on counting.
 */

import { existsSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { WirescriptError } from "../../errors.ts";
import type { ObjectSpec } from "../../object/spec.ts";
import { packageFile } from "../../package.ts";
import type * as Maps from "../../programs/balancer-maps.bpf.ts";
import { loadSpec } from "../../runtime/load.ts";
import type { LoadedObject } from "../../runtime/loaded-object.ts";
import { listPins, pinAt } from "../../runtime/pins.ts";
import { readSource, type Source } from "../../runtime/source.ts";
import { ipv4ToNumber, parseIp } from "../../sys/ip-address.ts";
import { BPFFS_PATH } from "../../sys/mount.ts";
import { findLink } from "../../sys/netlink/index.ts";
import type { Device, State } from "../state.ts";
import { type Attachment, Attachments } from "./attachments.ts";
import { bucketsFor, prepareFlowTables } from "./flow-tables.ts";
import type { DatapathMaps } from "./installed.ts";
import type { Sources } from "./records.ts";
import { Tables } from "./tables.ts";

const ETHERNET_HEADER = 14;

const PROGRAM = packageFile("src/programs/balancer.bpf.ts");

export interface DatapathOptions {
  /** Names the directory of the pins. Letters, digits, "_" and "-". */
  instance: string;
  /** Another program than the balancer's own; it must have the same maps. */
  program?: Source;
  /** Other sizes of maps than usual, by name: `{ flows4: 4_194_304 }` (connections). They hold as long as the maps live. */
  entries?: Readonly<Record<string, number>>;
}

/** What is fixed when the program is loaded. */
export type ProgramSettings = Pick<State, "natPorts" | "newFlowsPerSecond" | "mtu"> & Sources;

/** Where the pins of an instance are. @throws WirescriptError USAGE for a name that cannot be a directory of bpffs. */
export function pinDirectoryOf(instance: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(instance)) return join(BPFFS_PATH, "wirescript", "balancer", instance);
  throw new WirescriptError({
    code: "USAGE",
    what: `"${instance}" cannot be a balancer's name.`,
    why: "Its maps are pinned in a directory of that name, in a file system that takes no dots.",
    fix: "Use letters, digits, _ and -, 64 at most.",
  });
}

/** Whether a datapath of that name has been left in the kernel. */
export function isInstalled(instance: string): boolean {
  return pinAt(join(pinDirectoryOf(instance), "backends")) !== null;
}

export class Datapath {
  readonly directory: string;
  readonly tables: Tables;
  readonly #spec: ObjectSpec;
  readonly #entries: Readonly<Record<string, number>>;
  readonly #object: LoadedObject<typeof Maps>;
  readonly #attachments: Attachments;
  /** The one that runs: loaded with other settings than `#object`, perhaps. */
  #running: LoadedObject<typeof Maps>;
  #settings: string;
  /** Of the devices that packets may leave by, by ifindex, as last read. */
  #mtus: ReadonlyMap<number, number> = new Map();

  /** @throws WirescriptError MAP when what is pinned is of another version; BAD_FILE, COMPILE, VERIFIER, NO_PRIVILEGES, USAGE. */
  static async open(options: DatapathOptions, settings: ProgramSettings): Promise<Datapath> {
    const directory = pinDirectoryOf(options.instance);
    const { spec } = await readSource(options.program ?? PROGRAM);
    return new Datapath(directory, spec, options.entries ?? {}, settings);
  }

  private constructor(
    directory: string,
    spec: ObjectSpec,
    entries: Readonly<Record<string, number>>,
    settings: ProgramSettings,
  ) {
    this.directory = directory;
    this.#spec = spec;
    this.#entries = inMaps(entries);
    const fresh = !existsSync(join(directory, "backends"));
    this.#object = this.#load(settings);
    this.#running = this.#object;
    this.#settings = textOf(settings);
    try {
      prepareFlowTables(this.maps);
      this.tables = new Tables(this.maps, fresh);
      this.#attachments = new Attachments(directory);
      this.#attachments.exchange(this.#program);
    } catch (error) {
      this.#object.undoPins();
      this.#object.close();
      throw error;
    }
  }

  get maps(): DatapathMaps {
    return this.#object.maps;
  }

  get #program() {
    return this.#running.program("balancer");
  }

  /** The number of the program that runs. */
  get programId(): number {
    return this.#program.info().id;
  }

  #load(settings: ProgramSettings): LoadedObject<typeof Maps> {
    const { source4, source6, natPorts, newFlowsPerSecond, mtu } = settings;
    return loadSpec<typeof Maps>(this.#spec, {
      pinPath: this.directory,
      programs: ["balancer"],
      entries: this.#entries,
      settings: {
        source4: source4 === null ? 0 : ipv4ToNumber(source4),
        source6: source6 === null ? new Uint8Array(16) : parseIp(source6),
        nat_first: natPorts.first,
        nat_ports: natPorts.count,
        flow_rate: newFlowsPerSecond,
        mtu,
      },
    });
  }

  /** Loads the program with other settings over the same maps, and exchanges it on all devices; does nothing when they are the same. */
  configure(settings: ProgramSettings): void {
    const text = textOf(settings);
    if (text === this.#settings) return;
    const next = this.#load(settings);
    next.globals.safe_length = safeLength(this.#mtus);
    try {
      this.#attachments.exchange(next.program("balancer"));
    } catch (error) {
      next.close();
      throw error;
    }
    // The links hold the program that runs; the maps of the first object are those of all.
    if (this.#running !== this.#object) this.#running.close();
    this.#running = next;
    this.#settings = text;
  }

  /** Runs on these devices, and on no others. Packets may leave by them. What is known of devices is read anew. */
  attach(devices: readonly Device[]): Attachment[] {
    const attachments = this.#attachments.set(this.#program, devices);
    this.#mtus = new Map();
    this.reach([]);
    return attachments;
  }

  /** Packets may leave by these devices too. */
  reach(ifindexes: Iterable<number>): void {
    const { devices } = this.maps;
    const there = new Set(devices.keys());
    const added = [...this.#attachments.ifindexes, ...ifindexes].filter((ifindex) => !there.has(ifindex));
    this.#writeMtus(new Set([...there, ...added]));
    for (const ifindex of new Set(added)) {
      try {
        devices.set(ifindex, ifindex);
      } catch (error) {
        // It went a moment ago; who follows the network is about to hear of it.
        if (findLink(ifindex) !== null) throw error;
      }
    }
  }

  /** Packets may leave by the devices that this is on, by these, and by no others. */
  reachOnly(ifindexes: Iterable<number>): void {
    const wanted = new Set([...this.#attachments.ifindexes, ...ifindexes]);
    const { devices } = this.maps;
    devices.deleteMany([...devices.keys()].filter((ifindex) => !wanted.has(ifindex)));
    this.#writeMtus(wanted);
  }

  /** The program goes by the MTUs of these devices. Those that are known are not read again. */
  #writeMtus(ifindexes: ReadonlySet<number>): void {
    const read = [...ifindexes].map((ifindex) => [ifindex, this.#mtus.get(ifindex) ?? findLink(ifindex)?.mtu] as const);
    this.#mtus = new Map(read.flatMap(([ifindex, mtu]) => (mtu === undefined ? [] : [[ifindex, mtu] as const])));
    const { mtus } = this.maps;
    mtus.deleteMany([...mtus.keys()].filter((ifindex) => !this.#mtus.has(ifindex)));
    mtus.setMany([...this.#mtus]);
    this.#running.globals.safe_length = safeLength(this.#mtus);
  }

  /** Lets go of everything, which goes on forwarding; with `detach`, takes it off the devices and away. */
  close({ detach = false }: { detach?: boolean } = {}): void {
    this.#attachments.close({ detach });
    if (detach) {
      for (const { path } of listPins(this.directory)) unlinkSync(path);
      rmdirSync(this.directory);
    }
    if (this.#running !== this.#object) this.#running.close();
    this.#object.close();
  }
}

/** Connections lie in buckets, and those are what the maps of connections have. */
function inMaps(entries: Readonly<Record<string, number>>): Record<string, number> {
  const inMap = (name: string, count: number) => (name === "flows4" || name === "flows6" ? bucketsFor(count) : count);
  return Object.fromEntries(Object.entries(entries).map(([name, count]) => [name, inMap(name, count)]));
}

/** How long a frame may be to leave by every one of them. */
function safeLength(mtus: ReadonlyMap<number, number>): number {
  return mtus.size === 0 ? 0 : Math.min(...mtus.values()) + ETHERNET_HEADER;
}

/** Equal for settings that make equal programs. */
function textOf({ source4, source6, natPorts, newFlowsPerSecond, mtu }: ProgramSettings): string {
  return JSON.stringify([source4, source6, natPorts.first, natPorts.count, newFlowsPerSecond, mtu]);
}

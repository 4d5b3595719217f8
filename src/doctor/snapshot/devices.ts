/** Devices with all that checks want to know of them, each read once. */
import { WirescriptError } from "../../errors.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import { linksThatMayHold } from "../../runtime/links/device.ts";
import { dispatchedBy, isDispatcher } from "../../runtime/links/libxdp.ts";
import { attachedTcTo } from "../../runtime/links/tc-attached.ts";
import { isErrno } from "../../sys/errno.ts";
import { getOffloads } from "../../sys/ethtool.ts";
import {
  getXdpFeatures,
  type InterfaceAddress,
  type Link,
  listAddresses,
  listFilters,
  listQdiscs,
  listRoutes,
  type Route,
} from "../../sys/netlink/index.ts";
import { refusalOnVeth } from "./native-on-veth.ts";
import type { Networks } from "./networks.ts";
import type { ProgramFacts, ProgramReader } from "./program.ts";
import { ipv4Settings, ipv6Settings, networkCounter } from "./settings.ts";
import type { Device, Network, XdpOnDevice } from "./snapshot.ts";

/** What all devices of a namespace share. */
interface Tables {
  addresses: InterfaceAddress[];
  routes: Route[];
  reversePathDrops: number;
}

export class Devices {
  readonly #networks: Networks;
  readonly #programs: ProgramReader;
  readonly #devices = new Map<Network, Map<number, Device>>();
  readonly #tables = new Map<Network, Tables>();

  constructor(networks: Networks, programs: ProgramReader) {
    this.#networks = networks;
    this.#programs = programs;
  }

  /** Null when it has gone meanwhile. */
  device(network: Network, link: Link): Device | null {
    const known = this.#devices.get(network)?.get(link.ifindex);
    if (known !== undefined) return known;
    const device = unlessNoDevice(() => this.#networks.in(network, () => this.#read(network, link)));
    if (device === null) return null;
    const ofNetwork = this.#devices.get(network) ?? new Map<number, Device>();
    this.#devices.set(network, ofNetwork.set(link.ifindex, device));
    // Known before its peer is asked for, whose peer it is.
    const peer = this.#networks.peerOf(network, link);
    device.peer = peer === null ? null : this.device(peer.network, peer.link);
    if (device.peer !== null && link.xdp.every(({ mode }) => mode !== "native")) {
      device.nativeRefusal = refusalOnVeth(link.mtu, device.peer.link.mtu);
    }
    return device;
  }

  /** All of a namespace. */
  all(network: Network): Device[] {
    return network.links.flatMap((link) => this.device(network, link) ?? []);
  }

  #read(network: Network, link: Link): Device {
    const { name, ifindex } = link;
    const { addresses, routes, reversePathDrops } = this.#tablesOf(network);
    const filters = (["ingress", "egress"] as const).flatMap((direction) => listFilters(ifindex, direction));
    return {
      network,
      link,
      addresses: addresses.filter((address) => address.ifindex === ifindex),
      routes: routes.filter((route) => route.ifindex === ifindex),
      offloads: unlessUnsupported(() => getOffloads(name)),
      features: getXdpFeatures(ifindex)?.features ?? null,
      ipv4: ipv4Settings(name),
      ipv6: ipv6Settings(name),
      xdp: this.#xdpOn(link),
      tcPrograms: (["ingress", "egress"] as const).flatMap((direction) => attachedTcTo(ifindex, direction)),
      filters: filters.flatMap(({ filter }) => filter ?? []),
      otherFilters: filters.filter(({ filter }) => filter === null).length,
      qdiscs: listQdiscs(ifindex),
      reversePathDrops,
      nativeRefusal: null,
      peer: null,
      vlans: network.links.flatMap(({ kind, peerIfindex, peerNamespaceId, name: vlan }) =>
        kind === "vlan" && peerIfindex === ifindex && peerNamespaceId === null ? [vlan] : [],
      ),
    };
  }

  #tablesOf(network: Network): Tables {
    const known = this.#tables.get(network) ?? {
      addresses: listAddresses(),
      routes: listRoutes(),
      reversePathDrops: networkCounter("IPReversePathFilter"),
    };
    this.#tables.set(network, known);
    return known;
  }

  #xdpOn({ xdp, ifindex }: Link): XdpOnDevice[] {
    return xdp.flatMap(({ mode, programId }) => {
      const program = this.#programs.program(programId);
      if (program === null) return [];
      return [{ mode, program, runs: this.#runBy(program, ifindex), linkId: linksThatMayHold(ifindex, programId)[0] ?? null }];
    });
  }

  /** libxdp's programs, or those in an array of programs. */
  #runBy(program: ProgramFacts, ifindex: number): ProgramFacts[] {
    const dispatched = isDispatcher(program) ? dispatchedBy(program, ifindex).map(({ id }) => id) : [];
    const jumps = program.maps
      .filter(({ type }) => type === MAP_TYPE.PROG_ARRAY)
      .flatMap(({ entries }) =>
        entries.flatMap(({ value }) =>
          typeof value === "object" && value !== null && !Array.isArray(value) ? Number(value.programId) : [],
        ),
      );
    return [...new Set([...dispatched, ...jumps])].flatMap((id) => (id > 0 ? (this.#programs.program(id) ?? []) : []));
  }
}

/** A device, or its namespace's name, may go while it is looked at. */
function unlessNoDevice<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, "ENODEV") || (error instanceof WirescriptError && error.code === "NO_SUCH_DEVICE")) return null;
    throw error;
  }
}

function unlessUnsupported<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP")) return null;
    throw error;
  }
}

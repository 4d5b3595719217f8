/** The balancer's datapath with tables that a test fills: services, backends, rings; and packets that are described, not spelt out. */
import { fileURLToPath } from "node:url";
import { prepareFlowTables } from "../../src/balancer/datapath/flow-tables.ts";
import { compile } from "../../src/compiler/compile.ts";
import type { ObjectSpec } from "../../src/object/spec.ts";
import type * as Maps from "../../src/programs/balancer-maps.bpf.ts";
import { loadSpec } from "../../src/runtime/load.ts";
import type { LoadedObject } from "../../src/runtime/loaded-object.ts";
import { PerCpuArrayMap } from "../../src/runtime/maps/array.ts";
import { MapOfMaps } from "../../src/runtime/maps/map-in-map.ts";
import { TableMap } from "../../src/runtime/maps/table.ts";
import { checksum, ETHERTYPE, frame, join, u16 } from "../packets/index.ts";

const MODULE = fileURLToPath(new URL("../../src/programs/balancer.bpf.ts", import.meta.url));
const RING_SIZE = 251;
const [TCP, UDP, DESTINATION_OPTIONS] = [6, 17, 60];

let spec: ObjectSpec | undefined;

/** Compiled once. */
function specOf(): ObjectSpec {
  spec ??= compile(MODULE).spec;
  return spec;
}

export type Bytes = readonly number[];
export const word = (address: Bytes): number => address.reduce((value, byte) => value * 256 + byte, 0);

export const CLIENT: Bytes = [198, 51, 100, 7];
export const VIP: Bytes = [203, 0, 113, 10];
export const SOURCE: Bytes = [10, 0, 0, 1];
export const BACKEND: Bytes = [10, 0, 0, 7];
export const CLIENT6: Bytes = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
export const VIP6: Bytes = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 10];
export const SOURCE6: Bytes = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
export const BACKEND6: Bytes = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
export const CLIENT_MAC: Bytes = [2, 0, 0, 0, 0, 0xcc];
export const OWN_MAC: Bytes = [2, 0, 0, 0, 0, 1];
export const BACKEND_MAC: Bytes = [2, 0, 0, 0, 0, 7];

export interface BackendFields {
  mode?: number;
  address?: Bytes;
  port?: number;
  source?: Bytes;
  ifindex?: number;
  timeout?: number;
  state?: number;
  generation?: number;
  service?: number;
}

/** With few entries, so that it loads fast. */
export class Balancer implements Disposable {
  readonly object: LoadedObject<typeof Maps>;

  constructor(settings: Record<string, unknown> = {}, entries: Record<string, number> = {}) {
    const small = {
      flows4: 512,
      flows6: 512,
      origins4: 4096,
      origins6: 4096,
      backends: 64,
      backend_stats: 64,
      services4: 64,
      services6: 64,
    };
    this.object = loadSpec<typeof Maps>(specOf(), {
      settings: { source4: word(SOURCE), source6: Uint8Array.from(SOURCE6), ...settings },
      entries: { ...small, service_stats: 64, rings: 64, vips4: 64, vips6: 64, ...entries },
    });
    prepareFlowTables(this.object.maps);
  }

  [Symbol.dispose](): void {
    this.object.close();
  }

  table(name: string): TableMap<unknown, unknown> {
    return this.object.map<TableMap<unknown, unknown>>(name, TableMap);
  }

  backend(number: number, fields: BackendFields = {}): void {
    const { address = BACKEND, port = 8080, source = [], mode = 0, service = 1, state = 1, generation = 1, ...rest } = fields;
    const is6 = address.length === 16;
    this.table("backends").set(number, {
      generation,
      service,
      timeout: 0,
      state,
      mode,
      family: is6 ? 6 : 4,
      mac: Uint8Array.from(BACKEND_MAC),
      sourceMac: Uint8Array.from(OWN_MAC),
      ifindex: 1,
      address4: is6 ? 0 : word(address),
      source4: source.length === 4 ? word(source) : 0,
      address6: is6 ? Uint8Array.from(address) : new Uint8Array(16),
      source6: source.length === 16 ? Uint8Array.from(source) : new Uint8Array(16),
      port,
      unused: 0,
      unused2: new Uint8Array(6),
      ...rest,
    });
  }

  /** The service `address`, of number 1, for TCP and UDP. */
  service(
    options: { address?: Bytes; port?: number; prefixLength?: number; flags?: number; backends?: readonly number[] } = {},
  ): void {
    const { address = VIP, port = 80, flags = 0, backends = [1] } = options;
    const is6 = address.length === 16;
    const bits = is6 ? 128 : 32;
    const { prefixLength = bits } = options;
    const network = is6 ? Uint8Array.from(address) : word(address);
    for (const protocol of [TCP, UDP]) {
      this.table(is6 ? "services6" : "services4").set(
        { address: network, port, protocol, prefixLength },
        { number: 1, ringSize: RING_SIZE, flags },
      );
    }
    this.table(is6 ? "vips6" : "vips4").set({ prefixLength, address: network }, { network, prefixLength });
    this.ring(backends);
  }

  /** Puts the backends into the service's ring, by turns. */
  ring(backends: readonly number[]): void {
    const rings = this.object.map<MapOfMaps<number, TableMap<number, number>>>("rings", MapOfMaps);
    using ring = rings.create("ring", { entries: RING_SIZE });
    for (let slot = 0; slot < RING_SIZE; slot++) ring.set(slot, backends[slot % backends.length] ?? 0);
    rings.set(1, ring);
  }

  run(packet: Uint8Array, ingressIfindex = 1): { action: number; packet: Uint8Array } {
    return this.object.program("balancer").run(packet, { context: { ingressIfindex }, cpu: 0 });
  }

  /** The reasons that were counted, by number. */
  reasons(): Record<number, number> {
    const map = this.object.map<PerCpuArrayMap<{ packets: bigint }>>("reasons", PerCpuArrayMap);
    const found: Record<number, number> = {};
    for (let reason = 0; reason < 20; reason++) {
      const { packets } = map.sum(reason);
      if (packets > 0n) found[reason] = Number(packets);
    }
    return found;
  }

  stats(map: "service_stats" | "backend_stats", number = 1): unknown {
    return this.object.map<PerCpuArrayMap<unknown>>(map, PerCpuArrayMap).sum(number);
  }
}

export interface PacketFields {
  protocol?: number;
  from?: Bytes;
  to?: Bytes;
  sourcePort?: number;
  port?: number;
  ttl?: number;
  tos?: number;
  fragment?: number;
  flags?: number;
  data?: Uint8Array;
  sourceMac?: Bytes;
  mac?: Bytes;
  /** UDP without a checksum. */
  unchecked?: boolean;
  tags?: readonly number[];
  /** Of IPv6: destination options in front of the transport header. */
  extension?: boolean;
}

/** A packet from the client to the service, or as `fields` say. */
export function packet(fields: PacketFields = {}): Uint8Array {
  const { from = CLIENT, sourceMac = CLIENT_MAC, mac = OWN_MAC, tags = [] } = fields;
  const type = from.length === 16 ? ETHERTYPE.IPV6 : ETHERTYPE.IPV4;
  return frame(type, ipPacket(fields), tags, {
    from: { mac: sourceMac, ipv4: [], ipv6: [] },
    to: { mac, ipv4: [], ipv6: [] },
  });
}

export function ipPacket(fields: PacketFields = {}): Uint8Array {
  const { protocol = TCP, from = CLIENT, to = from.length === 16 ? VIP6 : VIP, ttl = 64, tos = 0, fragment = 0x4000 } = fields;
  const segment = transport(fields, from, to);
  if (from.length === 16) {
    const options = fields.extension === true ? [protocol, 0, 1, 4, 0, 0, 0, 0] : [];
    const payload = join(options, segment);
    const next = options.length > 0 ? DESTINATION_OPTIONS : protocol;
    return join([0x60 | (tos >> 4), (tos & 15) << 4, 0, 0], u16(payload.length), [next, ttl], from, to, payload);
  }
  return ipv4Header([0x45, tos, ...u16(20 + segment.length), 0x12, 0x34, ...u16(fragment), ttl, protocol], from, to, segment);
}

export function ipv4Header(start: Bytes, from: Bytes, to: Bytes, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const sum = checksum(join(start, [0, 0], from, to));
  return join(start, u16(sum), from, to, payload);
}

function transport(
  {
    protocol = TCP,
    sourcePort = 40_000,
    port = 80,
    flags = 0x10,
    data = Uint8Array.of(1, 2, 3),
    unchecked = false,
  }: PacketFields,
  from: Bytes,
  to: Bytes,
): Uint8Array {
  const ports = [...u16(sourcePort), ...u16(port)];
  const [start, end] =
    protocol === TCP
      ? [
          [...ports, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff],
          [0, 0],
        ]
      : [[...ports, ...u16(8 + data.length)], []];
  const length = start.length + 2 + end.length + data.length;
  const pseudo = join(from, to, [0, protocol], u16(length));
  const sum = checksum(join(pseudo, start, [0, 0], end, data));
  const shown = protocol === UDP ? (unchecked ? 0 : sum === 0 ? 0xffff : sum) : sum;
  return join(start, u16(shown), end, data);
}

/** An ICMP or ICMPv6 message with a right checksum, in a frame. */
export function icmpPacket(
  type: number,
  code: number,
  body: ArrayLike<number>,
  { from = CLIENT, to = from.length === 16 ? VIP6 : VIP, ttl = 64, sourceMac = CLIENT_MAC, mac = OWN_MAC }: PacketFields = {},
): Uint8Array {
  const is6 = from.length === 16;
  const length = 4 + body.length;
  const pseudo = is6 ? join(from, to, [0, 0], u16(length), [0, 0, 0, ICMPV6]) : [];
  const message = join([type, code], u16(checksum(join(pseudo, [type, code, 0, 0], body))), body);
  const ip = is6
    ? join([0x60, 0, 0, 0], u16(length), [ICMPV6, ttl], from, to, message)
    : ipv4Header([0x45, 0, ...u16(20 + length), 0, 0, 0x40, 0, ttl, 1], from, to, message);
  return join(mac, sourceMac, u16(is6 ? ETHERTYPE.IPV6 : ETHERTYPE.IPV4), ip);
}
const ICMPV6 = 58;

/**
 * The tables of connections, in user space: which bucket a connection is in, and whether it is there, as the datapath's programs have it
 * (src/programs/balancer-flows.bpf.ts; a test holds the two together).
 */
import { randomBytes } from "node:crypto";
import type { User } from "../../kernel/index.ts";
import { type Flow as FlowStruct, WAYS } from "../../programs/balancer-maps.bpf.ts";
import type { MappedArray } from "../../runtime/maps/mapped-array.ts";
import type { DatapathMaps } from "./installed.ts";

type FlowRecord = User<typeof FlowStruct>;
type FlowMaps = Pick<DatapathMaps, "flows4" | "flows6" | "flow_tables">;

/** A connection from the client's side. Addresses have 4 or 16 bytes, in network order. */
export interface FlowName {
  client: Uint8Array;
  server: Uint8Array;
  clientPort: number;
  serverPort: number;
  /** TCP's or UDP's number. */
  protocol: number;
}

/** So many buckets have room for so many connections. */
export function bucketsFor(connections: number): number {
  return Math.ceil(connections / WAYS);
}

/** How many connections a table has room for. */
export function roomOf(table: FlowMaps["flows4" | "flows6"]): number {
  return table.maxEntries * WAYS;
}

/**
 * Tables that were just made get their secret; those that are in use keep theirs, so that their connections are found. To be called before a program runs.
 * Somebody may have taken the pin of one table away, so that it is new and of another size.
 */
export function prepareFlowTables({ flows4, flows6, flow_tables }: FlowMaps): void {
  const known = flow_tables.get(0)?.seed ?? 0n;
  // Even, for the programs make an odd factor of it.
  const seed = known === 0n ? randomBytes(8).readBigUInt64LE() & ~1n : known;
  flow_tables.set(0, { seed, buckets4: flows4.maxEntries, buckets6: flows6.maxEntries });
}

/** What is remembered of a connection. */
export function findFlow(maps: FlowMaps, name: FlowName): FlowRecord | undefined {
  const { seed, buckets4, buckets6 } = maps.flow_tables.get(0) ?? { seed: 0n, buckets4: 0, buckets6: 0 };
  const key = keyOf(name);
  const is6 = name.client.length === IPV6;
  const table = is6 ? maps.flows6 : maps.flows4;
  const { index, tag } = placeOf(key, seed, is6 ? buckets6 : buckets4);
  const bucket = table.get(index);
  const way = bucket?.tags.findIndex((each, index) => each === tag + index) ?? -1;
  const found = bucket?.connections[way];
  if (found === undefined) return undefined;
  const { client, server, clientPort, serverPort, protocol, seal, flow } = found;
  const there = keyOf({ client: bytesOf(client), server: bytesOf(server), clientPort, serverPort, protocol });
  return Buffer.compare(there, key) === 0 && Buffer.compare(seal, sealOf(flow)) === 0 ? flow : undefined;
}

/** How many connections a table holds, as it lies in memory, in parts of some thousand buckets: for those who let others have their turn in between. */
export function* countFlows(buckets: MappedArray): Generator<number> {
  const words = new Uint32Array(buckets.bytes.buffer, buckets.bytes.byteOffset, buckets.bytes.length / 4);
  const stride = buckets.stride / 4;
  let count = 0;
  for (let bucket = 0; bucket < buckets.length; bucket++) {
    // A bucket begins with its tags.
    for (let way = 0; way < WAYS; way++) if (words[bucket * stride + way] !== 0) count++;
    if (bucket % AT_ONCE === 0) {
      yield count;
      count = 0;
    }
  }
  yield count;
}
const AT_ONCE = 16_384;

const IPV6 = 16;
const [SPREAD, SPREAD2] = [0x9e3779b97f4a7c15n, 0xc2b2ae3d27d4eb4fn];

/** Which bucket the connection is in, and what it is known by there, beside the number of its way. */
export function placeOf(key: Buffer, seed: bigint, buckets: number): { index: number; tag: number } {
  const hash = hashOf(key, seed);
  const spread = BigInt.asUintN(64, hash * SPREAD) >> 32n;
  return { index: Number((spread * BigInt(buckets)) >> 32n), tag: Number(hash & 0xffff_fff8n) };
}

/** As connections begin in their buckets, without the seal. */
export function keyOf({ client, server, clientPort, serverPort, protocol }: FlowName): Buffer {
  const key = Buffer.alloc(client.length * 2 + 8);
  key.set(client);
  key.set(server, client.length);
  key.writeUInt16BE(clientPort, client.length * 2);
  key.writeUInt16BE(serverPort, client.length * 2 + 2);
  key[client.length * 2 + 4] = protocol;
  return key;
}

function bytesOf(address: number | Uint8Array): Uint8Array {
  if (typeof address !== "number") return address;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(address);
  return bytes;
}

function hashOf(key: Buffer, seed: bigint): bigint {
  const words = Array.from({ length: key.length / 8 }, (_, index) => key.readBigUInt64LE(index * 8));
  const ofTwo = (first: bigint, second: bigint) => stir(stir(first ^ seed, SPREAD) + second, SPREAD2 ^ seed);
  const [a = 0n, b = 0n, c = 0n, d = 0n, ports = 0n] = words;
  if (words.length === 2) return ofTwo(a, b);
  const both = stir(stir(ofTwo(a, b) + c, SPREAD) + d, SPREAD2 ^ seed);
  return stir(both + ports, SPREAD2 ^ seed);
}

function stir(value: bigint, factor: bigint): bigint {
  const product = BigInt.asUintN(64, value * factor);
  return product ^ (product >> 32n);
}

function sealOf({ backend, generation, natPort }: FlowRecord): Buffer {
  const sealed = (BigInt(backend) | (BigInt(generation) << 32n)) ^ (BigInt(natPort) << 48n);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, sealed * SPREAD));
  return bytes.subarray(5);
}

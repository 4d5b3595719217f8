/**
 * The tables of connections. Each is an array of buckets. The hash of a connection says which bucket it is in; a bucket has room for `WAYS`, of which
 * the one that has been quiet for longest makes room for a new one. Those of which only one packet was seen go before others, so that floods push out
 * their own. Finding and remembering cost no work of the kernel's, whose LRU tables take half a microsecond to put one in where another one was.
 *
 * All CPUs share the tables, without locks. Two that write to one place at once may leave parts of both there, so each connection is sealed: beside its
 * key is a hash of what is said about it, and who finds that broken finds nothing, and remembers it anew (R. Hyatt and T. Mann, "A lock-less transposition
 * table implementation for parallel search", ICGA Journal 25(1), 2002). src/balancer/datapath/flow-tables.ts reads the same in user space.
 */
import { noinline, u32, u64, viewAs } from "wirescript/kernel";
import { type Flow, flow_tables, flows4, flows6, type Tags, WAYS } from "./balancer-maps.bpf.ts";
import { Words4, Words6 } from "./balancer-packet.bpf.ts";

/** The connection; null when it is not remembered. */
export function findFlow4(words: Words4): Flow | null {
  const bucket = bucketOf4(words);
  const found = bucket && connectionIn(bucket.entries, bucket.hash);
  if (!found) return null;
  const { addresses, portsAndProtocol } = viewAs(found, Words4);
  if (addresses !== words.addresses) return null;
  return portsAndProtocol === (words.portsAndProtocol | sealOf(found.flow)) ? found.flow : null;
}

export function findFlow6(words: Words6): Flow | null {
  const bucket = bucketOf6(words);
  const found = bucket && connectionIn(bucket.entries, bucket.hash);
  if (!found) return null;
  const { client, client2, server, server2, portsAndProtocol } = viewAs(found, Words6);
  if (client !== words.client || client2 !== words.client2 || server !== words.server || server2 !== words.server2) return null;
  return portsAndProtocol === (words.portsAndProtocol | sealOf(found.flow)) ? found.flow : null;
}

/** The same for where nobody is in a hurry. */
export const lookUpFlow4 = noinline(findFlow4);
export const lookUpFlow6 = noinline(findFlow6);

/** From now on the connection is found. False when there is no table. */
export function keepFlow4(words: Words4, flow: Flow): boolean {
  const bucket = bucketOf4(words);
  const place = bucket && placeIn(bucket.entries, bucket.hash);
  if (!place) return false;
  place.flow = flow;
  const key = viewAs(place, Words4);
  key.addresses = words.addresses;
  key.portsAndProtocol = words.portsAndProtocol | sealOf(flow);
  return true;
}

export function keepFlow6(words: Words6, flow: Flow): boolean {
  const bucket = bucketOf6(words);
  const place = bucket && placeIn(bucket.entries, bucket.hash);
  if (!place) return false;
  place.flow = flow;
  const key = viewAs(place, Words6);
  key.client = words.client;
  key.client2 = words.client2;
  key.server = words.server;
  key.server2 = words.server2;
  key.portsAndProtocol = words.portsAndProtocol | sealOf(flow);
  return true;
}

/** Where the connection is, if it is anywhere. */
function bucketOf4(words: Words4) {
  const table = flow_tables.lookup(0);
  if (!table) return null;
  const hash = hashOf4(words, table.seed);
  const entries = flows4.lookup(indexOf(hash, table.buckets4));
  return entries ? { entries, hash } : null;
}

function bucketOf6(words: Words6) {
  const table = flow_tables.lookup(0);
  if (!table) return null;
  const hash = hashOf6(words, table.seed);
  const entries = flows6.lookup(indexOf(hash, table.buckets6));
  return entries ? { entries, hash } : null;
}

/** The one with the connection's tag, which may be another's. */
function connectionIn<C extends Connection>({ tags, connections }: Bucket<C>, hash: u64): C | null {
  const way = wayOf(tags, hash);
  if (way >= WAYS) return null;
  return connections[way] ?? null;
}

/** Where the connection is to be written: the place has its tag from now on. */
function placeIn<C extends Connection>({ tags, connections }: Bucket<C>, hash: u64): C | null {
  const way = wayFor(tags, connections, hash);
  if (way >= WAYS) return null;
  tags[way] = tagOf(hash) | way;
  return connections[way] ?? null;
}

/** Odd numbers with bits everywhere: of the golden ratio, and of xxHash (public domain). */
const SPREAD = u64(0x9e3779b97f4a7c15n);
const SPREAD2 = u64(0xc2b2ae3d27d4eb4fn);

/** Multiplied by what nobody knows (`seed` is even), so that nobody can find connections that meet in a bucket. */
function hashOf4({ addresses, portsAndProtocol }: Words4, seed: u64): u64 {
  return stir(stir(addresses ^ seed, SPREAD) + portsAndProtocol, SPREAD2 ^ seed);
}

function hashOf6({ client, client2, server, server2, portsAndProtocol }: Words6, seed: u64): u64 {
  const clients = stir(stir(client ^ seed, SPREAD) + client2, SPREAD2 ^ seed);
  const both = stir(stir(clients + server, SPREAD) + server2, SPREAD2 ^ seed);
  return stir(both + portsAndProtocol, SPREAD2 ^ seed);
}

function stir(value: u64, factor: u64): u64 {
  const product: u64 = value * factor;
  return product ^ (product >> 32);
}

/**
 * By the upper half of one more product; the tag is of the hash. The hash's own upper half counts on as ports and addresses do that a client counts
 * up, so that with one seed of some hundred they would all meet in a few buckets.
 */
function indexOf(hash: u64, buckets: u32): u32 {
  const spread: u64 = hash * SPREAD;
  return u32(((spread >> 32) * buckets) >> 32);
}

function tagOf(hash: u64): u32 {
  return u32(hash & 0xffff_fff8);
}

/** The way with the connection's tag; `WAYS` when there is none. */
function wayOf(tags: Tags, hash: u64): u32 {
  const tag = tagOf(hash);
  for (const each of tags) {
    // Of equal tags, the number of the way remains.
    const way: u32 = each ^ tag;
    if (way < WAYS) return way;
  }
  return WAYS;
}

/** The way for a connection that is to be remembered: its own, or that of the one which has been quiet for longest. */
function wayFor(tags: Tags, connections: Iterable<Connection>, hash: u64): u32 {
  const own = wayOf(tags, hash);
  if (own < WAYS) return own;
  // The time, later for those that came back, and below it the way, so that the least number says both; among equals it is the hash's choice.
  let quietest = LAST;
  let number: u32 = 0;
  for (const { flow } of connections) {
    const seen: u64 = flow.lastSeen;
    const each: u64 = ((seen + flow.grace) << 3) | ((hash + number) & 7);
    if (each < quietest) quietest = each;
    number++;
  }
  return u32((quietest - hash) & 7);
}
/** Above all of these numbers. */
const LAST = u64(0x100_0000_0000);

/** Of either family. */
interface Connection {
  flow: Flow;
}

interface Bucket<C extends Connection> {
  tags: Tags;
  connections: Iterable<C> & { readonly [way: number]: C };
}

/** In the three highest bytes, where keys have nothing. What changes while a connection lasts is not sealed. */
function sealOf({ backend, generation, natPort }: Flow): u64 {
  const sealed: u64 = (backend | (generation << 32)) ^ (natPort << 48);
  return ((sealed * SPREAD) >> 40) << 40;
}

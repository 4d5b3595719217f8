/** The kernel's helper functions, emulated: what each does with the machine, by number. Results are 64 bits, negative errno included. */

import { HELPER } from "../object/helpers.ts";
import type { ProgramType } from "../object/spec.ts";
import { int32, uint32 } from "./arithmetic.ts";
import { checksumDifference } from "./checksum.ts";
import { VmFault } from "./fault.ts";
import { type FibLookup, lookUpRoute } from "./fib.ts";
import type { VmMap } from "./maps/map.ts";
import { VmMapOfMaps } from "./maps/map-in-map.ts";
import { VmBloomFilter, VmQueue } from "./maps/queue.ts";
import { VmRingBuffer } from "./maps/ring-buffer.ts";
import type { AddressSpace } from "./memory.ts";
import type { Packet } from "./packet.ts";
import type { Skb } from "./skb.ts";
import { SKB_HELPERS } from "./skb-helpers.ts";

/** What helpers may ask of the machine that runs the program. */
export interface HelperHost {
  readonly space: AddressSpace;
  /** The packet of an XDP program. @throws VmFault in others. */
  readonly packet: Packet;
  /** The socket buffer of a TC program. @throws VmFault in others. */
  readonly skb: Skb;
  readonly cpu: number;
  /** @throws VmFault when the address is none of a map. */
  mapAt(address: bigint): VmMap;
  /** What stands for the map in a register. */
  addressOf(map: VmMap): bigint;
  /** Every map of the object, and those in maps of maps. */
  maps(): Iterable<VmMap>;
  now(): bigint;
  random(): number;
  trace(line: string): void;
  /** The routing table; `null` when the one who runs the program gave none. */
  readonly fibLookup: FibLookup | null;
  redirected(target: RedirectTarget): void;
  cloned(clone: Clone): void;
}

export type RedirectTarget =
  | { ifindex: number; ingress?: boolean; peer?: boolean; neighbour?: boolean }
  | { map: string; key: number };

/** A copy of the packet that `cloneRedirect` sent. */
export interface Clone {
  ifindex: number;
  ingress: boolean;
  packet: Uint8Array;
}

/** Called with r1 to r5; reads only those that the function has. */
export type Helper = (host: HelperHost, argument: (index: 1 | 2 | 3 | 4 | 5) => bigint) => bigint;

/** As of a kernel with CONFIG_HZ=250. */
const NS_PER_TICK = 4_000_000n;
const XDP_ABORTED = 0n;
const XDP_REDIRECT = 4n;
const ENOENT = -2n;
const EAGAIN = -11n;
const EFAULT = -14n;
const EINVAL = -22n;
/** BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP */
const MOST_WAKE_UP_FLAGS = 3n;
const ACTION_MASK = 3n;

export const HELPERS: Readonly<Record<number, Helper>> = {
  [HELPER.map_lookup_elem]: (host, argument) => {
    const map = host.mapAt(argument(1));
    const key = host.space.read(argument(2), map.spec.keySize);
    if (map instanceof VmMapOfMaps) {
      const inner = map.inner(key);
      return inner === null ? 0n : host.addressOf(inner);
    }
    const element = map.lookup(key, host.cpu);
    return element === null ? 0n : host.space.address(element);
  },
  [HELPER.map_lookup_percpu_elem]: (host, argument) => {
    const map = host.mapAt(argument(1));
    const element = map.lookup(host.space.read(argument(2), map.spec.keySize), uint32(argument(3)));
    return element === null ? 0n : host.space.address(element);
  },
  [HELPER.map_update_elem]: (host, argument) => {
    const map = host.mapAt(argument(1));
    const key = host.space.read(argument(2), map.spec.keySize);
    return map.update(key, host.space.read(argument(3), map.spec.valueSize), argument(4), host.cpu);
  },
  [HELPER.map_delete_elem]: (host, argument) => {
    const map = host.mapAt(argument(1));
    return map.delete(host.space.read(argument(2), map.spec.keySize));
  },
  [HELPER.map_push_elem]: (host, argument) => {
    const map = host.mapAt(argument(1));
    if (!(map instanceof VmQueue || map instanceof VmBloomFilter)) throw wrongMap(map, "map_push_elem");
    return map.push(host.space.read(argument(2), map.spec.valueSize), argument(3));
  },
  [HELPER.map_pop_elem]: (host, argument) => copyOut(host, host.mapAt(argument(1)), argument(2), "map_pop_elem"),
  [HELPER.map_peek_elem]: (host, argument) => {
    const map = host.mapAt(argument(1));
    if (!(map instanceof VmBloomFilter)) return copyOut(host, map, argument(2), "map_peek_elem");
    return map.has(host.space.read(argument(2), map.spec.valueSize)) ? 0n : ENOENT;
  },
  [HELPER.ringbuf_reserve]: (host, argument) => {
    const map = ringBufferAt(host, argument(1), "ringbuf_reserve");
    if (argument(3) !== 0n) return 0n;
    const record = map.reserve(Number(argument(2)));
    return record === null ? 0n : host.space.address(record);
  },
  [HELPER.ringbuf_submit]: (host, argument) => release(host, argument(1), argument(2), "submitted"),
  [HELPER.ringbuf_discard]: (host, argument) => release(host, argument(1), argument(2), "discarded"),
  [HELPER.ringbuf_output]: (host, argument) => {
    const map = ringBufferAt(host, argument(1), "ringbuf_output");
    const bytes = host.space.read(argument(2), Number(argument(3)));
    if (argument(4) > MOST_WAKE_UP_FLAGS) return EINVAL;
    const record = map.reserve(bytes.length);
    if (record === null) return EAGAIN;
    record.bytes.set(bytes);
    map.release(record, "submitted");
    return 0n;
  },
  [HELPER.ringbuf_query]: (host, argument) =>
    BigInt(ringBufferAt(host, argument(1), "ringbuf_query").query(Number(argument(2)))),
  [HELPER.ktime_get_ns]: (host) => host.now(),
  [HELPER.ktime_get_coarse_ns]: (host) => host.now(),
  [HELPER.jiffies64]: (host) => host.now() / NS_PER_TICK,
  [HELPER.get_prandom_u32]: (host) => BigInt(host.random()),
  [HELPER.get_smp_processor_id]: (host) => BigInt(host.cpu),
  [HELPER.trace_printk]: (host, argument) => {
    const bytes = host.space.read(argument(1), uint32(argument(2)));
    const text = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
    let next = 3;
    const line = text.replace(/%%|%lld|%llu/g, (directive) => {
      if (directive === "%%") return "%";
      const value = argument(next++ as 3 | 4 | 5);
      return String(directive === "%lld" ? BigInt.asIntN(64, value) : value);
    });
    host.trace(line);
    return BigInt(line.length);
  },
  [HELPER.redirect]: (host, argument) => {
    if (argument(2) !== 0n) return XDP_ABORTED;
    host.redirected({ ifindex: uint32(argument(1)) });
    return XDP_REDIRECT;
  },
  [HELPER.redirect_map]: (host, argument) => {
    const map = host.mapAt(argument(1));
    const flags = argument(3);
    if (flags > ACTION_MASK) return XDP_ABORTED;
    const key = uint32(argument(2));
    if (map.lookup(new Uint8Array(new Uint32Array([key]).buffer), host.cpu) === null) return flags;
    host.redirected({ map: map.spec.name, key });
    return XDP_REDIRECT;
  },
  [HELPER.csum_diff]: (host, argument) => {
    const sizes = [uint32(argument(2)), uint32(argument(4))] as const;
    if (sizes.some((size) => size % 4 !== 0)) return EINVAL;
    const from = host.space.read(argument(1), sizes[0]);
    return checksumDifference(from, host.space.read(argument(3), sizes[1]), uint32(argument(5)));
  },
  [HELPER.fib_lookup]: lookUpRoute,
  [HELPER.xdp_adjust_head]: (host, argument) => host.packet.moveHead(int32(argument(2))),
  [HELPER.xdp_adjust_tail]: (host, argument) => host.packet.moveTail(int32(argument(2))),
  [HELPER.xdp_adjust_meta]: (host, argument) => host.packet.moveMeta(int32(argument(2))),
  [HELPER.xdp_get_buff_len]: (host) => BigInt(host.packet.length),
  [HELPER.xdp_load_bytes]: (host, argument) => {
    const length = uint32(argument(4));
    const bytes = host.packet.load(uint32(argument(2)), length);
    // A program looks at what is there only when the answer was 0, but it counts as written.
    host.space.write(argument(3), bytes ?? new Uint8Array(length));
    return bytes === null ? EFAULT : 0n;
  },
  [HELPER.xdp_store_bytes]: (host, argument) =>
    host.packet.store(uint32(argument(2)), host.space.read(argument(3), uint32(argument(4)))),
};

/** Without a value the kernel clears the memory. */
function copyOut(host: HelperHost, map: VmMap, to: bigint, name: string): bigint {
  if (!(map instanceof VmQueue)) throw wrongMap(map, name);
  const value = map.next(name === "map_pop_elem");
  host.space.write(to, value ?? new Uint8Array(map.spec.valueSize));
  return value === null ? ENOENT : 0n;
}

function ringBufferAt(host: HelperHost, address: bigint, name: string): VmRingBuffer {
  const map = host.mapAt(address);
  if (map instanceof VmRingBuffer) return map;
  throw wrongMap(map, name);
}

function release(host: HelperHost, address: bigint, flags: bigint, state: "submitted" | "discarded"): bigint {
  if (flags > MOST_WAKE_UP_FLAGS) throw new VmFault(`There are no wake-up flags ${flags}.`);
  const { region, offset } = host.space.place(address);
  for (const map of host.maps()) {
    if (map instanceof VmRingBuffer && offset === 0 && map.release(region, state)) return 0n;
  }
  throw new VmFault(`The program gives back ${region.name} at offset ${offset}, which is no reserved record.`);
}

function wrongMap(map: VmMap, name: string): VmFault {
  return new VmFault(`The program calls ${name} with the map ${map.spec.name}, which is not of a type for it.`);
}

/** @throws VmFault for a function that is not emulated. */
export function helper(number: number, type: ProgramType): Helper {
  const found = (type !== "xdp" ? SKB_HELPERS[number] : undefined) ?? HELPERS[number];
  if (found === undefined) throw new VmFault(`The interpreter has no helper function number ${number}.`);
  return found;
}

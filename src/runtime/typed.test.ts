/** `load<typeof Module>()`: what type-checks and what must not. The compiler checks this file; running it proves nothing more. */
import { expectTypeOf, it } from "vitest";
import * as kernel from "../kernel/index.ts";
import type { LoadedObject } from "./loaded-object.ts";
import type { ArrayMap, PerCpuArrayMap } from "./maps/array.ts";
import type { BloomFilterMap } from "./maps/bloom-filter.ts";
import type { HashMap, PerCpuHashMap } from "./maps/hash.ts";
import type { LpmTrieMap } from "./maps/lpm-trie.ts";
import type { MapOfMaps } from "./maps/map-in-map.ts";
import type { LoadedMap } from "./maps/open.ts";
import type { QueueMap, StackMap } from "./maps/queue.ts";
import type { RingBufferMap } from "./maps/ring-buffer.ts";
import type { CpuEntry, CpuMap, DeviceEntry, DevMap, ProgArray, XskMap } from "./maps/targets.ts";
import type { ObjectMap } from "./object-types.ts";
import type { LoadedProgram } from "./program.ts";
import type { LoadedMapOf } from "./typed.ts";

const {
  arrayOfMaps,
  hashOfMaps,
  bloomFilter,
  bytes,
  cpuMap,
  devMap,
  devMapHash,
  lpmTrie,
  progArray,
  xskMap,
  hash,
  lruHash,
  array,
  perCpuArray,
  perCpuHash,
  queue,
  ringBuffer,
  stack,
  struct,
  u16,
  u32,
  u64,
  be32,
  bool,
  bits,
  xdp,
} = kernel;
const Key = struct({ address: be32, port: u16, mac: bytes(6) });
const Value = struct({ packets: u64, up: bool, version: bits(4), rest: bits(4) });
const Module = {
  stats: perCpuArray({ value: Value, entries: 5, pinned: true }),
  flows: hash({ key: Key, value: Value, entries: 8 }),
  recent: lruHash({ key: u64, value: u32, entries: 8 }),
  ports: array({ value: u16, entries: 8 }),
  perCpu: perCpuHash({ key: u32, value: Value, entries: 8 }),
  waiting: queue({ value: Value, entries: 8 }),
  undone: stack({ value: u64, entries: 8 }),
  tables: hashOfMaps({ key: Key, inner: hash({ key: u32, value: Value, entries: 8 }), entries: 8 }),
  rings: arrayOfMaps({ inner: ringBuffer({ bytes: 4096 }), entries: 8 }),
  events: ringBuffer({ value: Value, bytes: 4096 }),
  anything: ringBuffer({ bytes: 4096 }),
  seen: bloomFilter({ value: Key, entries: 8 }),
  prefixes: lpmTrie({ key: struct({ prefixLength: u32, address: be32 }), value: u64, entries: 8 }),
  devices: devMap({ entries: 8 }),
  deviceTable: devMapHash({ entries: 8, programs: true }),
  cpus: cpuMap({ entries: 8, programs: true }),
  sockets: xskMap({ entries: 8 }),
  next: progArray({ entries: 8 }),
  drop: xdp(() => kernel.XDP_DROP),
  total: 0 as kernel.u64,
  enabled: true as boolean,
  port: kernel.setting(u16, 80),
  state: kernel.global(Value),
  table: kernel.global(kernel.arrayOf(u32, 3)),
  gateway: bytes(6)(1),
  Key,
  LIMIT: 5,
};
type Object_ = LoadedObject<typeof Module>;
declare const loaded: Object_;

interface UserKey {
  address: number;
  port: number;
  mac: Uint8Array;
}
interface UserValue {
  packets: bigint;
  up: boolean;
  version: number;
  rest: number;
}

it("gives programs and maps of the module, and nothing else", () => {
  expectTypeOf<keyof Object_["programs"]>().toEqualTypeOf<"drop">();
  expectTypeOf<keyof Object_["maps"]>().toEqualTypeOf<
    | "stats"
    | "flows"
    | "recent"
    | "ports"
    | "perCpu"
    | "waiting"
    | "undone"
    | "tables"
    | "rings"
    | "events"
    | "anything"
    | "seen"
    | "prefixes"
    | "devices"
    | "deviceTable"
    | "cpus"
    | "sockets"
    | "next"
  >();
  expectTypeOf<Object_["programs"]["drop"]>().toEqualTypeOf<LoadedProgram<"xdp">>();
});

it("gives keys and values their form in user space", () => {
  expectTypeOf<Object_["maps"]["stats"]>().toEqualTypeOf<PerCpuArrayMap<UserValue>>();
  expectTypeOf<Object_["maps"]["flows"]>().toEqualTypeOf<HashMap<UserKey, UserValue>>();
  expectTypeOf<Object_["maps"]["recent"]>().toEqualTypeOf<HashMap<bigint, number>>();
  expectTypeOf<Object_["maps"]["ports"]>().toEqualTypeOf<ArrayMap<number>>();
  expectTypeOf<Object_["maps"]["perCpu"]>().toEqualTypeOf<PerCpuHashMap<number, UserValue>>();
  expectTypeOf<Object_["maps"]["waiting"]>().toEqualTypeOf<QueueMap<UserValue>>();
  expectTypeOf<Object_["maps"]["undone"]>().toEqualTypeOf<StackMap<bigint>>();
  expectTypeOf<Object_["maps"]["tables"]>().toEqualTypeOf<MapOfMaps<UserKey, HashMap<number, UserValue>>>();
  expectTypeOf<Object_["maps"]["rings"]>().toEqualTypeOf<MapOfMaps<number, RingBufferMap<Uint8Array>>>();
  expectTypeOf<Object_["maps"]["events"]>().toEqualTypeOf<RingBufferMap<UserValue>>();
  expectTypeOf<Object_["maps"]["anything"]>().toEqualTypeOf<RingBufferMap<Uint8Array>>();
  expectTypeOf<Object_["maps"]["seen"]>().toEqualTypeOf<BloomFilterMap<UserKey>>();
  expectTypeOf<Object_["maps"]["prefixes"]>().toEqualTypeOf<LpmTrieMap<{ prefixLength: number; address: number }, bigint>>();
  expectTypeOf<Object_["maps"]["devices"]>().toEqualTypeOf<DevMap<number>>();
  expectTypeOf<Object_["maps"]["deviceTable"]>().toEqualTypeOf<DevMap<DeviceEntry>>();
  expectTypeOf<Object_["maps"]["cpus"]>().toEqualTypeOf<CpuMap<CpuEntry>>();
  expectTypeOf<Object_["maps"]["sockets"]>().toEqualTypeOf<XskMap>();
  expectTypeOf<Object_["maps"]["next"]>().toEqualTypeOf<ProgArray>();
  expectTypeOf<LoadedMapOf<ObjectMap<"devMap", number, number> & { readonly programs: true }>>().toEqualTypeOf<
    DevMap<DeviceEntry>
  >();
});

it("gives any name when nothing is known of the module", () => {
  expectTypeOf<LoadedObject["maps"]>().toEqualTypeOf<Readonly<Record<string, LoadedMap>>>();
});

it("rejects misuse", () => {
  // Never called: only the types count.
  const misuse = () => {
    // @ts-expect-error no such program
    loaded.programs.nope;
    // @ts-expect-error a schema is no map
    loaded.maps.Key;
    // @ts-expect-error arrays have no delete
    loaded.maps.ports.delete(1);
    // @ts-expect-error a u64 is a bigint
    loaded.maps.recent.get(1);
    // @ts-expect-error a field is missing
    loaded.maps.flows.set({ address: 1, port: 2 }, { packets: 1n, up: true, version: 1, rest: 0 });
    // @ts-expect-error there is no such field
    loaded.maps.stats.sum(1).bytes;
    // @ts-expect-error get may give undefined
    loaded.maps.flows.get({ address: 1, port: 2, mac: new Uint8Array(6) }).packets;
    // @ts-expect-error "must" is no flag
    loaded.maps.ports.set(1, 2, { flags: "must" });
    // @ts-expect-error "offload" is no mode
    loaded.programs.drop.attach({ dev: "eth0", mode: "offload" });
    loaded.maps.stats.sum(kernel.XDP_TX).packets satisfies bigint;
  };
  expectTypeOf(misuse).returns.toBeVoid();
});

it("variables and settings by their exported names, and nothing else", () => {
  type Globals = Object_["globals"];
  expectTypeOf<keyof Globals>().toEqualTypeOf<"total" | "enabled" | "port" | "state" | "table" | "gateway">();
  expectTypeOf<Globals["total"]>().toEqualTypeOf<bigint>();
  expectTypeOf<Globals["enabled"]>().toEqualTypeOf<boolean>();
  expectTypeOf<Globals["port"]>().toEqualTypeOf<number>();
  expectTypeOf<Globals["state"]>().toEqualTypeOf<UserValue>();
  expectTypeOf<Globals["table"]>().toEqualTypeOf<number[]>();
  expectTypeOf<Globals["gateway"]>().toEqualTypeOf<Uint8Array>();
});

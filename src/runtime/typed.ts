/**
 * The types of a loaded object, from the type of its kernel module: `load<typeof Module>()`. The module's exports that are programs and
 * maps become programs and maps in user space, with the user-space form of their keys and values. No code is generated.
 */
import type {
  Bytes,
  FlavourOf,
  MapOptions,
  Program as ProgramDeclaration,
  RingBufferOptions,
  Schema,
  SchemaOf,
  User,
} from "../kernel/index.ts";
import type { ArrayMap, PerCpuArrayMap } from "./maps/array.ts";
import type { BloomFilterMap } from "./maps/bloom-filter.ts";
import type { HashMap, PerCpuHashMap } from "./maps/hash.ts";
import type { LpmTrieMap } from "./maps/lpm-trie.ts";
import type { BpfMap, OpaqueMap } from "./maps/map.ts";
import type { MapOfMaps } from "./maps/map-in-map.ts";
import type { LoadedMap } from "./maps/open.ts";
import type { PerfEventArray } from "./maps/perf-event-array.ts";
import type { QueueMap, StackMap } from "./maps/queue.ts";
import type { RingBufferMap } from "./maps/ring-buffer.ts";
import type { CpuEntry, CpuMap, DeviceEntry, DevMap, ProgArray, XskMap } from "./maps/targets.ts";
import type { ObjectVariable } from "./object-types.ts";
import type { LoadedProgram } from "./program.ts";

/** What every declaration of a map has; programs have no entries. */
interface AnyKernelMap {
  readonly kind: string;
  readonly options: MapOptions | RingBufferOptions;
}

/** The user-space twin of a map declaration. */
export type LoadedMapOf<M> = M extends { readonly kind: infer Kind; readonly key: infer K; readonly value: infer V }
  ? Kind extends "hash" | "lruHash"
    ? HashMap<User<K & Schema>, User<V & Schema>>
    : Kind extends "perCpuHash" | "lruPerCpuHash"
      ? PerCpuHashMap<User<K & Schema>, User<V & Schema>>
      : Kind extends "array"
        ? ArrayMap<User<V & Schema>>
        : Kind extends "perCpuArray"
          ? PerCpuArrayMap<User<V & Schema>>
          : Kind extends "lpmTrie"
            ? LpmTrieMap<User<K & Schema>, User<V & Schema>>
            : LoadedTargetMap<M>
  : M extends { readonly kind: "arrayOfMaps" | "hashOfMaps"; readonly key: infer K; readonly inner: infer I }
    ? LoadedMapOf<I> extends infer Inner extends BpfMap
      ? MapOfMaps<User<K & Schema>, Inner>
      : never
    : LoadedKeylessMap<M>;

/** A number, or that and a program, as the declaration says; either where it says nothing. */
type TargetOf<M, Entry> = M extends { readonly programs: true }
  ? Entry
  : M extends { readonly programs: false }
    ? number
    : number | Entry;

type LoadedTargetMap<M> = M extends { readonly kind: "devMap" | "devMapHash" }
  ? DevMap<TargetOf<M, DeviceEntry>>
  : M extends { readonly kind: "cpuMap" }
    ? CpuMap<TargetOf<M, CpuEntry>>
    : M extends { readonly kind: "xskMap" }
      ? XskMap
      : M extends { readonly kind: "progArray" }
        ? ProgArray
        : LoadedMap;

type LoadedKeylessMap<M> = M extends { readonly kind: "ringBuffer" }
  ? RingBufferMap<M extends { readonly value: infer V extends Schema } ? User<V> : Uint8Array>
  : M extends { readonly kind: "perfEventArray" }
    ? PerfEventArray
    : M extends { readonly kind: infer Kind; readonly value: infer V }
      ? Kind extends "queue"
        ? QueueMap<User<V & Schema>>
        : Kind extends "stack"
          ? StackMap<User<V & Schema>>
          : Kind extends "bloomFilter"
            ? BloomFilterMap<User<V & Schema>>
            : OpaqueMap
      : OpaqueMap;

/** The name that a program goes by: that of its options, else that of its export. */
type NameOf<Export, P> = P extends ProgramDeclaration<string, infer Name> ? (string extends Name ? Export : Name) : never;

type HookOf<P> = P extends ProgramDeclaration<infer Hook> ? Hook : string;

/** The programs of a module by name; any name when the module's type is unknown. */
export type ProgramsOf<M> = unknown extends M
  ? Readonly<Record<string, LoadedProgram>>
  : { readonly [K in keyof M as NameOf<K, M[K]>]: LoadedProgram<HookOf<M[K]>> };

/** The maps of a module by name; any name when the module's type is unknown. */
export type MapsOf<M> = unknown extends M
  ? Readonly<Record<string, LoadedMap>>
  : { readonly [K in keyof M as M[K] extends AnyKernelMap ? K : never]: LoadedMapOf<M[K]> };

/** A module's variable as user space has it: 64-bit integers are bigints, byte arrays `Uint8Array`s; `never` for what is none. */
type GlobalOf<V> = [V] extends [ObjectVariable<infer T>] ? T : ModuleVariable<V>;

type ModuleVariable<V> = [V] extends [boolean]
  ? [boolean] extends [V]
    ? boolean
    : never
  : [V] extends [number]
    ? [FlavourOf<V>] extends [never]
      ? never
      : "u64" extends FlavourOf<V>
        ? bigint
        : "i64" extends FlavourOf<V>
          ? bigint
          : number
    : [SchemaOf<V>] extends [never]
      ? V extends Bytes<number>
        ? Uint8Array
        : never
      : User<SchemaOf<V>>;

/** The exported variables and settings of a module by name; any name when the module's type is unknown. */
export type GlobalsOf<M> = unknown extends M
  ? Record<string, unknown>
  : { [K in keyof M as [GlobalOf<M[K]>] extends [never] ? never : K]: GlobalOf<M[K]> };

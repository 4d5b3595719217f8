/** The map commands of bpf(2). Keys and values are bytes here; lengths are the caller's duty, because the kernel is given addresses only. */
import { bpf, bpfSucceedsInBackground, tryBpf } from "./bpf-call.ts";
import { type BtfFd, Fd, type MapFd } from "./fd.ts";

export interface MapCreate {
  /** At most 15 bytes of letters, digits, "_" and "."; see `kernelName`. */
  name: string;
  /** `enum bpf_map_type`. */
  type: number;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  flags: number;
  /** `map_extra`: only for types that give it a meaning (Linux 5.16); 0 otherwise. */
  extra?: number;
  /** The memory node that it lies on; it counts only with BPF_F_NUMA_NODE in `flags`. */
  numaNode?: number;
  /** The device on whose card it is made; 0 or left out for the host's memory. */
  ifindex?: number;
  /** For maps of maps: a map of the shape that those in it must have. */
  innerLike?: MapFd;
  btf?: { fd: BtfFd; keyTypeId: number; valueTypeId: number };
}

/** @throws SyscallError */
export function mapCreate(map: MapCreate): MapFd {
  const { result } = bpf("MAP_CREATE", {
    map_type: map.type,
    key_size: map.keySize,
    value_size: map.valueSize,
    max_entries: map.maxEntries,
    map_flags: map.flags,
    map_name: map.name,
    btf_fd: map.btf?.fd.number ?? 0,
    btf_key_type_id: map.btf?.keyTypeId ?? 0,
    btf_value_type_id: map.btf?.valueTypeId ?? 0,
    map_extra: map.extra ?? 0,
    numa_node: map.numaNode ?? 0,
    map_ifindex: map.ifindex ?? 0,
    inner_map_fd: map.innerLike?.number ?? 0,
  });
  return new Fd("map", result);
}

/** What the kernel keeps of a name: 15 bytes; what it does not allow becomes "_". */
export function kernelName(name: string): string {
  return name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, 15);
}

/**
 * Reads the value of `key` into `value`. Without a key: a queue's or stack's next value; for a Bloom filter whether it has `value`. Returns 0 or a negative errno (-ENOENT: no such key).
 */
export function mapLookup(map: MapFd, key: Uint8Array | null, value: Uint8Array): number {
  return tryBpf("MAP_LOOKUP_ELEM", { map_fd: map.number, key, value }).result;
}

/** Reads and removes the next value of a queue or stack (Linux 4.20). Returns 0 or a negative errno (-ENOENT: there is none). */
export function mapTake(map: MapFd, value: Uint8Array): number {
  return tryBpf("MAP_LOOKUP_AND_DELETE_ELEM", { map_fd: map.number, key: null, value }).result;
}

/** Returns 0 or a negative errno. `flags`: BPF_ANY, BPF_NOEXIST, BPF_EXIST. Maps without keys take `null`. */
export function mapUpdate(map: MapFd, key: Uint8Array | null, value: Uint8Array, flags: number): number {
  return tryBpf("MAP_UPDATE_ELEM", { map_fd: map.number, key, value, flags }).result;
}

/** Returns 0 or a negative errno (-ENOENT: no such key). */
export function mapDelete(map: MapFd, key: Uint8Array): number {
  return tryBpf("MAP_DELETE_ELEM", { map_fd: map.number, key }).result;
}

/** Writes the key after `key` (null: the first) into `next`. Returns 0 or a negative errno (-ENOENT: `key` was the last). */
export function mapNextKey(map: MapFd, key: Uint8Array | null, next: Uint8Array): number {
  return tryBpf("MAP_GET_NEXT_KEY", { map_fd: map.number, key, next_key: next }).result;
}

export interface Batch {
  map: MapFd;
  /** Where the last batch ended (`end` of the call before); null to start. */
  start: Uint8Array | null;
  /** Receives the position to go on from: 4 bytes for hashes, a key for arrays. */
  end: Uint8Array;
  keys: Uint8Array;
  values: Uint8Array;
  /** Entries that `keys` and `values` have room for. */
  count: number;
}

/**
 * Reads many entries in one call (Linux 5.6; per-CPU arrays 5.13). `result` is 0, -ENOENT when this was the last batch, or another
 * negative errno (-ENOSPC: a hash bucket holds more than `count` entries); `count` entries were filled in.
 */
export function mapLookupBatch(batch: Batch): { result: number; count: number } {
  return runBatch("MAP_LOOKUP_BATCH", batch);
}

/** As `mapLookupBatch`, and deletes what it read. Hash types only. */
export function mapLookupAndDeleteBatch(batch: Batch): { result: number; count: number } {
  return runBatch("MAP_LOOKUP_AND_DELETE_BATCH", batch);
}

function runBatch(command: "MAP_LOOKUP_BATCH" | "MAP_LOOKUP_AND_DELETE_BATCH", batch: Batch) {
  const { result, read } = tryBpf(command, {
    in_batch: batch.start,
    out_batch: batch.end,
    keys: batch.keys,
    values: batch.values,
    count: batch.count,
    map_fd: batch.map.number,
  });
  return { result, count: read("count") };
}

/** Writes many entries in one call (Linux 5.6). Returns 0 or a negative errno, and how many were written before it. */
export function mapUpdateBatch(
  map: MapFd,
  keys: Uint8Array,
  values: Uint8Array,
  count: number,
  elementFlags: number,
): { result: number; count: number } {
  const { result, read } = tryBpf("MAP_UPDATE_BATCH", { map_fd: map.number, keys, values, count, elem_flags: elementFlags });
  return { result, count: read("count") };
}

/** As `mapUpdateBatch`, on another thread: false when not all were set, for a reason that calling `mapUpdateBatch` tells. */
export function updatesBatchInBackground(map: MapFd, keys: Uint8Array, values: Uint8Array, count: number): Promise<boolean> {
  return bpfSucceedsInBackground("MAP_UPDATE_BATCH", { map_fd: map.number, keys, values, count, elem_flags: 0 });
}

/** Deletes many keys in one call (Linux 5.6). Returns 0 or a negative errno, and how many were deleted before it. */
export function mapDeleteBatch(map: MapFd, keys: Uint8Array, count: number): { result: number; count: number } {
  const { result, read } = tryBpf("MAP_DELETE_BATCH", { map_fd: map.number, keys, count });
  return { result, count: read("count") };
}

/** Makes the map read-only for user space, for good (Linux 5.2). @throws SyscallError */
export function mapFreeze(map: MapFd): void {
  bpf("MAP_FREEZE", { map_fd: map.number });
}

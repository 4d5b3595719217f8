/**
 * Waiting until no program runs any more that may still see what was replaced before. The kernel does that itself when a map in a map is replaced
 * ("maybe_wait_bpf_programs"), so replacing one in a map made for it is a way to ask for it with bpf(2) alone, without membarrier(2), which kernels
 * with isolated CPUs refuse.
 */
import { BPF } from "./bpf-constants.ts";
import { mapCreate, mapUpdate } from "./bpf-maps.ts";
import { SyscallError } from "./errno.ts";

/** linux/bpf.h */
const ARRAY = 2;
const ARRAY_OF_MAPS = 12;

/** Returns when every run of a program that began before this call has ended: some milliseconds. @throws SyscallError */
export function waitForPrograms(): void {
  const shape = { keySize: 4, valueSize: 4, maxEntries: 1, flags: 0 };
  using inner = mapCreate({ name: "grace_inner", type: ARRAY, ...shape });
  using outer = mapCreate({ name: "grace_outer", type: ARRAY_OF_MAPS, ...shape, innerLike: inner });
  const result = mapUpdate(outer, new Uint8Array(4), new Uint8Array(new Uint32Array([inner.number]).buffer), BPF.BPF_ANY);
  if (result < 0) throw new SyscallError("bpf", -result, "BPF_MAP_UPDATE_ELEM of a map of maps");
}

/**
 * The kernel's helper functions. They exist in the kernel only: called in user space they throw.
 * Source: bpf-helpers(7), linux/bpf.h.
 */
import { WirescriptError } from "../errors.ts";
import type { XdpAction } from "./actions.ts";
import type { PacketContext } from "./context.ts";
import type { i64, u16, u32, u64 } from "./integers.ts";
import type { Bytes, Given, Schema, View } from "./schema.ts";

function kernelOnly(name: string): never {
  throw new WirescriptError({
    code: "USAGE",
    what: `${name} was called in user space.`,
    why: "It is a kernel helper: it runs inside a program that the kernel has loaded.",
    fix: "Import a *.bpf.ts module from user space with `import type`, and load it with load().",
  });
}

/**
 * Sends the packet out of interface `ifindex`: `return redirect(7)`. Gives XDP_REDIRECT; when the interface is gone or cannot
 * transmit, the packet is dropped after the program, and the tracepoint xdp:xdp_redirect_err says why.
 */
export function redirect(_ifindex: u32): XdpAction {
  return kernelOnly("redirect");
}

/** Nanoseconds since boot, not counting suspension (CLOCK_MONOTONIC). */
export function ktimeGetNs(): u64 {
  return kernelOnly("ktimeGetNs");
}

/**
 * As `ktimeGetNs`, but as of the kernel's last tick, which is up to 10 ms ago: cheaper by an order of magnitude, for timeouts. Linux 5.11.
 */
export function ktimeGetCoarseNs(): u64 {
  return kernelOnly("ktimeGetCoarseNs");
}

/**
 * The kernel's timer ticks: 100 to 1000 in a second, as it was built (CONFIG_HZ). On 64-bit machines the kernel reads them without a call, so that a program can ask
 * for next to nothing whether time has passed. Linux 5.6.
 */
export function jiffies64(): u64 {
  return kernelOnly("jiffies64");
}

/** A pseudo-random number. */
export function getPrandomU32(): u32 {
  return kernelOnly("getPrandomU32");
}

/** The CPU that runs the program, from 0. */
export function getSmpProcessorId(): u32 {
  return kernelOnly("getSmpProcessorId");
}

/**
 * The two bytes of `value` in reverse order, as C's `htons` and `ntohs` give them. Fields of network order need none: they are read and
 * written in host order. It is for arithmetic on words as they lie in the packet.
 */
export function byteSwap16(_value: u16): u16 {
  return kernelOnly("byteSwap16");
}

/** The four bytes of `value` in reverse order. */
export function byteSwap32(_value: u32): u32 {
  return kernelOnly("byteSwap32");
}

/** The eight bytes of `value` in reverse order. */
export function byteSwap64(_value: u64): u64 {
  return kernelOnly("byteSwap64");
}

/**
 * The one's complement sum of `to` minus that of `from`, added to `seed` (RFC 1071). Both are byte arrays of a multiple of four
 * bytes, at most 512; `null` stands for none. The sum is not folded to 16 bits and not complemented.
 */
export function csumDiff(_from: Bytes<number> | null, _to: Bytes<number> | null, _seed: u32): i64 {
  return kernelOnly("csumDiff");
}

/**
 * Writes a line to the kernel's trace buffer: `` trace`ttl=${ip.ttl}` ``. Up to three integers, printed in decimal. Costly: for
 * debugging only. Read it in /sys/kernel/tracing/trace_pipe.
 */
export function trace(_text: TemplateStringsArray, ..._values: number[]): void {
  kernelOnly("trace");
}

/** The numbers from 0 to `end - 1`, or from `start` to `end - 1`, both constants: `for (const i of range(4))`. */
export function* range(start: number, end?: number): Iterable<number> {
  const [from, to] = end === undefined ? [0, start] : [start, end];
  for (let i = from; i < to; i++) yield i;
}

/**
 * Adds `value` to a field that CPUs share, so that no addition is lost: `atomicAdd(counter.packets, 1)`. The field is a `u32`,
 * `u64`, `i32` or `i64` of a map's element, or a variable of the module.
 */
export function atomicAdd(_field: number, _value: number): void {
  kernelOnly("atomicAdd");
}

/**
 * A struct or an array on the program's stack, filled with `value`, or with zeros. It lives as long as the program runs: what a helper
 * needs that answers in place, or a table that is filled for one packet.
 */
export function local<S extends Schema>(_schema: S, _value?: Given<S>): View<S> {
  return kernelOnly("local");
}

/**
 * Asks the kernel's routing table and neighbour table where a packet goes (struct bpf_fib_lookup, 64 bytes, which is filled in).
 * Gives 0 or one of `FibResult`, or a negative errno. `fibLookupIPv4` and `fibLookupIPv6` of wirescript/net are easier to use.
 */
export function fibLookup(_ctx: PacketContext, _params: object, _flags: u32): i64 {
  return kernelOnly("fibLookup");
}

/** Whether two structs, arrays or byte arrays of one schema hold the same bytes: `equals(a.endpoint, b.endpoint)`. */
export function equals<T extends object>(_left: T, _right: T): boolean {
  return kernelOnly("equals");
}

/** Exchanges what two places in memory hold: fields, elements, structs or arrays, as in `swap(eth.src, eth.dst)`. */
export function swap<T>(_left: T, _right: T): void {
  kernelOnly("swap");
}

/**
 * The memory of `place`, a struct, array or byte array, seen as `schema`, which is at most as long: `viewAs(ip.src, arrayOf(be16, 8))`.
 * Writes through either are seen by both.
 */
export function viewAs<S extends Schema>(_place: object, _schema: S): View<S> {
  return kernelOnly("viewAs");
}

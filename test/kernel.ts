/** Compiles a module given as text, loads it into the real kernel, and runs it on packets: for tests of what code means. */
import { resolve } from "node:path";
import { type CompileOptions, compile } from "../src/compiler/compile.ts";
import { type LoadedObject, loadSpec } from "../src/index.ts";

/** Why tests that load programs cannot run here; `null` when they can. */
export const noKernel: string | null =
  process.platform !== "linux" ? "needs Linux" : process.getuid?.() === 0 ? null : "needs root";

/** The same behind a test's title, where those who read the summary of skipped tests find it. */
export const withoutKernel: string = noKernel === null ? "" : ` (skipped: ${noKernel})`;

export const PRELUDE = `import {
  array, be16, be32, be64, bits, bool, byteSwap16, byteSwap32, byteSwap64, bytes, csumDiff, getPrandomU32, getSmpProcessorId, hash, i16, i32, i64, i8, jiffies64, ktimeGetCoarseNs, ktimeGetNs, lruHash, perCpuArray,
  perCpuHash, range, redirect, struct, trace, u16, u32, u64, u8, xdp, XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX,
} from "wirescript/kernel";
import type { Bytes, Infer, Ref, Schema, View, XdpAction, XdpContext } from "wirescript/kernel";
import { Ethernet, EtherType, ethernetPayload, Icmp, IPv4, IPv6, IpProtocol, replaceInChecksum, Tcp, Udp } from "wirescript/net";
`;

export interface Running extends Disposable {
  object: LoadedObject;
  run(packet: Uint8Array): { action: number; packet: Uint8Array };
}

/** A module of `text` behind the prelude; `run` runs its program `p`. */
export function start(text: string, options: CompileOptions = {}): Running {
  const file = resolve("test/example.bpf.ts");
  const { spec } = compile(file, { ...options, overlay: new Map([[file, PRELUDE + text]]) });
  const object = loadSpec(spec);
  return {
    object,
    run: (packet) => object.program("p").run(packet),
    [Symbol.dispose]: () => object[Symbol.dispose](),
  };
}

/** Runs `body`, the inside of a program `(ctx) => { … }` that must return, once on `packet`. */
export function runOnce(body: string, packet: Uint8Array, declarations = "", options: CompileOptions = {}) {
  using running = start(`${declarations}\nexport const p = xdp((ctx) => {\n${body}\n});`, options);
  return running.run(packet);
}

/** A frame of `length` bytes (at least the 14 that the kernel wants) with `words` as little-endian 64-bit numbers from byte 16 on. */
export function frame(words: readonly bigint[] = [], length = 16 + words.length * 8): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, 14));
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setBigUint64(16 + index * 8, BigInt.asUintN(64, word), true);
  return bytes;
}

/** The little-endian 64-bit number number `index` behind byte 16. */
export function word(packet: Uint8Array, index: number): bigint {
  return new DataView(packet.buffer, packet.byteOffset).getBigUint64(16 + index * 8, true);
}

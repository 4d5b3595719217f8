/** `wirescript/kernel`: what a `*.bpf.ts` module imports. */
export * from "./actions.ts";
export * from "./chain.ts";
export type { PacketContext, XdpContext } from "./context.ts";
export * from "./functions.ts";
export * from "./helpers.ts";
export * from "./integers.ts";
export * from "./maps/array.ts";
export * from "./maps/bloom-filter.ts";
export * from "./maps/hash.ts";
export * from "./maps/lpm-trie.ts";
export type { KernelMap, MapOptions, MutableMap, UpdateMode } from "./maps/map.ts";
export * from "./maps/queue.ts";
export * from "./maps/targets.ts";
export * from "./program.ts";
export * from "./schema.ts";
export * from "./settings.ts";
export * from "./tc-actions.ts";
export type { AdjustRoomOptions, L4ChecksumOptions, TcContext, TcIngressContext } from "./tc-context.ts";

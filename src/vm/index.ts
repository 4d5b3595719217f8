/** The bytecode in user space: a reference interpreter that needs neither a kernel nor root. */
export { VmFault } from "./fault.ts";
export type { FibAnswer, FibLookup, FibRequest } from "./fib.ts";
export type { Clone, RedirectTarget } from "./helpers.ts";
export { printMap, Vm, type VmOptions, type VmResult } from "./machine.ts";
export { type Element, VmMap } from "./maps/map.ts";
export { MAX_PACKET } from "./packet.ts";
export type { Skb, SkbFields } from "./skb.ts";

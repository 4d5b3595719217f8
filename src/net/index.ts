/** `wirescript/net`: protocol headers and packet arithmetic for kernel modules. */
export * from "./arp.ts";
export * from "./checksum.ts";
export * from "./ethernet.ts";
export * from "./fib.ts";
export * from "./icmp.ts";
export * from "./ip.ts";
export * from "./transport.ts";
export * from "./tunnel.ts";

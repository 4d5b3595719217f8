/** Packets for tests and benchmarks, built field by field: what is not said is a plain ping from one host to another. */
export * from "./bytes.ts";
export * from "./checksum.ts";
export * from "./ethernet.ts";
export * from "./hosts.ts";
export * from "./icmp.ts";
export * from "./ip.ts";
export * from "./ping.ts";
export * from "./tcp.ts";
export * from "./udp.ts";

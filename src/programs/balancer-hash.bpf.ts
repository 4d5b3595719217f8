/** The hash of a connection: picks its slot in the ring, and varies what routers spread tunnels by. src/balancer/flow-hash.ts is the same for user space. */
import { be32, struct, type u16, u32, viewAs } from "wirescript/kernel";
import type { IPv6Address } from "wirescript/net";

const Words = struct({ a: be32, b: be32, c: be32, d: be32 });

/** Of an IPv4 client. With source affinity, both ports are 0. */
export function flowHash4(client: u32, clientPort: u16, serverPort: u16): u32 {
  return mix(hashOfPorts(clientPort, serverPort) ^ client);
}

/** Of an IPv6 client. */
export function flowHash6(client: IPv6Address, clientPort: u16, serverPort: u16): u32 {
  const { a, b, c, d } = viewAs(client, Words);
  return mix(mix(mix(mix(hashOfPorts(clientPort, serverPort) ^ a) ^ b) ^ c) ^ d);
}

function hashOfPorts(clientPort: u16, serverPort: u16): u32 {
  return u32(((clientPort << 16) | serverPort) * 0x9e3779b1);
}

/** The last steps of MurmurHash3 (public domain). */
function mix(value: u32): u32 {
  let hash: u32 = u32((value ^ (value >> 16)) * 0x85ebca6b);
  hash = u32((hash ^ (hash >> 13)) * 0xc2b2ae35);
  return hash ^ (hash >> 16);
}

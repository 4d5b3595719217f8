/** The hash of a connection: picks its slot in the ring, and varies what routers spread tunnels by. src/balancer/flow-hash.ts is the same for user space. */
import { byteSwap32, type u16, u32 } from "wirescript/kernel";
import type { Ipv6Words } from "wirescript/net";

/** Of an IPv4 client. With source affinity, both ports are 0. */
export function flowHash4(client: u32, clientPort: u16, serverPort: u16): u32 {
  return mix(hashOfPorts(clientPort, serverPort) ^ client);
}

/** Of an IPv6 client. */
export function flowHash6({ a, b, c, d }: Ipv6Words, clientPort: u16, serverPort: u16): u32 {
  const ports = hashOfPorts(clientPort, serverPort);
  return mix(mix(mix(mix(ports ^ byteSwap32(a)) ^ byteSwap32(b)) ^ byteSwap32(c)) ^ byteSwap32(d));
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

/**
 * The hash by which the datapath picks a new connection's slot, for user space: `explain` says where a connection would go. The datapath's own is
 * `flowHash` of src/programs/balancer-hash.bpf.ts; a test holds the two together.
 */

/** A 32-bit hash of a client's address and ports. With source affinity, both ports are 0. `address` has 4 or 16 bytes, in network order. */
export function flowHash(address: Uint8Array, clientPort: number, serverPort: number): number {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  let hash = Math.imul(((clientPort << 16) | serverPort) >>> 0, 0x9e3779b1);
  for (let at = 0; at < address.length; at += 4) hash = mix(hash ^ view.getUint32(at));
  return hash >>> 0;
}

/** The slot of a ring of `size` slots that `hash` picks. */
export function slotOf(hash: number, size: number): number {
  return Math.floor((hash * size) / 2 ** 32);
}

/** The last steps of MurmurHash3 (public domain). */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

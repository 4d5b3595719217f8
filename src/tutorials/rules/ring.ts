/**
 * Which server each slot of a ring belongs to, by highest random weight (Thaler and Ravishankar, 1998): each slot goes to the server whose
 * hash with that slot is the largest. So a server that goes leaves its own slots to the others, one that comes takes its share from all,
 * and no other slot moves. Pure.
 */

export interface RingMember {
  /** What a slot holds. */
  number: number;
  /** What is hashed: the same server has the same slots, whatever its number. */
  address: number;
}

/** The number of the member that each slot belongs to; 0 everywhere when there are no members. */
export function spread(members: readonly RingMember[], slots: number): Uint32Array {
  return Uint32Array.from({ length: slots }, (_, slot) => ownerOf(members, slot));
}

function ownerOf(members: readonly RingMember[], slot: number): number {
  let [best, owner] = [-1, 0];
  for (const { number, address } of members) {
    const weight = mix(address ^ Math.imul(slot + 1, 0x9e3779b1));
    if (weight > best) [best, owner] = [weight, number];
  }
  return owner;
}

/** The last steps of MurmurHash3 (public domain). */
function mix(value: number): number {
  let hash = value >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

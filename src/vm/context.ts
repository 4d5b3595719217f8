/**
 * The structure that a program gets in r1. The kernel rewrites every access to it, so there is no memory behind it: each hook says what its
 * fields are.
 */
import { VmFault } from "./fault.ts";
import type { AddressSpace, Region } from "./memory.ts";

/** What a program reads from and writes to its context. */
export interface VmContext {
  /** @throws VmFault where there is no field of that size. */
  load(offset: number, size: number): bigint;
  /** @throws VmFault where there is none, or the program may not write to it. */
  store(offset: number, size: number, value: bigint): void;
}

/** The packet, as far as contexts show it. */
interface PacketBounds {
  readonly region: Region;
  readonly meta: number;
  readonly data: number;
  readonly end: number;
}

/** `struct xdp_md`: the kernel turns the first three fields into pointers. */
export class XdpContext implements VmContext {
  readonly #space: AddressSpace;
  readonly #packet: PacketBounds;
  readonly #ingressIfindex: number;
  readonly #rxQueueIndex: number;

  constructor(space: AddressSpace, packet: PacketBounds, ingressIfindex: number, rxQueueIndex: number) {
    this.#space = space;
    this.#packet = packet;
    this.#ingressIfindex = ingressIfindex;
    this.#rxQueueIndex = rxQueueIndex;
  }

  load(offset: number, size: number): bigint {
    const { region, data, end, meta } = this.#packet;
    if (size === 4) {
      switch (offset) {
        case 0:
          return this.#space.address(region, data);
        case 4:
          return this.#space.address(region, end);
        case 8:
          return this.#space.address(region, meta);
        case 12:
          return BigInt(this.#ingressIfindex);
        case 16:
          return BigInt(this.#rxQueueIndex);
      }
    }
    throw noField("reads", offset, size);
  }

  store(offset: number, size: number): never {
    throw noField("writes", offset, size);
  }
}

export function noField(what: "reads" | "writes", offset: number, size: number): VmFault {
  return new VmFault(`The program ${what} ${size} bytes at offset ${offset} of its context, where there is no such field.`);
}

/**
 * Memory as regions that cannot reach each other: an address is a region's number in the upper half of a register and a place in
 * the lower one, so that arithmetic on it works as on the kernel's addresses, and every access is checked against its region. Number 0
 * is never given away, so that small integers and `null` are no addresses; a region begins in the middle of its half, so that an
 * address in front of it stays in it, and is refused.
 */
import { VmFault } from "./fault.ts";

const ORIGIN = 0x4000_0000;

export interface RegionOptions {
  readonly?: boolean;
  /** Reading a byte that was never written is a fault. */
  uninitialised?: boolean;
}

export class Region {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly readonly: boolean;
  /** The part that may be accessed: `from` inclusive, `to` exclusive. */
  from = 0;
  to: number;
  readonly #written: Uint8Array | null;

  constructor(name: string, bytes: Uint8Array, options: RegionOptions = {}) {
    this.name = name;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.to = bytes.length;
    this.readonly = options.readonly ?? false;
    this.#written = options.uninitialised === true ? new Uint8Array(bytes.length) : null;
  }

  checkRead(offset: number, size: number): void {
    this.#check(offset, size, "reads");
    if (this.#written === null) return;
    for (let at = offset; at < offset + size; at++) {
      if (this.#written[at] === 0) throw new VmFault(`The program reads byte ${at} of ${this.name}, which it has not written.`);
    }
  }

  checkWrite(offset: number, size: number): void {
    this.#check(offset, size, "writes");
    if (this.readonly) throw new VmFault(`The program writes to ${this.name}, which is read-only.`);
    this.#written?.fill(1, offset, offset + size);
  }

  #check(offset: number, size: number, what: string): void {
    if (offset >= this.from && offset + size <= this.to) return;
    const allowed = `bytes ${this.from} to ${this.to - 1} are its own`;
    throw new VmFault(`The program ${what} ${size} bytes at offset ${offset} of ${this.name}, where ${allowed}.`);
  }
}

/** Where an address points: bytes from the region's start. */
export interface Place {
  region: Region;
  offset: number;
}

/** The regions of one run, by number. */
export class AddressSpace {
  readonly #regions: Region[] = [];
  readonly #numbers = new Map<Region, number>();

  /** The address of the region's byte `offset`. */
  address(region: Region, offset = 0): bigint {
    let number = this.#numbers.get(region);
    if (number === undefined) {
      number = this.#regions.push(region);
      this.#numbers.set(region, number);
    }
    return (BigInt(number) << 32n) + BigInt(ORIGIN + offset);
  }

  /** `high` and `low` are the halves of the address, both unsigned. @throws VmFault when it is no address. */
  region(high: number, low: number): Region {
    const region = this.#regions[high - 1];
    if (region !== undefined) return region;
    throw new VmFault(
      `The program uses 0x${((BigInt(high) << 32n) | BigInt(low)).toString(16)} as an address, which it is not.`,
    );
  }

  /** Bytes from the region's start. */
  offset(low: number): number {
    return low - ORIGIN;
  }

  place(address: bigint): Place {
    const low = Number(address & 0xffff_ffffn);
    return { region: this.region(Number(address >> 32n), low), offset: this.offset(low) };
  }

  /** A copy of `size` bytes. @throws VmFault */
  read(address: bigint, size: number): Uint8Array {
    if (size === 0) return new Uint8Array();
    const { region, offset } = this.place(address);
    region.checkRead(offset, size);
    return region.bytes.slice(offset, offset + size);
  }

  /** @throws VmFault */
  write(address: bigint, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const { region, offset } = this.place(address);
    region.checkWrite(offset, bytes.length);
    region.bytes.set(bytes, offset);
  }
}

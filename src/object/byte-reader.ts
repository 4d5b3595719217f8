/** A cursor over little-endian bytes that came from outside: every read is checked, and a short input is a readable error. */
import { malformed } from "./malformed.ts";

export class ByteReader {
  readonly length: number;
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #label: string;

  /** `label` names the bytes in messages, e.g. "section .BTF". */
  constructor(bytes: Uint8Array, label: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#label = label;
    this.length = bytes.length;
  }

  get left(): number {
    return this.length - this.position;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** A 64-bit file offset or size as a number. Throws when no real file could be so large. */
  size64(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw malformed(`${this.#label} is damaged.`, `It holds the impossible size ${value}.`);
    return Number(value);
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** A view of `length` bytes at `offset`, counted from the start; the cursor stays. */
  slice(offset: number, length: number): Uint8Array {
    if (offset > this.length || length > this.length - offset) {
      throw malformed(
        `${this.#label} is cut short.`,
        `Bytes ${offset} to ${offset + length} are needed, but it has ${this.length}.`,
      );
    }
    return this.#bytes.subarray(offset, offset + length);
  }

  #take(count: number): number {
    const at = this.position;
    if (count > this.length - at) {
      throw malformed(`${this.#label} is cut short.`, `${count} bytes are needed at offset ${at}, but it has ${this.length}.`);
    }
    this.position = at + count;
    return at;
  }
}

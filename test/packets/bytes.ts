/** What packets are put together from. Numbers are in network order, most significant byte first. */

export function u16(value: number): number[] {
  return [value >> 8, value & 0xff];
}

export function join(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Bytes of which none is like its neighbours, so that a misplaced one shows. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + 3) & 0xff);
}

/** A copy with the byte at `at` replaced. */
export function changed(bytes: Uint8Array, at: number, byte: number): Uint8Array {
  return bytes.map((old, index) => (index === at ? byte : old));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

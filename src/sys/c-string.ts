/** Text as system calls take it: bytes with a zero byte at the end. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** IPv4 and IPv6 addresses as people write them, and as bytes in network order. */
import { isIP } from "node:net";
import { WirescriptError } from "../errors.ts";

/** AF_… of linux/socket.h. */
export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;

export type AddressFamily = typeof AF_INET | typeof AF_INET6;

/** 4 or 16 bytes. @throws WirescriptError USAGE when `text` is no address; a zone ("%eth0") is none either. */
export function parseIp(text: string): Uint8Array {
  const version = text.includes("%") ? 0 : isIP(text);
  if (version === 4) return parseIpv4(text);
  if (version === 6) return parseIpv6(text);
  throw new WirescriptError({
    code: "USAGE",
    what: `"${text}" is no IP address.`,
    why: "It is neither IPv4 (four decimal numbers up to 255) nor IPv6 (RFC 4291).",
    fix: 'Write it like "10.11.1.2" or "fc00:dead:cafe:1::2", without prefix length and zone.',
  });
}

function parseIpv4(text: string): Uint8Array {
  const [a, b, c, d] = text.split(".");
  return Uint8Array.of(Number(a), Number(b), Number(c), Number(d));
}

function parseIpv6(text: string): Uint8Array {
  const [head = "", tail] = text.split("::");
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const bytes = new Uint8Array(16);
  bytes.set(front);
  bytes.set(back, 16 - back.length);
  return bytes;
}

/** The bytes of colon-separated groups, the last of which may be an IPv4 address (RFC 4291, section 2.2). */
function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** The address in its canonical form (RFC 5952 for IPv6), from 4 or 16 bytes. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  const zeros = longestZeros(words);
  const hex = (part: number[]): string => part.map((word) => word.toString(16)).join(":");
  if (zeros.length < 2) return hex(words);
  return `${hex(words.slice(0, zeros.start))}::${hex(words.slice(zeros.start + zeros.length))}`;
}

/** The first of the longest runs of zero words. */
function longestZeros(words: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < words.length; start++) {
    let length = 0;
    while (words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** An IPv4 address as the number that its bytes are in network order: 10.0.0.1 is 0x0a000001. @throws WirescriptError USAGE */
export function ipv4ToNumber(text: string): number {
  const bytes = parseIp(text);
  if (bytes.length === 4) return new DataView(bytes.buffer).getUint32(0);
  throw new WirescriptError({
    code: "USAGE",
    what: `"${text}" is no IPv4 address.`,
    why: "It is an IPv6 address.",
    fix: 'Write it like "10.11.1.2".',
  });
}

/** The reverse of `ipv4ToNumber`. */
export function numberToIpv4(address: number): string {
  return formatIp(Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address));
}

export function familyOf(bytes: Uint8Array): AddressFamily {
  return bytes.length === 4 ? AF_INET : AF_INET6;
}

/** An address and the number of its leading bits that name the network. */
export interface Prefix {
  address: string;
  prefixLength: number;
}

/** Whether two networks share an address. Networks of different families do not. */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  const [left, right] = [parseIp(a.address), parseIp(b.address)];
  if (left.length !== right.length) return false;
  const bits = Math.min(a.prefixLength, b.prefixLength);
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = bits - bit >= 8 ? 0xff : (0xff << (8 - (bits - bit))) & 0xff;
    if ((((left[bit >> 3] ?? 0) ^ (right[bit >> 3] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

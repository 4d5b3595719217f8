/** Addresses and prefixes of a desired state: read, judged, and written as everybody else writes them (RFC 5952 for IPv6). */
import { formatIp, parseIp } from "../sys/ip-address.ts";
import type { Family } from "./contract.ts";

export interface NetworkAddress {
  family: Family;
  /** 4 or 16, in network order. */
  bytes: Uint8Array;
  /** 32 or 128 for a single address. */
  prefixLength: number;
  /** In canonical form; without a length for a single address. */
  text: string;
}

/** What is wrong with a text that should be one. */
export interface NoAddress {
  what: string;
  fix: string;
}

/** A single address. */
export function readAddress(text: string): NetworkAddress | NoAddress {
  let bytes: Uint8Array;
  try {
    bytes = parseIp(text);
  } catch {
    return {
      what: `"${text}" is no IP address.`,
      fix: 'Write it like "192.0.2.1" or "2001:db8::1", without zone and prefix length.',
    };
  }
  if (isMapped(bytes)) {
    return { what: `"${text}" is an IPv4 address in IPv6's clothes.`, fix: `Write it as ${formatIp(bytes.subarray(12))}.` };
  }
  const family = bytes.length === 4 ? 4 : 6;
  return { family, bytes, prefixLength: bytes.length * 8, text: formatIp(bytes) };
}

/** An address, or a prefix like "192.0.2.0/24". */
export function readPrefix(text: string): NetworkAddress | NoAddress {
  const slash = text.indexOf("/");
  if (slash < 0) return readAddress(text);
  const address = readAddress(text.slice(0, slash));
  if (!isAddress(address)) return address;
  const length = text.slice(slash + 1);
  const bits = address.bytes.length * 8;
  const prefixLength = Number(length);
  if (!/^\d{1,3}$/.test(length) || prefixLength > bits) {
    return {
      what: `"${length}" is no prefix length of an IPv${address.family} address.`,
      fix: `Give a number from 0 to ${bits}.`,
    };
  }
  const network = address.bytes.map((byte, index) => byte & maskOf(prefixLength, index));
  if (network.some((byte, index) => byte !== address.bytes[index])) {
    return {
      what: `"${text}" has bits behind its prefix length, which would not count.`,
      fix: `Write ${formatIp(network)}/${prefixLength}, or the address alone.`,
    };
  }
  return { ...address, prefixLength, text: prefixLength === bits ? address.text : `${address.text}/${prefixLength}` };
}

export function isAddress(read: NetworkAddress | NoAddress): read is NetworkAddress {
  return "bytes" in read;
}

/** For text that was checked. */
export function knownPrefix(text: string): NetworkAddress {
  const read = readPrefix(text);
  if (isAddress(read)) return read;
  throw new RangeError(read.what);
}

/** Does the prefix hold the address? */
export function holds(prefix: NetworkAddress, { family, bytes }: NetworkAddress): boolean {
  return (
    family === prefix.family &&
    bytes.every((byte, index) => (byte & maskOf(prefix.prefixLength, index)) === prefix.bytes[index])
  );
}

/** Why no host has this address for itself; null when one may. */
export function notAHosts({ family, bytes }: NetworkAddress): string | null {
  const [first = 0, second = 0] = bytes;
  if (bytes.every((byte) => byte === 0)) return "It is the unspecified address.";
  if (family === 4) {
    if (first >= 224 && first < 240) return "It is a multicast address.";
    if (bytes.every((byte) => byte === 255)) return "It is the broadcast address.";
    return first === 127 ? "It is a loopback address, which no packet from the network has." : null;
  }
  if (first === 0xff) return "It is a multicast address.";
  if (bytes.every((byte, index) => byte === (index === 15 ? 1 : 0)))
    return "It is the loopback address, which no packet from the network has.";
  return first === 0xfe && (second & 0xc0) === 0x80
    ? "It is a link-local address, which means something else on every link."
    : null;
}

/** ::ffff:0:0/96 (RFC 4291, section 2.5.5.2). */
function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.subarray(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 0xff));
}

/** The bits of byte `index` that a prefix of that length covers. */
function maskOf(prefixLength: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
  return (0xff00 >> bits) & 0xff;
}

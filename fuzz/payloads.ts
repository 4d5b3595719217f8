/**
 * What the cursors of `wirescript/net` find, said once more from the RFCs: IEEE 802.1Q (two tags at most), RFC 791 (options), RFC 8200 (extension
 * headers, six at most), RFC 4302 (the length of an authentication header).
 */
import type { Packet } from "./frame.ts";
import type { View } from "./memory.ts";
import { wrap } from "./operators.ts";
import type { CursorField } from "./tree.ts";

/** Numbers as the cursor's result has them: `offset` a u32, `protocol` a u8. */
export type Found = Partial<Record<CursorField, bigint>>;

const TAGS = [0x8100n, 0x88a8n];
const [IPV4, IPV6] = [0x0800n, 0x86ddn];
const FRAGMENT = 44;
const AUTHENTICATION = 51;
/** Hop-by-hop options, routing, fragment, authentication, destination options. */
const EXTENSIONS = [0, 43, FRAGMENT, AUTHENTICATION, 60];
const MOST_TAGS = 2;
const MOST_EXTENSIONS = 6;

export function ethernetPayload(frame: Packet): Found | null {
  const header = frame.at(0n, 14);
  if (header === null) return null;
  let type = word(header, 12);
  let offset = 14n;
  for (let tags = 0; tags < MOST_TAGS && TAGS.includes(type); tags++) {
    const tag = frame.at(offset, 4);
    if (tag === null) break;
    type = word(tag, 2);
    offset += 4n;
  }
  return { type, offset };
}

export function ipPayload(frame: Packet, type: bigint, offset: bigint): Found | null {
  if (type === IPV4) return ipv4Payload(frame, offset);
  return type === IPV6 ? ipv6Payload(frame, offset) : null;
}

export function ipv4Payload(frame: Packet, offset: bigint): Found | null {
  const header = frame.at(offset, 20);
  if (header === null) return null;
  const [version, words] = [byte(header, 0) >> 4, byte(header, 0) & 15];
  if (version !== 4 || words < 5) return null;
  const next = wrap("u32", offset + BigInt(words * 4));
  return { protocol: BigInt(byte(header, 9)), offset: next, fragment: word(header, 6) & 0x1fffn };
}

export function ipv6Payload(frame: Packet, offset: bigint): Found | null {
  const header = frame.at(offset, 40);
  if (header === null || byte(header, 0) >> 4 !== 6) return null;
  let protocol = byte(header, 6);
  let next = wrap("u32", offset + 40n);
  for (let count = 0; count < MOST_EXTENSIONS && EXTENSIONS.includes(protocol); count++) {
    const extension = frame.at(next, 8);
    if (extension === null) return null;
    const fragment = word(extension, 2) >> 3n;
    const after = byte(extension, 0);
    if (protocol === FRAGMENT && fragment !== 0n) {
      return { protocol: BigInt(after), offset: wrap("u32", next + 8n), fragment };
    }
    const length = byte(extension, 1);
    const size = protocol === FRAGMENT ? 8 : protocol === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
    next = wrap("u32", next + BigInt(size));
    protocol = after;
  }
  return { protocol: BigInt(protocol), offset: next, fragment: 0n };
}

function byte({ bytes, at }: View, index: number): number {
  return bytes[at + index] ?? 0;
}

function word(view: View, index: number): bigint {
  return BigInt((byte(view, index) << 8) | byte(view, index + 1));
}

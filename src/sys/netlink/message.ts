/**
 * The netlink wire format: a header, a fixed struct that depends on the message's type, then attributes (type, length, value),
 * everything aligned to 4 bytes and in the host's byte order, which is little-endian on both architectures we run on.
 * Pure: bytes in, values out. See RFC 3549 and the kernel's Documentation/userspace-api/netlink.
 */
import { WirescriptError } from "../../errors.ts";
import { NETLINK, SIZE } from "./constants.ts";

export interface Message {
  type: number;
  flags: number;
  sequence: number;
  /** Everything after the header. */
  payload: Uint8Array;
}

/** An attribute's value by its type, without the nesting and byte-order flags. The last one wins, as in the kernel's parser. */
export type Attributes = Map<number, Uint8Array>;

const align = (length: number): number => (length + 3) & ~3;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** One attribute, padded. `value` is written as it stands. */
export function bytesAttribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(SIZE.nlattr + value.length));
  const view = viewOf(bytes);
  view.setUint16(0, SIZE.nlattr + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, SIZE.nlattr);
  return bytes;
}

export function u16Attribute(type: number, value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  viewOf(bytes).setUint16(0, value, true);
  return bytesAttribute(type, bytes);
}

/** Takes negative numbers too: a file descriptor of -1 is a value with a meaning. */
export function u32Attribute(type: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value >>> 0, true);
  return bytesAttribute(type, bytes);
}

/** A string with the zero byte at its end that the kernel's policies ask for. */
export function stringAttribute(type: number, value: string): Uint8Array {
  return bytesAttribute(type, new TextEncoder().encode(`${value}\0`));
}

/** An attribute that holds a fixed struct, if any, and attributes. */
export function nestedAttribute(type: number, ...parts: Uint8Array[]): Uint8Array {
  return bytesAttribute(type | NETLINK.NLA_F_NESTED, concatenate(parts));
}

export function encodeMessage(type: number, flags: number, sequence: number, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(SIZE.nlmsghdr);
  const view = viewOf(header);
  view.setUint32(0, SIZE.nlmsghdr + payload.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  // The port id stays 0: the kernel knows the sending socket.
  return concatenate([header, payload]);
}

/** The messages of one datagram. @throws WirescriptError INTERNAL when a length does not fit. */
export function decodeMessages(datagram: Uint8Array): Message[] {
  const view = viewOf(datagram);
  const messages: Message[] = [];
  for (let offset = 0; offset < datagram.length; ) {
    const length = offset + SIZE.nlmsghdr <= datagram.length ? view.getUint32(offset, true) : 0;
    if (length < SIZE.nlmsghdr || offset + length > datagram.length) throw malformed("message", offset, datagram.length);
    messages.push({
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      sequence: view.getUint32(offset + 8, true),
      payload: datagram.subarray(offset + SIZE.nlmsghdr, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/** The attributes from `offset` to the end. @throws WirescriptError INTERNAL when a length does not fit. */
export function decodeAttributes(payload: Uint8Array, offset = 0): Attributes {
  const view = viewOf(payload);
  const attributes: Attributes = new Map();
  for (let at = offset; at < payload.length; ) {
    const length = at + SIZE.nlattr <= payload.length ? view.getUint16(at, true) : 0;
    if (length < SIZE.nlattr || at + length > payload.length) throw malformed("attribute", at, payload.length);
    attributes.set(view.getUint16(at + 2, true) & NETLINK.NLA_TYPE_MASK, payload.subarray(at + SIZE.nlattr, at + length));
    at += align(length);
  }
  return attributes;
}

export const readU32 = (value: Uint8Array): number => viewOf(value).getUint32(0, true);

export const readI32 = (value: Uint8Array): number => viewOf(value).getInt32(0, true);

/** A string attribute's text, with or without its zero byte. */
export function readString(value: Uint8Array): string {
  const end = value.indexOf(0);
  return new TextDecoder().decode(end === -1 ? value : value.subarray(0, end));
}

function malformed(thing: string, offset: number, length: number): WirescriptError {
  return new WirescriptError({
    code: "INTERNAL",
    what: `A netlink ${thing} at byte ${offset} of ${length} does not fit into its datagram.`,
    why: "The kernel never sends this, so our decoder is wrong.",
    fix: "Please report it, with the output of `uname -a`.",
  });
}

/**
 * A packet taken apart: one layer for each header, each with its fields as text, and what is wrong with it (cut off, a false length, a
 * false checksum). Nothing is refused: a packet that a program has damaged is just what one wants to look at.
 */
import { internetChecksum, pseudoHeader } from "./checksum.ts";
import { formatField, readField } from "./fields.ts";
import { hex } from "./hex.ts";
import type { Checksum, Protocol, Value, Values } from "./protocol.ts";
import { PROTOCOLS } from "./protocols/index.ts";
import { isFragment } from "./protocols/ip.ts";

export interface LayerField {
  name: string;
  /** As people read it: "10.0.0.1", "0x0800 (IPv4)". */
  text: string;
}

export interface Layer {
  /** "eth", "ip", …; "payload" for what is not looked into, "padding" for bytes behind the end that the headers state. */
  protocol: string;
  /** "Ethernet", "IPv4", … */
  title: string;
  /** Bytes from the packet's start. */
  offset: number;
  /** Bytes. */
  length: number;
  fields: LayerField[];
  /** What is wrong, in sentences without a full stop. */
  problems: string[];
}

interface Walk {
  readonly packet: Uint8Array;
  readonly layers: Layer[];
  /** Addresses for checksums: those of the innermost IP header so far. */
  addresses: { src: Uint8Array; dst: Uint8Array } | null;
  fragment: boolean;
  /** Inside a quotation: nothing there has to be whole. */
  quoted: boolean;
}

/** How many headers are looked at: more is no honest packet. */
const DEEPEST = 32;

/** The layers of an Ethernet frame, outermost first. They cover all its bytes. */
export function decodePacket(packet: Uint8Array): Layer[] {
  const walk: Walk = { packet, layers: [], addresses: null, fragment: false, quoted: false };
  let at = 0;
  let end = packet.length;
  let next: string | null = "eth";
  while (next !== null && at < end && walk.layers.length < DEEPEST) {
    // `next` comes from a protocol's table, and all of these are known.
    const protocol = PROTOCOLS.get(next) as Protocol;
    const step = decodeHeader(walk, protocol, at, end);
    if (step === null) break;
    if (step.end < end) trailer(walk, step.end, end);
    ({ at, end, next } = step);
  }
  if (at < end) walk.layers.splice(trailerIndex(walk), 0, raw("payload", "payload", packet, at, end));
  return walk.layers;
}

/** Trailers found on the way stand behind everything that lies before them. */
function trailer(walk: Walk, from: number, to: number): void {
  walk.layers.push(raw("padding", "padding", walk.packet, from, to));
}

function trailerIndex({ layers }: Walk): number {
  const first = layers.findIndex(({ protocol }) => protocol === "padding");
  return first < 0 ? layers.length : first;
}

function raw(protocol: string, title: string, packet: Uint8Array, from: number, to: number): Layer {
  const bytes = packet.subarray(from, to);
  return { protocol, title, offset: from, length: to - from, fields: [{ name: "bytes", text: hex(bytes) }], problems: [] };
}

/** Null when the header does not fit, and what is there is a payload. */
function decodeHeader(
  walk: Walk,
  protocol: Protocol,
  at: number,
  end: number,
): { at: number; end: number; next: string | null } | null {
  const { packet } = walk;
  const values: Record<string, Value> = {};
  const fields: LayerField[] = [];
  let bit = at * 8;
  for (const field of protocol.fields) {
    if (field.present?.(values) === false) continue;
    if (bit + field.bits > end * 8) return cutOff(walk, protocol);
    const value = readField(packet, bit, field);
    values[field.name] = value;
    fields.push({ name: field.name, text: formatField(field, value) });
    bit += field.bits;
  }
  const fixed = bit / 8 - at;
  const stated = protocol.headerLength?.(values) ?? fixed;
  const problems: string[] = [];
  if (stated < fixed) problems.push(`its length of ${stated} bytes is less than a header has`);
  if (at + stated > end) problems.push(`its header of ${stated} bytes is cut off after ${end - at}`);
  const headerEnd = Math.min(end, at + Math.max(stated, fixed));
  if (headerEnd > at + fixed) fields.push({ name: "options", text: hex(packet.subarray(at + fixed, headerEnd)) });
  const length = headerEnd - at;

  const payload = protocol.payloadLength?.(values, length) ?? end - headerEnd;
  if (payload < 0) problems.push("its length ends within the header");
  else if (headerEnd + payload > end && !walk.quoted) {
    problems.push(`it states ${payload} bytes behind the header, and there are ${end - headerEnd}`);
  }
  const payloadEnd = payload < 0 ? end : Math.min(end, headerEnd + payload);
  const { src, dst } = values;
  if ((protocol.name === "ip" || protocol.name === "ip6") && src instanceof Uint8Array && dst instanceof Uint8Array) {
    walk.addresses = { src, dst };
    walk.fragment = false;
  }
  walk.fragment ||= isFragment(protocol.name, values);
  if (protocol.checksum !== undefined)
    problems.push(...wrongChecksum(walk, protocol.checksum, values, at, headerEnd, payloadEnd));
  const layer = { protocol: protocol.name, title: protocol.title, offset: at, length, fields, problems };
  walk.layers.splice(trailerIndex(walk), 0, layer);
  walk.quoted ||= protocol.quotes?.(values) === true;
  return { at: headerEnd, end: payloadEnd, next: protocol.next?.(values) ?? null };
}

function cutOff({ layers, quoted }: Walk, protocol: Protocol): null {
  const outer = layers.findLast(({ protocol }) => protocol !== "padding");
  if (!quoted) outer?.problems.push(`the ${protocol.title} header that follows is cut off`);
  return null;
}

function wrongChecksum(walk: Walk, sum: Checksum, values: Values, at: number, headerEnd: number, end: number): string[] {
  const isHeader = sum.covers === "header";
  if (sum.absent?.(values) === true || (!isHeader && (walk.quoted || walk.fragment))) return [];
  const bytes = walk.packet.slice(at, isHeader ? headerEnd : end);
  const right = checksumOf(sum, bytes, values, walk.addresses);
  const there = values[sum.field];
  // 0 and 0xffff are the same number in one's complement.
  if (right === null || there === right || (there === 0xffff && right === 0)) return [];
  return [`the checksum should be 0x${right.toString(16).padStart(4, "0")}`];
}

/** The checksum that `bytes`, a header with what it covers, should have; null when the addresses are not known. */
export function checksumOf(
  sum: Checksum,
  bytes: Uint8Array,
  values: Values,
  addresses: { src: Uint8Array; dst: Uint8Array } | null,
): number | null {
  const field = values[sum.field];
  if (typeof field !== "number") return null;
  const parts = [bytes];
  if (sum.covers === "pseudo-header") {
    if (addresses === null) return null;
    parts.unshift(pseudoHeader(addresses.src, addresses.dst, sum.protocol ?? 0, bytes.length));
  }
  // What is there is taken out of the sum again: the sum of the rest is what the field must make up for.
  const whole = ~internetChecksum(...parts) & 0xffff;
  const rest = whole + (~field & 0xffff);
  const folded = (rest & 0xffff) + (rest >> 16);
  const result = ~folded & 0xffff;
  // UDP writes a sum of 0 as 0xffff: 0 means that there is none.
  return sum.protocol === 17 && result === 0 ? 0xffff : result;
}

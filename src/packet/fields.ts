/** Fields as bits of a packet, and as text. Bits count from the most significant one of the first byte, as RFCs draw them. */
import { formatIp, parseIp } from "../sys/ip-address.ts";
import { formatMac, parseMac } from "../sys/mac.ts";
import { badPacket } from "./bad-packet.ts";
import { hex, parseHex } from "./hex.ts";
import type { Field, Value } from "./protocol.ts";

const isNumber = ({ kind }: Field): boolean => kind === "number" || kind === "hex";

/** The field whose first bit is number `at` of `bytes`. */
export function readField(bytes: Uint8Array, at: number, field: Field): Value {
  if (!isNumber(field)) return bytes.slice(at >> 3, (at + field.bits) >> 3);
  let value = 0;
  for (let bit = at; bit < at + field.bits; bit++) value = value * 2 + (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1);
  return value;
}

export function writeField(bytes: Uint8Array, at: number, field: Field, value: Value): void {
  if (typeof value !== "number") return bytes.set(value, at >> 3);
  for (let bit = at + field.bits - 1, rest = value; bit >= at; bit--, rest = Math.floor(rest / 2)) {
    const mask = 1 << (7 - (bit & 7));
    const byte = bytes[bit >> 3] ?? 0;
    bytes[bit >> 3] = rest % 2 === 1 ? byte | mask : byte & ~mask;
  }
}

/** "10.0.0.1", "0x0800 (IPv4)", "SYN|ACK", "64". */
export function formatField(field: Field, value: Value): string {
  if (typeof value !== "number") {
    if (field.kind === "mac") return formatMac(value);
    return field.kind === "ip" ? formatIp(value) : hex(value);
  }
  if (field.flags !== undefined) {
    const names = field.flags.filter((name, bit) => name !== "" && (value >> bit) & 1);
    return names.length === 0 ? "0" : names.reverse().join("|");
  }
  const text = field.kind === "hex" ? `0x${value.toString(16).padStart(Math.ceil(field.bits / 4), "0")}` : `${value}`;
  const name = field.names?.[value];
  return name === undefined ? text : `${text} (${name})`;
}

/** @throws WirescriptError USAGE when the text is no value of the field. `where` names it: "udp.destinationPort". */
export function parseField(field: Field, text: string, where: string): Value {
  if (field.kind === "mac") return parseMac(text);
  if (field.kind === "ip") return address(text, field.bits / 8, where);
  if (field.kind === "bytes") {
    const bytes = parseHex(text);
    if (bytes.length * 8 === field.bits) return bytes;
    throw badPacket(`${where} is not ${text}.`, `It has ${field.bits / 8} bytes.`, "Give each byte as two hexadecimal digits.");
  }
  const value = numberFrom(field, text);
  if (value !== null && value < 2 ** field.bits) return value;
  const names = [...Object.values(field.names ?? {}), ...(field.flags ?? [])].filter((name) => name !== "");
  throw badPacket(
    `${where} cannot be "${text}".`,
    `It is a number from 0 to ${2 ** field.bits - 1}${names.length === 0 ? "" : `, or one of ${names.join(", ")}`}.`,
    `For example: ${field.also ?? field.name}=${names[0] ?? "1"}`,
  );
}

function numberFrom(field: Field, text: string): number | null {
  if (/^(\d+|0x[0-9a-f]+)$/i.test(text)) return Number(text);
  const wanted = text.toLowerCase();
  const named = Object.entries(field.names ?? {}).find(([, name]) => name.toLowerCase() === wanted);
  if (named !== undefined) return Number(named[0]);
  const bits = wanted
    .split(/[|+]/)
    .map((name) => field.flags?.findIndex((each) => each !== "" && each.toLowerCase() === name) ?? -1);
  return bits.every((bit) => bit >= 0) ? bits.reduce((sum, bit) => sum | (1 << bit), 0) : null;
}

function address(text: string, length: number, where: string): Uint8Array {
  const bytes = parseIp(text);
  if (bytes.length === length) return bytes;
  throw badPacket(
    `${where} cannot be ${text}.`,
    `That is an address of IPv${bytes.length === 4 ? 4 : 6}, and the field is one of IPv${length === 4 ? 4 : 6}.`,
    bytes.length === 4 ? "Use ip instead of ip6, or give an IPv6 address." : "Use ip6 instead of ip, or give an IPv4 address.",
  );
}

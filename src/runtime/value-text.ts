/**
 * Values of maps as people and JSON write them. The codec turns bytes into numbers, bigints and Uint8Arrays; here these become addresses
 * where the type says that they are some, names where an enum has them, text where there are characters, and come back again.
 *
 * What counts as an address: six bytes (MAC); `struct in6_addr`, and 16 bytes or a `__be32` that are called an address or stand alone.
 */
import { withArticle } from "../article.ts";
import { WirescriptError } from "../errors.ts";
import { typeAt, underlying } from "../object/btf/layout.ts";
import type { Btf, BtfMember, BtfType } from "../object/btf/types.ts";
import { wireBits } from "../object/btf/wire-bits.ts";
import { formatIp, ipv4ToNumber, numberToIpv4, parseIp } from "../sys/ip-address.ts";
import { formatMac, parseMac } from "../sys/mac.ts";

/** The type of a value; null when the kernel knows none, and values are bytes or indexes. */
export interface ValueType {
  btf: Btf;
  id: number;
}

/** What JSON can hold, and bigints. */
export type Plain = string | number | bigint | boolean | null | Plain[] | { [name: string]: Plain };

const ADDRESS =
  /(^|_)(ip|ip4|ip6|ipv4|ipv6|addr|address|[sd]addr|src|dst|source|destination|gateway|next_?hop|network|target)(_|$|\d)/i;
const CAMEL_ADDRESS = /(Ip|Addr|Address)$/;

/** How the first field of a trie's keys is called. */
const PREFIX_LENGTH = /^(prefix_?len(gth)?|plen)$/i;

/** `""` is the name of a value that stands alone, such as a whole key. */
function meansAddress(name: string): boolean {
  return name === "" || ADDRESS.test(name) || CAMEL_ADDRESS.test(name);
}

/** A decoded value with its addresses, names and text written out. */
export function toPlain(type: ValueType | null, value: unknown, name = ""): Plain {
  const kind = type === null ? undefined : underlying(type.btf, type.id);
  if (value instanceof Uint8Array) return bytesText(type, value, name);
  if (type !== null && kind?.kind === "array" && Array.isArray(value)) {
    return value.map((each) => toPlain({ btf: type.btf, id: kind.type }, each, name || "element"));
  }
  if (type !== null && isCompound(kind) && typeof value === "object" && value !== null) {
    if (kind.name === "in6_addr") return in6Text(value);
    const members = membersOf(type.btf, kind);
    return Object.fromEntries(
      Object.entries(value).map(([member, each]) => {
        const id = members.get(member)?.type;
        return [member, toPlain(id === undefined ? null : { btf: type.btf, id }, each, member)];
      }),
    );
  }
  if (typeof value === "number" && type !== null) {
    if (typedefName(type) === "__be32" && meansAddress(name)) return numberToIpv4(value);
    if (kind?.kind === "enum") return kind.values.find((each) => each.value === value)?.name ?? value;
  }
  if (Array.isArray(value)) return value.map((each) => toPlain(null, each, name));
  // Numbers, bigints and booleans are all that is left.
  return value as Plain;
}

/** A value as one line: `{ rx_packets: 12, rx_bytes: 1200 }`. */
export function plainText(value: Plain): string {
  if (Array.isArray(value)) return `[${value.map(plainText).join(", ")}]`;
  if (typeof value !== "object" || value === null) return `${value}`;
  return `{ ${Object.entries(value)
    .map(([name, each]) => `${name}: ${plainText(each)}`)
    .join(", ")} }`;
}

/**
 * The value that a command line says: JSON, `name=value,name=value` for a struct, or a plain number, address or bytes in hexadecimal.
 *
 * @throws WirescriptError USAGE when it cannot be one of that type. `what` names it: "key", "value".
 */
export function fromText(type: ValueType | null, size: number, text: string, what: string): unknown {
  const trimmed = text.trim();
  if (/^[[{"]/.test(trimmed)) {
    let json: unknown;
    try {
      json = JSON.parse(trimmed.replace(/(?<=[[,:\s])-?\d{16,}(?=\s*[,}\]])/g, '"$&"'));
    } catch (cause) {
      throw wrong(what, text, `It is not JSON: ${(cause as Error).message}.`);
    }
    return fromPlain(type, size, json, what);
  }
  const kind = type === null ? undefined : underlying(type.btf, type.id);
  if (type !== null && isCompound(kind) && kind.name !== "in6_addr") {
    const prefix = /^([0-9a-f:.]+)\/(\d+)$/i.exec(trimmed);
    const members = [...membersOf(type.btf, kind)];
    const [length, address] = members;
    if (
      prefix !== null &&
      members.length === 2 &&
      length !== undefined &&
      PREFIX_LENGTH.test(length[0]) &&
      address !== undefined
    ) {
      return fromPlain(type, size, { [length[0]]: prefix[2], [address[0]]: prefix[1] }, what);
    }
    const [only] = members;
    if (members.length === 1 && only !== undefined && !trimmed.startsWith(`${only[0]}=`)) {
      return fromPlain(type, size, { [only[0]]: trimmed }, what);
    }
    const pairs = trimmed.split(",").map((pair) => /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(pair));
    if (pairs.every((pair) => pair !== null))
      return fromPlain(type, size, Object.fromEntries(pairs.map((pair) => [pair?.[1], pair?.[2]])), what);
    throw wrong(what, text, `It is ${withArticle(kind.kind)} with the members ${members.map(([name]) => name).join(", ")}.`);
  }
  return fromPlain(type, size, trimmed, what);
}

function fromPlain(type: ValueType | null, size: number, given: unknown, path: string): unknown {
  if (type === null) return untyped(size, given, path);
  const kind = wireBits(type.btf, type.id) === null ? underlying(type.btf, type.id) : undefined;
  if (kind?.kind === "array") {
    if (typeof given === "string") return bytesFrom(given, kind.length, isCharacter(type.btf, kind.type), path);
    if (!Array.isArray(given)) return given;
    return given.map((each, index) => fromPlain({ btf: type.btf, id: kind.type }, 0, each, `${path}[${index}]`));
  }
  if (isCompound(kind)) {
    if (kind.name === "in6_addr" && typeof given === "string") return in6From(type.btf, kind, parseIp(given));
    if (typeof given !== "object" || given === null || Array.isArray(given)) return given;
    const members = membersOf(type.btf, kind);
    return Object.fromEntries(
      Object.entries(given).map(([member, each]) => {
        const id = members.get(member)?.type;
        return [member, id === undefined ? each : fromPlain({ btf: type.btf, id }, 0, each, `${path}.${member}`)];
      }),
    );
  }
  if (typeof given !== "string") return given;
  if (kind?.kind === "enum" || kind?.kind === "enum64") {
    const named = kind.values.find(({ name }) => name === given);
    if (named !== undefined) return named.value;
  }
  if (kind?.kind === "int" && kind.encoding === "bool" && /^(true|false)$/.test(given)) return given === "true";
  if (typedefName(type) === "__be32" && /^\d+\.\d+\.\d+\.\d+$/.test(given)) {
    return ipv4ToNumber(given);
  }
  if (/^-?(\d+|0x[0-9a-f]+)$/i.test(given)) {
    const integer = given.startsWith("-") ? -BigInt(given.slice(1)) : BigInt(given);
    return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
  }
  throw wrong(
    path,
    given,
    `It is ${kind?.kind === "enum" ? `one of ${kind.values.map(({ name }) => name).join(", ")}` : "a number"}.`,
  );
}

/** Without types there are only bytes; of those that can be a number it may be one, in the order of this machine. */
function untyped(size: number, given: unknown, path: string): unknown {
  if (Array.isArray(given)) return Uint8Array.from(given as number[]);
  const text = `${given}`;
  const isNumber = /^(\d+|0x[0-9a-f]+)$/i.test(text) && text.length !== size * 2 && [1, 2, 4, 8].includes(size);
  if (!isNumber) return typeof given === "string" ? bytesFrom(given, size, false, path) : given;
  const number = BigInt(text);
  if (number >> BigInt(size * 8) !== 0n) throw wrong(path, text, `It has ${size} bytes.`);
  return Uint8Array.from({ length: size }, (_, byte) => Number((number >> BigInt(byte * 8)) & 0xffn));
}

function bytesFrom(text: string, length: number, characters: boolean, path: string): Uint8Array {
  if (length === 6 && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return parseMac(text);
  if ((length === 4 && /^\d+\.\d+\.\d+\.\d+$/.test(text)) || (length === 16 && text.includes(":"))) return parseIp(text);
  if (characters) {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > length) throw wrong(path, text, `It has room for ${length} bytes, and that is ${bytes.length}.`);
    const padded = new Uint8Array(length);
    padded.set(bytes);
    return padded;
  }
  const digits = text.replace(/^0x/i, "").replace(/[\s:]/g, "");
  if (!/^[0-9a-f]*$/i.test(digits) || digits.length !== length * 2) {
    throw wrong(path, text, `It has ${length} bytes, each written as two hexadecimal digits.`);
  }
  return new Uint8Array(Buffer.from(digits, "hex"));
}

function bytesText(type: ValueType | null, bytes: Uint8Array, name: string): string {
  const kind = type === null ? undefined : underlying(type.btf, type.id);
  if (type !== null && kind?.kind === "array") {
    if (isCharacter(type.btf, kind.type)) {
      const end = bytes.indexOf(0);
      const text = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
      if (/^[\x20-\x7e]*$/.test(text) && (end < 0 || bytes.subarray(end).every((byte) => byte === 0))) return text;
    }
    if (bytes.length === 6) return formatMac(bytes);
    if (bytes.length === 16 && meansAddress(name)) return formatIp(bytes);
  }
  return Buffer.from(bytes).toString("hex");
}

function in6Text(value: object): string {
  const bytes = [
    ...Object.values(value),
    ...Object.values(value).flatMap((each) => (isObject(each) ? Object.values(each) : [])),
  ].find((each): each is Uint8Array => each instanceof Uint8Array && each.length === 16);
  return bytes === undefined ? plainText(toPlain(null, value)) : formatIp(bytes);
}

/** The member of the union that holds bytes, as the codec wants it. */
function in6From(btf: Btf, type: Compound, bytes: Uint8Array): unknown {
  const [outer] = type.members;
  const union = outer === undefined ? undefined : underlying(btf, outer.type);
  const inner = isCompound(union) ? union.members[0]?.name : undefined;
  if (outer === undefined || inner === undefined) return bytes;
  return outer.name === "" ? { [inner]: bytes } : { [outer.name]: { [inner]: bytes } };
}

type Compound = Extract<BtfType, { kind: "struct" | "union" }>;

function isCompound(type: BtfType | undefined): type is Compound {
  return type?.kind === "struct" || type?.kind === "union";
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}

/** By name; those of unnamed structs and unions inside count as its own, as in the codec. */
function membersOf(btf: Btf, type: Compound, depth = 0): Map<string, BtfMember> {
  const members = new Map<string, BtfMember>();
  for (const member of type.members) {
    const inner = member.name === "" && depth < 8 ? underlying(btf, member.type) : undefined;
    if (isCompound(inner)) for (const [name, each] of membersOf(btf, inner, depth + 1)) members.set(name, each);
    else if (member.name !== "") members.set(member.name, member);
  }
  return members;
}

function typedefName({ btf, id }: ValueType): string | undefined {
  let type = typeAt(btf, id);
  for (let depth = 0; depth < 32 && type !== undefined; depth++) {
    if (type.kind === "typedef") return type.name;
    if (type.kind !== "const" && type.kind !== "volatile" && type.kind !== "restrict" && type.kind !== "type_tag")
      return undefined;
    type = typeAt(btf, type.type);
  }
  return undefined;
}

function isCharacter(btf: Btf, id: number): boolean {
  const type = underlying(btf, id);
  return type?.kind === "int" && type.size === 1 && (type.encoding === "char" || type.name === "char");
}

function wrong(what: string, text: string, why: string): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `"${text}" is not a valid ${what}.`,
    why,
    fix: "Write JSON, NAME=VALUE pairs for a struct, or a plain number, address or hexadecimal bytes.",
  });
}

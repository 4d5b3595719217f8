/** IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200). */
import { IP_PROTOCOLS, labels, numberFor, protocolOf } from "../numbers.ts";
import { type Field, numberOf, type Protocol, type Values } from "../protocol.ts";

const carryByProtocol = (field: string) => (next: string) => {
  const number = numberFor(IP_PROTOCOLS, next);
  return number === null ? null : { [field]: number };
};

export const ipv4: Protocol = {
  name: "ip",
  title: "IPv4",
  fields: [
    { name: "version", bits: 4, kind: "number", initial: 4 },
    { name: "ihl", bits: 4, kind: "number" },
    { name: "tos", bits: 8, kind: "hex" },
    { name: "totalLength", bits: 16, kind: "number", also: "len" },
    { name: "id", bits: 16, kind: "number" },
    { name: "flags", bits: 3, kind: "number", flags: ["MF", "DF", "reserved"] },
    { name: "fragmentOffset", bits: 13, kind: "number", also: "frag" },
    { name: "ttl", bits: 8, kind: "number", initial: 64 },
    { name: "protocol", bits: 8, kind: "number", also: "proto", names: labels(IP_PROTOCOLS) },
    { name: "checksum", bits: 16, kind: "hex", also: "chksum" },
    { name: "src", bits: 32, kind: "ip", initial: "10.0.0.1" },
    { name: "dst", bits: 32, kind: "ip", initial: "10.0.0.2" },
  ],
  headerLength: (values) => numberOf(values, "ihl") * 4,
  payloadLength: (values, headerLength) => numberOf(values, "totalLength") - headerLength,
  // Only a first fragment has a header behind it.
  next: (values) => (numberOf(values, "fragmentOffset") === 0 ? protocolOf(IP_PROTOCOLS, numberOf(values, "protocol")) : null),
  carry: carryByProtocol("protocol"),
  lengths: (headerLength, payloadLength) => ({ ihl: headerLength / 4, totalLength: headerLength + payloadLength }),
  checksum: { field: "checksum", covers: "header" },
};

export const ipv6: Protocol = {
  name: "ip6",
  title: "IPv6",
  fields: [
    { name: "version", bits: 4, kind: "number", initial: 6 },
    { name: "trafficClass", bits: 8, kind: "hex", also: "tc" },
    { name: "flowLabel", bits: 20, kind: "hex", also: "fl" },
    { name: "payloadLength", bits: 16, kind: "number", also: "plen" },
    { name: "nextHeader", bits: 8, kind: "number", also: "nh", names: labels(IP_PROTOCOLS), initial: 59 },
    { name: "hopLimit", bits: 8, kind: "number", also: "hlim", initial: 64 },
    { name: "src", bits: 128, kind: "ip", initial: "fd00::1" },
    { name: "dst", bits: 128, kind: "ip", initial: "fd00::2" },
  ],
  payloadLength: (values) => numberOf(values, "payloadLength"),
  next: (values) => protocolOf(IP_PROTOCOLS, numberOf(values, "nextHeader")),
  carry: carryByProtocol("nextHeader"),
  lengths: (_, payloadLength) => ({ payloadLength }),
};

const nextHeader: Field = { name: "nextHeader", bits: 8, kind: "number", also: "nh", names: labels(IP_PROTOCOLS), initial: 59 };

/** Extension headers that count their length in units of eight bytes, the first eight not counted. */
function extension(name: string, title: string): Protocol {
  return {
    name,
    title,
    fields: [
      nextHeader,
      { name: "length", bits: 8, kind: "number" },
      // An option that is padding: PadN with four bytes (RFC 8200, section 4.2).
      { name: "data", bits: 48, kind: "bytes", initial: "010400000000" },
    ],
    headerLength: (values) => (numberOf(values, "length") + 1) * 8,
    next: (values) => protocolOf(IP_PROTOCOLS, numberOf(values, "nextHeader")),
    carry: carryByProtocol("nextHeader"),
    lengths: (headerLength) => ({ length: headerLength / 8 - 1 }),
  };
}

export const hopByHop = extension("hopopts", "IPv6 hop-by-hop options");
export const destinationOptions = extension("dstopts", "IPv6 destination options");
export const routing = extension("routing", "IPv6 routing header");

export const fragment: Protocol = {
  name: "frag6",
  title: "IPv6 fragment header",
  fields: [
    nextHeader,
    { name: "reserved", bits: 8, kind: "number" },
    { name: "offset", bits: 13, kind: "number" },
    { name: "reserved2", bits: 2, kind: "number" },
    { name: "more", bits: 1, kind: "number" },
    { name: "id", bits: 32, kind: "number" },
  ],
  next: (values) => (numberOf(values, "offset") === 0 ? protocolOf(IP_PROTOCOLS, numberOf(values, "nextHeader")) : null),
  carry: carryByProtocol("nextHeader"),
};

/** Whether headers say that only a part of the packet is here, so that no checksum of the whole can be checked. */
export function isFragment(protocol: string, values: Values): boolean {
  if (protocol === "ip") return numberOf(values, "fragmentOffset") > 0 || (numberOf(values, "flags") & 1) === 1;
  return protocol === "frag6" && (numberOf(values, "offset") > 0 || numberOf(values, "more") === 1);
}

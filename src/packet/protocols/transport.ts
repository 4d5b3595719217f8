/** UDP (RFC 768) and TCP (RFC 9293). */
import { UDP_PORTS } from "../numbers.ts";
import { numberOf, type Protocol } from "../protocol.ts";

export const udp: Protocol = {
  name: "udp",
  title: "UDP",
  fields: [
    { name: "sourcePort", bits: 16, kind: "number", also: "sport", initial: 40000 },
    { name: "destinationPort", bits: 16, kind: "number", also: "dport", initial: 9 },
    { name: "length", bits: 16, kind: "number", also: "len" },
    { name: "checksum", bits: 16, kind: "hex", also: "chksum" },
  ],
  payloadLength: (values) => numberOf(values, "length") - 8,
  next: (values) => UDP_PORTS[numberOf(values, "destinationPort")] ?? null,
  carry: (next) => {
    const port = Object.entries(UDP_PORTS).find(([, name]) => name === next)?.[0];
    return port === undefined ? null : { destinationPort: Number(port) };
  },
  lengths: (headerLength, payloadLength) => ({ length: headerLength + payloadLength }),
  checksum: {
    field: "checksum",
    covers: "pseudo-header",
    protocol: 17,
    absent: (values) => numberOf(values, "checksum") === 0,
  },
};

export const tcp: Protocol = {
  name: "tcp",
  title: "TCP",
  fields: [
    { name: "sourcePort", bits: 16, kind: "number", also: "sport", initial: 40000 },
    { name: "destinationPort", bits: 16, kind: "number", also: "dport", initial: 80 },
    { name: "sequence", bits: 32, kind: "number", also: "seq" },
    { name: "acknowledgement", bits: 32, kind: "number", also: "ack" },
    { name: "dataOffset", bits: 4, kind: "number", also: "doff" },
    { name: "reserved", bits: 4, kind: "number" },
    { name: "flags", bits: 8, kind: "number", initial: "SYN", flags: ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] },
    { name: "window", bits: 16, kind: "number", initial: 64240 },
    { name: "checksum", bits: 16, kind: "hex", also: "chksum" },
    { name: "urgentPointer", bits: 16, kind: "number", also: "urg" },
  ],
  headerLength: (values) => numberOf(values, "dataOffset") * 4,
  lengths: (headerLength) => ({ dataOffset: headerLength / 4 }),
  checksum: { field: "checksum", covers: "pseudo-header", protocol: 6 },
};

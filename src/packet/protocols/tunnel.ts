/** GRE (RFC 2784, RFC 2890), VXLAN (RFC 7348), Geneve (RFC 8926). IP in IP needs no header of its own. */
import { ETHER_TYPES, labels } from "../numbers.ts";
import { numberOf, type Protocol } from "../protocol.ts";
import { carryByEtherType, nextByEtherType } from "./ethernet.ts";

export const gre: Protocol = {
  name: "gre",
  title: "GRE",
  fields: [
    { name: "checksumPresent", bits: 1, kind: "number" },
    { name: "reserved", bits: 1, kind: "number" },
    { name: "keyPresent", bits: 1, kind: "number" },
    { name: "sequencePresent", bits: 1, kind: "number" },
    { name: "reserved2", bits: 9, kind: "number" },
    { name: "version", bits: 3, kind: "number" },
    { name: "protocol", bits: 16, kind: "hex", also: "proto", names: labels(ETHER_TYPES) },
    { name: "checksum", bits: 16, kind: "hex", also: "chksum", present: (values) => numberOf(values, "checksumPresent") === 1 },
    { name: "reserved3", bits: 16, kind: "number", present: (values) => numberOf(values, "checksumPresent") === 1 },
    { name: "key", bits: 32, kind: "number", present: (values) => numberOf(values, "keyPresent") === 1 },
    { name: "sequence", bits: 32, kind: "number", also: "seq", present: (values) => numberOf(values, "sequencePresent") === 1 },
  ],
  next: nextByEtherType("protocol"),
  carry: carryByEtherType("protocol"),
  checksum: { field: "checksum", covers: "message", absent: (values) => numberOf(values, "checksumPresent") === 0 },
};

export const vxlan: Protocol = {
  name: "vxlan",
  title: "VXLAN",
  fields: [
    { name: "reserved", bits: 4, kind: "number" },
    { name: "vniPresent", bits: 1, kind: "number", initial: 1 },
    { name: "reserved2", bits: 27, kind: "number" },
    { name: "vni", bits: 24, kind: "number", initial: 1 },
    { name: "reserved3", bits: 8, kind: "number" },
  ],
  next: () => "eth",
  carry: (next) => (next === "eth" ? {} : null),
};

export const geneve: Protocol = {
  name: "geneve",
  title: "Geneve",
  fields: [
    { name: "version", bits: 2, kind: "number" },
    { name: "optionsLength", bits: 6, kind: "number" },
    { name: "control", bits: 1, kind: "number" },
    { name: "critical", bits: 1, kind: "number" },
    { name: "reserved", bits: 6, kind: "number" },
    { name: "protocol", bits: 16, kind: "hex", also: "proto", names: labels(ETHER_TYPES) },
    { name: "vni", bits: 24, kind: "number", initial: 1 },
    { name: "reserved2", bits: 8, kind: "number" },
  ],
  headerLength: (values) => 8 + numberOf(values, "optionsLength") * 4,
  next: nextByEtherType("protocol"),
  carry: carryByEtherType("protocol"),
  lengths: (headerLength) => ({ optionsLength: (headerLength - 8) / 4 }),
};

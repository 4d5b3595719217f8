/** Ethernet, VLAN tags (IEEE 802.1Q), ARP (RFC 826). */
import { ETHER_TYPES, labels, numberFor, protocolOf } from "../numbers.ts";
import { type Field, numberOf, type Protocol, type Values } from "../protocol.ts";

export const etherTypeField: Field = { name: "type", bits: 16, kind: "hex", names: labels(ETHER_TYPES) };

export const nextByEtherType = (field: string) => (values: Values) => protocolOf(ETHER_TYPES, numberOf(values, field));

export const carryByEtherType = (field: string) => (next: string) => {
  const number = numberFor(ETHER_TYPES, next);
  return number === null ? null : { [field]: number };
};

export const ethernet: Protocol = {
  name: "eth",
  title: "Ethernet",
  fields: [
    { name: "dst", bits: 48, kind: "mac", initial: "02:00:00:00:00:02" },
    { name: "src", bits: 48, kind: "mac", initial: "02:00:00:00:00:01" },
    etherTypeField,
  ],
  next: nextByEtherType("type"),
  carry: carryByEtherType("type"),
};

/** The tag's own EtherType stands in the header before it. */
export const vlan: Protocol = {
  name: "vlan",
  title: "VLAN",
  fields: [
    { name: "priority", bits: 3, kind: "number", also: "pcp" },
    { name: "dropEligible", bits: 1, kind: "number", also: "dei" },
    { name: "id", bits: 12, kind: "number", initial: 1 },
    etherTypeField,
  ],
  next: nextByEtherType("type"),
  carry: carryByEtherType("type"),
};

export const arp: Protocol = {
  name: "arp",
  title: "ARP",
  fields: [
    { name: "hardwareType", bits: 16, kind: "number", initial: 1, names: { 1: "Ethernet" } },
    { name: "protocolType", bits: 16, kind: "hex", initial: 0x0800, names: labels(ETHER_TYPES) },
    { name: "hardwareLength", bits: 8, kind: "number", initial: 6 },
    { name: "protocolLength", bits: 8, kind: "number", initial: 4 },
    { name: "operation", bits: 16, kind: "number", also: "op", initial: 1, names: { 1: "request", 2: "reply" } },
    { name: "senderMac", bits: 48, kind: "mac", also: "sha", initial: "02:00:00:00:00:01" },
    { name: "senderIp", bits: 32, kind: "ip", also: "spa", initial: "10.0.0.1" },
    { name: "targetMac", bits: 48, kind: "mac", also: "tha" },
    { name: "targetIp", bits: 32, kind: "ip", also: "tpa", initial: "10.0.0.2" },
  ],
};

/**
 * Packets in packets: GRE (RFC 2784, RFC 2890), VXLAN (RFC 7348), Geneve (RFC 8926) and GUE (draft-ietf-intarea-gue-09). IP in IP
 * (RFC 2003, RFC 4213) has no header of its own: the inner one stands at the `offset` of `ipPayload`.
 */
import { be16, bits, type Infer, type PacketContext, struct, u8, type u32 } from "../kernel/index.ts";
import type { EthernetPayload } from "./ethernet.ts";
import { type IpPayload, IpProtocol } from "./ip.ts";

/** UDP ports that say what a datagram carries. Source: the port numbers of IANA. */
export const TunnelPort = { VXLAN: 4789, GUE: 6080, GENEVE: 6081 } as const;

/** Without the optional fields, of four bytes each: checksum, key, sequence number. */
export const Gre = struct({
  checksumPresent: bits(1),
  reserved: bits(1),
  keyPresent: bits(1),
  sequencePresent: bits(1),
  reserved2: bits(9),
  version: bits(3),
  /** EtherType of what follows; TRANSPARENT_ETHERNET for a frame. */
  protocol: be16,
});
export type Gre = Infer<typeof Gre>;

export const Vxlan = struct({
  reserved: bits(4),
  /** 1 when `vni` counts, as it always should. */
  vniPresent: bits(1),
  reserved2: bits(27),
  /** The network's number. */
  vni: bits(24),
  reserved3: bits(8),
});
export type Vxlan = Infer<typeof Vxlan>;

/** Without options. */
export const Geneve = struct({
  version: bits(2),
  /** Of the options, in words of four bytes. */
  optionsLength: bits(6),
  control: bits(1),
  critical: bits(1),
  reserved: bits(6),
  /** EtherType of what follows; TRANSPARENT_ETHERNET for a frame. */
  protocol: be16,
  vni: bits(24),
  reserved2: bits(8),
});
export type Geneve = Infer<typeof Geneve>;

/** Without optional fields. */
export const Gue = struct({
  /** 0; with 1 there is no header at all: an IPv4 or IPv6 packet starts right here. */
  version: bits(2),
  /** 1 for a control message: `protocol` is its type then. */
  control: bits(1),
  /** Of the optional fields, in words of four bytes. */
  headerLength: bits(5),
  /** One of IpProtocol. */
  protocol: u8,
  flags: be16,
});
export type Gue = Infer<typeof Gue>;

/** What the GRE header at `offset` carries; `null` when it is cut off, or of a version other than 0. */
export function grePayload(ctx: PacketContext, offset: u32): EthernetPayload | null {
  const gre = ctx.at(Gre, offset);
  if (gre?.version !== 0 || gre.reserved !== 0) return null;
  const fields = gre.checksumPresent + gre.keyPresent + gre.sequencePresent;
  return { type: gre.protocol, offset: offset + Gre.size + fields * 4 };
}

/** The virtual network of what a tunnel carries, and where that starts: bytes from the start of the outer frame. */
export interface TunnelPayload {
  vni: u32;
  offset: u32;
}

/** The Ethernet frame behind the VXLAN header at `offset`: give its offset to `ethernetPayload`. `null` when the header is cut off or has no VNI. */
export function vxlanPayload(ctx: PacketContext, offset: u32): TunnelPayload | null {
  const vxlan = ctx.at(Vxlan, offset);
  return vxlan && vxlan.vniPresent === 1 ? { vni: vxlan.vni, offset: offset + Vxlan.size } : null;
}

/** What the Geneve header at `offset` carries, its options skipped; `null` when it is cut off, a control message, or of a version other than 0. */
export function genevePayload(ctx: PacketContext, offset: u32): (EthernetPayload & TunnelPayload) | null {
  const geneve = ctx.at(Geneve, offset);
  if (geneve?.version !== 0 || geneve.control !== 0) return null;
  return { type: geneve.protocol, vni: geneve.vni, offset: offset + Geneve.size + geneve.optionsLength * 4 };
}

/**
 * What the GUE header at `offset` carries; `null` when it is cut off, a control message, or of a version other than 0 and 1. `fragment`
 * is 0: GUE does not say.
 */
export function guePayload(ctx: PacketContext, offset: u32): IpPayload | null {
  const gue = ctx.at(Gue, offset);
  if (!gue) return null;
  if (gue.version === 0 && gue.control === 0) {
    return { protocol: gue.protocol, offset: offset + Gue.size + gue.headerLength * 4, fragment: 0 };
  }
  // Version 1 has no header: these are the first bits of an IP header's own version, 0100 or 0110.
  if (gue.version === 1 && gue.headerLength < 16) {
    return { protocol: gue.control === 0 ? IpProtocol.IPIP : IpProtocol.IPV6, offset, fragment: 0 };
  }
  return null;
}

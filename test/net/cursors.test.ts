/** The cursors of `wirescript/net` find in packets made by scapy what scapy put there, on the kernel; and nothing in what is cut off. */
import { describe, expect, test } from "vitest";
import { ArrayMap } from "../../src/index.ts";
import { noKernel, start } from "../kernel.ts";
import { lackingScapy, scapy } from "./scapy.ts";

const FOUND = `import {
  Arp, genevePayload, grePayload, guePayload, IcmpError, Icmpv6Error, Icmpv6Neighbor, Icmpv6Type, ipPayload, IpProtocol as Protocol,
  Ipv6FragmentHeader, TcpFlag, tcpPayload, vxlanPayload, type IpPayload,
} from "wirescript/net";
const Found = struct({ what: u32, offset: u32, more: u32 });
export const found = array({ value: Found, entries: 1 });
function report(what: u32, offset: u32, more: u32): XdpAction {
  const place = found.lookup(0);
  if (!place) return XDP_ABORTED;
  place.what = what;
  place.offset = offset;
  place.more = more;
  return XDP_PASS;
}
function layers(ctx: XdpContext): IpPayload | null {
  const frame = ethernetPayload(ctx);
  return frame ? ipPayload(ctx, frame.type, frame.offset) : null;
}
`;

interface Packet {
  hex: string;
  /** Absent: the cursor must give null. */
  found?: { what: number; offset: number; more: number };
}

/** The program, and what it finds in a packet. */
function started(program: string) {
  const running = start(`${FOUND}\nexport const p = xdp((ctx) => {\n${program}\n});`);
  const map = running.object.map<ArrayMap<NonNullable<Packet["found"]>>>("found", ArrayMap);
  const find = (bytes: Uint8Array): Packet["found"] => {
    map.set(0, { what: 0, offset: 0, more: 0 });
    return running.run(bytes).action === 2 ? map.get(0) : undefined;
  };
  return { find, [Symbol.dispose]: () => running[Symbol.dispose]() };
}

/**
 * A program finds what scapy says; of each packet cut off anywhere it finds the same or nothing: nothing up to some length, and the same
 * from there on, at the latest `needed` bytes into the payload.
 */
function agree(program: string, packets: readonly Packet[], needed = 0): void {
  using running = started(program);
  const { find } = running;
  expect(packets.length).toBeGreaterThan(10);
  for (const { hex, found } of packets) {
    const bytes = Buffer.from(hex, "hex");
    expect(find(bytes), hex).toEqual(found);
    let enough = false;
    for (let length = 14; length < bytes.length; length++) {
      const part = find(bytes.subarray(0, length));
      if (found !== undefined && length >= found.offset + needed) enough = true;
      if (part !== undefined) enough = true;
      expect(part, `${length} bytes of ${hex}`).toEqual(enough ? found : undefined);
    }
  }
}

/** What the packets of all tests are made with. */
const MAKERS = `
def emit(packet, what=None, offset=0, more=0):
    packet = raw(packet)
    line = {"hex": packet.hex()}
    if what is not None: line["found"] = {"what": what, "offset": offset, "more": more}
    print(json.dumps(line))

def ethernet(inner):
    tags = random.randint(0, 2)
    frame = Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    for i in range(tags): frame = frame / (Dot1AD if i == 0 and tags == 2 else Dot1Q)(vlan=random.randint(1, 4094))
    return frame / inner, 14 + 4 * tags

def ipv4(inner, **more):
    options = [IPOption_NOP()] * (4 * random.randint(0, 10))
    return IP(src="192.0.2.1", dst="192.0.2.2", options=options, **more) / inner, 20 + len(options)

def ipv6(inner, extensions=None):
    size, chain = 40, IPv6(src="2001:db8::1", dst="2001:db8::2")
    for _ in range(random.randint(0, 6) if extensions is None else extensions):
        header = random.choice([
            lambda: IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4 + 8 * random.randint(0, 8)))]),
            lambda: IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4 + 8 * random.randint(0, 30)))]),
            lambda: IPv6ExtHdrRouting(addresses=["2001:db8::3"] * random.randint(0, 5)),
            lambda: IPv6ExtHdrFragment(offset=0, m=1),
        ])()
        size += len(raw(header))
        chain = chain / header
    return chain / inner, size
`;

describe.skipIf(noKernel || lackingScapy)(`the cursors of wirescript/net${lackingScapy}`, () => {
  test("find the transport header behind VLAN tags, IPv4 options and IPv6 extension headers", () => {
    const packets = scapy<Packet>(`${MAKERS}
for _ in range(40):
    inner, protocol = random.choice([(UDP(sport=1, dport=2) / b"x", 17), (TCP(sport=1, dport=2), 6), (SCTP(), 132)])
    packet, size = random.choice([ipv4, ipv6])(inner)
    packet, at = ethernet(packet)
    emit(packet, protocol, at + size)
for _ in range(10):
    packet, size = ipv4(b"rest", frag=185, flags="MF", proto=17)
    packet, at = ethernet(packet)
    emit(packet, 17, at + size, 185)
for _ in range(10):
    packet, size = ipv6(IPv6ExtHdrFragment(offset=300, nh=6) / b"rest", extensions=random.randint(0, 5))
    packet, at = ethernet(packet)
    emit(packet, 6, at + size + 8, 300)
for words in range(0, 9):
    for inner, protocol in ((UDP(), 17), (TCP(), 6)):
        # An authentication header (RFC 4302): 12 bytes and the check value, its length in words of four bytes less two.
        authentication = bytes([protocol, 1 + words, 0, 0]) + bytes(8 + 4 * words)
        packet, size = ipv6(IPv6(nh=51, src="::1", dst="::2") / (authentication + raw(inner)), extensions=0)
        packet, at = ethernet(packet[IPv6].payload)
        emit(packet, protocol, at + size + 12 + 4 * words)
packet, at = ethernet(IP(ihl=4) / b"")
emit(packet)
packet, at = ethernet(IP(version=5) / b"")
emit(packet)
packet, at = ethernet(ARP())
emit(packet)
for _ in range(3):
    packet, size = ipv6(UDP(), extensions=0)
    for _ in range(7): packet = IPv6(nh=60, src="::1", dst="::2") / (bytes([60, 0, 1, 4, 0, 0, 0, 0]) * 6 + bytes([17, 0, 1, 4, 0, 0, 0, 0]))
    packet, at = ethernet(packet)
    emit(packet, 60, at + 40 + 48)
`);
    const program = `const ip = layers(ctx);
      if (!ip) return XDP_DROP;
      return report(ip.protocol, ip.offset, ip.fragment);`;
    agree(program, packets);
  });

  test("find what TCP, GRE, VXLAN, Geneve, GUE and IP in IP carry", () => {
    const tunnels = scapy<Packet>(`${MAKERS}
for _ in range(12):
    packet, size = ipv4(GRE(chksum_present=random.randint(0, 1), key_present=random.randint(0, 1), seqnum_present=random.randint(0, 1)) / IPv6())
    gre = packet[GRE]
    packet, at = ethernet(packet)
    emit(packet, 0x86dd, at + size + len(raw(gre)) - 40, 47)
for _ in range(12):
    vni = random.randint(0, 0xffffff)
    packet, size = ipv6(UDP(sport=1, dport=4789) / VXLAN(vni=vni, flags=8) / Ether() / IP(), extensions=0)
    packet, at = ethernet(packet)
    emit(packet, vni, at + size + 16, 4789)
for _ in range(12):
    vni = random.randint(0, 0xffffff)
    packet, size = ipv4(UDP(sport=1, dport=6081) / GENEVE(vni=vni, proto=0x6558, options=bytes(4 * random.randint(0, 63))) / Ether())
    words = raw(packet[GENEVE])[0] & 0x3f
    packet, at = ethernet(packet)
    emit(packet, vni, at + size + 16 + 4 * words, 6081)
for _ in range(12):
    words = random.randint(0, 31)
    packet, size = ipv4(UDP(sport=1, dport=6080) / (bytes([words, 41, 0, 0]) + bytes(4 * words) + raw(IPv6())))
    packet, at = ethernet(packet)
    emit(packet, 41, at + size + 12 + 4 * words, 6080)
for _ in range(12):
    packet, size = ipv6(IP() / UDP(), extensions=0)
    packet, at = ethernet(packet)
    emit(packet, 17, at + size + 20, 4)
for _ in range(12):
    options = [("NOP", None)] * 4 * random.randint(0, 10)
    packet, size = ipv4(TCP(options=options))
    packet, at = ethernet(packet)
    emit(packet, 0, at + size + 20 + len(options), 6)
`);
    const program = `const ip = layers(ctx);
      if (!ip) return XDP_DROP;
      switch (ip.protocol) {
        case Protocol.TCP: {
          const payload = tcpPayload(ctx, ip.offset);
          return payload === null ? XDP_DROP : report(0, payload, ip.protocol);
        }
        case Protocol.GRE: {
          const inner = grePayload(ctx, ip.offset);
          return inner ? report(inner.type, inner.offset, ip.protocol) : XDP_DROP;
        }
        case Protocol.IPIP: {
          const inner = ipPayload(ctx, EtherType.IPv4, ip.offset);
          return inner ? report(inner.protocol, inner.offset, ip.protocol) : XDP_DROP;
        }
      }
      const udp = ctx.at(Udp, ip.offset);
      if (!udp) return XDP_DROP;
      const start = ip.offset + Udp.size;
      switch (udp.destinationPort) {
        case 4789: {
          const inner = vxlanPayload(ctx, start);
          return inner ? report(inner.vni, inner.offset, udp.destinationPort) : XDP_DROP;
        }
        case 6081: {
          const inner = genevePayload(ctx, start);
          return inner ? report(inner.vni, inner.offset, udp.destinationPort) : XDP_DROP;
        }
        default: {
          const inner = guePayload(ctx, start);
          return inner ? report(inner.protocol, inner.offset, udp.destinationPort) : XDP_DROP;
        }
      }`;
    agree(program, tunnels);
    const withoutHeader = scapy<Packet>(`${MAKERS}
for _ in range(6):
    for inner, protocol in ((IP(), 4), (IPv6(), 41)):
        packet, size = ipv4(UDP(sport=1, dport=6080) / inner)
        packet, at = ethernet(packet)
        emit(packet, protocol, at + size + 8, 6080)
`);
    // Version 1 of GUE: the first of the inner packet's bytes say which family it is of.
    agree(program, withoutHeader, 4);
  });

  test("see ARP, ICMP errors, neighbour discovery, IPv6 fragments and TCP flags as scapy wrote them", () => {
    const packets = scapy<Packet>(`${MAKERS}
for _ in range(8):
    operation, sender, target = random.randint(1, 2), random.randint(0, 0xffffffff), random.randint(0, 0xffffffff)
    emit(Ether() / ARP(op=operation, psrc=socket.inet_ntoa(sender.to_bytes(4, "big")), pdst=socket.inet_ntoa(target.to_bytes(4, "big"))), operation, sender, target)
    mtu = random.randint(0, 0xffff)
    emit(Ether() / IP() / ICMP(type=3, code=4, nexthopmtu=mtu), 3, 4, mtu)
    mtu = random.randint(0, 0xffffffff)
    emit(Ether() / IPv6() / ICMPv6PacketTooBig(mtu=mtu), 2, 0, mtu)
    last = random.randint(0, 255)
    emit(Ether() / IPv6() / ICMPv6ND_NS(tgt="2001:db8::%x" % last), 135, 0, last)
    part, more, id = random.randint(0, 0x1fff), random.randint(0, 1), random.randint(0, 0xffffffff)
    emit(Ether() / IPv6() / IPv6ExtHdrFragment(nh=59, offset=part, m=more, id=id), part, more, id)
    flags, sequence = random.randint(0, 255), random.randint(0, 0xffffffff)
    emit(Ether() / IP() / TCP(flags=flags, seq=sequence), flags & 0x12, 5, sequence)
`);
    const program = `const eth = ctx.at(Ethernet);
      const ip = ctx.at(IPv6, Ethernet.size);
      if (eth?.type === EtherType.ARP) {
        const arp = ctx.at(Arp, Ethernet.size);
        return arp ? report(arp.operation, arp.senderIp, arp.targetIp) : XDP_DROP;
      }
      if (eth?.type === EtherType.IPv4) {
        const v4 = ctx.at(IPv4, Ethernet.size);
        if (v4?.protocol === Protocol.TCP) {
          const tcp = ctx.at(Tcp, 34);
          return tcp ? report(tcp.flags & (TcpFlag.SYN | TcpFlag.ACK), tcp.dataOffset, tcp.sequence) : XDP_DROP;
        }
        const error = ctx.at(IcmpError, 34);
        return error ? report(error.type, error.code, error.mtu) : XDP_DROP;
      }
      if (ip?.nextHeader === Protocol.FRAGMENT) {
        const part = ctx.at(Ipv6FragmentHeader, 54);
        return part ? report(part.offset, part.more, part.id) : XDP_DROP;
      }
      const error = ctx.at(Icmpv6Error, 54);
      if (!error) return XDP_DROP;
      if (error.type === Icmpv6Type.PACKET_TOO_BIG) return report(error.type, error.code, error.parameter);
      const neighbor = ctx.at(Icmpv6Neighbor, 54);
      return neighbor ? report(error.type, error.code, neighbor.target[15]) : XDP_DROP;`;
    using running = started(program);
    for (const { hex, found } of packets) expect(running.find(Buffer.from(hex, "hex")), hex).toEqual(found);
  });
});

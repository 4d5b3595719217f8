/** Random packets: of many lengths, with bytes that programs decide by more often than chance would have it, or of headers as they come. */
import { Random } from "./random.ts";

export function randomPackets(seed: number, count: number): Uint8Array[] {
  const random = new Random(seed ^ 0x5bd1_e995);
  return Array.from({ length: count }, () => {
    const length = random.chance(70) ? random.between(100, 240) : random.between(14, 100);
    const kind = random.below(4);
    const bytes = Uint8Array.from({ length }, () => {
      if (kind === 0) return random.below(256);
      if (kind === 1) return random.pick([0, 0, 0, 1, 2, 7, 0x7f, 0x80, 0xff]);
      return random.chance(50) ? random.below(256) : random.below(4);
    });
    if (kind === 3) bytes.set(headers(random).slice(0, length));
    return bytes;
  });
}

const [HOP_BY_HOP, ICMP, TCP, UDP, ROUTING, FRAGMENT, AUTHENTICATION, ICMPV6, OPTIONS] = [
  0, 1, 6, 17, 43, 44, 51, 58, 60,
] as const;

/** Ethernet, up to three VLAN tags, IPv4 with options or IPv6 with extension headers; in some, something is wrong. */
function headers(random: Random): number[] {
  const isIpv6 = random.chance(45);
  const type = random.chance(8) ? random.below(0x1_0000) : isIpv6 ? 0x86dd : 0x0800;
  const tags = Array.from({ length: random.pick([0, 0, 0, 1, 1, 2, 3]) }, () => random.pick([0x8100, 0x8100, 0x88a8]));
  const types = [...tags, type].flatMap((each, index) => (index === 0 ? word(each) : [...random.bytes(2), ...word(each)]));
  return [...random.bytes(12), ...types, ...(isIpv6 ? ipv6(random) : ipv4(random))];
}

function ipv4(random: Random): number[] {
  const words = random.chance(8) ? random.below(16) : random.pick([5, 5, 5, 6, 8, 15]);
  const version = random.chance(95) ? 4 : random.below(16);
  const fragment = random.pick([0, 0, 0x4000, 0x2000, 0x2001, 0x0150]);
  const protocol = random.pick([TCP, UDP, UDP, ICMP, 4, 47, random.below(256)]);
  return [
    (version << 4) | words,
    ...random.bytes(5),
    ...word(fragment),
    ...random.bytes(1),
    protocol,
    ...random.bytes(10),
    ...random.bytes(Math.max(0, words - 5) * 4),
  ];
}

function ipv6(random: Random): number[] {
  const chain = Array.from({ length: random.pick([0, 0, 0, 1, 1, 2, 3, 7]) }, () =>
    random.pick([HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, OPTIONS]),
  );
  const last = random.pick([TCP, UDP, UDP, ICMPV6, 59, random.below(256)]);
  const version = random.chance(95) ? 6 : random.below(16);
  const next = (index: number) => chain[index] ?? last;
  const extensions = chain.flatMap((protocol, index) => extension(random, protocol, next(index + 1)));
  return [(version << 4) | random.below(16), ...random.bytes(5), next(0), ...random.bytes(33), ...extensions];
}

function extension(random: Random, protocol: number, next: number): number[] {
  if (protocol === FRAGMENT) return [next, 0, ...word(random.pick([0, 0, 1, 0x0ab8, 0x0ab9])), ...random.bytes(4)];
  const length = random.pick([0, 0, 1, 2, random.chance(10) ? 40 : 1]);
  const size = protocol === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
  return [next, length, ...random.bytes(size - 2)];
}

function word(value: number): number[] {
  return [value >> 8, value & 0xff];
}

/** `packet` as the kernel makes a socket buffer of it for a test run: an IP header must not be cut off. */
export function forSocketBuffer(packet: Uint8Array): Uint8Array {
  const type = ((packet[12] ?? 0) << 8) | (packet[13] ?? 0);
  const header = type === 0x0800 ? 20 : type === 0x86dd ? 40 : 0;
  if (packet.length >= ETHERNET + header) return packet;
  const whole = new Uint8Array(ETHERNET + header);
  whole.set(packet);
  return whole;
}

const ETHERNET = 14;

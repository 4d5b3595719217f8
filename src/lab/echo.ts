/** ICMP and ICMPv6 echo messages of one prober: made, recognised, and compared byte by byte. Pure. RFC 792, RFC 4443 section 4. */
import { WirescriptError } from "../errors.ts";

const HEADER = 8;
const DEFAULT_PAYLOAD = 56;
const COOKIE = 14;
const MAX_PAYLOAD = 65_507;
const REQUEST = { 4: 8, 6: 128 } as const;
const REPLY = { 4: 0, 6: 129 } as const;

export type Judgement =
  | { verdict: "valid"; sequence: number; bytes: number; ttl: number | null }
  /** It claims to be ours, and is not what we sent. */
  | { verdict: "invalid"; reason: string }
  /** Another prober's. */
  | { verdict: "foreign" };

export class EchoExchange {
  readonly #family: 4 | 6;
  readonly #identifier: number;
  readonly #cookie: Uint8Array;
  readonly #size: number;

  /** `random`: 16 bytes that make this prober's messages different from every other's. `size`: bytes of payload, at least 16. */
  constructor(family: 4 | 6, random: Uint8Array, size: number = DEFAULT_PAYLOAD) {
    if (!Number.isInteger(size) || size < 16 || size > MAX_PAYLOAD) {
      throw new WirescriptError({
        code: "USAGE",
        what: `An echo request cannot have ${size} bytes of payload.`,
        why: "The first 16 bytes recognise the reply, and an IP packet ends at 65,535 bytes.",
        fix: `Choose a number from 16 to ${MAX_PAYLOAD}.`,
      });
    }
    this.#family = family;
    this.#identifier = ((random[0] ?? 0) << 8) | (random[1] ?? 0);
    this.#cookie = random.slice(2, 2 + COOKIE);
    this.#size = size;
  }

  /** The ICMP message. In ICMPv6 the kernel fills in the checksum, which covers the IP addresses. */
  request(sequence: number): Uint8Array {
    return this.#message(REQUEST[this.#family], sequence);
  }

  #message(type: number, sequence: number): Uint8Array {
    const bytes = new Uint8Array(HEADER + this.#size);
    const view = new DataView(bytes.buffer);
    bytes[0] = type;
    view.setUint16(4, this.#identifier);
    view.setUint16(6, sequence & 0xffff);
    bytes.set(this.#cookie, HEADER);
    // Counting bytes, so that one that is missing or moved is found.
    for (let i = COOKIE; i < this.#size; i++) bytes[HEADER + i] = i & 0xff;
    if (this.#family === 4) view.setUint16(2, internetChecksum(bytes));
    return bytes;
  }

  /** What `packet` is: an IPv4 packet with its header, or an ICMPv6 message. */
  judge(packet: Uint8Array): Judgement {
    const ttl = this.#family === 4 ? (packet[8] ?? 0) : null;
    const message = this.#family === 4 ? packet.subarray(((packet[0] ?? 0) & 0xf) * 4) : packet;
    if (message.length < HEADER || message[0] !== REPLY[this.#family]) return { verdict: "foreign" };
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    if (view.getUint16(4) !== this.#identifier) return { verdict: "foreign" };
    const sequence = view.getUint16(6);
    if (this.#family === 4 && internetChecksum(message) !== 0) {
      return { verdict: "invalid", reason: `its ICMP checksum 0x${view.getUint16(2).toString(16).padStart(4, "0")} is wrong` };
    }
    const expected = this.#message(REPLY[this.#family], sequence);
    if (message[1] !== 0) return { verdict: "invalid", reason: `its code is ${message[1]} instead of 0` };
    if (message.length !== expected.length) {
      return { verdict: "invalid", reason: `it has ${message.length} bytes instead of ${expected.length}` };
    }
    const differs = expected.findIndex((byte, i) => i >= HEADER && byte !== message[i]);
    if (differs !== -1) return { verdict: "invalid", reason: `byte ${differs - HEADER} of its payload is not what was sent` };
    return { verdict: "valid", sequence, bytes: message.length, ttl };
  }
}

/** RFC 1071: the complement of the one's-complement sum of all 16-bit words; 0 over a message whose checksum is right. */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

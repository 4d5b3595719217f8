import fc from "fast-check";
import { expect, test } from "vitest";
import { assertProperty } from "../../test/property.ts";
import { EchoExchange, internetChecksum } from "./echo.ts";

const RANDOM = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);

/** What an honest IPv4 host makes of a request: its header of `ihl` words, then type 0 and a checksum of its own making. */
function replyTo(request: Uint8Array, ihl = 5): Uint8Array {
  const packet = new Uint8Array(4 * ihl + request.length);
  packet[0] = 0x40 | ihl;
  packet[8] = 63;
  packet.set(request, 4 * ihl);
  const message = packet.subarray(4 * ihl);
  message[0] = 0;
  return withChecksum(packet, message);
}

function withChecksum(packet: Uint8Array, message: Uint8Array): Uint8Array {
  message.fill(0, 2, 4);
  const checksum = internetChecksum(message);
  message[2] = checksum >> 8;
  message[3] = checksum & 0xff;
  return packet;
}

// RFC 1071, section 3: the sum of these is ddf2.
test("the checksum is the one of RFC 1071", () => {
  expect(internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(0xffff & ~0xddf2);
});

test("a message with its checksum sums up to 0, whatever it holds", () => {
  assertProperty(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 200 }), (bytes) => {
      expect(internetChecksum(withChecksum(bytes, bytes))).toBe(0);
    }),
  );
});

test("a request is type 8, code 0, identifier, sequence and payload, with a correct checksum", () => {
  const request = new EchoExchange(4, RANDOM).request(0x0102);
  expect(Array.from(request.subarray(0, 2))).toEqual([8, 0]);
  expect(Array.from(request.subarray(4, 8))).toEqual([0xa0, 0xa1, 1, 2]);
  expect(request.length).toBe(64);
  expect(internetChecksum(request)).toBe(0);
});

test.each([5, 6, 15])("the right reply is valid with an IP header of %i words", (ihl) => {
  const exchange = new EchoExchange(4, RANDOM);
  expect(exchange.judge(replyTo(exchange.request(7), ihl))).toEqual({ verdict: "valid", sequence: 7, bytes: 64, ttl: 63 });
});

test("an ICMPv6 reply comes without an IP header, and the kernel has checked its sum", () => {
  const exchange = new EchoExchange(6, RANDOM);
  const reply = exchange.request(7);
  expect(reply[0]).toBe(128);
  reply[0] = 129;
  expect(exchange.judge(reply)).toEqual({ verdict: "valid", sequence: 7, bytes: 64, ttl: null });
});

test("sequence numbers wrap at 16 bits", () => {
  const exchange = new EchoExchange(4, RANDOM);
  expect(exchange.judge(replyTo(exchange.request(65_537)))).toMatchObject({ verdict: "valid", sequence: 1 });
});

test("every single flipped bit of a reply makes it foreign or invalid, or is of another header field", () => {
  const exchange = new EchoExchange(4, RANDOM, 16);
  for (let bit = 0; bit < 24 * 8; bit++) {
    const reply = replyTo(exchange.request(7));
    const at = 20 + (bit >> 3);
    reply[at] = (reply[at] ?? 0) ^ (1 << (bit & 7));
    expect(exchange.judge(reply).verdict, `bit ${bit}`).not.toBe("valid");
  }
});

test("a payload that was changed is found even when the checksum fits", () => {
  const exchange = new EchoExchange(4, RANDOM);
  const reply = replyTo(exchange.request(7));
  reply[20 + 8 + 30] = 0;
  expect(exchange.judge(withChecksum(reply, reply.subarray(20)))).toEqual({
    verdict: "invalid",
    reason: "byte 30 of its payload is not what was sent",
  });
});

test("a reply that was cut short, or has another code, is invalid", () => {
  const exchange = new EchoExchange(4, RANDOM);
  const short = replyTo(exchange.request(7)).slice(0, -2);
  expect(exchange.judge(withChecksum(short, short.subarray(20)))).toMatchObject({ reason: "it has 62 bytes instead of 64" });
  const code = replyTo(exchange.request(7));
  code[21] = 3;
  expect(exchange.judge(withChecksum(code, code.subarray(20)))).toMatchObject({ reason: "its code is 3 instead of 0" });
});

test("another prober's reply is foreign", () => {
  const other = new EchoExchange(
    4,
    RANDOM.map((byte) => byte ^ 1),
  );
  expect(new EchoExchange(4, RANDOM).judge(replyTo(other.request(7)))).toEqual({ verdict: "foreign" });
});

test.each([0, 15, 65_508, 20.5])("%d bytes of payload are refused", (size) => {
  expect(() => new EchoExchange(4, RANDOM, size)).toThrowError(expect.objectContaining({ code: "USAGE" }));
});

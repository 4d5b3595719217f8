/** The echo server by BPF_PROG_TEST_RUN: the real kernel runs it on every kind of packet, and every byte of the result is compared. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noKernel } from "../kernel.ts";
import { exchangeV4, HOST, hex, PEER, pingV4 } from "../packets/index.ts";
import { type Case, firstWrong, SHORTEST } from "./cases.ts";
import * as cases from "./echo-cases.ts";
import { Subject, XDP_TX } from "./subject.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;

describe.skipIf(noKernel !== null)(`echo${reason}`, () => {
  let echo: Subject;
  beforeAll(() => {
    echo = new Subject("echo");
  });
  afterAll(() => echo[Symbol.dispose]());

  function expectRight(cases: Iterable<Case>): void {
    expect(firstWrong((packet) => echo.run(packet), cases)).toBeNull();
  }

  it("sends a ping back: addresses swapped, type and checksum changed, and nothing else", () => {
    const mac = { host: hex(Uint8Array.from(HOST.mac)), peer: hex(Uint8Array.from(PEER.mac)) };
    const v4 = exchangeV4({ icmp: { id: 0x1234, sequence: 1, data: Uint8Array.of(0xca, 0xfe) } }).request;
    expect(hex(v4)).toBe(
      `${mac.host}${mac.peer}0800 4500001e12344000400112930a0b01020a0b0101 08001acc12340001cafe`.replaceAll(" ", ""),
    );
    const answer = echo.run(v4);
    expect(answer.action).toBe(XDP_TX);
    expect(hex(answer.packet)).toBe(
      `${mac.peer}${mac.host}0800 4500001e12344000400112930a0b01010a0b0102 000022cc12340001cafe`.replaceAll(" ", ""),
    );
  });

  for (const family of [4, 6] as const) {
    it(`IPv${family}: changes every checksum to the one that RFC 1071 gives for the reply`, () => {
      const seen = new Uint8Array(0x10000);
      function* watched() {
        for (const each of cases.everyChecksum(family)) {
          seen[cases.checksumIn(each.packet, family)] = 1;
          yield each;
        }
      }
      expectRight(watched());
      expect(seen.indexOf(0), "the only checksum that no message has").toBe(0xffff);
    });

    it(`IPv${family}: changes checksums as RFC 1624 does, also where one's complement has two zeros`, () => {
      expectRight(cases.exampleChecksums(family));
    });
  }

  it("answers behind 0, 1 and 2 VLAN tags in any order, passes 3", () => expectRight(cases.vlanStacks()));

  for (const [depth, stacks] of cases.STACKS.entries()) {
    it(`cut off at every byte, behind ${depth} VLAN tags in all orders: answers if the ICMP header is there, or else passes`, () => {
      for (const tags of stacks) expectRight(cases.truncations(tags));
    });
  }

  it("answers with IPv4 options of every length", () => expectRight(cases.optionLengths()));
  it("passes IPv4 headers that claim less than 20 bytes", () => expectRight(cases.impossibleHeaderLengths()));
  it("passes IPv4 headers that claim more than there is", () => expectRight(cases.headersBeyondTheFrame()));
  it("answers echo requests only, of all 256 types", () => expectRight(cases.messageTypes()));
  it("answers whatever the code is", () => expectRight(cases.codes()));
  it("passes all other protocols, and each family's messages in the other", () => expectRight(cases.protocols()));
  it("passes IPv6 with extension headers", () => expectRight(cases.extensionHeaders()));
  it("does not look at fragmentation", () => expectRight(cases.fragments()));
  it("passes all EtherTypes but IPv4's, whatever is behind them", () => expectRight(cases.etherTypes(4)));
  it("passes all EtherTypes but IPv6's, whatever is behind them", () => expectRight(cases.etherTypes(6)));
  it("passes ARP and whatever else is no ping", () => expectRight(cases.others()));
  it("leaves all other fields as they are", () => expectRight(cases.unchangedFields()));
  it("does not look at the version", () => expectRight(cases.versions()));
  it("answers pings of every size", () => expectRight(cases.sizes()));

  it("is given no packet shorter than an Ethernet header by the kernel", () => {
    const packet = pingV4();
    for (let length = 0; length < SHORTEST; length++) {
      expect(() => echo.run(packet.subarray(0, length))).toThrow(`cannot be run with a packet of ${length} byte`);
    }
  });
});

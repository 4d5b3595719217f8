/** The balancer's datapath, packet by packet. The expected packets are built anew from their description, checksums included. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { countedFlows, forgetFlows, makeFlowsOlder } from "../../test/balancer/flow-tables.ts";
import { noKernel, withoutKernel } from "../../test/kernel.ts";
import { ETHERTYPE, frame, hex, join, u16 } from "../../test/packets/index.ts";
import {
  BACKEND,
  BACKEND_MAC,
  BACKEND6,
  Balancer,
  CLIENT,
  CLIENT_MAC,
  CLIENT6,
  icmpPacket,
  ipPacket,
  ipv4Header,
  OWN_MAC,
  type PacketFields,
  packet,
  SOURCE,
  SOURCE6,
  VIP,
  VIP6,
} from "../../test/programs/balancer-subject.ts";
import { findFlow } from "../balancer/datapath/flow-tables.ts";
import { flowHash } from "../balancer/flow-hash.ts";
import { Mode, Reason } from "./balancer-maps.bpf.ts";

const [XDP_DROP, XDP_PASS, XDP_TX] = [1, 2, 3];
const [TCP, UDP] = [6, 17];
const [FIN, SYN, RST] = [1, 2, 4];
const TO_BACKEND = { sourceMac: OWN_MAC, mac: BACKEND_MAC };

describe.skipIf(noKernel)(`the balancer's datapath${withoutKernel}`, () => {
  let balancer: Balancer;
  beforeEach(() => {
    balancer = new Balancer();
  });
  afterEach(() => balancer[Symbol.dispose]());

  const portOf = (sent: Uint8Array) => ((sent[34] ?? 0) << 8) | (sent[35] ?? 0);

  for (const [name, protocol] of [
    ["TCP", TCP],
    ["UDP", UDP],
  ] as const) {
    it(`NAT over ${name}: the backend gets it from us, and the client its answer from the service`, () => {
      balancer.service();
      balancer.backend(1);
      const ports = new Set<number>();
      for (let sourcePort = 1; sourcePort < 900; sourcePort += 3) {
        const there = balancer.run(packet({ protocol, sourcePort }));
        const natPort = portOf(there.packet);
        ports.add(natPort);
        const forwarded: PacketFields = { protocol, from: SOURCE, to: BACKEND, sourcePort: natPort, port: 8080, ttl: 63 };
        expect(there).toMatchObject({ action: XDP_TX, packet: packet({ ...forwarded, ...TO_BACKEND }) });

        const answer: PacketFields = { protocol, from: BACKEND, to: SOURCE, sourcePort: 8080, port: natPort };
        const back = balancer.run(packet({ ...answer, sourceMac: BACKEND_MAC, mac: OWN_MAC }));
        const translated: PacketFields = { protocol, from: VIP, to: CLIENT, sourcePort: 80, port: sourcePort, ttl: 63 };
        expect(back).toMatchObject({ action: XDP_TX, packet: packet({ ...translated, sourceMac: OWN_MAC, mac: CLIENT_MAC }) });
      }
      expect(ports.size).toBe(300);
      expect(balancer.reasons()).toEqual({});
      const length = BigInt(packet({ protocol }).length);
      const counted = { packets: 300n, bytes: 300n * length, replies: 300n, replyBytes: 300n * length, flows: 300n };
      expect(balancer.stats("backend_stats")).toEqual(counted);
      expect(balancer.stats("service_stats")).toEqual({ ...counted, drops: 0n });
    });
  }

  it("NAT keeps a UDP checksum of 0", () => {
    balancer.service();
    balancer.backend(1);
    const { packet: sent } = balancer.run(packet({ protocol: UDP, unchecked: true }));
    const expected = {
      protocol: UDP,
      from: SOURCE,
      to: BACKEND,
      sourcePort: portOf(sent),
      port: 8080,
      ttl: 63,
      unchecked: true,
    };
    expect(sent).toEqual(packet({ ...expected, ...TO_BACKEND }));
  });

  it("DIRECT: changes the MAC addresses and nothing else", () => {
    balancer.service();
    balancer.backend(1, { mode: Mode.DIRECT });
    for (let packets = 0; packets < 3; packets++) {
      expect(balancer.run(packet())).toMatchObject({ action: XDP_TX, packet: packet(TO_BACKEND) });
    }
    expect(balancer.stats("service_stats")).toMatchObject({ packets: 3n, flows: 1n, replies: 0n });
  });

  it("IPIP: puts the packet into another", () => {
    balancer.service();
    balancer.backend(1, { mode: Mode.IPIP });
    const inner = ipPacket({ ttl: 63, tos: 0x28 });
    const outer = ipv4Header([0x45, 0x28, 0, inner.length + 20, 0, 0, 0x40, 0, 64, 4], SOURCE, BACKEND, inner);
    for (let packets = 0; packets < 2; packets++) {
      const expected = join(BACKEND_MAC, OWN_MAC, [8, 0], outer);
      expect(balancer.run(packet({ tos: 0x28 }))).toMatchObject({ action: XDP_TX, packet: expected });
    }
  });

  it("NAT over IPv6, both ways, also behind extension headers", () => {
    balancer.service({ address: VIP6 });
    balancer.backend(1, { address: BACKEND6 });
    for (const protocol of [TCP, UDP]) {
      for (let sourcePort = 1; sourcePort < 200; sourcePort += 3) {
        const there = balancer.run(packet({ protocol, sourcePort, from: CLIENT6 }));
        const natPort = ((there.packet[54] ?? 0) << 8) | (there.packet[55] ?? 0);
        const forwarded = { protocol, from: SOURCE6, to: BACKEND6, sourcePort: natPort, port: 8080, ttl: 63 };
        expect(there).toMatchObject({ action: XDP_TX, packet: packet({ ...forwarded, ...TO_BACKEND }) });
        const behind = balancer.run(packet({ protocol, sourcePort, from: CLIENT6, extension: true }));
        expect(behind).toMatchObject({ action: XDP_TX, packet: packet({ ...forwarded, ...TO_BACKEND, extension: true }) });

        const answer = { protocol, from: BACKEND6, to: SOURCE6, sourcePort: 8080, port: natPort };
        const translated = { protocol, from: VIP6, to: CLIENT6, sourcePort: 80, port: sourcePort, ttl: 63 };
        for (const tags of [[], [ETHERTYPE.QINQ, ETHERTYPE.VLAN]]) {
          const back = balancer.run(packet({ ...answer, tags, sourceMac: BACKEND_MAC, mac: OWN_MAC }));
          const expected = packet({ ...translated, tags, sourceMac: OWN_MAC, mac: CLIENT_MAC });
          expect(back).toMatchObject({ action: XDP_TX, packet: expected });
        }
      }
    }
    expect(balancer.reasons()).toEqual({});
    expect(balancer.stats("backend_stats")).toMatchObject({ packets: 268n, replies: 268n, flows: 134n });
  });

  it("REDIRECT: rewrites addresses and the destination port, and leaves what is not given", () => {
    for (const [from, backend, source] of [
      [CLIENT, BACKEND, SOURCE],
      [CLIENT6, BACKEND6, SOURCE6],
    ] as const) {
      balancer.service({ address: from === CLIENT ? VIP : VIP6 });
      balancer.backend(1, { mode: Mode.REDIRECT, address: backend, source });
      const rewritten = { protocol: UDP, from: source, to: backend, port: 8080, ttl: 63, ...TO_BACKEND };
      expect(balancer.run(packet({ protocol: UDP, from }))).toMatchObject({ action: XDP_TX, packet: packet(rewritten) });
      balancer.backend(1, { mode: Mode.REDIRECT, address: backend, port: 0 });
      const kept = packet({ ...rewritten, from, port: 80 });
      expect(balancer.run(packet({ protocol: UDP, from }))).toMatchObject({ action: XDP_TX, packet: kept });
    }
  });

  describe("tunnels of either family carry either family, with VLAN tags in front or not", () => {
    for (const mode of ["IPIP", "GUE"] as const)
      for (const [from, name] of [
        [CLIENT, "IPv4"],
        [CLIENT6, "IPv6"],
      ] as const)
        for (const address of [BACKEND, BACKEND6])
          it(`${mode}: ${name} in ${address.length === 4 ? "IPv4" : "IPv6"}`, () => {
            balancer.service({ address: from === CLIENT ? VIP : VIP6 });
            balancer.backend(1, { mode: Mode[mode], address });
            const hash = flowHash(Uint8Array.from(from), 40_000, 80);
            for (const tags of [[], [ETHERTYPE.VLAN], [ETHERTYPE.QINQ, ETHERTYPE.VLAN]]) {
              const inner = ipPacket({ from, ttl: 63, tos: 0x28 });
              const gue = join(u16(0xc000 | (hash & 0x3fff)), u16(6080), u16(8 + inner.length), [0, 0]);
              const carried = mode === "GUE" ? join(gue, inner) : inner;
              const protocol = mode === "GUE" ? UDP : from === CLIENT ? 4 : 41;
              const label = hash & 0xfffff;
              const outer =
                address === BACKEND
                  ? ipv4Header([0x45, 0x28, ...u16(carried.length + 20), 0, 0, 0x40, 0, 64, protocol], SOURCE, BACKEND, carried)
                  : join(
                      [0x62, 0x80 | (label >> 16)],
                      u16(label & 0xffff),
                      u16(carried.length),
                      [protocol, 64],
                      SOURCE6,
                      BACKEND6,
                      carried,
                    );
              const type = address === BACKEND ? ETHERTYPE.IPV4 : ETHERTYPE.IPV6;
              const expected = frame(type, outer, tags, {
                from: { mac: OWN_MAC, ipv4: [], ipv6: [] },
                to: { mac: BACKEND_MAC, ipv4: [], ipv6: [] },
              });
              const { action, packet: sent } = balancer.run(packet({ from, tos: 0x28, tags }));
              expect([action, hex(sent)]).toEqual([XDP_TX, hex(expected)]);
            }
            expect(balancer.reasons()).toEqual({});
          });
  });

  it("knows extension headers, up to four, and says what else stops an IPv6 packet", () => {
    balancer.service({ address: VIP6 });
    balancer.backend(1, { mode: Mode.DIRECT, address: BACKEND6 });
    const options = (next: number) => [next, 0, 1, 4, 0, 0, 0, 0];
    const run = (first: number, ...headers: readonly (readonly number[])[]) => {
      const bytes = packet({ from: CLIENT6, protocol: UDP });
      const extensions = join(...headers);
      const length = u16(bytes.length - 54 + extensions.length);
      return balancer.run(join(bytes.subarray(0, 18), length, [first], bytes.subarray(21, 54), extensions, bytes.subarray(54)))
        .action;
    };
    const fragment = (next: number, offset: number) => [next, 0, ...u16(offset), 0, 0, 0, 1];
    expect(run(60, options(60), options(60), options(60), options(UDP))).toBe(XDP_TX);
    expect(run(60, options(60), options(60), options(60), options(60), options(UDP))).toBe(XDP_DROP);
    expect(run(44, fragment(UDP, 0))).toBe(XDP_TX);
    expect(run(44, fragment(UDP, 1))).toBe(XDP_DROP);
    expect(run(44, fragment(UDP, 8))).toBe(XDP_DROP);
    expect(run(43, [UDP, 0, 0, 1, 0, 0, 0, 0])).toBe(XDP_DROP);
    expect(run(50, options(UDP))).toBe(XDP_DROP);
    const { OPTIONS, FRAGMENT, NO_SERVICE } = Reason;
    expect(balancer.reasons()).toEqual({ [OPTIONS]: 2, [FRAGMENT]: 2, [NO_SERVICE]: 1 });
  });

  it("drops what is cut off anywhere, and only that", () => {
    for (const [from, address] of [
      [CLIENT, BACKEND],
      [CLIENT6, BACKEND6],
    ] as const)
      for (const protocol of [TCP, UDP]) {
        balancer.service({ address: from === CLIENT ? VIP : VIP6 });
        balancer.backend(1, { address });
        const whole = packet({ from, protocol });
        for (let length = 14; length < whole.length; length++)
          expect(balancer.run(whole.subarray(0, length)).action).toBe(XDP_DROP);
        expect(balancer.run(whole).action).toBe(XDP_TX);
      }
    expect(Object.keys(balancer.reasons())).toEqual([String(Reason.MALFORMED)]);
  });

  for (const [family, client, vip, source, backend] of [
    ["IPv4", CLIENT, VIP, SOURCE, BACKEND],
    ["IPv6", CLIENT6, VIP6, SOURCE6, BACKEND6],
  ] as const) {
    const is6 = client.length === 16;
    const ROUTER = is6 ? [0x20, 1, 0xd, 0xb8, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9] : [192, 0, 2, 9];
    const [UNREACHABLE, TOO_BIG, TIME_EXCEEDED] = is6 ? [1, 2, 3] : [3, 3, 11];
    const sent = (run: { action: number; packet: Uint8Array }) => [run.action, hex(run.packet)];
    const natPortOf = (forwarded: Uint8Array) => {
      const at = is6 ? 54 : 34;
      return ((forwarded[at] ?? 0) << 8) | (forwarded[at + 1] ?? 0);
    };

    it(`answers ping over ${family}, as the last hop, and leaves what is to the host's own address alone`, () => {
      balancer.service({ address: vip });
      const [request, reply] = is6 ? [128, 129] : [8, 0];
      const body = [0, 7, 0, 1, 1, 2, 3];
      const expected = icmpPacket(reply, 0, body, { from: vip, to: client, sourceMac: OWN_MAC, mac: CLIENT_MAC });
      const ping = icmpPacket(request, 0, body, { from: client, ttl: 1 });
      expect(sent(balancer.run(ping))).toEqual([XDP_TX, hex(expected)]);
      expect(balancer.run(icmpPacket(request, 0, body, { from: client, to: source })).action).toBe(XDP_PASS);
      expect(balancer.run(icmpPacket(is6 ? 160 : 13, 0, body, { from: client })).action).toBe(XDP_DROP);
      expect(balancer.reasons()).toEqual({ [Reason.ECHO]: 1, [Reason.NO_ORIGIN]: 1, [Reason.NO_SERVICE]: 1 });
    });

    for (const protocol of [TCP, UDP])
      it(`translates errors about NAT over ${family}, of ${protocol === TCP ? "TCP" : "UDP"}, both ways`, () => {
        balancer.service({ address: vip });
        balancer.backend(1, { address: backend });
        const natPort = natPortOf(balancer.run(packet({ protocol, from: client })).packet);
        const data = Uint8Array.from({ length: 40 }, (_, index) => index);
        for (const quoted of [8, 100]) {
          const part = (fields: PacketFields) => ipPacket({ protocol, data, ...fields }).subarray(0, (is6 ? 40 : 20) + quoted);
          const answered = part({ from: vip, to: client, sourcePort: 80, port: 40_000 });
          const answer = part({ from: backend, to: source, sourcePort: 8080, port: natPort });
          const toBackend = balancer.run(
            icmpPacket(TOO_BIG, is6 ? 0 : 4, join([0, 0, 5, 0], answered), { from: ROUTER, to: vip }),
          );
          const expected = { from: source, to: backend, ttl: 63, ...TO_BACKEND };
          expect(sent(toBackend)).toEqual([
            XDP_TX,
            hex(icmpPacket(TOO_BIG, is6 ? 0 : 4, join([0, 0, 5, 0], answer), expected)),
          ]);

          const forwarded = part({ from: source, to: backend, sourcePort: natPort, port: 8080 });
          const request = part({ from: client, to: vip, sourcePort: 40_000, port: 80 });
          const fields = { from: ROUTER, to: source, sourceMac: BACKEND_MAC };
          const toClient = balancer.run(icmpPacket(UNREACHABLE, 1, join([0, 0, 0, 0], forwarded), fields));
          const told = { from: vip, to: client, ttl: 63, sourceMac: OWN_MAC, mac: CLIENT_MAC };
          expect(sent(toClient)).toEqual([XDP_TX, hex(icmpPacket(UNREACHABLE, 1, join([0, 0, 0, 0], request), told))]);
        }
        const unknown = ipPacket({ protocol, from: vip, to: client, sourcePort: 80, port: 1 });
        expect(balancer.run(icmpPacket(UNREACHABLE, 1, join([0, 0, 0, 0], unknown), { from: ROUTER, to: vip })).action).toBe(
          XDP_DROP,
        );
        expect(balancer.reasons()).toEqual({ [Reason.ICMP_ERROR]: 4, [Reason.ICMP_UNKNOWN]: 1 });
      });

    it(`hands errors over ${family} to the backend of a tunnel as they are`, () => {
      balancer.service({ address: vip });
      balancer.backend(1, { mode: Mode.IPIP });
      balancer.run(packet({ from: client }));
      const answered = ipPacket({ from: vip, to: client, sourcePort: 80, port: 40_000 });
      const error = icmpPacket(UNREACHABLE, 1, join([0, 0, 0, 0], answered), { from: ROUTER, to: vip });
      const inner = icmpPacket(UNREACHABLE, 1, join([0, 0, 0, 0], answered), { from: ROUTER, to: vip, ttl: 63 }).subarray(14);
      const outer = ipv4Header([0x45, 0, ...u16(inner.length + 20), 0, 0, 0x40, 0, 64, is6 ? 41 : 4], SOURCE, BACKEND, inner);
      expect(sent(balancer.run(error))).toEqual([XDP_TX, hex(join(BACKEND_MAC, OWN_MAC, u16(ETHERTYPE.IPV4), outer))]);
    });

    it(`says over ${family} where a TTL ends, and what does not fit into a tunnel, within the limit of its rate`, () => {
      using limited = new Balancer({ icmp_rate: 3 });
      limited.service({ address: vip });
      limited.backend(1, { mode: Mode.IPIP });
      const about = { from: vip, to: client, sourceMac: OWN_MAC, mac: CLIENT_MAC };
      for (const size of [0, 1]) {
        const short = packet({ from: client, ttl: 1, data: new Uint8Array(size).fill(7) });
        const expired = icmpPacket(TIME_EXCEEDED, 0, join([0, 0, 0, 0], short.subarray(14)), about);
        expect(sent(limited.run(short))).toEqual([XDP_TX, hex(expired)]);
      }
      const long = packet({ from: client, data: new Uint8Array(1480 - (is6 ? 60 : 40) + 1).fill(7) });
      const quoted = long.subarray(14, 14 + (is6 ? 1280 - 48 : 576 - 28));
      const big = icmpPacket(TOO_BIG, is6 ? 0 : 4, join([0, 0, ...u16(1480)], quoted), about);
      expect(sent(limited.run(long))).toEqual([XDP_TX, hex(big)]);
      expect(limited.run(long).action).toBe(XDP_DROP);
      const fits = packet({ from: client, data: new Uint8Array(1480 - (is6 ? 60 : 40)).fill(7) });
      expect(limited.run(fits).packet).toHaveLength(1514);
      expect(limited.reasons()).toEqual({ [Reason.TTL_EXPIRED]: 2, [Reason.TOO_BIG]: 2 });
    });
  }

  it("remembers no more new connections in a second than it may, and forwards the others all the same", () => {
    using limited = new Balancer({ flow_rate: 5 });
    limited.service();
    limited.backend(1, { mode: Mode.DIRECT });
    for (let sourcePort = 1; sourcePort <= 20; sourcePort++) expect(limited.run(packet({ sourcePort })).action).toBe(XDP_TX);
    const guarded = limited.reasons()[Reason.RATE_GUARD] ?? 0;
    // The second may have ended in between.
    expect([10, 15]).toContain(guarded);
    expect(countedFlows(limited.object.maps.flows4)).toBe(20 - guarded);
  });

  it("forgets a connection that rests for longer than its timeout", () => {
    balancer.service();
    balancer.backend(1, { mode: Mode.DIRECT, timeout: 60 });
    balancer.backend(2, { mode: Mode.IPIP });
    balancer.run(packet({ protocol: UDP }));
    balancer.ring([2]);
    const { flows4 } = balancer.object.maps;
    makeFlowsOlder(flows4, 60);
    expect(balancer.run(packet({ protocol: UDP })).packet).toHaveLength(packet({ protocol: UDP }).length);
    makeFlowsOlder(flows4, 63);
    expect(balancer.run(packet({ protocol: UDP })).packet).toHaveLength(packet({ protocol: UDP }).length + 20);
    expect(balancer.reasons()).toEqual({ [Reason.MOVED]: 1 });
  });

  it("gives a port of NAT to another client only when its connection is over", () => {
    using small = new Balancer({ nat_first: 5000, nat_ports: 2 });
    small.service();
    small.backend(1);
    const ends = (sourcePort: number, flags = 0x10) => {
      const { action, packet: forwarded } = small.run(packet({ sourcePort, flags }));
      return action === XDP_TX ? portOf(forwarded) : null;
    };
    expect(new Set([ends(1), ends(2)])).toEqual(new Set([5000, 5001]));
    expect(ends(3)).toBe(null);
    const first = ends(1);
    ends(1, FIN);
    expect(ends(3)).toBe(null);
    const origins = small.table("origins4");
    for (const [key, origin] of [...origins.entries()] as [unknown, { lastSeen: number }][]) {
      origins.set(key, { ...origin, lastSeen: origin.lastSeen - 6 });
    }
    expect(ends(3)).toBe(first);
    expect(small.reasons()).toEqual({ [Reason.NO_NAT_PORT]: 2 });
  });

  it("finds a connection's port again when the flow has been forgotten", () => {
    balancer.service();
    balancer.backend(1);
    const before = balancer.run(packet()).packet;
    forgetFlows(balancer.object.maps.flows4);
    expect(hex(balancer.run(packet()).packet)).toBe(hex(before));
  });

  it("passes what is for others, and drops what no service has, by name", () => {
    balancer.service();
    expect(balancer.run(packet({ to: [192, 0, 2, 1] })).action).toBe(XDP_PASS);
    expect(balancer.run(packet({ to: SOURCE })).action).toBe(XDP_PASS);
    expect(balancer.run(packet({ port: 81 })).action).toBe(XDP_DROP);
    expect(balancer.run(packet({ fragment: 0x2000 })).action).toBe(XDP_DROP);
    expect(balancer.run(packet()).action).toBe(XDP_DROP);
    const { NOT_OURS, NO_ORIGIN, NO_SERVICE, FRAGMENT, NO_BACKEND } = Reason;
    expect(balancer.reasons()).toEqual({ [NOT_OURS]: 1, [NO_ORIGIN]: 1, [NO_SERVICE]: 1, [FRAGMENT]: 1, [NO_BACKEND]: 1 });
  });

  it("keeps a connection with its backend when the ring changes, until the backend is gone", () => {
    balancer.service();
    balancer.backend(1, { mode: Mode.DIRECT });
    balancer.backend(2, { mode: Mode.IPIP });
    const length = packet().length;
    expect(balancer.run(packet()).packet).toHaveLength(length);
    balancer.ring([2]);
    expect(balancer.run(packet()).packet).toHaveLength(length);
    expect(balancer.run(packet({ sourcePort: 7 })).packet).toHaveLength(length + 20);
    balancer.backend(1, { mode: Mode.DIRECT, generation: 2 });
    expect(balancer.run(packet()).packet).toHaveLength(length + 20);
    expect(balancer.reasons()).toEqual({ [Reason.MOVED]: 1 });
  });

  it("begins anew with a SYN after FIN or RST, and only then", () => {
    for (const [sourcePort, end] of [FIN, RST].entries()) {
      balancer.ring([1]);
      balancer.service();
      balancer.backend(1, { mode: Mode.DIRECT });
      balancer.backend(2, { mode: Mode.IPIP });
      const send = (flags: number) => balancer.run(packet({ sourcePort, flags })).packet.length - packet().length;
      expect(send(SYN)).toBe(0);
      balancer.ring([2]);
      expect([send(SYN), send(end), send(0x10), send(SYN), send(0x10)]).toEqual([0, 0, 0, 20, 20]);
    }
    expect(balancer.reasons()).toEqual({});
  });

  it("finds services by all ports, and by prefix", () => {
    const [a = 0, b = 0, c = 0] = VIP;
    balancer.backend(1, { mode: Mode.DIRECT });
    balancer.service({ port: 0 });
    expect(balancer.run(packet({ port: 9999 })).action).toBe(XDP_TX);
    balancer.service({ address: [a, b, c, 128], prefixLength: 25, port: 53 });
    expect(balancer.run(packet({ to: [a, b, c, 200], port: 53 })).action).toBe(XDP_TX);
    expect(balancer.run(packet({ to: [a, b, c, 200], port: 54 })).action).toBe(XDP_DROP);
    expect(balancer.run(packet({ to: [a, b, c, 100], port: 53 })).action).toBe(XDP_PASS);
    const ends = { client: Uint8Array.from(CLIENT), server: Uint8Array.from([a, b, c, 200]) };
    const name = { ...ends, clientPort: 40_000, serverPort: 53, protocol: TCP };
    expect(findFlow(balancer.object.maps, name)).toMatchObject({ backend: 1 });
  });
});

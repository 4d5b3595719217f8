/**
 * The seeds' programs on devices: filters that let through and drop, rewriters whose frames arrive rewritten, counters that count what
 * was sent. What a packet socket behind the program sees is what the network stack gets. Redirects are in redirects.test.ts.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { HashMap, PerCpuArrayMap } from "../../src/index.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { addAddress, getLink } from "../../src/sys/netlink/index.ts";
import { lacking } from "../foreign-tools.ts";
import { noKernel } from "../kernel.ts";
import { hasTool } from "../own-network.ts";
import {
  arpRequest,
  ETHERTYPE,
  frame,
  HOST,
  hex,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  join,
  PEER,
  PROTOCOL,
  pattern,
  pingV4,
  pingV6,
  tcp,
  u16,
  udp,
} from "../packets/index.ts";
import { listen } from "../udp-listener.ts";
import { attachToWire, loadShipped, MODES, receive } from "./on-wire.ts";
import type { Counters } from "./subject.ts";

const { IPV4, IPV6, VLAN, QINQ } = ETHERTYPE;
const { TCP, UDP } = PROTOCOL;
const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;

const overTcp = (destinationPort: number, sourcePort = 40_000, ip = {}) =>
  frame(IPV4, ipv4(tcp(pattern(10), { sourcePort, destinationPort }), { protocol: TCP, ...ip }));
const overUdp = (destinationPort: number, ip = {}) =>
  frame(IPV4, ipv4(udp(pattern(10), { destinationPort }), { protocol: UDP, ...ip }));

/** Sent one after the other; those that pass arrive in this order. */
interface Sent {
  what: string;
  packet: Uint8Array;
  passes: boolean;
}

const [passes, drops] = [true, false].map(
  (passes) =>
    (what: string, packet: Uint8Array): Sent => ({ what, packet, passes }),
) as [(what: string, packet: Uint8Array) => Sent, (what: string, packet: Uint8Array) => Sent];

const echo = (sequence: number, tags: number[] = []) => frame(IPV4, ipv4(icmp({ sequence })), tags);
const echoV6 = (sequence: number, tags: number[] = []) => frame(IPV6, ipv6(icmpv6({ sequence })), tags);

/** `last`: a packet that passes. */
const FILTERS: { file: string; program?: string; last?: Uint8Array; settings?: Record<string, unknown>; packets: Sent[] }[] = [
  {
    file: "tcpfilter",
    packets: [
      passes("TCP", overTcp(80)),
      drops("UDP", overUdp(53)),
      drops("ICMP", pingV4()),
      drops("IPv6", pingV6()),
      drops("ARP", arpRequest()),
      drops("TCP behind a tag", frame(IPV4, ipv4(tcp(pattern(10)), { protocol: TCP }), [VLAN])),
      passes("a fragment of TCP", overTcp(80, 1, { fragment: 0x2000 })),
      drops("TCP over IPv6", frame(IPV6, ipv6(tcp(pattern(10)), TCP))),
      passes("TCP with options", overTcp(22, 1, { ihl: 7 })),
    ],
  },
  {
    file: "portfilter",
    packets: [
      drops("to port 80", overTcp(80)),
      drops("from port 80", overTcp(40_000, 80)),
      passes("other ports", overTcp(8080, 81)),
      passes("80 with its bytes exchanged", overTcp(0x5000)),
      passes("UDP to port 80", overUdp(80)),
      passes("options", overTcp(80, 1, { ihl: 6 })),
      passes("the first fragment", overTcp(80, 1, { fragment: 0x2000 })),
      passes("a later fragment", overTcp(80, 1, { fragment: 7 })),
      drops("don't fragment", overTcp(80, 1, { fragment: 0x4000 })),
      passes("ARP", arpRequest()),
      passes("IPv6", frame(IPV6, ipv6(tcp(pattern(10), { destinationPort: 80 }), TCP))),
    ],
  },
  {
    file: "portfilter",
    settings: { port: 8080 },
    packets: [passes("port 80", overTcp(80)), drops("the port that was set", overTcp(8080)), passes("after it", overTcp(22))],
  },
  {
    file: "portfilter",
    settings: { port: 53, protocol: UDP },
    packets: [
      drops("UDP to the port", overUdp(53)),
      drops("without data", frame(IPV4, ipv4(udp(pattern(0), { destinationPort: 53 }), { protocol: UDP }))),
      passes("UDP to another port", overUdp(54)),
      passes("TCP to the port", overTcp(53)),
    ],
  },
  {
    file: "icmpfilter",
    packets: [
      passes("ICMP", pingV4()),
      drops("UDP", overUdp(53)),
      passes("ICMPv6", pingV6()),
      drops("TCP", overTcp(80)),
      passes("ARP", arpRequest()),
      drops("TCP over IPv6", frame(IPV6, ipv6(tcp(pattern(10)), TCP))),
      drops("ICMP behind a tag", pingV4([VLAN])),
    ],
    last: pingV4(),
  },
  {
    file: "drop-even-pings",
    program: "xdp_parser_func",
    packets: [
      passes("sequence 1", echo(1)),
      drops("sequence 2", echo(2)),
      passes("sequence 3", echo(3)),
      drops("sequence 0", echo(0)),
      passes("sequence 256 + 1", echo(257)),
      drops("sequence 256", echo(256)),
      drops("sequence 2 behind two tags", echo(2, [QINQ, VLAN])),
      passes("a reply", frame(IPV4, ipv4(icmp({ type: 0, sequence: 2 })))),
      passes("sequence 5 over IPv6", echoV6(5)),
      drops("sequence 6 over IPv6", echoV6(6)),
      drops("sequence 6 over IPv6 behind a tag", echoV6(6, [VLAN])),
      passes("UDP", overUdp(53)),
      passes("ARP", arpRequest()),
      drops("with IP options", frame(IPV4, ipv4(icmp({ sequence: 2 }), { ihl: 7 }))),
    ],
  },
];

describe.skipIf(noKernel !== null)(`filters on the wire${reason}`, () => {
  for (const mode of MODES) {
    it.each(FILTERS)(`$file $settings, ${mode}: what passes arrives as it was, in order, and nothing else`, (filter) => {
      const { file, program = file, settings = {}, packets, last = overTcp(9, 9) } = filter;
      const { far, near } = attachToWire(loadShipped(file, { settings }), program, mode);
      const wanted = [...packets.filter(({ passes }) => passes).map(({ packet }) => packet), last];
      for (const { packet } of packets) far.send(packet);
      // When it is there, nothing else is under way.
      far.send(last);
      expect(receive(near, wanted.length)).toEqual(wanted.map(hex));
      expect(near.receive(0)).toBeNull();
    });
  }
});

describe.skipIf(noKernel !== null)(`dropworld on the wire${reason}`, () => {
  it.each(MODES)("%s: nothing comes through, until the program is gone", (mode) => {
    const object = loadShipped("dropworld");
    const { far, near } = attachToWire(object, "dropworld", mode);
    for (const packet of [pingV4(), pingV6(), arpRequest(), overTcp(80), overUdp(53)]) far.send(packet);
    object.close();
    far.send(pingV6());
    expect(receive(near, 1)).toEqual([hex(pingV6())]);
    expect(near.receive(0)).toBeNull();
  });
});

describe.skipIf(noKernel !== null)(`rewriters on the wire${reason}`, () => {
  for (const mode of MODES) {
    it(`patch-ports, ${mode}: the port is one less, and checksums computed anew agree`, () => {
      const object = loadShipped("patch-ports");
      const { far, near } = attachToWire(object, "xdp_patch_ports_func", mode);
      // Data that makes the checksums carry in every place.
      const data = Array.from({ length: 512 }, (_, n) => Uint8Array.of(n >> 4, (n * 0x5b) & 0xff, 0xff, n & 0xff));
      const overIpv4 = (segment: (port: number, data: Uint8Array) => Uint8Array, protocol: number) =>
        data.map((bytes, n) =>
          [8001 + n * 97, 8000 + n * 97].map((port) => frame(IPV4, ipv4(segment(port, bytes), { protocol }))),
        );
      const pairs = [
        ...overIpv4((destinationPort, bytes) => tcp(bytes, { destinationPort }), TCP),
        ...overIpv4((destinationPort, bytes) => udp(bytes, { destinationPort }), UDP),
      ] as [sent: Uint8Array, arrived: Uint8Array][];
      for (const [index, [sent, arrived]] of pairs.entries()) {
        far.send(sent);
        expect(receive(near, 1), `packet ${index}`).toEqual([hex(arrived)]);
      }
      const { rx_packets } = object.map<PerCpuArrayMap<Counters>>("xdp_stats_map", PerCpuArrayMap).sum(2);
      expect(rx_packets).toBe(BigInt(pairs.length));
    });

    it(`patch-ports, ${mode}: what is sent to port 8001 is heard on port 8000, by a stack that checks checksums`, async () => {
      const { namespace, far } = attachToWire(loadShipped("patch-ports"), "xdp_patch_ports_func", mode);
      const { ifindex, mac } = inNamespace(namespace, () => getLink("near"));
      inNamespace(namespace, () => addAddress({ ifindex, address: HOST.ipv4.join("."), prefixLength: 24 }));
      const lines = listen(namespace, 8000);
      expect(await lines.next()).toBe("listening");
      const to = { ...HOST, mac: (mac ?? "").split(":").map((byte) => Number.parseInt(byte, 16)) };
      for (const text of ["one", "two", "three"]) {
        const datagram = udp(new TextEncoder().encode(text), { destinationPort: 8001 });
        far.send(frame(IPV4, ipv4(datagram, { protocol: UDP }), [], { from: PEER, to }));
        expect(await lines.next()).toMatch(new RegExp(`^${PEER.ipv4.join(".")}:\\d+ ${text}$`));
      }
    });

    it.skipIf(!hasTool("tcpdump"))(
      `vlan-swap, ${mode}: for tcpdump, packets have gained VLAN 1's tag, or lost their outermost one${lacking("tcpdump")}`,
      async () => {
        const { namespace, far } = attachToWire(loadShipped("vlan-swap"), "xdp_vlan_swap_func", mode);
        const payload = ipv4(icmp());
        const exchanges: [sent: Uint8Array, arrived: Uint8Array][] = [
          [frame(IPV4, payload), pushed(frame(IPV4, payload))],
          [pingV6(), pushed(pingV6())],
          [arpRequest(), pushed(arpRequest())],
          [frame(IPV4, payload, [VLAN]), frame(IPV4, payload)],
          [frame(IPV4, payload, [QINQ]), frame(IPV4, payload)],
          [frame(IPV4, payload, [QINQ, VLAN]), popped(frame(IPV4, payload, [QINQ, VLAN]))],
        ];
        const seen = await captured(namespace, exchanges.length, () => {
          for (const [sent] of exchanges) far.send(sent);
        });
        expect(seen).toEqual(exchanges.map(([, arrived]) => hex(arrived)));
      },
    );
  }
});

/** The frame with a tag of VLAN 1, without priority. */
function pushed(frame: Uint8Array): Uint8Array {
  return join(frame.subarray(0, 12), u16(VLAN), u16(1), frame.subarray(12));
}

/** The frame without its outermost tag. */
function popped(frame: Uint8Array): Uint8Array {
  return join(frame.subarray(0, 12), frame.subarray(16));
}

/** What tcpdump on "near" sees come in while `work` happens, tags included: the first `count` frames, in hexadecimal. */
async function captured(namespace: string, count: number, work: () => void): Promise<string[]> {
  const args = ["-i", "near", "-Q", "in", "-n", "--immediate-mode", "-U", "-Z", "root", "-c", String(count), "-w", "-"];
  const child = inNamespace(namespace, () => spawn("tcpdump", args, { stdio: ["ignore", "pipe", "pipe"] }));
  onTestFinished(() => void child.kill());
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const closed = once(child, "close");
  await new Promise<void>((resolve, reject) => {
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk;
      if (said.includes("listening on")) resolve();
    });
    child.once("exit", () => reject(new Error(`tcpdump ended: ${said}`)));
  });
  work();
  await closed;
  return [...framesOf(Buffer.concat(chunks))].map(hex);
}

/** The frames in a pcap file: a header of 24 bytes, then each frame behind 16 bytes, of which the third word is its length. */
function* framesOf(pcap: Buffer): Generator<Uint8Array> {
  for (let at = 24; at < pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    yield pcap.subarray(at + 16, at + 16 + length);
    at += 16 + length;
  }
}

describe.skipIf(noKernel !== null)(`counters on the wire${reason}`, () => {
  for (const mode of MODES) {
    it(`flow-counters, ${mode}: packets and bytes of each pair are those that were sent, and everything passes`, () => {
      const object = loadShipped("flow-counters");
      const { far, near } = attachToWire(object, "rx", mode);
      const lengths = [0, 56, 1000];
      for (let host = 1; host <= 9; host++) {
        for (let count = 0; count < host; count++) {
          for (const length of lengths) {
            const from = { ...PEER, ipv4: [10, 11, 1, host] };
            const packet = frame(IPV4, ipv4(icmp({ data: pattern(length) }), { from }));
            far.send(packet);
            expect(receive(near, 1)).toEqual([hex(packet)]);
          }
        }
      }
      for (const packet of [arpRequest(), pingV6(), pingV4([VLAN])]) far.send(packet);
      expect(receive(near, 3)).toHaveLength(3);

      const flows = [...object.map<HashMap<{ lip: number; rip: number }, Record<string, bigint>>>("trackers", HashMap)];
      const bytes = lengths.reduce((sum, length) => sum + 14 + 20 + 8 + length, 0);
      expect(flows.sort(([a], [b]) => a.rip - b.rip)).toEqual(
        Array.from({ length: 9 }, (_, index) => [
          { lip: 0x0a0b0101, rip: 0x0a0b0100 + index + 1 },
          { tx_cnt: 0n, rx_cnt: BigInt(3 * (index + 1)), tx_bytes: 0n, rx_bytes: BigInt(bytes * (index + 1)) },
        ]),
      );
    });

    it(`protocol-counter, ${mode}: counts what was sent by protocol, and nothing passes`, async () => {
      const object = loadShipped("protocol-counter");
      const { far, near } = attachToWire(object, "xdp_prog1", mode);
      const counts = () => {
        const map = object.map<PerCpuArrayMap<bigint>>("rxcnt", PerCpuArrayMap);
        return Object.fromEntries([0, 1, TCP, UDP, 58, 99, 255].map((protocol) => [protocol, Number(map.sum(protocol))]));
      };
      const plan: [packet: Uint8Array, times: number][] = [
        [pingV4(), 3],
        [overTcp(80), 4],
        [overUdp(53), 2],
        [pingV6([QINQ, VLAN]), 5],
        [frame(IPV4, ipv4(pattern(20), { protocol: 99 })), 1],
        [frame(IPV4, ipv4(pattern(20), { protocol: 255 })), 6],
        [arpRequest(), 2],
        [pingV4().subarray(0, 33), 1],
      ];
      for (const [packet, times] of plan) for (let count = 0; count < times; count++) far.send(packet);
      await expect.poll(counts).toEqual({ 0: 3, 1: 3, [TCP]: 4, [UDP]: 2, 58: 5, 99: 1, 255: 6 });
      expect(near.receive(0)).toBeNull();
    });
  }
});

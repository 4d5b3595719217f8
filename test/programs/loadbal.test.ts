/**
 * The UDP balancer between a client's namespace and servers' namespaces: what arrives is judged by scapy, which computes checksums anew, and
 * by a receiving socket, whose kernel does so too.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { ArrayMap, type LoadedObject, loadSpec, PerCpuArrayMap } from "../../src/index.ts";
import { inNamespace, openNamespace } from "../../src/sys/namespaces.ts";
import { addAddress, addVethPair, getLink, setLinkUp } from "../../src/sys/netlink/index.ts";
import type { RawSocket } from "../../src/sys/sockets.ts";
import { MAX_RULES, type Rule, RuleTable } from "../../src/tutorials/rules/rule-table.ts";
import { noKernel } from "../kernel.ts";
import { freshBpffs } from "../kernel-objects.ts";
import { lackingScapy, scapy } from "../net/scapy.ts";
import { freshNamespace } from "../own-network.ts";
import { arpRequest, changed, ETHERTYPE, frame, hex, ipv4, ipv6, PROTOCOL, pattern, pingV4, udp } from "../packets/index.ts";
import { listen } from "../udp-listener.ts";
import { attachToWire, MODES, type Mode, openFor, receive } from "./on-wire.ts";
import { type Counters, sourceOf, XDP_PASS, XDP_REDIRECT } from "./subject.ts";

const reason = noKernel !== null ? ` (skipped: ${noKernel})` : lackingScapy;
const PORT = 7999;
/** Where servers see datagrams come from. */
const SOURCE = "10.77.0.1";

const datagram = (sourcePort: number, { data = pattern(11), port = PORT, ip = {} } = {}) =>
  frame(ETHERTYPE.IPV4, ipv4(udp(data, { sourcePort, destinationPort: port }), { protocol: PROTOCOL.UDP, ...ip }));

interface Server {
  namespace: string;
  address: string;
  mac: string;
  ifindex: number;
  socket: RawSocket;
}

interface Balanced {
  object: LoadedObject;
  table: RuleTable;
  far: RawSocket;
  near: RawSocket;
  servers: Server[];
}

function load(settings: Record<string, unknown> = {}): { object: LoadedObject; table: RuleTable } {
  const pinPath = join(freshBpffs(), "globals");
  const object = loadSpec(compile(sourceOf("programs/loadbal.bpf.ts")).spec, { pinPath, settings });
  const table = new RuleTable(join(pinPath, "servers"));
  onTestFinished(() => {
    table[Symbol.dispose]();
    object.close();
  });
  return { object, table };
}

/** A client's wire with the program, and wires to servers, all from one namespace. */
function balanced(count: number, mode: Mode, settings: Record<string, unknown> = {}): Balanced {
  const { object, table } = load(settings);
  const { namespace, far, near } = attachToWire(object, "loadbal", mode);
  const pass = loadSpec(compile(sourceOf("programs/pass.bpf.ts")).spec);
  onTestFinished(() => pass.close());
  const servers = Array.from({ length: count }, (_, index): Server => {
    const [device, inside] = [`server${index}`, freshNamespace()];
    const fd = openNamespace(inside);
    inNamespace(fd, () => writeFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"));
    const ifindex = inNamespace(namespace, () => {
      addVethPair({ name: device, peerName: "eth0", peerNamespaceFd: fd });
      setLinkUp(getLink(device).ifindex, true);
      return getLink(device).ifindex;
    });
    return inNamespace(inside, () => {
      const link = getLink("eth0");
      const address = `10.77.0.${index + 2}`;
      setLinkUp(link.ifindex, true);
      addAddress({ ifindex: link.ifindex, address, prefixLength: 24 });
      // A veth takes what is redirected to it in the driver once it has a program of its own.
      pass.program("pass").attach({ dev: "eth0", mode: "native" });
      return { namespace: inside, address, mac: link.mac ?? "", ifindex, socket: openFor("eth0") };
    });
  });
  return { object, table, far, near, servers };
}

const rulesFor = (servers: readonly Server[]) =>
  servers.map(({ address, mac, ifindex }) => ({ server: address, mac, ifindex }));
const isDatagram = (bytes: Uint8Array) => bytes[12] === 8 && bytes[13] === 0 && bytes[23] === PROTOCOL.UDP;
const packets = (object: LoadedObject, action: number) =>
  object.map<PerCpuArrayMap<Counters>>("xdp_stats_map", PerCpuArrayMap).sum(action).rx_packets;

interface Seen {
  src: string;
  dst: string;
  ether: [string, string];
  ttl: number;
  id: number;
  sport: number;
  load: string;
  /** The checksums in the packet, and what scapy makes of them. */
  checksums: [ip: number, ipAnew: number, udp: number, udpAnew: number];
}

function dissect(frames: readonly string[]): Seen[] {
  return scapy<Seen>(`for line in ${JSON.stringify(frames)}:
    p = Ether(bytes.fromhex(line))
    q = p.copy(); del q[IP].chksum; del q[UDP].chksum; q = Ether(bytes(q))
    print(json.dumps(dict(src=p[IP].src, dst=p[IP].dst, ether=[p.src, p.dst], ttl=p[IP].ttl, id=p[IP].id, sport=p[UDP].sport,
      load=bytes(p[UDP].payload).hex(), checksums=[p[IP].chksum, q[IP].chksum, p[UDP].chksum, q[UDP].chksum])))`);
}

describe.skipIf(reason !== "")(`loadbal${reason}`, () => {
  for (const mode of MODES) {
    it(`${mode}: datagrams arrive at the server readdressed, with checksums that scapy computes too`, () => {
      const { table, far, servers, object } = balanced(1, mode);
      table.replace(rulesFor(servers), SOURCE);
      const [server] = servers as [Server];
      const sent = [
        datagram(40_000, { data: new TextEncoder().encode("hello ebpf\n") }),
        ...Array.from({ length: 150 }, (_, n) => datagram(1024 + n * 409, { data: pattern((n * 7) % 1400) })),
        datagram(5, { ip: { ihl: 8, id: 7, ttl: 3 } }),
      ];
      const arrived: string[] = [];
      for (const each of sent) {
        far.send(each);
        arrived.push(...receive(server.socket, 1, isDatagram));
      }
      const seen = dissect(arrived);
      expect(seen).toHaveLength(sent.length);
      for (const [index, each] of seen.entries()) {
        const [ip, ipAnew, inUdp, udpAnew] = each.checksums;
        expect([ip, inUdp], `datagram ${index}`).toEqual([ipAnew, udpAnew]);
        expect(each).toMatchObject({ src: SOURCE, dst: server.address });
        // From this host, to the server.
        expect(each.ether).toEqual(["02:11:22:33:44:55", server.mac]);
      }
      expect(seen[0]).toMatchObject({
        ttl: 64,
        id: 0x1234,
        sport: 40_000,
        load: hex(new TextEncoder().encode("hello ebpf\n")),
      });
      expect(seen.at(-1)).toMatchObject({ ttl: 3, id: 7, sport: 5 });
      expect(packets(object, XDP_REDIRECT)).toBe(BigInt(sent.length));
      const bytes = BigInt(sent.reduce((sum, { length }) => sum + length, 0));
      expect(table.list()).toEqual([{ ...rulesFor(servers)[0], packets: BigInt(sent.length), bytes }]);
    });

    it(`${mode}: a server's socket hears them, and "no checksum" stays none`, async () => {
      const { table, far, servers } = balanced(1, mode);
      table.replace(rulesFor(servers), SOURCE);
      const [server] = servers as [Server];
      const lines = listen(server.namespace, PORT);
      expect(await lines.next()).toBe("listening");
      far.send(datagram(4000, { data: new TextEncoder().encode("one") }));
      expect(await lines.next()).toBe(`${SOURCE}:4000 one`);
      const without = datagram(4001, { data: new TextEncoder().encode("two") });
      without.set([0, 0], 40);
      far.send(without);
      expect(await lines.next()).toBe(`${SOURCE}:4001 two`);
    });

    it(`${mode}: what is not for it passes as it was`, () => {
      const { table, far, near, servers, object } = balanced(1, mode);
      table.replace(rulesFor(servers), SOURCE);
      const others = [
        datagram(1, { port: 7998 }),
        datagram(PORT, { port: 53 }),
        datagram(1, { ip: { fragment: 0x2000 } }),
        datagram(1, { ip: { fragment: 1 } }),
        datagram(1, { ip: { protocol: PROTOCOL.TCP } }),
        datagram(1).subarray(0, 41),
        changed(datagram(1), 14, 0x44),
        frame(ETHERTYPE.IPV6, ipv6(udp(pattern(3), { destinationPort: PORT }), PROTOCOL.UDP)),
        pingV4(),
        arpRequest(),
      ];
      for (const each of others) far.send(each);
      expect(receive(near, others.length)).toEqual(others.map(hex));
      expect(packets(object, XDP_PASS)).toBe(BigInt(others.length));
    });

    it(`${mode}: without servers everything passes, and the port is a setting`, () => {
      const { table, far, near, servers } = balanced(1, mode, { port: 5353 });
      far.send(datagram(1, { port: 5353 }));
      expect(receive(near, 1)).toEqual([hex(datagram(1, { port: 5353 }))]);
      table.replace(rulesFor(servers), SOURCE);
      far.send(datagram(1));
      expect(receive(near, 1)).toEqual([hex(datagram(1))]);
      far.send(datagram(2, { port: 5353 }));
      expect(receive(servers[0]?.socket as RawSocket, 1, isDatagram)).toHaveLength(1);
      table.replace([], SOURCE);
      far.send(datagram(3, { port: 5353 }));
      expect(receive(near, 1)).toEqual([hex(datagram(3, { port: 5353 }))]);
    });
  }

  it("three servers share the flows, a flow stays with its server, and counters outlive a change of the rules", () => {
    const { table, far, servers } = balanced(3, "native");
    const ports = Array.from({ length: 240 }, (_, n) => 2000 + n * 37);
    /** The server that each of the flows is sent to. */
    const owners = (): number[] =>
      ports.map((port) => {
        far.send(datagram(port));
        for (;;) {
          for (const [index, { socket }] of servers.entries()) {
            const got = socket.receive(0);
            if (got !== null && isDatagram(got.bytes)) return index;
          }
        }
      });
    table.replace(rulesFor(servers), SOURCE);
    const first = owners();
    for (const index of [0, 1, 2]) expect(first.filter((owner) => owner === index).length).toBeGreaterThan(40);
    expect(owners()).toEqual(first);
    const counted = table.list().map(({ packets }) => Number(packets));
    expect(counted).toEqual([0, 1, 2].map((index) => 2 * first.filter((owner) => owner === index).length));

    // Server 1 goes: only its flows move.
    table.replace(rulesFor(servers.filter((_, index) => index !== 1)), SOURCE);
    const second = owners();
    for (const [flow, owner] of first.entries()) if (owner !== 1) expect(second[flow]).toBe(owner);
    expect(second).not.toContain(1);
    const kept = table.list();
    expect(kept.map(({ server }) => server)).toEqual([servers[0]?.address, servers[2]?.address]);
    expect(Number(kept[0]?.packets)).toBe((counted[0] ?? 0) + second.filter((owner) => owner === 0).length);

    // It comes back: everything is as it was, and it counts from 0.
    table.replace(rulesFor(servers), SOURCE);
    expect(table.list().find(({ server }) => server === servers[1]?.address)).toMatchObject({ packets: 0n, bytes: 0n });
    expect(owners()).toEqual(first);
  });

  it("refuses rules that are none, and keeps those that it has", () => {
    const { table } = load();
    const rule = { server: "10.0.0.1", mac: "02:00:00:00:00:01", ifindex: 3 };
    table.replace([rule], SOURCE);
    for (const [wrong, source] of [
      [[{ ...rule, server: "10.0.0" }], SOURCE],
      [[{ ...rule, server: "::1" }], SOURCE],
      [[{ ...rule, mac: "02:00" }], SOURCE],
      [[rule, rule], SOURCE],
      [[rule], "nowhere"],
      [Array.from({ length: 128 }, (_, n) => ({ ...rule, server: `10.1.0.${n}` })), SOURCE],
    ] as const) {
      expect(() => table.replace(wrong, source)).toThrow();
      expect(table.list()).toEqual([{ ...rule, packets: 0n, bytes: 0n }]);
    }
    // As many as there may be, and then as many others.
    for (const network of [1, 2, 1]) {
      const many = Array.from({ length: 127 }, (_, n) => ({ ...rule, server: `10.${network}.0.${n}` }));
      table.replace(many, SOURCE);
      expect(new Set(table.list().map(({ server }) => server))).toEqual(new Set(many.map(({ server }) => server)));
    }
    expect(() => new RuleTable("/sys/fs/bpf/nowhere/servers")).toThrow("no pinned map");
  });

  it("takes a whole new set also when a replacement before was interrupted, and leaves no slot without a server", () => {
    const { object, table } = load();
    const rules = (from: number): Rule[] =>
      Array.from({ length: MAX_RULES }, (_, index) => ({
        server: `10.1.${from}.${index}`,
        mac: "02:00:00:00:00:01",
        ifindex: 1,
      }));
    const servers = object.map<ArrayMap<{ address: number; ifindex: number }>>("servers", ArrayMap);
    const ring = object.map<ArrayMap<number>>("server_ring", ArrayMap);
    table.replace(rules(1), SOURCE);
    // As it is when a process ends in the middle: the new servers are written, some slots have moved, and the old ones are still there.
    const [first] = servers.values();
    for (let number = MAX_RULES + 1; number <= 2 * MAX_RULES; number++) {
      servers.set(number, { ...first, address: 0x0a010200 + number - MAX_RULES - 1, ifindex: 1 } as never); // the type of `servers` is the program's
    }
    for (let slot = 0; slot < ring.maxEntries; slot += 2) ring.set(slot, MAX_RULES + 1 + (slot % MAX_RULES));
    table.replace(rules(3), SOURCE);
    expect(
      table
        .list()
        .map(({ server }) => server)
        .sort(),
    ).toEqual(
      rules(3)
        .map(({ server }) => server)
        .sort(),
    );
    const addresses = [...servers.values()].map(({ address }) => address >>> 8);
    expect(new Set([...ring.values()].map((number) => addresses[number]))).toEqual(new Set([0x0a0103]));
  });
});

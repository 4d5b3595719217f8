/**
 * The router between VLANs: frames come in tagged and go out with the tag of the network that they go to, as tcpdump and scapy see them at the receiver.
 * This kernel need not have VLAN devices: veths stand for the subinterfaces, which have addresses and neighbours and carry no packet.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { HashMap, type LoadedObject, loadSpec, PerCpuArrayMap } from "../../src/index.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { getLink } from "../../src/sys/netlink/index.ts";
import { openPacketSocket } from "../../src/sys/sockets.ts";
import { lacking, temporaryDirectory } from "../foreign-tools.ts";
import { noKernel } from "../kernel.ts";
import { lackingScapy, scapy } from "../net/scapy.ts";
import { freshNamespace } from "../own-network.ts";
import { Capture } from "./capture.ts";
import { MODES } from "./on-wire.ts";
import { ACTIONS, type ActionName, type Counters, sourceOf } from "./subject.ts";

const missing = noKernel === null ? lacking("ip", "ethtool", "tcpdump") + lackingScapy : ` (skipped: ${noKernel})`;

/** What scapy reads of a captured frame. */
interface Seen {
  dst: string;
  src: string;
  vlan: number | null;
  priority: number | null;
  hops: number;
  right: boolean;
  from: string;
  to: string;
}

interface Packet {
  /** Tag of the frame; null: none. */
  vlan: number | null;
  priority?: number;
  from: string;
  to: string;
  ttl?: number;
}

describe.skipIf(missing !== "").each(MODES)(`the router between VLANs, %s mode${missing}`, (mode) => {
  const { spec } = compile(sourceOf("programs/router-vlan.bpf.ts"));
  let hub: string;
  let object: LoadedObject;
  const hosts: Record<"left" | "right", { netns: string; mac: string }> = {
    left: { netns: "", mac: "" },
    right: { netns: "", mac: "" },
  };

  const sh = (line: string) => {
    const { status, stderr } = spawnSync("sh", ["-c", line], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${line}: ${stderr}`);
  };
  const ip = (line: string) => sh(`ip -n ${hub} ${line}`);
  const indexOf = (device: string) => inNamespace(hub, () => getLink(device).ifindex);
  const macOf = (device: string) => inNamespace(hub, () => getLink(device).mac ?? "");
  const count = (action: ActionName) =>
    Number(object.map<PerCpuArrayMap<Counters>>("xdp_stats_map", PerCpuArrayMap).sum(ACTIONS.indexOf(action)).rx_packets);

  beforeEach(() => {
    hub = freshNamespace();
    object = loadSpec(spec);
    onTestFinished(() => object.close());
    for (const name of ["left", "right"] as const) {
      const netns = freshNamespace();
      ip(`link add name ${name} type veth peer name veth0 netns ${netns}`);
      ip(`link set ${name} up`);
      sh(`ip -n ${netns} link set veth0 up && ip netns exec ${netns} ethtool -K veth0 gro on rxvlan off txvlan off`);
      hosts[name] = { netns, mac: inNamespace(netns, () => getLink("veth0").mac ?? "") };
      sh(`ip netns exec ${hub} ethtool -K ${name} gro on rxvlan off txvlan off`);
      object.program("xdp_router_vlan").attach({ dev: name, mode, netns: hub });
    }
    sh(`ip netns exec ${hub} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1`);
    subinterface("left10", "left", 10, "10.78.10.1/24", "fd78:10::1/64");
    subinterface("right20", "right", 20, "10.78.20.1/24", "fd78:20::1/64");
    // The port's own network, without a tag.
    ip("addr add 10.78.1.1/24 dev right");
    ip(`neigh replace 10.78.1.2 lladdr ${hosts.right.mac} dev right nud permanent`);
    ip("addr add 10.78.2.1/24 dev left");
    for (const [address, device] of [
      ["10.78.20.2", "right20"],
      ["fd78:20::2", "right20"],
    ]) {
      ip(`neigh replace ${address} lladdr ${hosts.right.mac} dev ${device} nud permanent`);
    }
  });

  /** A device that stands for a VLAN at a port, with the port's address, as VLAN devices have it. */
  function subinterface(name: string, port: string, vlan: number, v4: string, v6: string): void {
    ip(`link add name ${name} address ${macOf(port)} type veth peer name ${name}x`);
    ip(`link set ${name} up`);
    ip(`link set ${name}x up`);
    ip(`addr add ${v4} dev ${name}`);
    ip(`-6 addr add ${v6} dev ${name} nodad`);
    const key = { ifindex: indexOf(port), vlan, unused: 0 };
    object.map<HashMap>("vlan_in", HashMap).set(key, indexOf(name));
    object.map<HashMap>("vlan_out", HashMap).set(indexOf(name), key);
  }

  /** Sends packets from left, made by scapy, and gives what right saw of them, read by scapy. */
  async function through(packets: readonly Packet[], expected: number): Promise<Seen[]> {
    const made = scapy<{ hex: string }>(`for p in json.loads('''${JSON.stringify(packets)}'''):
    six = ":" in p["to"]
    tag = [] if p["vlan"] is None else [Dot1Q(vlan=p["vlan"], prio=p.get("priority", 0))]
    net = IPv6(src=p["from"], dst=p["to"], hlim=p.get("ttl", 64)) if six else IP(src=p["from"], dst=p["to"], ttl=p.get("ttl", 64))
    frame = Ether(src="${hosts.left.mac}", dst="${macOf("left")}")
    for each in tag: frame = frame / each
    frame = frame / net / UDP(sport=1111, dport=2222) / b"between VLANs"
    print(json.dumps(dict(hex=bytes(frame).hex())))`);
    expect(made).toHaveLength(packets.length);
    const file = join(temporaryDirectory(), "right.pcap");
    const capture = await Capture.start({ name: hosts.right.netns }, file, "udp dst port 2222 or (vlan and udp dst port 2222)");
    try {
      const socket = inNamespace(hosts.left.netns, () => openPacketSocket(getLink("veth0").ifindex));
      for (const { hex } of made) socket.send(Uint8Array.from(Buffer.from(hex, "hex")));
      socket.close();
      for (let seen = 0; seen < expected; seen++) await capture.sees("2222");
    } finally {
      await capture.end();
    }
    return scapy<Seen>(`for p in rdpcap("${file}"):
    tag = p.getlayer(Dot1Q)
    net = p.getlayer(IPv6) or p.getlayer(IP)
    q = Ether(bytes(p))
    for layer in (IP, UDP):
        if q.haslayer(layer): del q[layer].chksum
    q = Ether(bytes(q))
    same = all(q[l].chksum == p[l].chksum for l in (IP, UDP) if p.haslayer(l))
    print(json.dumps({"dst": p.dst, "src": p.src, "vlan": tag.vlan if tag else None, "priority": tag.prio if tag else None,
      "hops": net.hlim if p.haslayer(IPv6) else net.ttl, "right": same, "from": net.src, "to": net.dst}))`);
  }

  it("routes from one VLAN to another, both families, and keeps the priority", async () => {
    const seen = await through(
      [
        { vlan: 10, priority: 5, from: "10.78.10.2", to: "10.78.20.2" },
        { vlan: 10, from: "fd78:10::2", to: "fd78:20::2" },
      ],
      2,
    );
    const next = { dst: hosts.right.mac, src: macOf("right"), vlan: 20, hops: 63, right: true };
    expect(seen).toEqual([
      { ...next, priority: 5, from: "10.78.10.2", to: "10.78.20.2" },
      { ...next, priority: 0, from: "fd78:10::2", to: "fd78:20::2" },
    ]);
    expect([count("XDP_REDIRECT"), count("XDP_ABORTED"), count("XDP_DROP")]).toEqual([2, 0, 0]);
  });

  it("takes the tag off and puts one on, between a VLAN and a network without", async () => {
    const seen = await through(
      [
        { vlan: 10, from: "10.78.10.2", to: "10.78.1.2" },
        { vlan: null, from: "10.78.2.2", to: "10.78.20.2" },
        { vlan: null, from: "10.78.2.2", to: "10.78.1.2" },
      ],
      3,
    );
    const next = { dst: hosts.right.mac, src: macOf("right"), hops: 63, right: true };
    expect(seen).toEqual([
      { ...next, vlan: null, priority: null, from: "10.78.10.2", to: "10.78.1.2" },
      { ...next, vlan: 20, priority: 0, from: "10.78.2.2", to: "10.78.20.2" },
      { ...next, vlan: null, priority: null, from: "10.78.2.2", to: "10.78.1.2" },
    ]);
  });

  it("leaves to the stack what is not its own: unknown VLANs, this host, hops that run out, neighbours that are not known", async () => {
    const before = count("XDP_PASS");
    const marker = { vlan: 10, from: "10.78.10.2", to: "10.78.20.2" };
    const seen = await through(
      [
        { vlan: 11, from: "10.78.10.2", to: "10.78.20.2" },
        { vlan: 10, from: "10.78.10.2", to: "10.78.20.1" },
        { vlan: 10, from: "10.78.10.2", to: "10.78.20.2", ttl: 1 },
        { vlan: 10, from: "10.78.10.2", to: "10.78.20.9" },
        marker,
      ],
      1,
    );
    expect(seen).toMatchObject([{ vlan: 20, to: "10.78.20.2", hops: 63 }]);
    expect(count("XDP_PASS") - before).toBeGreaterThanOrEqual(4);
    expect(count("XDP_ABORTED")).toBe(0);
  });
});

/** `doctor --packet`: where a packet goes, and why it does not: each cause is built, named, and gone after the printed command. */
import { describe, expect, test } from "vitest";
import { diagnosePacket, type Finding, PACKET_FINDINGS } from "../../src/doctor/index.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { getLink } from "../../src/sys/netlink/index.ts";
import { apply, cannotRun, type Host, only, reaches, sh, titled, Ward } from "./ward.ts";

interface Network {
  ward: Ward;
  left: Host;
  right: Host;
}

/** Two hosts in two networks, of both families, and the kernel as the router between them. */
function network(): Network {
  const ward = new Ward();
  const left = ward.host("left", "10.77.1.2/24");
  const right = ward.host("right", "10.77.2.2/24");
  for (const [device, host, number] of [
    ["left", left, 1],
    ["right", right, 2],
  ] as const) {
    ward.ip(`addr add 10.77.${number}.1/24 dev ${device}`);
    ward.ip(`-6 addr add fd77:${number}::1/64 dev ${device} nodad`);
    sh(`ip -n ${host.netns} -6 addr add fd77:${number}::2/64 dev veth0 nodad`);
    ward.ip(`neigh replace 10.77.${number}.2 lladdr ${host.mac} dev ${device} nud permanent`);
    ward.ip(`neigh replace fd77:${number}::2 lladdr ${host.mac} dev ${device} nud permanent`);
    sh(`ip -n ${host.netns} route add default via 10.77.${number}.1`);
  }
  sh(`ip netns exec ${ward.hub} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1`);
  return { ward, left, right };
}

const V4 = "10.77.1.2 > 10.77.2.2";
const V6 = "fd77:1::2 > fd77:2::2";

const ask = (ward: Ward, packet: string, more: { inBy?: string; length?: number } = {}) =>
  diagnosePacket({ packet, netns: ward.hub, ...more });
const found = (ward: Ward, packet: string, more = {}): Finding[] => ask(ward, packet, more).findings;
const resultOf = (ward: Ward, packet: string, more = {}) => ask(ward, packet, more).packet.result.name;

describe.skipIf(cannotRun !== null)(titled("a packet"), () => {
  test("goes where bpf_fib_lookup says, with the addresses of the next link", () => {
    const { ward, right } = network();
    for (const [packet, nextHop] of [
      [V4, "10.77.2.2"],
      [V6, "fd77:2::2"],
    ] as const) {
      const { packet: path, findings } = ask(ward, packet);
      expect(findings).toEqual([]);
      expect(path.in).toEqual({ netns: ward.hub, dev: "left" });
      expect(path.result).toEqual({ code: 0, name: "SUCCESS" });
      expect(path.out).toMatchObject({
        place: { netns: ward.hub, dev: "right" },
        nextHop,
        macs: { from: inNamespace(ward.hub, () => getLink("right")).mac, to: right.mac },
        mtu: 1500,
      });
      expect(path.askers).toEqual([]);
    }
    ward.attach("left", "router");
    expect(ask(ward, V4).packet.askers).toEqual([{ id: expect.any(Number), name: "xdp_router_func" }]);
  });

  test("takes a gateway as the next hop", () => {
    const { ward } = network();
    ward.ip("route add 192.0.2.0/24 via 10.77.2.2");
    expect(ask(ward, "10.77.1.2 > 192.0.2.9").packet.out).toMatchObject({ nextHop: "10.77.2.2" });
  });

  test("no-route, and the route that the printed command makes", async () => {
    const { ward } = network();
    const finding = only(found(ward, "10.77.1.2 > 192.0.2.9"), "no-route");
    expect(finding.evidence).toContain("BPF_FIB_LKUP_RET_NOT_FWDED (4); RTM_GETROUTE: ENETUNREACH");
    expect(finding.evidence).toContain("10.77.2.0/24 dev right");
    await apply({ ...finding, fix: { ...finding.fix, command: finding.fix.command.replace("GATEWAY", "10.77.2.2") } });
    expect(found(ward, "10.77.1.2 > 192.0.2.9")).toEqual([]);
    only(found(ward, "fd77:1::2 > fd99::1"), "no-route");
  });

  test("destination-local: this host's own addresses, and groups", () => {
    const { ward } = network();
    for (const [packet, words] of [
      ["10.77.1.2 > 10.77.2.1", "address of this host"],
      ["fd77:1::2 > fd77:2::1", "address of this host"],
      ["10.77.1.2 > 10.77.2.255", "broadcast"],
      ["10.77.1.2 > 224.0.0.5", "multicast"],
    ] as const) {
      expect(only(found(ward, packet), "destination-local").what).toContain(words);
    }
  });

  test("forwarding-off, and ipv6-disabled where the packet comes in", async () => {
    const { ward } = network();
    sh(`ip netns exec ${ward.hub} sysctl -qw net.ipv4.conf.left.forwarding=0 net.ipv6.conf.all.forwarding=0`);
    for (const packet of [V4, V6]) {
      expect(resultOf(ward, packet)).toBe("FWD_DISABLED");
      await apply(only(found(ward, packet), "forwarding-off"));
      expect(found(ward, packet)).toEqual([]);
    }
    sh(`ip netns exec ${ward.hub} sysctl -qw net.ipv6.conf.left.disable_ipv6=1 net.ipv6.conf.left.forwarding=0`);
    only(found(ward, V6, { inBy: "left" }), "ipv6-disabled");
  });

  test("ipv6-disabled where the packet would leave", async () => {
    const { ward } = network();
    sh(`ip netns exec ${ward.hub} sysctl -qw net.ipv6.conf.right.disable_ipv6=1`);
    expect(resultOf(ward, V6)).toBe("NOT_FWDED");
    const finding = only(found(ward, V6), "ipv6-disabled");
    expect(finding.evidence).toContain("the way to fd77:2::2 would lead through it");
    await apply(finding);
    ward.ip("-6 addr add fd77:2::1/64 dev right nodad");
    expect(resultOf(ward, V6)).toMatch(/SUCCESS|NO_NEIGH/);
  });

  test("link-down: the way there is missing because its device is down", async () => {
    const { ward } = network();
    ward.ip("link set right down");
    expect(resultOf(ward, V4)).toBe("NOT_FWDED");
    await apply(only(found(ward, V4), "link-down"));
    await expect.poll(() => found(ward, V4).filter(({ id }) => id !== "no-neighbour")).toEqual([]);
  });

  test("no-neighbour, until somebody has asked for the address", async () => {
    const { ward, right } = network();
    ward.ip("neigh del 10.77.2.2 dev right");
    const { packet, findings } = ask(ward, V4);
    expect(packet.result).toEqual({ code: 7, name: "NO_NEIGH" });
    expect(packet.out).toMatchObject({ place: { dev: "right" }, nextHop: "10.77.2.2", macs: null });
    const finding = only(findings, "no-neighbour");
    expect(finding.evidence).toContain("the neighbour table has no entry for it");
    await apply(finding);
    expect(found(ward, V4)).toEqual([]);
    expect(ask(ward, V4).packet.out?.macs?.to).toBe(right.mac);
    ward.ip("neigh replace 10.77.2.7 dev right nud failed");
    expect(only(found(ward, "10.77.1.2 > 10.77.2.7"), "no-neighbour").evidence).toContain("is failed");
  });

  test("route-refuses: blackhole, unreachable and prohibit, of the most precise route", async () => {
    const { ward } = network();
    ward.ip("route add blackhole 192.0.2.0/24");
    for (const [type, result] of [
      ["blackhole", "BLACKHOLE"],
      ["unreachable", "UNREACHABLE"],
      ["prohibit", "PROHIBIT"],
    ] as const) {
      for (const [option, prefix, packet] of [
        ["", "192.0.2.8/29", "10.77.1.2 > 192.0.2.9"],
        ["-6", "fd99::/64", "fd77:1::2 > fd99::1"],
      ] as const) {
        ward.ip(`${option} route add ${type} ${prefix}`);
        expect(resultOf(ward, packet)).toBe(result);
        const finding = only(found(ward, packet), "route-refuses");
        expect(finding.evidence).toContain(`the route is: ${type} ${prefix}`);
        await apply(finding);
      }
    }
    expect(only(found(ward, "10.77.1.2 > 192.0.2.9"), "route-refuses").evidence).toContain("blackhole 192.0.2.0/24");
  });

  test("redirect-mtu: a packet that is longer than the way out takes", async () => {
    const { ward } = network();
    ward.ip("link set right mtu 1400");
    expect(found(ward, V4)).toEqual([]);
    expect(found(ward, V4, { length: 1400 })).toEqual([]);
    const finding = only(found(ward, V4, { length: 1401 }), "redirect-mtu");
    expect(finding.evidence).toContain("BPF_FIB_LKUP_RET_FRAG_NEEDED (8); the MTU of the route is 1400");
    await apply(finding);
    expect(found(ward, V4, { length: 1401 })).toEqual([]);
  });

  test("reverse-path-filter: what is left to the stack, and its sender is reached elsewhere", async () => {
    const { ward, left } = network();
    sh(`ip netns exec ${ward.hub} sysctl -qw net.ipv4.conf.all.rp_filter=1`);
    const packet = "10.77.2.2 > 10.77.1.1";
    expect(await reaches(left, "10.77.1.1")).toBe(true);
    const finding = only(found(ward, packet, { inBy: "left" }), "reverse-path-filter");
    expect(finding.evidence).toMatch(/EXDEV|EINVAL/);
    await apply(finding);
    expect(found(ward, packet, { inBy: "left" }).map(({ id }) => id)).toEqual(["destination-local"]);
  });

  test("what is wrong at the devices that it meets is found too, and at others it is not", () => {
    const { ward, right } = network();
    const third = ward.host("third", "10.77.3.2/24");
    ward.ip("addr add 10.77.3.1/24 dev third");
    ward.attach("left", "router");
    for (const { netns } of [right, third]) {
      sh(
        `ip -n ${netns} link set veth0 down && ip netns exec ${netns} ethtool -K veth0 gro off && ip -n ${netns} link set veth0 up`,
      );
    }
    const finding = only(found(ward, V4), "redirect-target");
    expect(finding.place.dev).toBe("right");
  });

  test("route-encapsulated: a route that puts packets into others", ({ skip }) => {
    const { ward } = network();
    try {
      ward.ip("route add 192.0.2.0/24 encap ip id 7 dst 10.77.2.2 via 10.77.2.2 dev right");
    } catch (error) {
      skip(`the kernel has no lightweight tunnels: ${(error as Error).message}`);
    }
    expect(resultOf(ward, "10.77.1.2 > 192.0.2.9")).toBe("UNSUPP_LWT");
    only(found(ward, "10.77.1.2 > 192.0.2.9"), "route-encapsulated");
  });

  test("says what it was asked wrongly", () => {
    const { ward } = network();
    expect(() => ask(ward, "10.77.1.2")).toThrow('"10.77.1.2" is no packet.');
    expect(() => ask(ward, "10.77.1.2 > fd77:2::2")).toThrow("is no packet.");
    expect(() => ask(ward, "10.77.1 > 10.77.2.2")).toThrow('"10.77.1" is no IP address.');
    expect(() => ask(ward, V4, { inBy: "nosuch" })).toThrow('There is no network device "nosuch".');
    expect(() => ask(ward, "192.0.2.1 > 10.77.2.2")).toThrow(
      "It is not known by which device a packet of 192.0.2.1 would come in.",
    );
    expect(PACKET_FINDINGS).toContain("no-route");
  });
});

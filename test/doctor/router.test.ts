/** Faults of routing, as a router's program meets them: it asks the kernel's tables with bpf_fib_lookup. */
import { describe, expect, test } from "vitest";
import { apply, cannotRun, type Host, only, reaches, sh, titled, Ward } from "./ward.ts";

/** Two hosts in two networks, and a router between them that asks the routing table. */
function routed(): { ward: Ward; left: Host; right: Host } {
  const ward = new Ward();
  const left = ward.host("left", "10.77.1.2/24");
  const right = ward.host("right", "10.77.2.2/24");
  for (const [device, host, network] of [
    ["left", left, "10.77.1"],
    ["right", right, "10.77.2"],
  ] as const) {
    ward.ip(`addr add ${network}.1/24 dev ${device}`);
    ward.ip(`neigh replace ${host.address} lladdr ${host.mac} dev ${device} nud permanent`);
    sh(`ip -n ${host.netns} route add default via ${network}.1`);
    ward.attach(device, "router");
  }
  return { ward, left, right };
}

const forward = (ward: Ward): string => sh(`ip netns exec ${ward.hub} sysctl -qw net.ipv4.ip_forward=1`);

describe.skipIf(cannotRun !== null)(titled("a router"), () => {
  test("nothing is found when it forwards", async () => {
    const { ward, left, right } = routed();
    forward(ward);
    expect(await reaches(left, right.address)).toBe(true);
    expect(ward.findings("left", "right")).toEqual([]);
  });

  test("forwarding-off: on the device where packets come in", async () => {
    const { ward, left, right } = routed();
    expect(await reaches(left, right.address)).toBe(false);
    for (const device of ["left", "right"]) {
      const finding = only(ward.findings(device), "forwarding-off");
      expect(finding.evidence).toContain(`net.ipv4.conf.${device}.forwarding = 0`);
      await apply(finding);
    }
    expect(ward.findings("left", "right")).toEqual([]);
    expect(await reaches(left, right.address)).toBe(true);
  });

  test("forwarding-off: IPv6", async () => {
    const ward = new Ward();
    const left = ward.host("left", "fd77:1::2/64");
    ward.ip("addr add fd77:1::1/64 dev left nodad");
    ward.attach("left", "router");
    const finding = only(ward.findings("left"), "forwarding-off");
    expect(finding.fix).toEqual({ command: `ip netns exec ${ward.hub} sysctl -w net.ipv6.conf.all.forwarding=1`, safe: false });
    await apply(finding);
    expect(ward.findings("left")).toEqual([]);
    expect(left.address).toBe("fd77:1::2");
  });

  test("redirect-target: every device that has a route is one that packets may leave by", async () => {
    const { ward, right } = routed();
    forward(ward);
    sh(
      `ip -n ${right.netns} link set veth0 down && ip netns exec ${right.netns} ethtool -K veth0 gro off && ip -n ${right.netns} link set veth0 up`,
    );
    const finding = only(ward.findings("left"), "redirect-target");
    expect(finding.evidence).toContain("the routing table sends to ifindex");
    await apply(finding);
    await ward.healthy("left");
  });

  test("reverse-path-filter: senders who would be answered through another device", async () => {
    const { ward, left, right } = routed();
    forward(ward);
    // The way back to the sender leads nowhere near the device on which its packets come in.
    sh(`ip -n ${right.netns} link add name other type veth peer name end && ip -n ${right.netns} link set other up`);
    sh(`ip -n ${right.netns} addr add 10.77.9.1/24 dev other && ip -n ${right.netns} route add 10.77.1.0/24 dev other`);
    sh(`ip netns exec ${right.netns} sysctl -qw net.ipv4.conf.all.rp_filter=1`);
    expect(ward.ids("left")).not.toContain("reverse-path-filter");
    expect(await reaches(left, right.address)).toBe(false);
    const finding = only(ward.findings("left"), "reverse-path-filter");
    expect(finding.place).toEqual({ netns: right.netns, dev: "veth0" });
    expect(finding.evidence).toMatch(/has dropped [1-9]\d* packets/);
    await apply(finding);
    expect(ward.findings("left")).toEqual([]);
  });
});

/** Faults of what a redirecting program was told. */
import { describe, expect, test } from "vitest";
import type { DevMap, HashMap } from "../../src/index.ts";
import { parseMac } from "../../src/sys/mac.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { getLink } from "../../src/sys/netlink/index.ts";
import { sourceOf } from "../programs/subject.ts";
import { unload } from "./unload.ts";
import { apply, cannotRun, type Host, only, reaches, sh, titled, Ward } from "./ward.ts";

function pair(): { ward: Ward; left: Host; right: Host } {
  const ward = new Ward();
  const left = ward.host("left", "10.77.0.1/24");
  const right = ward.host("right", "10.77.0.2/24");
  ward.neighbours(left, right);
  return { ward, left, right };
}

/** The tutorial's redirector between the two, as `wirescript lab redirect` fills it; without a port on `withoutPort`. */
function redirectorBetween({ ward, left, right }: ReturnType<typeof pair>, withoutPort?: "left") {
  const objects = { left: ward.attach("left", "redirect-map"), right: ward.attach("right", "redirect-map") };
  for (const [device, other, from, to] of [
    ["left", "right", left, right],
    ["right", "left", right, left],
  ] as const) {
    (objects[device].map("redirect_params") as HashMap<Uint8Array, Uint8Array>).set(parseMac(from.mac), parseMac(to.mac));
    if (device === withoutPort) continue;
    // A devmap takes devices of the namespace that it is written from.
    inNamespace(ward.hub, () => (objects[device].map("tx_port") as DevMap<number>).set(0, getLink(other).ifindex));
  }
  return objects;
}

describe.skipIf(cannotRun !== null)(titled("a redirecting program"), () => {
  test("nothing is found when it is told well", async () => {
    const hosts = pair();
    redirectorBetween(hosts);
    expect(await reaches(hosts.left, hosts.right.address)).toBe(true);
    expect(hosts.ward.findings("left", "right")).toEqual([]);
  });

  test("redirect-map-empty", async () => {
    const hosts = pair();
    redirectorBetween(hosts, "left");
    expect(await reaches(hosts.left, hosts.right.address)).toBe(false);
    await apply(only(hosts.ward.findings("left", "right"), "redirect-map-empty"));
    expect(hosts.ward.findings("left", "right")).toEqual([]);
    expect(await reaches(hosts.left, hosts.right.address)).toBe(true);
  });

  test("target-missing: an ifindex of another namespace", async () => {
    const { ward, left, right } = pair();
    // Indexes of the hub's devices start at 2; no namespace of a test has that many.
    const settings = { dest_mac: parseMac(right.mac), ifindex: 4711 };
    ward.attach("left", "redirect", { settings });
    const finding = only(ward.findings("left"), "target-missing");
    expect(finding.evidence).toContain("has ifindex 4711");
    expect(finding.fix.command).toContain(`--set ifindex=${ward.ifindex("right")}`);
    expect(await reaches(left, right.address)).toBe(false);
    ward.attach("left", "redirect", { settings: { ...settings, ifindex: ward.ifindex("right") } });
    ward.attach("right", "redirect", { settings: { dest_mac: parseMac(left.mac), ifindex: ward.ifindex("left") } });
    expect(ward.findings("left", "right")).toEqual([]);
    expect(await reaches(left, right.address)).toBe(true);
  });

  test("mac-mismatch: a setting with the address of the wrong end", async () => {
    const { ward, left, right } = pair();
    const wrong = inNamespace(ward.hub, () => getLink("right").mac ?? "");
    const settings = { ifindex: ward.ifindex("right"), dest_mac: parseMac(wrong), src_mac: parseMac(left.mac) };
    ward.attach("left", "redirect", { settings });
    ward.attach("right", "redirect", { settings: { dest_mac: parseMac(left.mac), ifindex: ward.ifindex("left") } });
    expect(await reaches(left, right.address)).toBe(false);
    const finding = only(ward.findings("left", "right"), "mac-mismatch");
    expect(finding.place).toEqual({ netns: ward.hub, dev: "left" });
    expect(finding.evidence).toContain(`dest_mac ${wrong}`);
    expect(finding.evidence).toContain(`the address of veth0 (in ${right.netns}) at its other end is ${right.mac}`);
    try {
      await apply(finding, sourceOf("programs/redirect.bpf.ts"));
      expect(ward.findings("left", "right")).toEqual([]);
      expect(await reaches(left, right.address)).toBe(true);
    } finally {
      await unload(ward.hub, "left");
    }
  });

  test("mac-mismatch: a table of senders and receivers with an address that was", async () => {
    const hosts = pair();
    const { ward, left, right } = hosts;
    redirectorBetween(hosts);
    sh(`ip -n ${right.netns} link set veth0 address 02:00:00:00:77:02`);
    ward.neighbours(left, { ...right, mac: "02:00:00:00:77:02" });
    expect(await reaches(left, right.address)).toBe(false);
    await apply(only(ward.findings("left"), "mac-mismatch"));
    expect(ward.findings("left")).toEqual([]);
  });

  test("mac-mismatch: groups, and devices on top of the receiver, are receivers too", () => {
    const { ward, right } = pair();
    const redirect = (mac: string) =>
      ward.attach("left", "redirect", { settings: { ifindex: ward.ifindex("right"), dest_mac: parseMac(mac) } });
    redirect("ff:ff:ff:ff:ff:ff");
    expect(ward.ids("left")).toEqual([]);
    redirect("02:00:00:00:77:07");
    expect(ward.ids("left")).toEqual(["mac-mismatch"]);
    sh(`ip -n ${right.netns} link set veth0 promisc on`);
    expect(ward.ids("left")).toEqual([]);
  });

  test("redirect-mtu: large packets are lost on the way to a smaller device", async () => {
    const hosts = pair();
    redirectorBetween(hosts);
    sh(`ip -n ${hosts.right.netns} link set veth0 mtu 1280`);
    const finding = only(hosts.ward.findings("left"), "redirect-mtu");
    expect(finding.evidence).toContain("MTU of left (in ");
    expect(finding.evidence).toContain(": 1280");
    const large = `ip netns exec ${hosts.left.netns} ping -c1 -W1 -s 1400 ${hosts.right.address}`;
    expect(() => sh(large)).toThrow();
    await apply(finding);
    expect(hosts.ward.findings("left", "right")).toEqual([]);
    sh(large);
  });

  test("map-full: a table that the program cannot add to", async () => {
    const hosts = pair();
    const objects = redirectorBetween(hosts);
    const params = objects.left.map("redirect_params") as HashMap<Uint8Array, Uint8Array>;
    const { maxEntries } = params.info();
    for (let index = [...params.keys()].length; index < maxEntries; index++) {
      params.set(Uint8Array.of(2, 0, 0, 0, index >> 8, index & 255), parseMac(hosts.right.mac));
    }
    const finding = only(hosts.ward.findings("left"), "map-full");
    expect(finding.evidence).toContain(`${maxEntries} of ${maxEntries} entries`);
    await apply(finding);
    expect(hosts.ward.ids("left")).not.toContain("map-full");
  });
});

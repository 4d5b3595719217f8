/** Faults of a device itself: each is built, found with its value, and gone after the printed command. */
import { describe, expect, test } from "vitest";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { getLink } from "../../src/sys/netlink/index.ts";
import { hasTool } from "../own-network.ts";
import { sourceOf } from "../programs/subject.ts";
import { unload } from "./unload.ts";
import { apply, cannotRun, only, reaches, sh, titled, Ward, withBpffs } from "./ward.ts";

const needs = (tool: string): string => (hasTool(tool) ? "" : ` (skipped: needs ${tool})`);

describe.skipIf(cannotRun !== null)(titled("a device"), () => {
  test("no-program", async () => {
    const ward = new Ward();
    ward.host("left", "10.77.0.1/24");
    const finding = only(ward.findings("left"), "no-program");
    await apply(finding, sourceOf("pass"));
    try {
      expect(ward.findings("left")).toEqual([]);
    } finally {
      await unload(ward.hub, "left");
    }
  });

  test("link-down: the device, its other end, and what it redirects to", async () => {
    const ward = new Ward();
    const host = ward.host("left", "10.77.0.1/24");
    ward.attach("left", "pass");
    ward.ip("link set left down");
    const own = only(ward.findings("left"), "link-down");
    expect(own.place).toEqual({ netns: ward.hub, dev: "left" });
    await apply(own);
    await ward.healthy("left");
    sh(`ip -n ${host.netns} link set veth0 down`);
    const other = only(ward.findings("left"), "link-down");
    expect(other.place).toEqual({ netns: host.netns, dev: "veth0" });
    await apply(other);
    await ward.healthy("left");
  });

  test("ipv6-disabled: where the other end has an IPv6 address", async () => {
    const ward = new Ward();
    const host = ward.host("left", "fd77::1/64");
    ward.attach("left", "pass");
    expect(ward.findings("left")).toEqual([]);
    sh(`ip netns exec ${ward.hub} sysctl -qw net.ipv6.conf.left.disable_ipv6=1`);
    const finding = only(ward.findings("left"), "ipv6-disabled");
    expect(finding.evidence).toContain("net.ipv6.conf.left.disable_ipv6 = 1");
    await apply(finding);
    expect(ward.findings("left")).toEqual([]);
    ward.ip("addr add fd77::2/64 dev left nodad");
    expect(await reaches(host, "fd77::2")).toBe(true);
  });

  test.skipIf(!hasTool("bpftool"))(
    `generic-mode: the program keeps its id when it goes to native mode${needs("bpftool")}`,
    async () => {
      const ward = new Ward();
      ward.host("left", "10.77.0.1/24");
      ward.attach("left", "pass", { mode: "skb" });
      const [before] = inNamespace(ward.hub, () => getLink("left")).xdp;
      withBpffs();
      await apply(only(ward.findings("left"), "generic-mode"));
      expect(ward.findings("left")).toEqual([]);
      expect(inNamespace(ward.hub, () => getLink("left")).xdp).toEqual([{ mode: "native", programId: before?.programId }]);
    },
  );

  test("mtu-too-large: the kernel's own words, and native mode after the printed command", async () => {
    const ward = new Ward();
    const host = ward.host("left", "10.77.0.1/24");
    ward.ip("link set left mtu 9000");
    sh(`ip -n ${host.netns} link set veth0 mtu 9000`);
    ward.attach("left", "pass", { mode: "skb" });
    const finding = only(ward.findings("left"), "mtu-too-large");
    expect(finding.evidence).toContain("veth0 (in ");
    expect(finding.evidence).toContain(": 9000.");
    expect(finding.evidence).toContain("Peer MTU is too large");
    expect(() => ward.attach("left", "pass", { mode: "native" })).toThrow();
    await apply(finding);
    ward.attach("left", "pass", { mode: "native" });
    expect(ward.findings("left")).toEqual([]);
  });

  test("tc-no-direct-action: the program's verdict counts after the printed command", async () => {
    const ward = new Ward();
    const host = ward.host("left", "10.77.0.1/24");
    ward.ip("addr add 10.77.0.2/24 dev left");
    const object = ward.compileToObject(
      "import { tc, TC_ACT_SHOT } from 'wirescript/kernel';\nexport const shoot = tc.ingress(() => TC_ACT_SHOT);\n",
    );
    withBpffs();
    sh(`tc -n ${ward.hub} qdisc add dev left clsact`);
    const empty = only(ward.findings("left"), "clsact-empty");
    sh(`tc -n ${ward.hub} filter add dev left ingress bpf obj ${object.path} sec ${object.section}`);
    expect(ward.ids("left")).toEqual(["tc-no-direct-action"]);
    expect(await reaches(host, "10.77.0.2")).toBe(true);
    await apply(only(ward.findings("left"), "tc-no-direct-action"));
    expect(ward.findings("left")).toEqual([]);
    expect(await reaches(host, "10.77.0.2")).toBe(false);
    sh(`tc -n ${ward.hub} filter del dev left ingress`);
    expect(ward.ids("left")).toContain("clsact-empty");
    ward.attach("left", "pass");
    await apply(empty);
    expect(ward.findings("left")).toEqual([]);
  });

  test("dispatcher-empty: a dispatcher without programs", async () => {
    const ward = new Ward();
    ward.host("left", "10.77.0.1/24");
    // libxdp makes dispatchers only where the kernel has freplace; what is left of one whose programs are gone is this.
    ward.attachText(
      "left",
      "import { xdp, XDP_PASS } from 'wirescript/kernel';\nexport const xdp_dispatcher = xdp(() => XDP_PASS);\n",
    );
    await apply(only(ward.findings("left"), "dispatcher-empty"));
    expect(ward.ids("left")).toEqual(["no-program"]);
  });
});

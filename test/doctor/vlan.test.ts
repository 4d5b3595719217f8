/** VLAN tags that programs do not see: who takes them out of the frame on a veth, and the finding where VLAN devices are. */
import { describe, expect, test } from "vitest";
import type { ArrayMap } from "../../src/index.ts";
import { requireVlans } from "../../src/lab/preflight.ts";
import { attachTcPersistently } from "../../src/runtime/links/tc.ts";
import { apply, cannotRun, HEALTHY, only, reaches, sh, titled, Ward } from "./ward.ts";

/** Counts frames by whether the tag is in them. */
const LOOK = `import { array, u64, xdp, XDP_PASS } from "wirescript/kernel";
import { Ethernet } from "wirescript/net";
export const seen = array({ value: u64, entries: 2 });
export const look = xdp((ctx) => {
  const eth = ctx.at(Ethernet);
  const count = seen.lookup(eth && eth.type === 0x8100 ? 1 : 0);
  if (count) count.value = count.value + 1;
  return XDP_PASS;
});
`;

/** Tags what leaves, as a VLAN device does, on kernels without them too. */
const TAG = `import { tc, TC_ACT_OK } from "wirescript/kernel";
import { EtherType } from "wirescript/net";
export const tag = tc.egress((ctx) => {
  ctx.pushVlan(EtherType.VLAN, 7);
  return TC_ACT_OK;
});
`;

const withoutVlans = ((): string | null => {
  if (cannotRun !== null) return cannotRun;
  try {
    requireVlans();
    return null;
  } catch {
    return "this kernel has no VLAN devices";
  }
})();

describe.skipIf(cannotRun !== null)(titled("VLAN tags on a veth"), () => {
  test.each([
    { txVlan: true, mode: "native", where: 0 },
    { txVlan: true, mode: "skb", where: 0 },
    { txVlan: false, mode: "native", where: 1 },
    { txVlan: false, mode: "skb", where: 1 },
  ] as const)(
    "with txvlan $txVlan at the sender, a program in $mode mode counts under $where",
    async ({ txVlan, mode, where }) => {
      const ward = new Ward();
      const host = ward.host("left", "10.77.0.1/24", { ...HEALTHY, txVlan });
      sh(`ip -n ${host.netns} neigh replace 10.77.0.2 lladdr 02:00:00:00:00:09 dev veth0 nud permanent`);
      const tagger = ward.load(TAG);
      attachTcPersistently(tagger.program("tag"), { dev: "veth0", netns: host.netns, direction: "egress" });
      const seen = ward.attachText("left", LOOK, { mode }).map("seen") as ArrayMap<bigint>;
      await reaches(host, "10.77.0.2");
      expect(seen.get(where)).toBeGreaterThanOrEqual(2n);
      expect(seen.get(1 - where)).toBe(0n);
    },
  );
});

describe.skipIf(withoutVlans !== null)(`vlan-offload${withoutVlans === null ? "" : ` (skipped: ${withoutVlans})`}`, () => {
  test("is found where the other end has a VLAN device", async () => {
    const ward = new Ward();
    const host = ward.host("left", "10.77.0.1/24", { ...HEALTHY, txVlan: true });
    ward.attach("left", "pass");
    expect(ward.findings("left")).toEqual([]);
    sh(`ip -n ${host.netns} link add link veth0 name veth0.7 type vlan id 7`);
    const finding = only(ward.findings("left"), "vlan-offload");
    expect(finding.fix).toEqual({ command: `ip netns exec ${host.netns} ethtool -K veth0 txvlan off`, safe: true });
    await apply(finding);
    expect(ward.findings("left")).toEqual([]);
  });
});

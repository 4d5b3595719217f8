/** `doctor --watch`: what really gets lost, by the kernel's tracepoints. */
import { describe, expect, test } from "vitest";
import { type Finding, Watch } from "../../src/doctor/index.ts";
import { parseMac } from "../../src/sys/mac.ts";
import { cannotRun, HEALTHY, type Host, only, reaches, titled, Ward } from "./ward.ts";

function pair(): { ward: Ward; left: Host; right: Host } {
  const ward = new Ward();
  const left = ward.host("left", "10.77.0.1/24");
  const right = ward.host("right", "10.77.0.2/24");
  ward.neighbours(left, right);
  return { ward, left, right };
}

/** What is seen while a ping is tried. */
async function seen({ ward, left, right }: ReturnType<typeof pair>, ...devices: string[]): Promise<Finding[]> {
  using watch = new Watch();
  await reaches(left, right.address);
  return watch.findings({ devices, netns: ward.hub });
}

describe.skipIf(cannotRun !== null)(titled("watching"), () => {
  test("nothing is found when nothing gets lost", async () => {
    const hosts = pair();
    const { ward, left, right } = hosts;
    ward.attach("left", "redirect", { settings: { ifindex: ward.ifindex("right"), dest_mac: parseMac(right.mac) } });
    ward.attach("right", "redirect", { settings: { ifindex: ward.ifindex("left"), dest_mac: parseMac(left.mac) } });
    expect(await seen(hosts, "left", "right")).toEqual([]);
  });

  test("redirect-fails: the errno, and the command that mends it", async () => {
    const hosts = pair();
    const { ward, right } = hosts;
    ward.attach("left", "redirect", { settings: { ifindex: ward.ifindex("right"), dest_mac: parseMac(right.mac) } });
    ward.ip("link set right down");
    const finding = only(await seen(hosts, "left"), "redirect-fails");
    expect(finding.place).toEqual({ netns: ward.hub, dev: "left" });
    expect(finding.what).toMatch(/^\d+ packets were lost in \d+\.\d s in XDP_REDIRECT at w\w+\/left to w\w+\/right\.$/);
    expect(finding.evidence).toMatch(/^Tracepoint xdp_redirect_err: ENETDOWN by "xdp_redirect_fu\w*" \(id \d+\), \d+ times\.$/);
    expect(finding.fix.command).toBe(`ip -n ${ward.hub} link set dev right up`);
  });

  test("redirect-fails: what no command mends alone is said in words", async () => {
    const hosts = pair();
    const { ward, right } = hosts;
    ward.attach("left", "redirect", { settings: { ifindex: 4711, dest_mac: parseMac(right.mac) } });
    const finding = only(await seen(hosts, "left"), "redirect-fails");
    expect(finding.why).toContain("There is no device with index 4711");
    expect(finding.why).toContain("Redirect to a device that is there");
    expect(finding.fix.command).toMatch(/^wirescript progs show \d+$/);
  });

  test("xdp-exception: a program that aborts", async () => {
    const hosts = pair();
    hosts.ward.attach("left", "aborted");
    const finding = only(await seen(hosts, "left"), "xdp-exception");
    expect(finding.what).toContain("lost in ");
    expect(finding.evidence).toMatch(/^Tracepoint xdp_exception: XDP_ABORTED by "aborted" \(id \d+\), \d+ times\.$/);
  });

  test("sending-drops: nobody at the other end takes what XDP_TX sends back", async () => {
    const ward = new Ward();
    const left = ward.host("left", "10.77.0.1/24", { ...HEALTHY, gro: false });
    const right = ward.host("right", "10.77.0.2/24");
    ward.neighbours(left, right);
    ward.attach("left", "echo");
    const finding = only(await seen({ ward, left, right }, "left"), "sending-drops");
    expect(finding.what).toMatch(/lost in \d+\.\d s on being sent by w\w+\/left\.$/);
    expect(finding.evidence).toMatch(/^Tracepoint xdp_bulk_tx: ENXIO, \d+ times, \d+ dropped\.$/);
    expect(finding.why).toContain("Load a program on the other end");
  });

  test("what gets lost at other devices is not told", async () => {
    const hosts = pair();
    hosts.ward.attach("left", "aborted");
    expect(await seen(hosts, "right")).toEqual([]);
    const other = new Ward();
    other.host("left", "10.77.0.1/24");
    using watch = new Watch();
    await reaches(hosts.left, hosts.right.address);
    expect(watch.findings({ devices: ["left"], netns: other.hub })).toEqual([]);
    expect(watch.findings({}).filter(({ place }) => place.netns === hosts.ward.hub)).toHaveLength(1);
  });
});

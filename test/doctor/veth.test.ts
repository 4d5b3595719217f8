/** What a veth needs before XDP may send to it: each lack is built, seen by what gets lost, found, and mended by the printed command. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { parseMac } from "../../src/sys/mac.ts";
import { unload } from "./unload.ts";
import { apply, cannotRun, HEALTHY, type Host, only, reaches, titled, Ward } from "./ward.ts";

/** Two hosts, and a program that takes all frames of one to the other. */
function wire(offloads: Record<string, boolean>): { ward: Ward; left: Host; right: Host } {
  const ward = new Ward();
  const left = ward.host("left", "10.77.0.1/24", offloads);
  const right = ward.host("right", "10.77.0.2/24", offloads);
  ward.neighbours(left, right);
  ward.attach("left", "redirect", { settings: { ifindex: ward.ifindex("right"), dest_mac: parseMac(right.mac) } });
  ward.attach("right", "redirect", { settings: { ifindex: ward.ifindex("left"), dest_mac: parseMac(left.mac) } });
  return { ward, left, right };
}

/** Whether a TCP connection comes to be: two processes of the system's own. */
async function connects(from: Host, to: Host): Promise<boolean> {
  const server = spawn(
    "ip",
    [
      "netns",
      "exec",
      to.netns,
      process.execPath,
      "-e",
      `require("net").createServer(c => c.end()).listen(5001, "${to.address}", () => console.log("up"))`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  try {
    await once(server.stdout, "data");
    const script = `const s = require("net").connect(5001, "${to.address}", () => process.exit(0)); s.on("error", () => process.exit(1)); setTimeout(() => process.exit(1), 1500)`;
    return spawnSync("ip", ["netns", "exec", from.netns, process.execPath, "-e", script]).status === 0;
  } finally {
    server.kill();
  }
}

describe.skipIf(cannotRun !== null)(titled("a veth"), () => {
  test("nothing is found at a healthy pair, and TCP goes through", async () => {
    const { ward, left, right } = wire(HEALTHY);
    expect(await connects(left, right)).toBe(true);
    expect(ward.findings("left", "right")).toEqual([]);
  });

  test("redirect-target: without GRO and without a program at the other end, redirected packets are lost", async () => {
    const { ward, left, right } = wire({ ...HEALTHY, gro: false });
    expect(await reaches(left, right.address)).toBe(false);
    for (const device of ["left", "right"]) {
      const finding = only(ward.findings(device), "redirect-target");
      expect(finding.fix).toEqual({ command: expect.stringContaining("ethtool -K veth0 gro on"), safe: true });
      await apply(finding);
    }
    expect(ward.findings("left", "right")).toEqual([]);
    expect(await reaches(left, right.address)).toBe(true);
  });

  test("redirect-target: a program at the other end does as well as GRO", () => {
    const { ward, left, right } = wire({ ...HEALTHY, gro: false });
    ward.attach("veth0", "pass", { netns: right.netns });
    expect(ward.findings("left")).toEqual([]);
    ward.attach("veth0", "pass", { netns: left.netns });
    expect(ward.findings("right")).toEqual([]);
  });

  test("redirect-target: in skb mode nothing is needed", async () => {
    const { ward, left, right } = wire({ ...HEALTHY, gro: false });
    for (const [device, to, host] of [
      ["left", "right", right],
      ["right", "left", left],
    ] as const) {
      const settings = { ifindex: ward.ifindex(to), dest_mac: parseMac(host.mac) };
      ward.attach(device, "redirect", { mode: "skb", settings });
    }
    expect(await reaches(left, right.address)).toBe(true);
    expect(ward.ids("left")).not.toContain("redirect-target");
  });

  test("peer-without-xdp: what XDP_TX sends back is lost", async () => {
    const ward = new Ward();
    // With GRO such packets wait until another packet wakes the end, which takes a while or happens at once.
    const host = ward.host("left", "10.77.0.1/24", { ...HEALTHY, gro: false });
    ward.ip("addr add 10.77.0.2/24 dev left");
    ward.attach("left", "echo");
    expect(await reaches(host, "10.77.0.2")).toBe(false);
    const finding = only(ward.findings("left"), "peer-without-xdp");
    expect(finding.place).toEqual({ netns: host.netns, dev: "veth0" });
    await apply(finding);
    try {
      expect(ward.findings("left")).toEqual([]);
      expect(await reaches(host, "10.77.0.2")).toBe(true);
    } finally {
      await unload(host.netns, "veth0");
    }
  });

  test("peer-without-xdp: GRO is not enough", () => {
    const ward = new Ward();
    ward.host("left", "10.77.0.1/24", { ...HEALTHY, gro: true });
    ward.attach("left", "echo");
    expect(ward.ids("left")).toEqual(["peer-without-xdp"]);
  });

  test("peer-without-xdp: a program that never answers needs no program at the other end", () => {
    const ward = new Ward();
    ward.host("left", "10.77.0.1/24");
    for (const file of ["pass", "drop", "flow-counters"]) {
      ward.attach("left", file);
      expect(ward.findings("left"), file).toEqual([]);
    }
  });

  test("checksum-offload: pings go through and TCP does not", async () => {
    const { ward, left, right } = wire({ ...HEALTHY, txChecksum: true });
    expect(await reaches(left, right.address)).toBe(true);
    expect(await connects(left, right)).toBe(false);
    for (const device of ["left", "right"]) {
      const finding = only(ward.findings(device), "checksum-offload");
      expect(finding.fix.safe).toBe(true);
      await apply(finding);
    }
    expect(ward.findings("left", "right")).toEqual([]);
    expect(await connects(left, right)).toBe(true);
  });
});

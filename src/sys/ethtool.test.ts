/** Offloads against `ethtool -k`, and the reason why labs turn GRO on. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { freshNamespace, hasTool, isRoot } from "../../test/own-network.ts";
import { getOffloads, type Offloads, setOffloads } from "./ethtool.ts";
import { inNamespace, openNamespace } from "./namespaces.ts";
import { addAddress } from "./netlink/address.ts";
import { addVethPair, getLink, setLinkUp } from "./netlink/link.ts";
import { setPermanentNeighbour } from "./netlink/neighbour.ts";

const reason = !isRoot ? "needs root" : !hasTool("ethtool") ? "needs ethtool" : null;

const FEATURES = {
  rxVlan: "rx-vlan-offload",
  txVlan: "tx-vlan-offload",
  gro: "generic-receive-offload",
  txChecksum: "tx-checksumming",
} as const;

/** What `ethtool -k` prints about the four. */
function seenByEthtool(namespace: string, device: string): Offloads {
  const lines = execFileSync("ip", ["netns", "exec", namespace, "ethtool", "-k", device], { encoding: "utf8" }).split("\n");
  const isOn = (feature: string) => lines.some((line) => line.startsWith(`${feature}: on`));
  return {
    rxVlan: isOn(FEATURES.rxVlan),
    txVlan: isOn(FEATURES.txVlan),
    gro: isOn(FEATURES.gro),
    txChecksum: isOn(FEATURES.txChecksum),
  };
}

describe.skipIf(reason !== null)(`ethtool${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  test.each(Object.keys(FEATURES) as (keyof Offloads)[])(
    "%s is switched on and off, alone, as `ethtool -k` sees it",
    (name) => {
      const namespace = freshNamespace();
      inNamespace(namespace, () => addVethPair({ name: "a", peerName: "b" }));
      const before = inNamespace(namespace, () => getOffloads("a"));
      expect(before).toEqual(seenByEthtool(namespace, "a"));
      for (const value of [!before[name], before[name]]) {
        inNamespace(namespace, () => setOffloads("a", { [name]: value }));
        expect(inNamespace(namespace, () => getOffloads("a"))).toEqual({ ...before, [name]: value });
        expect(seenByEthtool(namespace, "a")).toEqual({ ...before, [name]: value });
      }
    },
  );

  test("a missing device is named", () => {
    const namespace = freshNamespace();
    inNamespace(namespace, () => {
      for (const name of ["nosuch", "a-name-that-is-much-too-long"]) {
        expect(() => getOffloads(name)).toThrowError(expect.objectContaining({ code: "NO_SUCH_DEVICE" }));
      }
    });
  });

  test("a feature that the driver keeps is reported, not ignored", () => {
    const namespace = freshNamespace();
    inNamespace(namespace, () => {
      expect(() => setOffloads("lo", { txVlan: true })).toThrowError(
        expect.objectContaining({ code: "UNSUPPORTED_SYSTEM", why: expect.stringContaining("does not change txVlan") }),
      );
    });
  });
});

/**
 * `echo` answers every IPv4 ping: swaps the addresses, and 8 (request) becomes 0 (reply). The reply leaves by XDP_TX, or by
 * XDP_REDIRECT to the device it came from.
 */
const PROGRAMS = `
#include <linux/bpf.h>
#define SEC(name) __attribute__((section(name), used))
static long (*bpf_redirect)(__u32 ifindex, __u64 flags) = (void *)23;
SEC("pass") int xdp_pass(struct xdp_md *ctx) { return XDP_PASS; }
static int echo(struct xdp_md *ctx) {
  unsigned char *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  if (p + 42 > end || p[12] != 8 || p[13] != 0 || p[23] != 1 || p[34] != 8) return 0;
  unsigned char mac[6];
  __builtin_memcpy(mac, p, 6);
  __builtin_memcpy(p, p + 6, 6);
  __builtin_memcpy(p + 6, mac, 6);
  unsigned int ip = *(unsigned int *)(p + 26);
  *(unsigned int *)(p + 26) = *(unsigned int *)(p + 30);
  *(unsigned int *)(p + 30) = ip;
  unsigned int sum = (p[36] << 8 | p[37]) + 0x800;
  sum = (sum & 0xffff) + (sum >> 16);
  p[34] = 0;
  p[36] = sum >> 8;
  p[37] = sum;
  return 1;
}
SEC("tx") int xdp_tx(struct xdp_md *ctx) { return echo(ctx) ? XDP_TX : XDP_PASS; }
SEC("redirect") int xdp_redirect(struct xdp_md *ctx) { return echo(ctx) ? bpf_redirect(ctx->ingress_ifindex, 0) : XDP_PASS; }
`;

const missing = ["ip", "clang-19", "gcc", "ping"].filter((tool) => !hasTool(tool));
const skipped = !isRoot ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

// XDP_TX with GRO alone is not among these: Linux up to 6.18 puts the frames into the peer's queue, and wakes it only when it has a program.
describe.skipIf(skipped !== null)(`native XDP on veth${skipped === null ? "" : ` (skipped: ${skipped})`}`, () => {
  test.each([
    { action: "tx", gro: false, peerProgram: true, answered: 3 },
    { action: "tx", gro: false, peerProgram: false, answered: 0 },
    { action: "redirect", gro: true, peerProgram: false, answered: 3 },
    { action: "redirect", gro: false, peerProgram: true, answered: 3 },
    { action: "redirect", gro: false, peerProgram: false, answered: 0 },
  ])("$action with GRO $gro and a program $peerProgram on the peer: $answered of 3 pings are answered", (variant) => {
    const [outside, inside] = [freshNamespace(), freshNamespace()];
    const peer = openNamespace(inside);
    onTestFinished(() => closeSync(peer));
    const outer = inNamespace(outside, () => {
      addVethPair({ name: "outer", peerName: "inner", peerNamespaceFd: peer });
      setLinkUp(getLink("outer").ifindex, true);
      return getLink("outer");
    });
    inNamespace(inside, () => {
      const { ifindex } = getLink("inner");
      setLinkUp(ifindex, true);
      // Only now: the driver tells the other end that it can receive when the setting changes on a device that is up.
      setOffloads("inner", { gro: variant.gro });
      addAddress({ ifindex, address: "10.11.1.2", prefixLength: 24 });
      // Nobody outside has this address: only the program can answer.
      setPermanentNeighbour({ ifindex, address: "10.11.1.1", mac: outer.mac ?? "" });
    });
    const directory = mkdtempSync(join(tmpdir(), "wirescript-echo-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, "echo.c"), PROGRAMS);
    const include = execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();
    const flags = ["-O2", "-target", "bpf", `-I/usr/include/${include}`, "-c"];
    execFileSync("clang-19", [...flags, "echo.c", "-o", "echo.o"], { cwd: directory });
    const attach = (namespace: string, device: string, section: string) =>
      execFileSync("ip", ["-n", namespace, "link", "set", device, "xdpdrv", "obj", "echo.o", "sec", section], {
        cwd: directory,
      });
    attach(outside, "outer", variant.action);
    if (variant.peerProgram) attach(inside, "inner", "pass");
    expect(inNamespace(outside, () => getLink("outer").xdp[0]?.mode)).toBe("native");
    const ping = spawnSync("ip", ["netns", "exec", inside, "ping", "-c", "3", "-i", "0.01", "-W", "0.3", "10.11.1.1"]);
    expect(ping.stdout.toString()).toContain(` ${variant.answered} received`);
  });
});

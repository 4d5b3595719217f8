/** Offloads against `ethtool -k`, and the reason why labs turn GRO on. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { compileC } from "../../test/compile-c.ts";
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
    const object = compileC("test/fixtures/echo.c");
    const attach = (namespace: string, device: string, section: string) =>
      execFileSync("ip", ["-n", namespace, "link", "set", device, "xdpdrv", "obj", object, "sec", section]);
    attach(outside, "outer", variant.action);
    if (variant.peerProgram) attach(inside, "inner", "pass");
    expect(inNamespace(outside, () => getLink("outer").xdp[0]?.mode)).toBe("native");
    const ping = spawnSync("ip", ["netns", "exec", inside, "ping", "-c", "3", "-i", "0.01", "-W", "0.3", "10.11.1.1"]);
    expect(ping.stdout.toString()).toContain(` ${variant.answered} received`);
  });
});

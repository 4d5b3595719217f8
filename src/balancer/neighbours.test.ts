/** The way to addresses: neighbours that answer, change, fall silent and come back, gateways and routes, in namespaces of their own. */
import { closeSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { noKernel, withoutKernel } from "../../test/kernel.ts";
import { formatMac, parseMac } from "../sys/mac.ts";
import { createNamespace, deleteNamespace, inNamespace, openNamespace } from "../sys/namespaces.ts";
import { addAddress, addRoute, addVethPair, deleteLink, getLink, setLinkMac, setLinkUp } from "../sys/netlink/index.ts";
import { type HopChange, hopKey, Neighbours } from "./neighbours.ts";
import { moveIntoNamespace } from "./testing/namespace.ts";

const HOST = `ws-neighbour-host-${process.pid}`;

describe.skipIf(noKernel)(`neighbours${withoutKernel}`, () => {
  let leave: () => void;
  let neighbours: Neighbours;
  let changes: HopChange[];

  const start = (...addresses: string[]) => {
    changes = [];
    neighbours = new Neighbours({ changed: (each) => void changes.push(...each), network: () => {}, askEvery: 0.2 });
    neighbours.set(addresses);
  };
  const inHost = <T>(work: () => T) => inNamespace(HOST, work);
  const setHost = (what: { mac?: string; up?: boolean }) =>
    inHost(() => {
      const { ifindex } = getLink("eth0");
      if (what.mac !== undefined) setLinkMac(ifindex, what.mac);
      if (what.up !== undefined) setLinkUp(ifindex, what.up);
    });
  const macTo = (address: string) => {
    const hop = neighbours.hopTo(address);
    return hop === null || hop === undefined ? hop : formatMac(hop.mac);
  };

  beforeAll(() => {
    leave = moveIntoNamespace("neighbour");
    createNamespace(HOST);
  });
  const makeHost = () => {
    const fd = openNamespace(HOST);
    try {
      addVethPair({ name: "lb0", peerName: "eth0", peerNamespaceFd: fd });
    } finally {
      closeSync(fd);
    }
    const { ifindex } = getLink("lb0");
    setLinkMac(ifindex, "02:00:00:00:01:00");
    setLinkUp(ifindex, true);
    addAddress({ ifindex, address: "10.7.0.254", prefixLength: 24 });
    addAddress({ ifindex, address: "2001:db8:7::fe", prefixLength: 64 });
    inHost(() => {
      const { ifindex: inner } = getLink("eth0");
      setLinkMac(inner, "02:00:00:00:02:00");
      setLinkUp(inner, true);
      addAddress({ ifindex: inner, address: "10.7.0.1", prefixLength: 24 });
      addAddress({ ifindex: inner, address: "2001:db8:7::1", prefixLength: 64 });
    });
  };
  afterEach(() => {
    neighbours?.close();
    deleteLink(getLink("lb0").ifindex);
  });
  afterAll(() => {
    deleteNamespace(HOST);
    leave?.();
  });

  it("are asked for, and known by what they answer, in both families", async () => {
    makeHost();
    start("10.7.0.1", "2001:db8:7::1");
    await expect.poll(() => [macTo("10.7.0.1"), macTo("2001:db8:7::1")]).toEqual(["02:00:00:00:02:00", "02:00:00:00:02:00"]);
    const { ifindex } = getLink("lb0");
    expect(neighbours.hopTo("10.7.0.1")).toEqual({
      ifindex,
      mac: parseMac("02:00:00:00:02:00"),
      sourceMac: parseMac("02:00:00:00:01:00"),
    });
    expect(changes).toContainEqual({ key: "10.7.0.1", mac: "02:00:00:00:02:00", device: "lb0" });
    expect([...neighbours.ifindexes]).toEqual([ifindex]);
    // The next one knows without asking.
    neighbours.close();
    start("10.7.0.1");
    expect(macTo("10.7.0.1")).toBe("02:00:00:00:02:00");
  });

  it("who has another MAC address is followed; who falls silent keeps the last one", async () => {
    makeHost();
    start("10.7.0.1");
    await expect.poll(() => macTo("10.7.0.1")).toBe("02:00:00:00:02:00");
    setHost({ up: false, mac: "02:00:00:00:02:02" });
    await expect.poll(() => changes.at(-1)).toEqual({ key: "10.7.0.1", mac: null, device: "lb0" });
    expect(macTo("10.7.0.1")).toBe("02:00:00:00:02:00");
    // It is told once, however often it is asked.
    const told = changes.length;
    setHost({ up: true });
    await expect.poll(() => macTo("10.7.0.1")).toBe("02:00:00:00:02:02");
    expect(changes).toHaveLength(told + 1);
  });

  it("whoever says the MAC address and the device is believed, as long as there is such a device", async () => {
    makeHost();
    start(
      hopKey({ address: "10.99.0.1", mac: "02:00:00:00:00:99", device: "lb0" }),
      hopKey({ address: "10.99.0.2", mac: "02:00:00:00:00:99", device: "lb9" }),
    );
    const { ifindex } = getLink("lb0");
    expect(neighbours.hopTo("02:00:00:00:00:99 lb0")).toEqual({
      ifindex,
      mac: parseMac("02:00:00:00:00:99"),
      sourceMac: parseMac("02:00:00:00:01:00"),
    });
    expect(neighbours.hopTo("02:00:00:00:00:99 lb9")).toBeNull();
    addVethPair({ name: "lb9", peerName: "lb9p" });
    await expect.poll(() => neighbours.hopTo("02:00:00:00:00:99 lb9")?.ifindex).toBe(getLink("lb9").ifindex);
  });

  it("routes decide: behind a gateway is the gateway, without a route is nobody, and what changes is followed", async () => {
    makeHost();
    start("198.51.100.1", "10.7.0.1", "10.7.0.254");
    expect([neighbours.hopTo("198.51.100.1"), neighbours.hopTo("10.7.0.254")]).toEqual([null, null]);
    const { ifindex } = getLink("lb0");
    addRoute({ destination: { address: "198.51.100.0", prefixLength: 24 }, ifindex, gateway: "10.7.0.1" });
    await expect.poll(() => macTo("198.51.100.1")).toBe("02:00:00:00:02:00");
    setLinkUp(ifindex, false);
    await expect.poll(() => [neighbours.hopTo("198.51.100.1"), neighbours.hopTo("10.7.0.1")]).toEqual([null, null]);
  });

  it("the device's own MAC address is followed", async () => {
    makeHost();
    start("10.7.0.1");
    await expect.poll(() => macTo("10.7.0.1")).toBe("02:00:00:00:02:00");
    setLinkMac(getLink("lb0").ifindex, "02:00:00:00:01:09");
    await expect.poll(() => formatMac(neighbours.hopTo("10.7.0.1")?.sourceMac ?? new Uint8Array(6))).toBe("02:00:00:00:01:09");
  });
});

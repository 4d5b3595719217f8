/** rtnetlink against the real kernel, and against what iproute2 says about the same devices. */
import { closeSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { freshNamespace, hasTool, ipJson, isRoot } from "../../../test/own-network.ts";
import { isErrno } from "../errno.ts";
import { addressOf, syscall } from "../ffi.ts";
import { inNamespace, openNamespace } from "../namespaces.ts";
import { addAddress, listAddresses } from "./address.ts";
import { addVethPair, addVlan, deleteLink, findLink, getLink, listLinks, moveLink, renameLink, setLinkUp } from "./link.ts";
import { getNamespaceId } from "./namespace-id.ts";
import { listNeighbours, setPermanentNeighbour } from "./neighbour.ts";
import { addRefusingRoute, addRoute, isLocalAddress, listRoutes } from "./route.ts";
import { setXdp } from "./xdp.ts";

const reason = !isRoot ? "needs root" : !hasTool("ip") ? "needs iproute2" : null;

/** A namespace with the pair a, b in it. */
function withPair(): string {
  const namespace = freshNamespace();
  inNamespace(namespace, () => addVethPair({ name: "a", peerName: "b" }));
  return namespace;
}

/** `r0 = 2; exit` (XDP_PASS), loaded by hand: this test knows nothing of the loader. */
function loadPass(): number {
  const instructions = new Uint8Array([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
  const license = new TextEncoder().encode("MIT\0");
  const attributes = new Uint8Array(128);
  const view = new DataView(attributes.buffer);
  view.setUint32(0, 6, true); // BPF_PROG_TYPE_XDP
  view.setUint32(4, 2, true);
  view.setBigUint64(8, addressOf(instructions), true);
  view.setBigUint64(16, addressOf(license), true);
  return syscall("bpf", 5, attributes, attributes.length);
}

describe.skipIf(reason !== null)(`rtnetlink${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  test("lists the devices that `ip` lists, with the same properties", () => {
    const namespace = withPair();
    const ours = inNamespace(namespace, listLinks).map((link) => ({
      ifindex: link.ifindex,
      ifname: link.name,
      address: link.mac,
      mtu: link.mtu,
      operstate: link.operstate.toUpperCase(),
      kind: link.kind,
      txq: link.txQueues,
      rxq: link.rxQueues,
    }));
    const theirs = ipJson(namespace, "link").map((link) => ({
      ifindex: link.ifindex,
      ifname: link.ifname,
      address: link.address,
      mtu: link.mtu,
      operstate: link.operstate,
      kind: link.linkinfo?.info_kind ?? null,
      txq: link.num_tx_queues,
      rxq: link.num_rx_queues,
    }));
    expect(ours).toEqual(theirs);
    expect(ours.map((link) => link.ifname).sort()).toEqual(["a", "b", "lo"]);
  });

  test("finds a device by name and by index", () => {
    const namespace = withPair();
    inNamespace(namespace, () => {
      const link = getLink("a");
      expect(getLink(link.ifindex)).toEqual(link);
      expect(link.peerIfindex).toBe(getLink("b").ifindex);
      expect(link.peerNamespaceId).toBeNull();
    });
  });

  test.each(["nosuch", "", "a-name-that-is-much-too-long", 0, 4711])(
    "a device %j that is not there: says which there are",
    (device) => {
      const namespace = withPair();
      inNamespace(namespace, () => {
        expect(findLink(device)).toBeNull();
        expect(() => getLink(device)).toThrowError(
          expect.objectContaining({ code: "NO_SUCH_DEVICE", why: "This network namespace has lo, b, a." }),
        );
      });
    },
  );

  test("makes a veth pair with one end in another namespace, and each end knows the other", () => {
    const [here, there] = [freshNamespace(), freshNamespace()];
    const fd = openNamespace(there);
    try {
      const outer = inNamespace(here, () => {
        addVethPair({ name: "outer", peerName: "inner", peerNamespaceFd: fd });
        return { ...getLink("outer"), peerId: getNamespaceId(fd) };
      });
      const inner = inNamespace(there, () => getLink("inner"));
      expect(outer).toMatchObject({ kind: "veth", peerIfindex: inner.ifindex, peerNamespaceId: outer.peerId });
      expect(inner.peerIfindex).toBe(outer.ifindex);
      expect(ipJson(here, "link", "show", "outer")[0]).toMatchObject({ link_index: inner.ifindex, link_netnsid: outer.peerId });
    } finally {
      closeSync(fd);
    }
  });

  test("a device that exists cannot be made again", () => {
    const namespace = withPair();
    inNamespace(namespace, () => {
      expect(() => addVethPair({ name: "a", peerName: "c" })).toThrowError(
        expect.objectContaining({ errnoName: "EEXIST", message: expect.stringContaining("add veth a") }),
      );
    });
  });

  test("sets up and down, renames, moves and deletes", () => {
    const [namespace, other] = [withPair(), freshNamespace()];
    const fd = openNamespace(other);
    try {
      inNamespace(namespace, () => {
        const a = getLink("a").ifindex;
        setLinkUp(a, true);
        setLinkUp(getLink("b").ifindex, true);
        expect(getLink("a")).toMatchObject({ up: true, operstate: "up" });
        setLinkUp(a, false);
        expect(getLink("a")).toMatchObject({ up: false, operstate: "down" });
        renameLink(a, "c");
        expect(getLink(a).name).toBe("c");
        moveLink(a, fd);
        expect(findLink("c")).toBeNull();
      });
      inNamespace(other, () => {
        deleteLink(getLink("c").ifindex);
        expect(findLink("c")).toBeNull();
      });
      expect(inNamespace(namespace, () => findLink("b"))).toBeNull();
    } finally {
      closeSync(fd);
    }
  });

  test("adds addresses as `ip` shows them, IPv6 ones without duplicate address detection", () => {
    const namespace = withPair();
    const ours = inNamespace(namespace, () => {
      const { ifindex } = getLink("a");
      setLinkUp(ifindex, true);
      setLinkUp(getLink("b").ifindex, true);
      addAddress({ ifindex, address: "10.11.1.1", prefixLength: 24 });
      addAddress({ ifindex, address: "fc00:dead:cafe:1::1", prefixLength: 64 });
      return listAddresses(ifindex);
    });
    expect(ours).toContainEqual(expect.objectContaining({ address: "fc00:dead:cafe:1::1", tentative: false, family: 6 }));
    const theirs = ipJson(namespace, "address", "show", "a")[0].addr_info;
    const pairs = (list: { local: string; prefixlen: number }[]) => list.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    // The kernel adds the link's own address in its own time.
    const chosen = (list: string[]) => list.filter((address) => !address.startsWith("fe80:"));
    expect(chosen(ours.map((address) => `${address.address}/${address.prefixLength}`))).toEqual(chosen(pairs(theirs)));
  });

  test("adds permanent neighbours and routes as `ip` shows them", () => {
    const namespace = withPair();
    inNamespace(namespace, () => {
      const { ifindex } = getLink("a");
      setLinkUp(ifindex, true);
      setLinkUp(getLink("b").ifindex, true);
      for (const [address, prefixLength] of [["10.11.1.1", 24] as const, ["fc00:dead:cafe:1::1", 64] as const]) {
        addAddress({ ifindex, address, prefixLength });
      }
      for (const address of ["10.11.1.2", "fc00:dead:cafe:1::2"]) {
        setPermanentNeighbour({ ifindex, address, mac: "02:00:00:00:00:02" });
      }
      addRoute({ destination: { address: "10.11.0.0", prefixLength: 16 }, gateway: "10.11.1.2", ifindex });
      addRoute({ destination: { address: "fc00:dead:cafe::", prefixLength: 48 }, gateway: "fc00:dead:cafe:1::2", ifindex });
      expect(listNeighbours(ifindex).filter(({ state }) => state === "permanent")).toEqual([
        { ifindex, address: "10.11.1.2", mac: "02:00:00:00:00:02", state: "permanent" },
        { ifindex, address: "fc00:dead:cafe:1::2", mac: "02:00:00:00:00:02", state: "permanent" },
      ]);
      expect(listRoutes()).toContainEqual({
        destination: { address: "10.11.0.0", prefixLength: 16 },
        family: 4,
        gateway: "10.11.1.2",
        ifindex,
      });
    });
    const neighbours = [...ipJson(namespace, "-4", "neigh"), ...ipJson(namespace, "-6", "neigh")];
    for (const dst of ["10.11.1.2", "fc00:dead:cafe:1::2"]) {
      expect(neighbours).toContainEqual(expect.objectContaining({ dst, lladdr: "02:00:00:00:00:02", state: ["PERMANENT"] }));
    }
    const routes = [...ipJson(namespace, "-4", "route"), ...ipJson(namespace, "-6", "route")];
    expect(routes).toContainEqual(expect.objectContaining({ dst: "10.11.0.0/16", gateway: "10.11.1.2", dev: "a" }));
    expect(routes).toContainEqual(
      expect.objectContaining({ dst: "fc00:dead:cafe::/48", gateway: "fc00:dead:cafe:1::2", dev: "a" }),
    );
  });

  test("adds routes that refuse, as `ip` shows them", () => {
    const namespace = withPair();
    const networks = [
      { blackhole: "10.1.0.0/16", unreachable: "10.2.0.0/16", prohibit: "10.3.0.0/16" },
      { blackhole: "fc00:1::/32", unreachable: "fc00:2::/32", prohibit: "fc00:3::/32" },
    ] as const;
    const each = networks.flatMap((family) => Object.entries(family)) as [keyof (typeof networks)[0], string][];
    inNamespace(namespace, () => {
      setLinkUp(getLink("lo").ifindex, true);
      for (const [refusal, destination] of each) {
        const [address = "", length] = destination.split("/");
        addRefusingRoute({ destination: { address, prefixLength: Number(length) }, refusal });
      }
      expect(listRoutes()).toEqual([]);
    });
    const routes = [...ipJson(namespace, "-4", "route"), ...ipJson(namespace, "-6", "route")];
    for (const [type, dst] of each) expect(routes).toContainEqual(expect.objectContaining({ type, dst }));
  });

  test("tells local addresses from others", async () => {
    const namespace = withPair();
    inNamespace(namespace, () => {
      const { ifindex } = getLink("a");
      setLinkUp(ifindex, true);
      addAddress({ ifindex, address: "10.11.1.1", prefixLength: 24 });
      addAddress({ ifindex, address: "fc00:dead:cafe:1::1", prefixLength: 64 });
    });
    const isLocal = (address: string) => inNamespace(namespace, () => isLocalAddress(address));
    await expect.poll(() => isLocal("fc00:dead:cafe:1::1"), { interval: 1 }).toBe(true);
    expect(isLocal("10.11.1.1")).toBe(true);
    for (const other of ["10.11.1.2", "10.12.0.1", "fc00:dead:cafe:1::2", "fc00:dead:cafe:2::1"])
      expect(isLocal(other)).toBe(false);
  });

  test("a refused change carries the kernel's own explanation", () => {
    const namespace = withPair();
    inNamespace(namespace, () => {
      const { ifindex } = getLink("a");
      setLinkUp(ifindex, true);
      const destination = { address: "10.0.0.0", prefixLength: 8 };
      expect(() => addRoute({ destination, gateway: "10.11.1.2", ifindex })).toThrowError(
        expect.objectContaining({ errnoName: "ENETUNREACH", why: "The kernel says: Nexthop has invalid gateway." }),
      );
    });
  });

  test("a VLAN device is made as asked, or the kernel says that it has none", () => {
    const namespace = withPair();
    inNamespace(namespace, () => {
      try {
        addVlan({ name: "a.1", parentIfindex: getLink("a").ifindex, vlanId: 1 });
      } catch (error) {
        expect(isErrno(error, "EOPNOTSUPP")).toBe(true);
        expect(error).toMatchObject({ why: "The kernel says: Unknown device type." });
        return;
      }
      expect(getLink("a.1")).toMatchObject({ kind: "vlan", peerIfindex: getLink("a").ifindex });
    });
  });

  test.each(["native", "skb"] as const)(
    "attaches, refuses, replaces and detaches a program in %s mode, and `ip` sees it",
    (mode) => {
      const namespace = withPair();
      const [first, second] = [loadPass(), loadPass()];
      try {
        inNamespace(namespace, () => {
          const { ifindex } = getLink("a");
          setXdp({ ifindex, fd: first, mode, replace: false });
          const [attached] = getLink("a").xdp;
          expect(attached?.mode).toBe(mode);
          expect(() => setXdp({ ifindex, fd: second, mode, replace: false })).toThrowError(
            expect.objectContaining({ errnoName: "EBUSY", why: "The kernel says: XDP program already attached." }),
          );
          expect(() => setXdp({ ifindex, fd: second, mode, expectedFd: second })).toThrowError(
            expect.objectContaining({ errnoName: "EEXIST" }),
          );
          expect(getLink("a").xdp).toEqual([attached]);
          setXdp({ ifindex, fd: second, mode, expectedFd: first });
          const [replaced] = getLink("a").xdp;
          expect(replaced?.programId).not.toBe(attached?.programId);
        });
        const { xdp } = ipJson(namespace, "link", "show", "a")[0];
        expect([xdp.mode, xdp.prog.id]).toEqual([
          mode === "native" ? 1 : 2,
          inNamespace(namespace, () => getLink("a").xdp[0]?.programId),
        ]);
        inNamespace(namespace, () => {
          setXdp({ ifindex: getLink("a").ifindex, fd: -1, mode });
          expect(getLink("a").xdp).toEqual([]);
        });
      } finally {
        for (const fd of [first, second]) syscall("close", fd);
      }
    },
  );

  test("native mode on a device without it is EOPNOTSUPP with the kernel's explanation", () => {
    const namespace = freshNamespace();
    const fd = loadPass();
    try {
      inNamespace(namespace, () => {
        expect(() => setXdp({ ifindex: getLink("lo").ifindex, fd, mode: "native" })).toThrowError(
          expect.objectContaining({ errnoName: "EOPNOTSUPP", why: expect.stringContaining("driver") }),
        );
      });
    } finally {
      syscall("close", fd);
    }
  });
});

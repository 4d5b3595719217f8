/** The service as a whole: states accepted, refused, kept, and taken over, on a real datapath in a network namespace of its own. */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { noKernel, withoutKernel } from "../../test/kernel.ts";
import { hasTool } from "../../test/own-network.ts";
import type { ObjectSpec } from "../object/spec.ts";
import { openPinnedMap } from "../runtime/introspect.ts";
import type { HashMap } from "../runtime/maps/hash.ts";
import { addAddress, deleteLink, findLink, getLink, setLinkMtu, setPermanentNeighbour } from "../sys/netlink/index.ts";
import { type BalancerOptions, startBalancer } from "./balancer.ts";
import type { Backend, Balancer, BalancerEvent, Device, Service, State } from "./contract.ts";
import { isInstalled, pinDirectoryOf } from "./datapath/datapath.ts";
import { readDocument } from "./document.ts";
import { SILENT } from "./logger.ts";
import { ConflictError, InvalidState } from "./refusals.ts";
import { mapsOnly, SMALL } from "./testing/maps-only.ts";
import { addPair, moveIntoNamespace } from "./testing/namespace.ts";

const instance = `test-balancer-${process.pid}`;
const usual = (backends: string, rest = "") =>
  readDocument(`
devices: [{ name: lb0 }]
tableSize: 101
${rest}
services:
- { name: web, address: 192.0.2.1, port: 80, protocol: tcp, backends: [${backends}] }
- { name: dns, address: 192.0.2.1, port: 53, protocol: udp, affinity: source, backends: [{ address: 10.7.0.9 }] }
`);
/** Others may come in between: the network has its own time. */
const last = (balancer: Balancer, wanted: BalancerEvent["type"]) => balancer.recent.findLast(({ type }) => type === wanted);
const needsIp = hasTool("ip") ? "" : " (skipped: needs ip)";
const AB = "{ name: a, address: 10.7.0.1 }, { name: b, address: 10.7.0.2 }";

describe.skipIf(noKernel)(`a balancer${withoutKernel}`, () => {
  let leave: () => void;
  let program: ObjectSpec;
  let directory: string;
  const open: Balancer[] = [];
  const start = async (options: BalancerOptions = {}) => {
    const balancer = await startBalancer({ instance, program, entries: SMALL, directory, ...options });
    open.push(balancer);
    return balancer;
  };

  beforeAll(async () => {
    leave = moveIntoNamespace("balancer");
    addPair("lb0", ["10.7.0.254/24", "2001:db8:7::fe/64"]);
    program = await mapsOnly();
    directory = mkdtempSync(join(tmpdir(), "ws-balancer-"));
  });
  afterEach(async () => {
    for (const balancer of open.splice(0)) await balancer.close({ detach: true });
    rmSync(directory, { recursive: true, force: true });
  });
  afterAll(() => leave?.());

  it("accepts a state, and is what it says", async () => {
    const balancer = await start({ state: usual(AB) });
    expect(balancer.state).toEqual(usual(AB));
    const status = await balancer.status();
    expect(status.devices).toMatchObject([{ name: "lb0", mode: "native", driver: "veth", ifindex: findLink("lb0")?.ifindex }]);
    expect(status.services).toMatchObject([
      { name: "web", address: "192.0.2.1", port: 80, protocol: "tcp", mode: "nat", slots: 101, drops: 0, failOpen: false },
      { name: "dns", slots: 101, backends: [{ name: "10.7.0.9", port: 53, slots: 101, health: "unchecked" }] },
    ]);
    const [a, b] = status.services[0]?.backends.map(({ slots }) => slots) ?? [];
    expect((a ?? 0) + (b ?? 0)).toBe(101);
    expect(status.reasons).toMatchObject({ not_ours: { packets: 0, bytes: 0 }, no_service: { packets: 0, bytes: 0 } });
    expect(findLink("lb0")?.xdp).toHaveLength(1);
    expect((await balancer.pressure()).find(({ name }) => name === "backends")).toEqual({
      name: "backends",
      entries: 3,
      capacity: 65_536,
    });
  });

  it("says what a change would do, does it, and says what it did", async () => {
    const balancer = await start({ state: usual(AB) });
    const events: BalancerEvent[] = [];
    const stop = balancer.subscribe((event) => events.push(event));
    const next = usual("{ name: a, address: 10.7.0.1 }, { name: b, address: 10.7.0.2, weight: 50 }");
    const { revision } = balancer;
    const plan = balancer.plan(next);
    expect(plan.changes).toEqual([
      { action: "set", subject: "backend", service: "web", backend: "b", fields: { weight: [100, 50] } },
    ]);
    expect(balancer.revision).toBe(revision);
    expect(await balancer.apply(next)).toEqual({ ...plan, revision: revision + 1 });
    expect(events).toEqual([{ at: expect.any(Date), type: "applied", revision: revision + 1, ...plan }]);
    expect(balancer.recent).toContainEqual(events[0]);
    // Once more is no change.
    expect(await balancer.apply(next)).toEqual({ changes: [], moved: [], ends: [], revision: revision + 1 });
    stop();
    await balancer.apply(usual(AB));
    expect(events).toHaveLength(1);
  });

  it("changes queue up, and one for another revision is refused", async () => {
    const balancer = await start({ state: usual("") });
    const { revision } = balancer;
    const [first, second, third] = await Promise.allSettled([
      balancer.apply(usual("{ address: 10.7.0.1 }"), { ifRevision: revision }),
      balancer.apply(usual("{ address: 10.7.0.2 }"), { ifRevision: revision }),
      balancer.apply(usual("{ address: 10.7.0.3 }")),
    ]);
    expect(first).toMatchObject({ status: "fulfilled", value: { revision: revision + 1 } });
    expect(second).toMatchObject({ status: "rejected", reason: { revision: revision + 1 } });
    expect((second as PromiseRejectedResult).reason).toBeInstanceOf(ConflictError);
    expect(third).toMatchObject({ status: "fulfilled", value: { revision: revision + 2 } });
    expect(balancer.state.services[0]?.backends).toMatchObject([{ address: "10.7.0.3" }]);
  });

  it("a wrong state changes nothing: all that is wrong is told", async () => {
    const balancer = await start({ state: usual(AB) });
    const wrong = { ...usual(AB), tableSize: 100, devices: [{ name: "lb0" }, { name: "nowhere" }] } as State;
    const failure = await balancer.apply(wrong).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InvalidState);
    expect((failure as InvalidState).problems).toMatchObject([{ path: "/tableSize" }]);
    await expect(balancer.apply({ ...wrong, tableSize: 101 })).rejects.toMatchObject({
      problems: [{ path: "/devices/1/name", what: "There is no device nowhere." }],
    });
    expect(() => balancer.plan(wrong)).toThrow(InvalidState);
    expect(balancer.state).toEqual(usual(AB));
  });

  it("what was accepted cannot be changed behind its back, and what is kept of it is the same", async () => {
    const balancer = await start({ state: usual(AB) });
    await balancer.apply(usual("{ address: 10.7.0.1 }"));
    const [web, dns] = balancer.state.services;
    expect(() => {
      (web as Service).port = 70_000 as number;
    }).toThrow(TypeError);
    expect(() => web?.backends.push({ address: "nonsense" } as Backend)).toThrow(TypeError);
    // One that is another object is looked at, whatever else is trusted.
    const wrong = { ...balancer.state, services: [{ ...(web as Service), port: 70_000 }, dns as Service] };
    await expect(balancer.apply(wrong)).rejects.toMatchObject({ problems: [{ path: "/services/0/port" }] });
    const twice = { ...balancer.state, services: [web as Service, { ...(dns as Service), name: "web" }] };
    await expect(balancer.apply(twice)).rejects.toMatchObject({ problems: [{ path: "/services/1/name" }] });
    const elsewhere = { ...balancer.state, devices: [web as unknown as Device] }; // what JavaScript may give
    await expect(balancer.apply(elsewhere)).rejects.toBeInstanceOf(InvalidState);
    const next = { ...balancer.state, services: [{ ...(web as Service), affinity: "source" as const }, dns as Service] };
    await balancer.apply(next);
    expect(balancer.state.services[1]).toBe(dns);
  });

  it("whatever is changed of the state that it has, the datapath has all of it", async () => {
    const names = ["s1", "s2", "s3", "s4"];
    const others = names.map(
      (name, index) =>
        `- { name: ${name}, address: 192.0.2.9, port: ${index + 1}, protocol: tcp, backends: [{ address: 10.7.0.${index + 1} }] }`,
    );
    const { services } = readDocument(`services:\n${others.join("\n")}`);
    const balancer = await start({ state: usual("") });
    await balancer.apply({ ...balancer.state, services });
    // What it has accepted it takes for the same when it comes back.
    const given = services.map(({ name }) => balancer.state.services.find((each) => each.name === name) as Service);
    const [s1, s2, s3, s4] = given as [Service, Service, Service, Service];
    const moved = { ...s2, backends: [{ address: "10.7.0.22", weight: 1, drain: false }] };
    const states: Partial<State>[] = [
      { services: [s1, moved, s3, s4] },
      { services: [s1, s3, s4] },
      { services: [s2, s1, s4, s3] },
      { services: [s4, s3], tableSize: 97 },
      { services: [s4, s3, { ...s1, port: 99 }] },
      { services: given, source4: "10.7.0.3" },
      { services: [] },
    ];
    for (const next of states) {
      await balancer.apply({ ...balancer.state, ...next });
      for (const { name, port: its } of [...given, { name: "s1", port: 99 }]) {
        const port = Number(its);
        const wanted = balancer.state.services.find((each) => each.name === name && each.port === port);
        const flow = { protocol: "tcp", client: "198.51.100.1", clientPort: 1, address: "192.0.2.9", port } as const;
        expect(await balancer.explain(flow)).toMatchObject({
          service: wanted?.name ?? null,
          backend: wanted?.backends[0]?.name ?? null,
        });
      }
      // By the ring that the kernel has.
      const slots = (await balancer.status()).services.map(({ name, backends }) => [name, backends[0]?.slots]);
      expect(slots).toEqual(balancer.state.services.map(({ name }) => [name, balancer.state.tableSize]));
    }
  });

  it("a state that the kernel does not take is taken back", async () => {
    const balancer = await start({ state: usual(AB) });
    const [, outer] = addPair("gone0");
    try {
      // Nobody can attach to a device that another program has.
      const other = await startBalancer({
        instance: `${instance}-other`,
        program,
        entries: SMALL,
        directory: join(directory, "other"),
        state: readDocument("devices: [{ name: gone0 }]"),
      });
      open.push(other);
      const next = usual("{ address: 10.7.0.77 }", "").services;
      const before = balancer.revision;
      await expect(
        balancer.apply({
          ...balancer.state,
          services: next,
          devices: [
            { name: "lb0", mode: "auto" },
            { name: "gone0", mode: "auto" },
          ],
        }),
      ).rejects.toMatchObject({ code: "DEVICE_BUSY" });
      expect([balancer.revision, balancer.state]).toEqual([before, usual(AB)]);
      const { services } = await balancer.status();
      expect(services[0]?.backends.map(({ address }) => address)).toEqual(["10.7.0.1", "10.7.0.2"]);
      const flow = { protocol: "tcp", client: "198.51.100.1", clientPort: 1, address: "192.0.2.1", port: 80 } as const;
      expect((await balancer.explain(flow)).backend).toMatch(/^[ab]$/);
    } finally {
      await open.pop()?.close({ detach: true });
      deleteLink(outer);
    }
  });

  it("explains where a connection goes, step by step", async () => {
    const balancer = await start({ state: usual(AB) });
    const answer = await balancer.explain({
      protocol: "udp",
      client: "198.51.100.1",
      clientPort: 1,
      address: "192.0.2.1",
      port: 53,
    });
    expect(answer).toEqual({
      service: "dns",
      backend: "10.7.0.9",
      by: "table",
      slot: expect.any(Number),
      hash: expect.any(Number),
      steps: [
        "The service dns takes it (number 2).",
        "The connection is not in the table of connections.",
        expect.stringMatching(/^The hash of the client's address is 0x[0-9a-f]{8}, which is slot \d+ of 101\.$/),
        "The slot is 10.7.0.9's.",
      ],
    });
    expect(
      await balancer.explain({ protocol: "tcp", client: "198.51.100.1", clientPort: 1, address: "192.0.2.1", port: 81 }),
    ).toEqual({
      service: null,
      backend: null,
      by: "none",
      steps: ["The address is the balancer's, and no service has tcp port 81: the packet is dropped (no_service)."],
    });
    await expect(
      balancer.explain({ protocol: "tcp", client: "x", clientPort: 1, address: "::1", port: 81 }),
    ).rejects.toBeInstanceOf(InvalidState);
  });

  it("ends, and the datapath stays; the next one takes it over with the state and its revision", async () => {
    const first = await start({ state: usual(AB) });
    await first.apply(usual("{ address: 10.7.0.5 }"));
    const { revision } = first;
    const [before] = findLink("lb0")?.xdp ?? [];
    await first.close();
    expect(findLink("lb0")?.xdp).toHaveLength(1);
    expect(isInstalled(instance)).toBe(true);
    const second = await start();
    expect([second.revision, second.state]).toEqual([revision, usual("{ address: 10.7.0.5 }")]);
    expect((await second.status()).devices).toHaveLength(1);
    expect(findLink("lb0")?.xdp[0]?.programId).not.toBe(before?.programId);
    await second.close({ detach: true });
    expect([findLink("lb0")?.xdp, isInstalled(instance), existsSync(pinDirectoryOf(instance))]).toEqual([[], false, false]);
  });

  it("follows the network: neighbours, devices that come back, and the address that it sends from", async () => {
    const balancer = await start({ state: usual(AB) });
    const first = async () => (await balancer.status()).services[0]?.backends[0];
    expect(await first()).not.toHaveProperty("mac");
    const { ifindex } = getLink("lb0");
    setPermanentNeighbour({ ifindex, address: "10.7.0.1", mac: "02:00:00:00:07:01" });
    await expect.poll(first).toMatchObject({ mac: "02:00:00:00:07:01", device: "lb0" });
    expect(balancer.recent).toContainEqual({
      at: expect.any(Date),
      type: "neighbour",
      address: "10.7.0.1",
      mac: "02:00:00:00:07:01",
      device: "lb0",
    });
    deleteLink(ifindex);
    await expect
      .poll(() => last(balancer, "device"))
      .toMatchObject({ type: "device", device: "lb0", attached: false, reason: "There is no device lb0." });
    expect(await balancer.status()).toMatchObject({
      devices: [],
      missingDevices: [{ name: "lb0", reason: "There is no device lb0." }],
    });
    addPair("lb0", ["10.7.0.254/24"]);
    await expect.poll(() => last(balancer, "device")).toMatchObject({ type: "device", device: "lb0", attached: true });
    await expect
      .poll(async () => (await balancer.status()).devices)
      .toMatchObject([{ name: "lb0", ifindex: findLink("lb0")?.ifindex }]);
  });

  it.skipIf(!hasTool("ip"))(`sends from the same address when the device gets one for a service${needsIp}`, async () => {
    const ip = (words: string) => execFileSync("ip", words.split(" "));
    ip("address replace 2001:db8:7::fe/64 dev lb0 nodad");
    const logger = { ...SILENT, warn: vi.fn() };
    const balancer = await start({ state: usual(AB), logger });
    const program = async () => (await balancer.status()).devices[0]?.program;
    const before = await program();
    // As docs/balancer.md says; the kernel lists the newest first.
    ip("address add 2001:db8:7::81/128 dev lb0 nodad preferred_lft 0");
    ip("address add 2001:db8:7::82/64 dev lb0 nodad");
    // Told in the order in which it happened, so what came before was told when this was.
    setPermanentNeighbour({ ifindex: getLink("lb0").ifindex, address: "10.7.0.1", mac: "02:00:00:00:07:02" });
    await expect.poll(() => last(balancer, "neighbour")).toMatchObject({ mac: "02:00:00:00:07:02" });
    await balancer.apply(usual(""));
    expect(await program()).toBe(before);
    expect(logger.warn).not.toHaveBeenCalled();
    ip("address del 2001:db8:7::fe/64 dev lb0");
    await expect
      .poll(() => logger.warn.mock.calls)
      .toContainEqual([
        {
          before: expect.objectContaining({ source6: "2001:db8:7::fe" }),
          now: expect.objectContaining({ source6: "2001:db8:7::82" }),
        },
        "The balancer sends from other addresses: connections through NAT from the old ones end.",
      ]);
    for (const each of ["81/128", "82/64"]) ip(`address del 2001:db8:7::${each} dev lb0`);
  });

  it("a device gets the mode that the state asks for, whatever it had, also after a restart", async () => {
    const modeOf = async (balancer: Balancer) => (await balancer.status()).devices[0]?.mode;
    const on = (mode: Device["mode"]) => ({ ...usual(AB), devices: [{ name: "lb0", mode }] });
    const first = await start({ state: on("generic") });
    expect(await modeOf(first)).toBe("generic");
    await first.apply(on("auto"));
    expect(await modeOf(first)).toBe("native");
    await first.apply(on("generic"));
    expect(await modeOf(first)).toBe("generic");
    await first.close();
    const second = await start();
    expect(await modeOf(second)).toBe("generic");
    await second.close();
    expect(await modeOf(await start({ state: on("auto") }))).toBe("native");
  });

  it("devices in another order: the first one's address is sent from", async () => {
    const [, outer] = addPair("lb1", ["10.8.0.254/24"]);
    try {
      const on = (...names: string[]) => ({ ...usual(AB), devices: names.map((name) => ({ name, mode: "auto" as const })) });
      const logger = { ...SILENT, warn: vi.fn() };
      const balancer = await start({ state: on("lb0", "lb1"), logger });
      const planned = balancer.plan(on("lb1", "lb0"));
      expect(planned.changes).toHaveLength(1);
      expect(planned).toMatchObject({ moved: [], ends: balancer.state.services.map(({ name }) => name) });
      expect(await balancer.apply(on("lb1", "lb0"))).toMatchObject(planned);
      expect(logger.warn).toHaveBeenCalledWith(
        { before: expect.objectContaining({ source4: "10.7.0.254" }), now: expect.objectContaining({ source4: "10.8.0.254" }) },
        expect.any(String),
      );
    } finally {
      await open.pop()?.close({ detach: true });
      deleteLink(outer);
    }
  });

  it("says so when it is taken off a device that the state names no more", async () => {
    const logger = { ...SILENT, warn: vi.fn() };
    const balancer = await start({ state: usual(AB, "source4: 10.7.0.254"), logger });
    await balancer.apply({ ...balancer.state, devices: [] });
    const told = { device: "lb0", attached: false, reason: "The state does not name it any more." };
    expect(last(balancer, "device")).toEqual({ at: expect.any(Date), type: "device", ...told });
    expect(logger.warn).toHaveBeenCalledWith(told, "The datapath is not on a device.");
  });

  it("tells of a way that the state says by the backend's address", async () => {
    const [, outer] = addPair("lb1");
    const balancer = await start({
      state: usual('{ address: 10.7.0.1, mac: "02:00:00:00:07:09", device: lb1 }', "source4: 10.7.0.254"),
    });
    deleteLink(outer);
    await expect.poll(() => last(balancer, "neighbour")).toMatchObject({ address: "10.7.0.1", mac: null, device: null });
  });

  it("warns when what it begins with undoes what was changed since", async () => {
    const logger = { ...SILENT, warn: vi.fn() };
    const first = await start({ state: usual(AB), logger });
    await first.apply(usual("{ name: a, address: 10.7.0.1, drain: true }, { name: b, address: 10.7.0.2 }"));
    await first.close();
    const second = await start({ logger });
    expect(logger.warn).not.toHaveBeenCalled();
    await second.close();
    await start({ state: usual(AB), logger });
    expect(logger.warn.mock.calls).toEqual([
      [expect.objectContaining({ changes: [expect.objectContaining({ backend: "a" })] }), expect.stringContaining("is undone")],
    ]);
  });

  it("that cannot start leaves nothing behind", async () => {
    const other = await start({ instance: `${instance}-other`, directory: join(directory, "other"), state: usual(AB) });
    await expect(start({ state: usual(AB) })).rejects.toMatchObject({ code: "DEVICE_BUSY" });
    expect([isInstalled(instance), existsSync(pinDirectoryOf(instance))]).toEqual([false, false]);
    await other.close({ detach: true });
    await start();
  });

  it("one process steers an instance at a time", async () => {
    await start({ state: usual(AB) });
    await expect(start()).rejects.toMatchObject({ code: "CONFLICT" });
    // It is the datapath that two must not write to, wherever each keeps its state.
    const elsewhere = join(directory, "elsewhere");
    await expect(start({ directory: elsewhere, state: usual(AB) })).rejects.toMatchObject({
      code: "CONFLICT",
      message: `Another process steers the balancer "${instance}".`,
      why: expect.stringContaining(`Process ${process.pid} holds the lock`),
    });
    expect(existsSync(elsewhere)).toBe(false);
  });

  it("does not take services away because it has forgotten them", async () => {
    const first = await start({ state: usual(AB) });
    await first.close();
    rmSync(directory, { recursive: true });
    await expect(start()).rejects.toMatchObject({
      code: "BAD_FILE",
      message: "A datapath runs, and nothing says what it is meant to do.",
    });
    const again = await start({ state: usual(AB) });
    expect((await again.status()).services).toHaveLength(2);
  });

  it("settings become another program over the same maps", async () => {
    const balancer = await start({ state: usual(AB) });
    const program = async () => (await balancer.status()).devices[0]?.program;
    const before = await program();
    await balancer.apply(usual(AB, "mtu: 1400"));
    const after = await program();
    expect(after).not.toBe(before);
    await balancer.apply(usual("", "mtu: 1400"));
    expect(await program()).toBe(after);
    // A device that came while one program ran stays when another one takes its place.
    await balancer.apply({ ...balancer.state, devices: [], services: [] });
    await balancer.apply(usual("", "mtu: 1300"));
    await balancer.apply(usual("", "mtu: 1200"));
    await balancer.apply(usual("", "mtu: 1100"));
    expect(await program()).not.toBe(after);
    expect(findLink("lb0")?.xdp[0]?.programId).toBe(await program());
  });

  it("follows the MTUs of devices, without another program", async () => {
    const balancer = await start({ state: usual(AB) });
    const program = async () => (await balancer.status()).devices[0]?.program;
    const before = await program();
    const { ifindex } = getLink("lb0");
    using mtus = openPinnedMap(join(pinDirectoryOf(instance), "mtus")) as HashMap<number, number>; // what its declaration says
    const known = () => [...mtus];
    expect(known()).toEqual([[ifindex, 1500]]);
    setLinkMtu(ifindex, 1300);
    await expect.poll(known).toEqual([[ifindex, 1300]]);
    setLinkMtu(ifindex, 1500);
    await expect.poll(known).toEqual([[ifindex, 1500]]);
    expect(await program()).toBe(before);
  });

  describe("with checks", () => {
    const checked = (backends: string, rest = "") =>
      readDocument(`
devices: [{ name: lb0 }]
tableSize: 101
services:
- name: web
  address: 192.0.2.1
  port: 80
  protocol: tcp
  check: { type: tcp, interval: 0.1, timeout: 0.5, rise: 1, fall: 2, port: 8080 }
  ${rest}
  backends: [${backends}]
`);
    const ABC = "{ name: a, address: 10.7.0.1 }, { name: b, address: 10.7.0.2 }, { name: c, address: 10.7.0.3 }";
    const servers = new Map<string, Server>();
    const up = async (...addresses: string[]) => {
      for (const address of addresses) {
        const server = createServer((socket) => socket.resume()).listen(8080, address);
        servers.set(address, server);
        await once(server, "listening");
      }
    };
    const down = (...addresses: string[]) => {
      for (const address of addresses) servers.get(address)?.close();
    };
    const backends = async (balancer: Balancer) => (await balancer.status()).services[0]?.backends ?? [];
    const health = async (balancer: Balancer) => (await backends(balancer)).map((each) => each.health);

    beforeAll(() => {
      // Whatever other tests have done to the device.
      const { ifindex } = getLink("lb0");
      for (const host of [1, 2, 3]) addAddress({ ifindex, address: `10.7.0.${host}`, prefixLength: 32 });
    });
    afterEach(() => {
      for (const server of servers.values()) server.close();
      servers.clear();
    });

    it("a backend that fails loses its slots, and gets them back when it is well", async () => {
      await up("10.7.0.1", "10.7.0.2", "10.7.0.3");
      const balancer = await start({ state: checked(ABC) });
      await expect.poll(() => health(balancer)).toEqual(["up", "up", "up"]);
      const before = await backends(balancer);
      down("10.7.0.2");
      await expect.poll(() => health(balancer)).toEqual(["up", "down", "up"]);
      await expect.poll(async () => (await backends(balancer))[1]).toMatchObject({ slots: 0, reason: "connection refused" });
      const latest = () => balancer.recent.findLast(({ type }) => type === "health");
      await expect.poll(latest).toMatchObject({
        service: "web",
        backend: "b",
        from: "up",
        to: "down",
        reason: "connection refused",
        of: 101,
      });
      expect((latest() as { moved: number }).moved).toBeGreaterThanOrEqual(before[1]?.slots ?? 0);
      await up("10.7.0.2");
      await expect.poll(() => health(balancer)).toEqual(["up", "up", "up"]);
      const slots = async () => (await backends(balancer)).map((each) => each.slots);
      await expect.poll(slots).toEqual(before.map((each) => each.slots));
    });

    it("no more are taken away than minimumUp allows, and none when all fail", async () => {
      await up("10.7.0.1");
      const balancer = await start({ state: checked(ABC, "minimumUp: 0.6") });
      const taking = async () => (await backends(balancer)).filter(({ slots }) => slots > 0);
      await expect.poll(() => health(balancer)).toEqual(["up", "down", "down"]);
      await expect.poll(taking).toHaveLength(2);
      const failures = async () => {
        const flow = { protocol: "tcp", client: "198.51.100.1", address: "192.0.2.1", port: 80 } as const;
        const ports = Array.from({ length: 50 }, (_, index) => index + 1);
        const answers = await Promise.all(ports.map((clientPort) => balancer.explain({ ...flow, clientPort })));
        return new Set(answers.flatMap(({ steps }) => steps.slice(4)));
      };
      const [, kept] = await taking();
      const fails = `${kept?.name} fails its checks (connection refused), and gets packets nevertheless`;
      expect(await failures()).toEqual(new Set([`${fails}: minimumUp (0.6) lets no more be taken away.`]));
      down("10.7.0.1");
      await expect.poll(async () => (await balancer.status()).services[0]?.failOpen).toBe(true);
      await expect.poll(taking).toHaveLength(3);
      expect(await failures()).toContain(`${fails}: all backends fail theirs (fail open).`);
      await expect.poll(() => last(balancer, "fail-open")).toMatchObject({ type: "fail-open", service: "web", open: true });
      await up("10.7.0.1");
      await expect.poll(async () => (await balancer.status()).services[0]?.failOpen).toBe(false);
    });

    it("who was down is down after a restart, until its checks say otherwise", async () => {
      await up("10.7.0.1", "10.7.0.3");
      const slow = checked(ABC).services.map((service) => ({ ...service, check: { ...service.check, interval: 3600 } }));
      const first = await start({ state: checked(ABC) });
      await expect.poll(() => health(first)).toEqual(["up", "down", "up"]);
      await first.apply({ ...first.state, services: slow as State["services"] });
      const before = (await backends(first)).map(({ slots }) => slots);
      await first.close();
      const second = await start();
      const [a, b, c] = await backends(second);
      expect([a?.slots, b?.slots, c?.slots]).toEqual(before);
      expect(b).toMatchObject({ health: "down" });
    });

    it("a drain ends connections when its time is over, also after a restart", async () => {
      const draining = (seconds: number) =>
        usual(`{ name: a, address: 10.7.0.1 }, { name: b, address: 10.7.0.2, drain: true, drainSeconds: ${seconds} }`);
      const first = await start({ state: usual(AB) });
      await first.apply(draining(0.2));
      expect((await backends(first))[1]).toMatchObject({ draining: true, slots: 0 });
      await expect.poll(() => last(first, "drained")).toMatchObject({ type: "drained", service: "web", backend: "b" });
      expect((await backends(first))[1]).toMatchObject({ draining: false, drained: true });
      await first.apply(usual(AB));
      expect((await backends(first))[1]).toMatchObject({ draining: false, drained: false });
      await first.apply(draining(1));
      await first.close();
      const second = await start();
      await expect.poll(() => last(second, "drained")).toMatchObject({ type: "drained", service: "web", backend: "b" });
    });
  });

  it("a name that cannot be a directory is refused", async () => {
    await expect(startBalancer({ instance: "a/b" })).rejects.toMatchObject({ code: "USAGE" });
  });
});

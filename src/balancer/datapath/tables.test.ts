/** What is written into the maps of the datapath, how little of it a change touches, and how a running datapath is taken over. */
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { noKernel, withoutKernel } from "../../../test/kernel.ts";
import { assertProperty } from "../../../test/property.ts";
import type { ObjectSpec } from "../../object/spec.ts";
import { BackendState, Mode } from "../../programs/balancer-maps.bpf.ts";
import { getLink } from "../../sys/netlink/index.ts";
import { readDocument } from "../document.ts";
import type { State } from "../state.ts";
import { mapsOnly, SMALL } from "../testing/maps-only.ts";
import { Datapath } from "./datapath.ts";
import { RingWriter } from "./rings.ts";
import type { WantedService } from "./tables.ts";

const SOURCES = { source4: "192.0.2.254", source6: null };
const SETTINGS = { natPorts: { first: 1024, count: 64_512 }, newFlowsPerSecond: 125_000, mtu: 1500, ...SOURCES };
const instance = `test-tables-${process.pid}`;

/** All backends are well, unless their names are among `down`. */
function wanted(state: State, down: readonly string[] = []): WantedService[] {
  return state.services.map((service) => ({
    service,
    tableSize: service.tableSize ?? state.tableSize,
    backends: service.backends.map((backend) => ({
      backend,
      up: !down.includes(backend.name ?? ""),
      takes: !down.includes(backend.name ?? ""),
      hop: undefined,
    })),
  }));
}

const web = (backends: string) => `{ name: web, address: 192.0.2.1, port: 80, protocol: tcp, backends: [${backends}] }`;
const services = (...each: string[]) => readDocument(`{ tableSize: 101, services: [${each.join()}] }`);
const A = "{ name: a, address: 10.0.0.1 }";
const B = "{ name: b, address: 10.0.0.2, port: 8080 }";

describe.skipIf(noKernel)(`the tables of the datapath${withoutKernel}`, () => {
  let spec: ObjectSpec;
  let datapath: Datapath;
  const open = () => Datapath.open({ instance, program: spec, entries: SMALL }, SETTINGS);
  const write = (state: State, down: readonly string[] = []) => datapath.tables.replaceAll(wanted(state, down), SOURCES);

  beforeAll(async () => {
    spec = await mapsOnly();
    datapath = await open();
  });
  afterEach(async () => {
    datapath.close({ detach: true });
    datapath = await open();
  });
  afterAll(() => {
    datapath?.close({ detach: true });
  });

  /** The numbers in a service's ring, by slot. */
  function ring(number: number): number[] {
    using map = datapath.maps.rings.get(number);
    return map === undefined ? [] : [...map.values()];
  }
  const records = () => [...datapath.maps.backends].filter(([, { family }]) => family !== 0);
  const countOf = (slots: number[], number: number) => slots.filter((each) => each === number).length;

  it("packets may leave by a device that is there; one that went a moment ago is left out", () => {
    const { ifindex } = getLink("lo");
    datapath.reach([2 ** 31 - 1, ifindex]);
    expect([...datapath.maps.devices.keys()]).toEqual([ifindex]);
  });

  it("a service is found by its key, and its ring leads to its backends", async () => {
    await write(services(web(`${A}, ${B}`)));
    const [[key, service] = []] = datapath.maps.services4;
    expect(key).toEqual({ address: 0xc0000201, port: 80, protocol: 6, prefixLength: 32 });
    expect(service).toEqual({ number: 1, ringSize: 101, flags: 0 });
    expect(
      records().map(([number, { address4, port, state, mode, timeout, service }]) => ({
        number,
        address4,
        port,
        state,
        mode,
        timeout,
        service,
      })),
    ).toEqual([
      { number: 1, address4: 0x0a000001, port: 80, state: BackendState.UP, mode: Mode.NAT, timeout: 3600, service: 1 },
      { number: 2, address4: 0x0a000002, port: 8080, state: BackendState.UP, mode: Mode.NAT, timeout: 3600, service: 1 },
    ]);
    const slots = ring(1);
    expect([slots.length, countOf(slots, 0)]).toEqual([101, 0]);
    expect(Math.abs(countOf(slots, 1) - countOf(slots, 2))).toBeLessThan(3);
    expect([...datapath.maps.vips4.prefixes()]).toEqual([["192.0.2.1/32", { network: 0xc0000201, prefixLength: 32 }]]);
  });

  it("connections begin anew with NAT, for which those of other modes have no port, and after it; between other modes they go on", async () => {
    const generations: number[] = [];
    for (const mode of ["direct", "ipip", "nat", "nat", "direct"]) {
      await write(
        services(
          `{ name: web, address: 192.0.2.1, port: 80, protocol: tcp, mode: ${mode}, backends: [{ address: 10.0.0.1 }] }`,
        ),
      );
      // As another process that takes the datapath over sees it, too.
      datapath.close();
      datapath = await open();
      generations.push(...records().map(([, { generation }]) => generation));
    }
    expect(generations).toEqual([1, 1, 2, 2, 3]);
  });

  it("prefixes, IPv6, all ports, affinity and modes are what they are called in the maps", async () => {
    await write(
      services(
        "{ name: a, address: '2001:db8::/64', port: all, protocol: udp, mode: gue, affinity: source, idleSeconds: 7, backends: [{ address: 10.0.0.1 }] }",
        "{ name: b, address: 198.51.100.0/24, port: 53, protocol: udp, mode: redirect, backends: [{ address: 10.0.0.9, mac: '02:00:00:00:00:01', device: eth7, source: 10.0.0.8 }] }",
      ),
    );
    const network = new Uint8Array([0x20, 1, 0x0d, 0xb8, ...new Array(12).fill(0)]);
    expect([...datapath.maps.services6]).toEqual([
      [
        { address: network, port: 0, protocol: 17, prefixLength: 64 },
        { number: 1, ringSize: 101, flags: 1 },
      ],
    ]);
    expect([...datapath.maps.vips6]).toEqual([
      [
        { address: network, prefixLength: 64 },
        { network, prefixLength: 64 },
      ],
    ]);
    expect([...datapath.maps.vips4.prefixes()]).toEqual([["198.51.100.0/24", { network: 0xc6336400, prefixLength: 24 }]]);
    expect(records().map(([, { mode, timeout, port, source4 }]) => [mode, timeout, port, source4])).toEqual([
      [Mode.GUE, 7, 0, 0],
      [Mode.REDIRECT, 60, 53, 0x0a000008],
    ]);
  });

  it("what a ring names goes when no program uses that ring any more, and other changes do not wait for that", async () => {
    await write(services(web(`${A}, ${B}`)));
    const ALL = [1, 2];
    const seen: number[][] = [];
    const left = vi.spyOn(RingWriter.prototype, "left").mockImplementation(async () => {
      seen.push(
        [...new Set(ring(1))].toSorted(),
        records().map(([number]) => number),
      );
    });
    try {
      await write(services(web(`${A}, { name: b, address: 10.0.0.2, port: 8080, weight: 300 }`)));
      expect(countOf(ring(1), 2)).toBeGreaterThan(70);
      // Before a ring is made, since one is exchanged at a time, and behind it, when something goes.
      expect(seen).toEqual([ALL, ALL]);
      await write(services(web(A)));
      expect(seen.slice(2)).toEqual([ALL, ALL, [1], ALL]);
      expect(records().map(([number]) => number)).toEqual([1]);
    } finally {
      left.mockRestore();
    }
  });

  it("who drains keeps its number and gets no slot; who is down is nobody's; who comes back is who it was", async () => {
    const state = services(web(`${A}, ${B}`));
    await write(state);
    const before = ring(1);
    await write(services(web(`${A}, { name: b, address: 10.0.0.2, port: 8080, drain: true }`)));
    expect(countOf(ring(1), 1)).toBe(101);
    expect(datapath.maps.backends.get(2)).toMatchObject({ state: BackendState.UP, generation: 1 });
    await write(state, ["b"]);
    expect(datapath.maps.backends.get(2)).toMatchObject({ state: BackendState.NONE, generation: 1, address4: 0x0a000002 });
    await write(state);
    expect(datapath.maps.backends.get(2)).toMatchObject({ state: BackendState.UP, generation: 1 });
    expect(ring(1)).toEqual(before);
  });

  it("who goes down is in no ring by the time that nobody is sent there any more", async () => {
    const state = services(web(`${A}, ${B}`));
    await write(state);
    const backends = datapath.maps.backends;
    const slotsLeft: number[] = [];
    const setMany = backends.setMany.bind(backends);
    vi.spyOn(backends, "setMany").mockImplementation((entries) => {
      const all = [...entries];
      for (const [number, { state }] of all) if (state === BackendState.NONE) slotsLeft.push(countOf(ring(1), number));
      return setMany(all);
    });
    await write(state, ["b"]);
    vi.restoreAllMocks();
    expect(slotsLeft).toEqual([0]);
  });

  it("without backends a ring has zeros", async () => {
    await write(services(web("")));
    expect(ring(1)).toEqual(new Array(101).fill(0));
    await write(services(web(A)), ["a"]);
    expect(ring(1)).toEqual(new Array(101).fill(0));
  });

  it("numbers are given anew as late as possible, with another generation and counters from zero", async () => {
    await write(services(web(`${A}, ${B}`)));
    const counted = (packets: bigint) =>
      Array.from({ length: datapath.maps.backend_stats.cpus }, () => ({
        packets,
        bytes: 0n,
        replies: 0n,
        replyBytes: 0n,
        flows: 0n,
      }));
    datapath.maps.backend_stats.set(2, counted(7n));
    await write(services(web(A)));
    expect(datapath.maps.backends.get(2)).toMatchObject({ family: 0, state: BackendState.NONE, generation: 1 });
    await write(services(web(`${A}, ${B}`)));
    expect(records().map(([number, { generation }]) => [number, generation])).toEqual([
      [1, 1],
      [3, 1],
    ]);
    // Taken over, the numbers go on behind the last one that is in use, and so come to 2 again in the end.
    datapath.maps.backends.set(65_535, {
      ...(datapath.maps.backends.get(1) as NonNullable<ReturnType<typeof datapath.maps.backends.get>>),
      address4: 99,
    });
    datapath.close();
    datapath = await open();
    await write(services(web(`${A}, ${B}, { address: 10.0.0.3 }`)));
    expect(datapath.maps.backends.get(65_535)?.family).toBe(0);
    const [[, second] = []] = records().filter(([number]) => number === 2);
    expect(second).toMatchObject({ generation: 2 });
    expect(datapath.maps.backend_stats.sum(2).packets).toBe(0n);
  });

  it("nothing is written when nothing changes, and little when little does", async () => {
    await write(services(web(`${A}, ${B}`)));
    const ids = [...datapath.maps.rings];
    await write(services(web(`${B}, ${A}`), "{ name: c, address: 192.0.2.9, port: 1, protocol: udp }"));
    expect([...datapath.maps.rings][0]).toEqual(ids[0]);
    expect([...datapath.maps.rings]).toHaveLength(2);
  });

  it("a running datapath is taken over as it is: numbers, rings, generations, counters", async () => {
    const state = services(
      web(`${A}, ${B}`),
      "{ name: v6, address: '2001:db8::1', port: 443, protocol: tcp, backends: [{ address: '2001:db8::2' }] }",
    );
    await write(state);
    const picture = () => [
      [...datapath.maps.services4],
      [...datapath.maps.services6],
      records(),
      [...datapath.maps.rings],
      [...datapath.maps.vips4],
      [...datapath.maps.vips6],
    ];
    const before = picture();
    datapath.close();
    datapath = await open();
    await write(state);
    expect(picture()).toEqual(before);
    expect(datapath.tables.numbersOf("tcp 192.0.2.1 80")?.number).toBe(1);
  });

  it("what was left half done is finished or taken out", async () => {
    await write(services(web(`${A}, ${B}`)));
    // A service that was being added: backends and ring are there, nothing leads to them.
    const { backends, rings, vips4, services4 } = datapath.maps;
    backends.set(9, { ...(backends.get(1) as NonNullable<ReturnType<typeof backends.get>>), service: 5, address4: 1 });
    using half = rings.create("half", { entries: 101 });
    rings.set(5, half);
    // One that was being taken out: its address has no service any more.
    vips4.set("203.0.113.0/24", { network: 0xcb007100, prefixLength: 24 });
    // One whose ring was being exchanged.
    rings.set(1, half);
    services4.set({ address: 1, port: 1, protocol: 6, prefixLength: 32 }, { number: 7, ringSize: 3, flags: 0 });
    datapath.close();
    datapath = await open();
    await write(services(web(`${A}, ${B}`)));
    expect(records().map(([number]) => number)).toEqual([1, 2]);
    expect(countOf(ring(1), 0)).toBe(0);
    expect(ring(5)).toEqual([0]);
    expect([...datapath.maps.services4]).toHaveLength(1);
    expect([...datapath.maps.vips4.prefixes()].map(([prefix]) => prefix)).toEqual(["192.0.2.1/32"]);
  });

  it("when there is no room it says so, keeps no numbers, and goes on from there", async () => {
    const small = await Datapath.open(
      { instance: `${instance}-small`, program: spec, entries: { ...SMALL, backends: 4, vips4: 1 } },
      SETTINGS,
    );
    try {
      const fill = (...each: string[]) => small.tables.replaceAll(wanted(services(...each)), SOURCES);
      const hosts = (count: number) => Array.from({ length: count }, (_, index) => `{ address: 10.0.0.${index + 1} }`).join();
      await fill(web(hosts(2)));
      await expect(fill(web(hosts(4)))).rejects.toMatchObject({ code: "MAP", message: "There is no room for more backends." });
      expect(small.tables.used.backends).toBe(2);
      await fill(web(hosts(3)));
      expect(small.tables.used.backends).toBe(3);
      await expect(fill(web(hosts(2)), "{ name: c, address: 192.0.2.9, port: 1, protocol: udp }")).rejects.toMatchObject({
        code: "MAP",
      });
      await fill(web(hosts(3)));
      expect([...small.maps.services4]).toHaveLength(1);
      expect(small.tables.used).toMatchObject({ services: 1, backends: 3, vips4: 1 });
    } finally {
      small.close({ detach: true });
    }
  });

  it("after any sequence of changes the maps are what they would be had there been only the last, numbers apart", async () => {
    const backend = fc.record({
      address: fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3"),
      weight: fc.nat(2),
      drain: fc.boolean(),
    });
    const service = fc.record({
      name: fc.constantFrom("a", "b", "c"),
      port: fc.constantFrom(1, 2, "all"),
      address: fc.constantFrom("192.0.2.1", "192.0.2.0/24"),
      protocol: fc.constantFrom("tcp", "udp"),
      tableSize: fc.constantFrom(7, 11),
      backends: fc.uniqueArray(backend, { selector: ({ address }) => address, maxLength: 3 }),
    });
    const some = fc
      .uniqueArray(service, { selector: ({ name }) => name, maxLength: 3 })
      .filter((all) => new Set(all.map(({ protocol, address, port }) => `${protocol}${address}${port}`)).size === all.length)
      .map((each) => readDocument(JSON.stringify({ services: each })));
    /** Everything by what it means. */
    const meaning = () => {
      const { maps } = datapath;
      const name = (number: number) => (number === 0 ? 0 : maps.backends.get(number)?.address4);
      return [...maps.services4]
        .map(([key, { number, ringSize, flags }]) => JSON.stringify({ key, ringSize, flags, ring: ring(number).map(name) }))
        .sort();
    };
    await assertProperty(
      fc.asyncProperty(fc.array(some, { minLength: 1, maxLength: 4 }), fc.boolean(), async (states, restart) => {
        for (const state of states) await write(state);
        if (restart) {
          datapath.close();
          datapath = await open();
        }
        await write(states.at(-1) as State);
        const reached = meaning();
        const used = new Set(records().map(([number]) => number));
        expect(used.size).toBe((states.at(-1) as State).services.reduce((sum, { backends }) => sum + backends.length, 0));
        await write(services());
        expect([records(), [...datapath.maps.services4], [...datapath.maps.vips4]]).toEqual([[], [], []]);
        await write(states.at(-1) as State);
        expect(meaning()).toEqual(reached);
      }),
      { numRuns: 4 },
    );
  });

  it("thousands of services are written and taken over by the hundred", async () => {
    const each = Array.from({ length: 1200 }, (_, index) => ({
      name: `s${index}`,
      address: `192.0.${index >> 8}.${index & 255}`,
      port: 80,
      protocol: "tcp",
      tableSize: 7,
      backends: [1, 2].map((host) => ({ address: `10.0.0.${host}`, port: 8080 })),
    }));
    const state = readDocument(JSON.stringify({ services: each }));
    await write(state);
    expect(datapath.tables.used).toMatchObject({ services4: 1200, services6: 0, backends: 2400, vips4: 1200 });
    for (const number of [1, 500, 501, 1200]) expect(ring(number).sort()).toContain(2 * number);
    const rings = [...datapath.maps.rings];
    datapath.close();
    datapath = await open();
    await write(state);
    expect([...datapath.maps.rings]).toEqual(rings);
  });
});

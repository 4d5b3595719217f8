/** The tables of connections: user space finds what the datapath remembers, the quietest makes room, and no mixture of two is taken for one. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { countedFlows } from "../../test/balancer/flow-tables.ts";
import { noKernel, withoutKernel } from "../../test/kernel.ts";
import { BACKEND, BACKEND6, Balancer, CLIENT, CLIENT6, packet, VIP, VIP6 } from "../../test/programs/balancer-subject.ts";
import { findFlow, keyOf, placeOf, prepareFlowTables } from "../balancer/datapath/flow-tables.ts";
import { GRACE, Mode, WAYS } from "./balancer-maps.bpf.ts";

const XDP_TX = 3;
const [TCP, UDP] = [6, 17];
const PORT = 80;
/** Bytes: where a bucket's connections begin, and how long what is said about one is. */
const CONNECTIONS = (WAYS + 1) * 4;
const FLOW = 16;

describe.skipIf(noKernel)(`tables of connections${withoutKernel}`, () => {
  let balancer: Balancer;
  beforeEach(() => {
    balancer = balancerWith(512);
  });
  afterEach(() => balancer[Symbol.dispose]());

  for (const { family, client, vip } of [
    { family: "IPv4", client: CLIENT, vip: VIP },
    { family: "IPv6", client: CLIENT6, vip: VIP6 },
  ]) {
    const is6 = family === "IPv6";
    const tableOf = ({ object }: Balancer) => (is6 ? object.maps.flows6 : object.maps.flows4);
    const nameOf = (clientPort: number, protocol = UDP) => ({
      client: Uint8Array.from(client),
      server: Uint8Array.from(vip),
      clientPort,
      serverPort: PORT,
      protocol,
    });
    const send = (to: Balancer, sourcePort: number, protocol = UDP) =>
      expect(to.run(packet({ from: client, to: vip, sourcePort, port: PORT, protocol })).action).toBe(XDP_TX);
    const counted = (of: Balancer) => countedFlows(tableOf(of));

    test(`${family}: what is remembered is found and counted, and nothing else, with its port of NAT`, () => {
      balancer.backend(1, { address: is6 ? BACKEND6 : BACKEND });
      const ports = Array.from({ length: 200 }, (_, index) => 1 + index * 327);
      for (const port of ports) for (const protocol of [TCP, UDP]) send(balancer, port, protocol);
      for (const port of ports) {
        for (const protocol of [TCP, UDP]) {
          const found = findFlow(balancer.object.maps, nameOf(port, protocol));
          expect(found).toMatchObject({ backend: 1, natPort: expect.any(Number) });
          expect(found?.natPort).toBeGreaterThan(0);
        }
        expect(findFlow(balancer.object.maps, nameOf(port + 1))).toBeUndefined();
        expect(findFlow(balancer.object.maps, { ...nameOf(port), serverPort: PORT + 1 })).toBeUndefined();
      }
      expect(counted(balancer)).toBe(2 * ports.length);
    });

    test(`${family}: of a full bucket, the one that has been quiet for longest makes room, whichever it is`, () => {
      for (let quietest = 0; quietest < WAYS; quietest++) {
        using small = balancerWith(1);
        for (let port = 1; port <= WAYS; port++) send(small, port);
        const table = tableOf(small) as Editable;
        const bucket = table.get(0);
        if (bucket === undefined) throw new Error("no bucket");
        for (const [way, { flow }] of bucket.connections.entries()) flow.lastSeen -= way === quietest ? 40 : 10 + way;
        table.set(0, bucket);
        const forgotten = bucket.connections[quietest]?.clientPort;
        send(small, 1000);
        const left = [1, 2, 3, 4, 5, 6, 7, 1000].filter((port) => findFlow(small.object.maps, nameOf(port)) !== undefined);
        expect(left).toEqual([1, 2, 3, 4, 5, 6, 7, 1000].filter((port) => port !== forgotten));
      }
    });

    test(`${family}: a flood pushes out its own, and not connections of more than one packet`, () => {
      using small = balancerWith(1);
      for (let port = 1; port <= WAYS; port++) send(small, port);
      for (let port = 1; port < WAYS; port++) send(small, port);
      const table = tableOf(small) as Editable;
      const bucket = table.get(0);
      if (bucket === undefined) throw new Error("no bucket");
      for (const { clientPort, flow } of bucket.connections) if (clientPort < WAYS) flow.lastSeen -= GRACE - 2;
      table.set(0, bucket);
      for (let port = 1000; port < 1100; port++) send(small, port);
      const isThere = (port: number) => findFlow(small.object.maps, nameOf(port)) !== undefined;
      expect([1, 2, 3, 4, 5, 6, 7, 1099].filter(isThere)).toEqual([1, 2, 3, 4, 5, 6, 1099]);
    });

    test(`${family}: a connection that comes back takes its own place, not another's`, () => {
      using small = balancerWith(1);
      for (let port = 1; port <= WAYS; port++) send(small, port);
      // Of another generation: all connections begin anew, where they are.
      small.backend(1, { mode: Mode.DIRECT, generation: 2 });
      for (let port = 1; port <= WAYS; port++) send(small, port);
      for (let port = 1; port <= WAYS; port++) expect(findFlow(small.object.maps, nameOf(port))?.generation).toBe(2);
      expect(counted(small)).toBe(WAYS);
    });

    test(`${family}: what a client counts up meets in buckets no more often than by chance, whatever the secret`, () => {
      const ports = Array.from({ length: 2000 }, (_, index) => 32_768 + 2 * index);
      const keys = ports.map((port) => keyOf(nameOf(port)));
      for (let round = 1n; round <= 200n; round++) {
        const seed = BigInt.asUintN(64, round * 0x2545_f491_4f6c_dd1dn) & ~1n;
        const filled = new Uint32Array(512);
        for (const key of keys) {
          const { index } = placeOf(key, seed, filled.length);
          filled[index] = (filled[index] ?? 0) + 1;
        }
        const lost = filled.reduce((sum, count) => sum + Math.max(count - WAYS, 0), 0);
        // Of random ones 1.9 % find no room, with a deviation of 0.3 %.
        expect(lost / keys.length, `seed ${seed}`).toBeLessThan(0.045);
      }
    });

    test(`${family}: half of the table's room loses few`, () => {
      balancer.object.maps.flow_tables.set(0, { seed: 0x1234_5678_9abc_def0n, buckets4: 512, buckets6: 512 });
      const all = (512 * WAYS) / 2;
      for (let port = 1; port <= all; port++) send(balancer, port);
      // Of buckets that get 3.5 of random connections each, those beyond 7 are 1.2 %.
      expect(counted(balancer)).toBeGreaterThan(all * 0.98);
    });

    /** What two CPUs that write to one place at once may leave: of each piece that is stored, the one's or the other's. */
    test(`${family}: no mixture of two connections is taken for one of them with the other's backend`, () => {
      using mixed = balancerWith(1);
      mixed.backend(2, { mode: Mode.IPIP, generation: 2 });
      using memory = tableOf(mixed).mmap();
      const forward = (port: number) =>
        mixed.run(packet({ from: client, to: vip, sourcePort: port, port: PORT })).packet.length;
      const plain = packet({ from: client, to: vip }).length;
      const [first = new Uint8Array(), second = new Uint8Array()] = [1, 2].map((number) => {
        memory.bytes.fill(0);
        mixed.service({ address: vip, port: PORT, backends: [number] });
        expect(forward(number) - plain).toBe(number === 1 ? 0 : 20);
        return Uint8Array.from(memory.bytes);
      });
      // In one place: the hash has its choice of seven.
      const places = [first, second].map((bytes) => bytes.findIndex((byte) => byte !== 0) >> 2);
      const connection = (memory.stride - CONNECTIONS) / WAYS;
      const key = connection - FLOW;
      const pieces = [
        { at: 0, size: 4, tag: true },
        ...Array.from({ length: key / 8 }, (_, index) => ({ at: index * 8, size: 8, tag: false })),
        ...Array.from({ length: FLOW / 4 }, (_, index) => ({ at: key + index * 4, size: 4, tag: false })),
      ];
      const write = (ofSecond: number) => {
        memory.bytes.fill(0);
        for (const [bit, { at, size, tag }] of pieces.entries()) {
          const isSecond = (ofSecond >> bit) & 1;
          const [from, way] = [isSecond ? second : first, places[isSecond] ?? 0];
          const place = (number: number) => (tag ? number * 4 : CONNECTIONS + number * connection + at);
          const piece = from.slice(place(way), place(way) + size);
          // The tag has the place's number.
          if (tag) piece[0] = (piece[0] ?? 0) & ~7;
          memory.bytes.set(piece, place(0));
        }
      };
      const all = 2 ** pieces.length - 1;
      const ownLength = (owner: number) => plain + (owner === 1 ? 0 : 20);
      for (const [owner, whole] of [
        [1, 0],
        [2, all],
      ] as const) {
        // Whole, it is found, whatever the ring says.
        mixed.service({ address: vip, port: PORT, backends: [3 - owner] });
        write(whole);
        expect(forward(owner)).toBe(ownLength(owner));
        mixed.service({ address: vip, port: PORT, backends: [owner] });
        for (let ofSecond = 0; ofSecond <= all; ofSecond++) {
          write(ofSecond);
          expect(forward(owner), `pieces ${ofSecond.toString(2)}`).toBe(ownLength(owner));
        }
      }
    });

    test(`${family}: what is broken is remembered anew`, () => {
      using small = balancerWith(1);
      send(small, 1);
      const table = tableOf(small) as Editable;
      const bucket = table.get(0);
      const connection = bucket?.connections.find(({ clientPort }) => clientPort === 1);
      if (bucket === undefined || connection === undefined) throw new Error("no connection");
      connection.flow.backend = 2;
      table.set(0, bucket);
      expect(findFlow(small.object.maps, nameOf(1))).toBeUndefined();
      send(small, 1);
      expect(findFlow(small.object.maps, nameOf(1))?.backend).toBe(1);
      expect(counted(small)).toBe(1);
    });
  }

  test("tables that are in use keep their secret, and are known by the size that they have", () => {
    const { flow_tables } = balancer.object.maps;
    const before = flow_tables.get(0);
    prepareFlowTables(balancer.object.maps);
    expect(flow_tables.get(0)).toEqual(before);
    expect(before).toMatchObject({ buckets4: 512, buckets6: 512 });
    expect((before?.seed ?? 1n) & 1n).toBe(0n);
    flow_tables.set(0, { seed: 6n, buckets4: 1, buckets6: 100_000 });
    prepareFlowTables(balancer.object.maps);
    expect(flow_tables.get(0)).toEqual({ seed: 6n, buckets4: 512, buckets6: 512 });
  });
});

/** One service of each family, on one backend that takes both. */
function balancerWith(buckets: number): Balancer {
  const balancer = new Balancer({}, { flows4: buckets, flows6: buckets });
  balancer.service({ port: PORT });
  balancer.service({ address: VIP6, port: PORT });
  balancer.backend(1, { mode: Mode.DIRECT });
  return balancer;
}

/** The table of either family, as far as tests change it: TypeScript takes no call of a method of both. */
interface Editable {
  get(index: number): EditableBucket | undefined;
  set(index: number, bucket: EditableBucket): void;
}

interface EditableBucket {
  connections: { clientPort: number; flow: { backend: number; lastSeen: number } }[];
}

/**
 * The balancer's tunnel, TCP over IPv4 in IPv4, against C programs that do the same (bench/c/tunnel-*.c):
 * nanoseconds for a packet of a known connection, and of a new one, and the instructions that each executes.
 *
 * Both have the same tables: a service with four backends behind a ring of 65,537 slots, and room for as many connections. They are timed in
 * turns, as in timing.ts, but run by `again`, which restores the packet between rounds: figures are per packet, restoring included. What a
 * program that only returns takes there is taken off for the ratio, since neither program has anything to do with it.
 */
import { fileURLToPath } from "node:url";
import { sectionInKernel } from "../fuzz/sections.ts";
import { bucketsFor } from "../src/balancer/datapath/flow-tables.ts";
import { compile } from "../src/compiler/compile.ts";
import {
  ArrayMap,
  type LoadedMap,
  type LoadedObject,
  type LoadedProgram,
  loadSpec,
  MapOfMaps,
  type ObjectSpec,
} from "../src/index.ts";
import { readElf } from "../src/object/elf/read.ts";
import { withSettings } from "../src/runtime/data-section.ts";
import { mapLookup, mapNextKey, mapUpdate } from "../src/sys/bpf.ts";
import { possibleCpus } from "../src/sys/cpus.ts";
import { formatIp, ipv4ToNumber } from "../src/sys/ip-address.ts";
import { formatMac } from "../src/sys/mac.ts";
import { Vm } from "../src/vm/index.ts";
import { VmMapOfMaps } from "../src/vm/maps/map-in-map.ts";
import { BalancerUnderTest } from "../test/balancer/datapath.ts";
import type { ServiceFixture } from "../test/balancer/fixtures.ts";
import {
  ETHERNET_HEADER,
  ETHERTYPE,
  frame,
  HOST,
  IPV4_HEADER,
  ipv4,
  PEER,
  PROTOCOL,
  pattern,
  tcp,
} from "../test/packets/index.ts";
import type * as Again from "./again.bpf.ts";
import { type Clang, compileC, LEVELS, type Level } from "./clang.ts";
import { loadNothing } from "./nothing.ts";
import { table } from "./table.ts";
import { time } from "./timing.ts";

/** In all of the objects. */
const PROGRAM = "balancer";
/** Bytes: of a device on Ethernet, as most are. */
const USUAL_MTU = 1500;
const SOURCE = "10.0.0.1";
const PORT = 80;
const RING_SIZE = 65_537;
const ROOM = 65_536;
/** More than are ever made in a second: the rate guard lets all through, as it does in daily life. */
const UNLIMITED = 0xffff_ffff;
const LOOPBACK = 1;
const [SYN, ACK] = [0x02, 0x10];
/** All behind one router. */
const MAC = [2, 0, 0, 0, 0xbe, 1];
const BACKENDS = [1, 2, 3, 4].map((number) => ({ number, address: `10.0.0.${10 + number}`, mac: MAC }));

const packet = (flags: number, sourcePort = 40_000) =>
  frame(ETHERTYPE.IPV4, ipv4(tcp(pattern(6), { sourcePort, destinationPort: PORT, flags }), { protocol: PROTOCOL.TCP }));
/** A known connection's packet is one of few clients; of so many, all that the table has room for are forgotten until they come again. */
const KNOWN = { path: "a known connection", flags: ACK, clients: 64 } as const;
const FRESH = { path: "a new connection", flags: SYN, clients: ROOM * 16 } as const;

/** Two programs in C: in katran's manner, and as lean as the same can be for IPv4 alone. */
const RIVALS = { katran: "tunnel-balancer", lean: "tunnel-lean" } as const;
type Rival = keyof typeof RIVALS;

export interface PathTiming {
  path: string;
  rival: Rival;
  /** Nanoseconds per packet, restoring the packet included; `nothing` is what that takes alone. */
  ours: number;
  theirs: number;
  nothing: number;
  /** Ours by theirs, with `nothing` taken off both; and the quartiles of the rounds, without it taken off. */
  ratio: number;
  quartiles: [number, number];
  executed: { ours: number; theirs: number };
}

export interface TunnelResults {
  levels: Record<Rival, Level>;
  paths: PathTiming[];
}

type Open = <T extends Disposable>(resource: T) => T;

interface Side {
  program: LoadedProgram;
  /** The program in the interpreter, with the same tables. */
  interpreter(): Vm;
}

/** @throws Error when ours and those in C, at one of clang's levels, do not do the same. */
export function compareTunnels(clang: Clang, level: Level, open: Open): void {
  const ours = ourSide(open);
  for (const rival of Object.keys(RIVALS) as Rival[]) mustAgree(ours, theirSide(clang, rival, level, open));
}

/** @throws Error when the programs do not do the same. */
export async function contestTunnels(
  clang: Clang,
  open: Open,
  progress: (text: string) => Promise<void>,
): Promise<TunnelResults> {
  await progress("balancer: compiling and loading the tunnel, ours and clang's");
  const ours = ourSide(open);
  const ourCounts = executed(ours);
  const contests = [
    { ...KNOWN, ofOurs: ourCounts.known },
    { ...FRESH, ofOurs: ourCounts.fresh },
  ];
  const nothing = open(loadNothing()).program("nothing");
  const results: TunnelResults = { levels: { katran: "v3", lean: "v3" }, paths: [] };
  for (const rival of Object.keys(RIVALS) as Rival[]) {
    const levels = LEVELS.map((level) => ({ level, side: theirSide(clang, rival, level, open) }));
    for (const { side } of levels) mustAgree(ours, side);
    const counted = levels.map(({ level, side }) => ({ level, side, counts: executed(side) }));
    const best = counted.reduce((a, b) => (b.counts.known < a.counts.known ? b : a));
    results.levels[rival] = best.level;
    for (const { path, flags, clients, ofOurs } of contests) {
      await progress(`balancer: timing, ${path}, beside ${RIVALS[rival]}.c`);
      const run = (each: LoadedProgram) => [runner(each, flags, clients, open)];
      const programs = { ours: run(ours.program), theirs: run(best.side.program), nothing: run(nothing) };
      const timing = time(programs, packet(flags), "repeated");
      const ratio = (timing.ours - timing.nothing) / (timing.theirs - timing.nothing);
      const theirs = Math.min(...counted.map(({ counts }) => (flags === SYN ? counts.fresh : counts.known)));
      results.paths.push({ path, rival, ...timing, ratio, executed: { ours: ofOurs, theirs } });
    }
  }
  return results;
}

function ourSide(open: Open): Side {
  const spec = BalancerUnderTest.compile();
  const settings = { source4: SOURCE, flow_rate: UNLIMITED };
  const balancer = open(
    new BalancerUnderTest(spec, settings, { ...BalancerUnderTest.ENTRIES, flows4: bucketsFor(ROOM * possibleCpus()) }),
  );
  balancer.configure([SERVICE]);
  balancer.knowMtus({ lo: USUAL_MTU });
  const numbers = { source4: ipv4ToNumber(SOURCE), flow_rate: UNLIMITED };
  const interpreter = () => {
    const vm = new Vm({ ...spec, data: withSettings(spec.data, spec.btf, numbers) }, { ingressIfindex: LOOPBACK });
    copyTables(balancer.object, vm);
    copyVariables(spec, balancer.object, vm);
    return vm;
  };
  return { program: balancer.program, interpreter };
}

const SERVICE: ServiceFixture = {
  number: 1,
  mode: "IPIP",
  family: 4,
  address: formatIp(Uint8Array.from(HOST.ipv4)),
  prefix: 32,
  port: PORT,
  protocol: PROTOCOL.TCP,
  affinity: false,
  timeout: 3600,
  backends: BACKENDS.map(({ number, address, mac }) => ({
    number,
    address,
    mac: formatMac(Uint8Array.from(mac)),
    family: 4,
    port: PORT,
    sourceMac: formatMac(Uint8Array.from(HOST.mac)),
    ifindex: LOOPBACK,
    generation: 1,
    state: "UP",
    source: null,
  })),
  ring: Array.from({ length: RING_SIZE }, (_, slot) => 1 + (slot % BACKENDS.length)),
};

function theirSide(clang: Clang, rival: Rival, level: Level, open: Open): Side {
  const file = RIVALS[rival];
  const spec = readElf(compileC(clang, file, level), `${file}.c at ${level}`);
  const settings = { tunnel_source: ipv4ToNumber(SOURCE), max_conn_rate: BigInt(UNLIMITED) };
  const room: Record<string, number> = rival === "lean" ? { lru: ROOM * possibleCpus() } : {};
  const object = open(loadSpec(spec, { settings, entries: { ...room, ch_rings: 2 * RING_SIZE } }));
  const put = (map: string, key: number[], value: number[]) => {
    const result = mapUpdate(object.map(map).fd, Uint8Array.from(key), Uint8Array.from(value), 0);
    if (result !== 0) throw new Error(`${file}.c: the map ${map} does not take an entry (${result})`);
  };
  // Addresses of both families have 16 bytes in katran's manner.
  const address = (bytes: readonly number[]) => (rival === "lean" ? [...bytes] : [...bytes, ...new Array<number>(12).fill(0)]);
  put("vip_map", [...address(HOST.ipv4), 0, PORT, PROTOCOL.TCP, 0], [...u32(0), ...u32(1)]);
  for (const { number, address: text, mac } of BACKENDS) {
    put("reals", u32(number), [...address(text.split(".").map(Number)), ...(rival === "lean" ? [...mac, 0, 0] : u32(0))]);
  }
  object.map<ArrayMap<number>>("ch_rings", ArrayMap).setMany(SERVICE.ring.map((backend, slot) => [RING_SIZE + slot, backend]));
  if (rival === "katran") {
    put("ctl_array", u32(0), [...MAC, 0, 0]);
    const tables = object.map<MapOfMaps<number>>("lru_mapping", MapOfMaps);
    for (let cpu = 0; cpu < possibleCpus(); cpu++) {
      using ofCpu = tables.create(undefined, { entries: ROOM });
      tables.set(cpu, ofCpu);
    }
  }
  const interpreter = () => {
    const vm = new Vm({ ...spec, data: withSettings(spec.data, spec.btf, settings) });
    copyTables(object, vm);
    return vm;
  };
  return { program: object.program(PROGRAM), interpreter };
}

function u32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}

/** The tables that a program only reads, from the kernel to the interpreter. */
function copyTables(object: Pick<LoadedObject, "maps">, vm: Vm): void {
  for (const [name, map] of Object.entries<LoadedMap>(object.maps)) {
    const copy = vm.maps.get(name);
    if (copy instanceof VmMapOfMaps) {
      const inner = copy.create(Uint8Array.from(u32(name === "rings" ? SERVICE.number : 0)));
      if (name !== "rings") continue;
      for (const [slot, backend] of SERVICE.ring.entries())
        inner.set(Uint8Array.from(u32(slot)), Uint8Array.from(u32(backend)));
    } else if (copy !== undefined && TABLES.includes(name)) {
      for (const [key, value] of entriesOf(map)) copy.set(key, value);
    }
  }
}

/** The module's variables, which the service writes. */
function copyVariables(spec: ObjectSpec, object: LoadedObject, vm: Vm): void {
  for (const { name, readonly } of spec.data) {
    if (!readonly) vm.dataSection(name).bytes.set(sectionInKernel(spec, object, name));
  }
}

const TABLES = ["flow_tables", "services4", "vips4", "backends", "vip_map", "reals", "ch_rings", "ctl_array"];

function* entriesOf({ fd, keySize, valueSize }: LoadedMap): Generator<[key: Uint8Array, value: Uint8Array]> {
  let last: Uint8Array | null = null;
  for (;;) {
    const key: Uint8Array = new Uint8Array(keySize);
    if (mapNextKey(fd, last, key) !== 0) return;
    const value = new Uint8Array(valueSize);
    if (mapLookup(fd, key, value) === 0) yield [key, value];
    last = key;
  }
}

/** Instructions for a packet of a new connection, and then for one of the same, which is known. */
function executed({ program: { name }, interpreter }: Side): { fresh: number; known: number } {
  const vm = interpreter();
  return { fresh: vm.run(name, packet(SYN)).executed, known: vm.run(name, packet(ACK)).executed };
}

/** Verdict and bytes, for new and known connections, and for packets that are for no service. */
function mustAgree(ours: Side, theirs: Side): void {
  const toClient = frame(ETHERTYPE.IPV4, ipv4(tcp(pattern(6)), { protocol: PROTOCOL.TCP, to: PEER }));
  const clients = Array.from({ length: 32 }, (_, index) => 30_000 + index);
  const known = clients.flatMap((port) => [packet(SYN, port), packet(ACK, port), packet(ACK, port)]);
  for (const each of [...known, frame(ETHERTYPE.ARP, pattern(28)), toClient]) {
    const [mine, other] = [ours.program.run(each), theirs.program.run(each)];
    if (mine.action === other.action && withoutBackend(mine.packet).equals(withoutBackend(other.packet))) continue;
    const results = `  ours   ${mine.verdict} ${hex(mine.packet)}\n  theirs ${other.verdict} ${hex(other.packet)}`;
    throw new Error(`The tunnels differ on ${hex(each)}:\n${results}`);
  }
}

/** A tunnelled packet without its outer checksum and destination: each program has its own way from a hash to a slot. */
function withoutBackend(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  const outer = ETHERNET_HEADER;
  const isTunnelled = copy.length === packet(ACK).length + IPV4_HEADER;
  return isTunnelled ? copy.fill(0, outer + 10, outer + 12).fill(0, outer + 16, outer + IPV4_HEADER) : copy;
}

/** A program that restores the packet and hands over to `program`. */
function runner(program: LoadedProgram, flags: number, clients: number, open: Open): LoadedProgram {
  const spec: ObjectSpec = compile(fileURLToPath(new URL("again.bpf.ts", import.meta.url))).spec;
  const model = packet(flags);
  const object = open(loadSpec<typeof Again>(spec, { settings: { bytes: model.length, clients } }));
  const { frame: first, measured } = object.maps;
  mapUpdate(first.fd, Uint8Array.from(u32(0)), model.subarray(0, first.valueSize), 0);
  measured.set(0, program);
  return object.programs.again;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function tunnelReport({ levels, paths }: TunnelResults): string {
  const rows = paths.map(({ path, rival, ours, theirs, nothing, ratio, quartiles, executed }) => [
    `${path}, beside ${RIVALS[rival]}.c`,
    ours.toFixed(1),
    theirs.toFixed(1),
    nothing.toFixed(1),
    ratio.toFixed(2),
    quartiles.map((each) => each.toFixed(2)).join(" to "),
    `${executed.ours}`,
    `${executed.theirs}`,
  ]);
  const header = ["The balancer's tunnel, ns per packet", "ours", "clang's", "only return", "ratio", "half of the rounds"];
  return [
    table([...header, "executed: ours", "clang's"], rows),
    "",
    `TCP over IPv4 in IPv4. tunnel-balancer.c is made as katran is (clang for ${levels.katran}), tunnel-lean.c as lean as it gets for IPv4 alone`,
    `(${levels.lean}). Restoring the packet between rounds is in all figures; the ratio is without it: "only return" is taken off both, but`,
    "not in what half of the rounds have. Executed instructions are without those of helpers, which in C do all the work of the table.",
  ].join("\n");
}

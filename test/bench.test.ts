/**
 * Our programs against their C counterparts, which clang compiled: a compiler that we did not write, reading sources that say the
 * same in another language. They must agree on every verdict, every byte and every count, for packets of every kind.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firstDifference } from "../bench/behaviour.ts";
import { findClang, isWritten, type Level, missingForC } from "../bench/clang.ts";
import type { Conditions } from "../bench/conditions.ts";
import { type Contender, loadOurs, loadTheirs, type Theirs } from "../bench/contenders.ts";
import { clear, contents } from "../bench/contents.ts";
import { corpus, SHORTEST } from "../bench/corpus.ts";
import { destinations } from "../bench/corpus-destinations.ts";
import { type Exit, enterNetwork, fibLookupBy } from "../bench/network.ts";
import { PROGRAM_NAMES, PROGRAMS, type ProgramName, sourceOf } from "../bench/programs.ts";
import { compareTunnels } from "../bench/tunnel-contest.ts";
import { compile } from "../src/compiler/compile.ts";
import { PerCpuArrayMap } from "../src/index.ts";
import { Vm } from "../src/vm/index.ts";
import { isRoot } from "./own-network.ts";
import {
  ETHERTYPE,
  frame,
  HOST,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  join,
  PEER,
  PROTOCOL,
  pattern,
  pingV4,
  pingV6,
  tcp,
  u16,
  udp,
} from "./packets/index.ts";
import { SEED } from "./property.ts";

const clang = findClang();
const missing = isRoot ? missingForC(clang) : "loading programs needs root on Linux";
const skipped = missing === null ? "" : ` (skipped: ${missing.split("\n")[0]})`;

const MUTANTS = 20_000;

/** Clang's levels say the same, so ours is compared with one of them; the bench counts them all. */
const LEVEL: Level = "v3";

describe.skipIf(missing !== null)(`our programs and clang's${skipped}`, () => {
  const ours = new Map<ProgramName, Contender>();
  const theirs = new Map<ProgramName, Theirs>();
  const packets = [...corpus()];
  let exit: Exit;
  let mutants: Uint8Array[] | undefined;

  beforeAll(() => {
    exit = enterNetwork();
    for (const program of PROGRAMS) {
      ours.set(program, loadOurs(program));
      if (clang !== null) theirs.set(program, loadTheirs(program, clang));
    }
  });

  afterAll(() => {
    for (const each of [...ours.values(), ...theirs.values()]) each[Symbol.dispose]();
  });

  function expectAgreement(program: ProgramName, level: Level, packets: Iterable<Uint8Array>): void {
    const other = member(theirs, program).levels.get(level);
    if (other === undefined) throw new Error(`${program} at ${level} was not loaded`);
    expect(firstDifference(member(ours, program), other, packets)).toBeNull();
  }

  for (const program of PROGRAMS) {
    it(`${program}: every kind of packet, whole and cut off anywhere, behind 0 to 3 tags`, () => {
      expectAgreement(program, LEVEL, packets);
    });

    it(`${program}: ${MUTANTS} packets with random bytes changed, inserted and cut`, () => {
      mutants ??= fc.sample(mutant, { seed: SEED, numRuns: MUTANTS });
      expectAgreement(program, LEVEL, mutants);
    });
  }

  it.each(PROGRAMS.filter((program) => isWritten(program, "wide")))(
    "%s: its C with widened fields does the same",
    (program) => {
      if (clang === null) throw new Error("without clang this is skipped");
      using wide = loadTheirs(program, clang, undefined, "wide", [LEVEL]);
      expect(firstDifference(member(ours, program), member(wide.levels, LEVEL), packets)).toBeNull();
    },
  );

  it.each(PROGRAMS)("%s: what is compiled for v4 is never larger than for v3, and does the same", (program) => {
    if (theirs.get(program)?.refused.includes("v4")) return;
    using newer = loadOurs(program, undefined, { cpu: 4 });
    const { figures } = member(ours, program);
    expect(newer.figures.instructions).toBeLessThanOrEqual(figures.instructions);
    expect(newer.figures.jitedBytes).toBeLessThanOrEqual(figures.jitedBytes);
    expect(firstDifference(newer, member(ours, program), packets)).toBeNull();
  });

  it("the balancer's tunnel: the programs in C that it is timed beside do the same", () => {
    if (clang === null) throw new Error("without clang this is skipped");
    const opened: Disposable[] = [];
    try {
      compareTunnels(clang, LEVEL, (resource) => {
        opened.push(resource);
        return resource;
      });
    } finally {
      for (const each of opened) each[Symbol.dispose]();
    }
  });

  it("echo: every checksum of a ping over IPv4", () => {
    expectAgreement(
      "echo",
      LEVEL,
      everyChecksum((checksum) => frame(ETHERTYPE.IPV4, ipv4(icmp({ checksum, data: pattern(0) })))),
    );
  });

  it("echo: every checksum of a ping over IPv6", () => {
    expectAgreement(
      "echo",
      LEVEL,
      everyChecksum((checksum) => frame(ETHERTYPE.IPV6, ipv6(icmpv6({ checksum, data: pattern(0) })))),
    );
  });

  const port = (destinationPort: number, sum: number) => tcp(pattern(4), { destinationPort, checksum: sum });

  it("patch-ports: every checksum of TCP and UDP, and every port", () => {
    const { TCP, UDP } = PROTOCOL;
    const asUdp = (destinationPort: number, sum: number) => withChecksum(udp(pattern(4), { destinationPort }), sum);
    for (const [protocol, segment] of [[TCP, port] as const, [UDP, asUdp] as const]) {
      const packet = (payload: Uint8Array) => frame(ETHERTYPE.IPV4, ipv4(payload, { protocol }));
      expectAgreement(
        "patch-ports",
        LEVEL,
        everyChecksum((sum) => packet(segment(80, sum))),
      );
      expectAgreement(
        "patch-ports",
        LEVEL,
        everyChecksum((number) => packet(segment(number, 0x1aff))),
      );
    }
  });

  it("portfilter: every port", () => {
    const packet = (payload: Uint8Array) => frame(ETHERTYPE.IPV4, ipv4(payload, { protocol: PROTOCOL.TCP }));
    expectAgreement(
      "portfilter",
      LEVEL,
      everyChecksum((number) => packet(port(number, 0))),
    );
  });

  it("router: every checksum of a header", () => {
    const ping = pingV4();
    const packets = everyChecksum((sum) => join(ping.subarray(0, 24), u16(sum), ping.subarray(26)));
    expectAgreement("router", LEVEL, packets);
  });

  it("router: the interpreter, told the same routes, does with every destination what the kernel does", () => {
    const { object, program } = member(ours, "router");
    const vm = new Vm(compile(sourceOf("router")).spec, { fibLookup: fibLookupBy(exit) });
    clear(object, []);
    const verdicts = new Set<number>();
    for (const packet of destinations()) {
      const [theirs, mine] = [program.run(packet), vm.run(PROGRAM_NAMES.router, packet)];
      expect(mine.action).toBe(theirs.action);
      expect(Buffer.from(mine.packet).equals(theirs.packet)).toBe(true);
      if (mine.action === XDP_REDIRECT) expect(mine.redirect).toEqual({ ifindex: exit.ifindex });
      verdicts.add(mine.action);
    }
    expect([...verdicts].sort()).toEqual([XDP_DROP, XDP_PASS, XDP_REDIRECT]);
    const answers = [...(vm.maps.get("fib_results")?.elements() ?? [])];
    expect(answers.map(({ copies }) => copies[0]?.view.getBigUint64(0, true))).toEqual(
      answers.map((_, result) => object.map<PerCpuArrayMap<bigint>>("fib_results", PerCpuArrayMap).sum(result)),
    );
  });

  it("flow-counters: more pairs than the map has room for", () => {
    const from = (host: number) => ({ ...PEER, ipv4: [10, 0, host >> 8, host & 0xff] });
    const pairs = Array.from({ length: 2500 }, (_, host) => frame(ETHERTYPE.IPV4, ipv4(icmp(), { from: from(host) })));
    expectAgreement("flow-counters", LEVEL, [...pairs, ...pairs]);
    expect(contents(member(ours, "flow-counters").object)).toHaveLength(2048);
  });

  const OTHER_CONDITIONS: [program: ProgramName, what: string, conditions: Conditions][] = [
    ["redirect", "that keeps the sender's address", { settings: { ifindex: 1, dest_mac: Uint8Array.of(1, 2, 3, 4, 5, 6) } }],
    ["redirect", "without an interface", {}],
    ["redirect-map", "without entries", {}],
    ["redirect-map", "without an interface", { tables: { redirect_params: [[PEER.mac, [1, 2, 3, 4, 5, 6]]] } }],
    ["portfilter", "for another port", { settings: { port: 0x0100 } }],
  ];

  it.each(OTHER_CONDITIONS)("%s %s", (program, _, conditions) => {
    if (clang === null) throw new Error("without clang this is skipped");
    using mine = loadOurs(program, conditions);
    using others = loadTheirs(program, clang, conditions);
    for (const other of others.levels.values()) expect(firstDifference(mine, other, packets)).toBeNull();
  });

  /** What each program does with these packets: agreeing is not agreeing to do nothing. */
  const VERDICTS: [program: ProgramName, verdicts: number[]][] = [
    ["redirect", [XDP_REDIRECT, XDP_REDIRECT, XDP_REDIRECT, XDP_REDIRECT]],
    ["redirect-map", [XDP_REDIRECT, XDP_REDIRECT, XDP_REDIRECT, XDP_PASS]],
    ["router", [XDP_REDIRECT, XDP_REDIRECT, XDP_REDIRECT, XDP_PASS]],
    ["patch-ports", [XDP_PASS, XDP_PASS, XDP_ABORTED, XDP_PASS]],
    ["vlan-swap", [XDP_PASS, XDP_PASS, XDP_PASS, XDP_PASS]],
    ["tcpfilter", [XDP_DROP, XDP_PASS, XDP_PASS, XDP_DROP]],
    ["portfilter", [XDP_PASS, XDP_DROP, XDP_DROP, XDP_PASS]],
    ["flow-counters", [XDP_PASS, XDP_PASS, XDP_PASS, XDP_PASS]],
    ["protocol-counter", [XDP_DROP, XDP_DROP, XDP_DROP, XDP_DROP]],
    ["firewall", [XDP_PASS, XDP_DROP, XDP_DROP, XDP_PASS]],
    ["balancer", [XDP_PASS, XDP_TX, XDP_DROP, XDP_PASS]],
  ];
  it.each(VERDICTS)("%s: tells packets apart at all, so that agreeing is not agreeing to do nothing", (program, verdicts) => {
    const web = frame(ETHERTYPE.IPV4, ipv4(port(80, 0), { protocol: PROTOCOL.TCP }));
    const stranger = frame(ETHERTYPE.ARP, pattern(28), [], { from: { ...PEER, mac: [2, 0, 0, 0, 0, 9] }, to: HOST });
    const run = (packet: Uint8Array) => member(ours, program).program.run(packet).action;
    expect([pingV4(), web, web.subarray(0, 53), stranger].map(run)).toEqual(verdicts);
  });

  it("echo: answers pings at all, so that agreeing is not agreeing to pass", () => {
    const echo = ours.get("echo")?.object.program("echo");
    for (const tags of [[], [ETHERTYPE.VLAN], [ETHERTYPE.QINQ, ETHERTYPE.VLAN]]) {
      expect(echo?.run(pingV4(tags)).action).toBe(XDP_TX);
      expect(echo?.run(pingV6(tags)).action).toBe(XDP_TX);
    }
  });
});

const [XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT] = [0, 1, 2, 3, 4] as const;

function withChecksum(datagram: Uint8Array, sum: number): Uint8Array {
  return join(datagram.subarray(0, 6), u16(sum), datagram.subarray(8));
}

function member<K extends string, T>(loaded: ReadonlyMap<K, T>, program: K): T {
  const found = loaded.get(program);
  if (found === undefined) throw new Error(`${program} was not loaded`);
  return found;
}

function* everyChecksum(packet: (checksum: number) => Uint8Array): Generator<Uint8Array> {
  for (let checksum = 0; checksum <= 0xffff; checksum++) yield packet(checksum);
}

const { IPV4, IPV6, VLAN, QINQ } = ETHERTYPE;

/** A good packet to spoil: pings mostly, since everything else passes early. */
const original = fc
  .record({
    tags: fc.array(fc.constantFrom(VLAN, QINQ), { maxLength: 3 }),
    ihl: fc.integer({ min: 5, max: 15 }),
    data: fc.uint8Array({ maxLength: 40 }),
    version: fc.constantFrom(4, 6),
    protocol: fc.option(fc.constantFrom(PROTOCOL.UDP, PROTOCOL.TCP, PROTOCOL.ICMP, PROTOCOL.ICMPV6), {
      freq: 6,
      nil: undefined,
    }),
  })
  .map(({ tags, ihl, data, version, protocol }) =>
    version === 4
      ? frame(IPV4, ipv4(icmp({ data }), { ihl, ...(protocol !== undefined && { protocol }) }), tags)
      : frame(IPV6, ipv6(icmpv6({ data }), protocol), tags),
  );

/** Most headers end within 100 bytes; changes behind them would test nothing. */
const position = fc.nat({ max: 99 });
const byte = fc.oneof(
  fc.integer({ min: 0, max: 0xff }),
  fc.constantFrom(0x00, 0x08, 0x06, 0x81, 0x88, 0xa8, 0x86, 0xdd, 0x45, 0x3a, 0x80, 0xff),
);

const change = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), position, byte }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("flip" as const), position, byte: fc.nat({ max: 7 }).map((bit) => 1 << bit) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("insert" as const), position, byte }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), position, byte }) },
);

const mutant = fc.tuple(original, fc.array(change, { maxLength: 4 })).map(([packet, changes]) => {
  let bytes = [...packet];
  for (const { kind, position, byte } of changes) {
    const at = position % bytes.length;
    if (kind === "set") bytes[at] = byte;
    if (kind === "flip") bytes[at] = (bytes[at] ?? 0) ^ byte;
    if (kind === "insert") bytes.splice(at, 0, byte);
    if (kind === "cut") bytes = bytes.slice(0, Math.max(SHORTEST, at));
  }
  return Uint8Array.from(bytes);
});

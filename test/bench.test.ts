/**
 * Our programs against their C counterparts, which clang compiled: a compiler that we did not write, reading sources that say the
 * same in another language. They must agree on every verdict, every byte and every count, for packets of every kind.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firstDifference } from "../bench/behaviour.ts";
import { findClang, LEVELS, type Level, missingForC } from "../bench/clang.ts";
import { type Contender, loadOurs, loadTheirs, PROGRAMS, type ProgramName, type Theirs } from "../bench/contenders.ts";
import { corpus, SHORTEST } from "../bench/corpus.ts";
import { isRoot } from "./own-network.ts";
import { ETHERTYPE, frame, icmp, icmpv6, ipv4, ipv6, PROTOCOL, pattern, pingV4, pingV6 } from "./packets/index.ts";

const clang = findClang();
const missing = isRoot ? missingForC(clang) : "loading programs needs root on Linux";
const skipped = missing === null ? "" : ` (skipped: ${missing.split("\n")[0]})`;

/** Always the same packets: a failure that cannot be repeated is of no use. */
const SEED = 20_240_607;
const MUTANTS = 20_000;

describe.skipIf(missing !== null)(`our programs and clang's${skipped}`, () => {
  const ours = new Map<ProgramName, Contender>();
  const theirs = new Map<ProgramName, Theirs>();
  const packets = [...corpus()];

  beforeAll(() => {
    for (const program of PROGRAMS) {
      ours.set(program, loadOurs(program));
      if (clang !== null) theirs.set(program, loadTheirs(program, clang));
    }
  });

  afterAll(() => {
    for (const each of [...ours.values(), ...theirs.values()]) each[Symbol.dispose]();
  });

  function expectAgreement(program: ProgramName, level: Level, packets: Iterable<Uint8Array>): void {
    const [mine, other] = [ours.get(program), theirs.get(program)?.levels.get(level)];
    if (mine === undefined || other === undefined) throw new Error(`${program} at ${level} was not loaded`);
    expect(firstDifference(mine, other, packets)).toBeNull();
  }

  for (const program of PROGRAMS) {
    for (const level of LEVELS) {
      it(`${program}, clang's for ${level}: every kind of packet, whole and cut off anywhere, behind 0 to 3 tags`, (ctx) => {
        if (theirs.get(program)?.refused.includes(level)) ctx.skip(`this kernel does not know the instructions of ${level}`);
        expectAgreement(program, level, packets);
      });
    }

    it(`${program}: ${MUTANTS} packets with random bytes changed, inserted and cut`, () => {
      expectAgreement(program, "v3", fc.sample(mutant, { seed: SEED, numRuns: MUTANTS }));
    });
  }

  it("echo: every checksum of a ping over IPv4", () => {
    expectAgreement(
      "echo",
      "v3",
      everyChecksum((checksum) => frame(ETHERTYPE.IPV4, ipv4(icmp({ checksum, data: pattern(0) })))),
    );
  });

  it("echo: every checksum of a ping over IPv6", () => {
    expectAgreement(
      "echo",
      "v3",
      everyChecksum((checksum) => frame(ETHERTYPE.IPV6, ipv6(icmpv6({ checksum, data: pattern(0) })))),
    );
  });

  it("echo: answers pings at all, so that agreeing is not agreeing to pass", () => {
    const echo = ours.get("echo")?.object.program("echo");
    for (const tags of [[], [ETHERTYPE.VLAN], [ETHERTYPE.QINQ, ETHERTYPE.VLAN]]) {
      expect(echo?.run(pingV4(tags)).action).toBe(XDP_TX);
      expect(echo?.run(pingV6(tags)).action).toBe(XDP_TX);
    }
  });
});

const XDP_TX = 3;

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

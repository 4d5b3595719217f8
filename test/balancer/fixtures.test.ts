/** The balancer does with packets what scapy says: verdict, bytes and counters, for every mode, family, protocol and special case. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ObjectSpec } from "../../src/index.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import { lackingScapy } from "../net/scapy.ts";
import { BalancerUnderTest } from "./datapath.ts";
import { type Counts, type Fixture, fixtures, type Outcome, type Send } from "./fixtures.ts";
import { enterOwnRoutes } from "./own-routes.ts";

const skipped = withoutKernel || lackingScapy;
const all = lackingScapy === "" ? fixtures() : [];

/** Programs by their settings: loading takes longer than what is done with them. */
const loaded = new Map<string, BalancerUnderTest>();
let spec: ObjectSpec;

function balancerWith(settings: Fixture["settings"]): BalancerUnderTest {
  const name = JSON.stringify(settings);
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const balancer = new BalancerUnderTest(spec, settings);
  balancer.allow("out");
  loaded.set(name, balancer);
  return balancer;
}

/** The expected outcome that the real one should be held against: the one with these bytes, or the first. */
function outcomeFor(packet: Buffer, { expected, free = [] }: Send) {
  const candidates = expected.map((outcome, index) => {
    const bytes = outcome.packet === null ? null : Buffer.from(outcome.packet, "hex");
    for (const [at, mask] of free) {
      if (bytes === null || at + 4 > packet.length || at + 4 > bytes.length) continue;
      bytes.writeUInt32BE(((bytes.readUInt32BE(at) & ~mask) | (packet.readUInt32BE(at) & mask)) >>> 0, at);
    }
    return { outcome, index, packet: bytes?.toString("hex") ?? null };
  });
  const [first] = candidates;
  if (first === undefined) throw new Error("a step without an outcome");
  return candidates.find((each) => each.packet === packet.toString("hex")) ?? first;
}

/** `before` with what the outcome adds; what is up to the program as it is `after`. */
function added(before: Counts, outcome: Outcome, after: Counts): Counts {
  const sum = structuredClone(before);
  for (const kind of ["services", "backends"] as const) {
    if (outcome[kind] === null) sum[kind] = after[kind];
    else
      for (const [number, counters] of Object.entries(outcome[kind])) {
        sum[kind][number] ??= {};
        const record = sum[kind][number];
        for (const [name, count] of Object.entries(counters)) record[name] = (record[name] ?? 0) + count;
      }
  }
  for (const [name, [packets, bytes]] of Object.entries(outcome.reasons)) {
    const [p, b] = sum.reasons[name] ?? [0, 0];
    sum.reasons[name] = [p + packets, bytes === null ? (after.reasons[name]?.[1] ?? 0) : b + bytes];
  }
  return sum;
}

/** On a busy machine a second may be over before the steps are that belong into one. */
const ATTEMPTS = 5;

function play(fixture: Fixture): void {
  for (let attempt = 1; ; attempt++) {
    let second: bigint | null = null;
    const isLate = () => second !== null && second !== BalancerUnderTest.period() && attempt < ATTEMPTS;
    try {
      playOnce(fixture, () => {
        second = BalancerUnderTest.beginPeriod();
      });
      if (!isLate()) return;
    } catch (error) {
      if (!isLate()) throw error;
    }
  }
}

function playOnce({ settings, steps }: Fixture, beginSecond: () => void): void {
  const balancer = balancerWith(settings);
  balancer.reset();
  const chosen = new Map<string, number[]>();
  const steady = new Map<string, number[]>();
  let counts = balancer.counts();
  const possible = new Map<string, number>();
  for (const [index, step] of steps.entries()) {
    if (step.do === "configure") balancer.configure(step.services);
    else if (step.do === "age") balancer.age(step.seconds);
    else if (step.do === "mtus") balancer.knowMtus(step.mtus);
    else if (step.do === "move-clients") balancer.moveClients(step.device);
    else if (step.do === "begin-second") beginSecond();
    else {
      const before = counts;
      const result = balancer.send(Buffer.from(step.packet, "hex"));
      const bytes = Buffer.from(result.packet);
      const after = balancer.counts();
      counts = after;
      const { outcome, packet, index: choice } = outcomeFor(bytes, step);
      const seen = {
        step: index,
        verdict: result.verdict,
        packet: packet === null ? null : bytes.toString("hex"),
        counts: after,
      };
      expect(seen).toEqual({ step: index, verdict: step.verdict, packet, counts: added(before, outcome, after) });
      if (step.group !== undefined) {
        chosen.set(step.group, [...(chosen.get(step.group) ?? []), choice]);
        possible.set(step.group, step.expected.length);
      }
      if (step.steady !== undefined) {
        const bits = (step.free ?? []).map(([at, mask]) => bytes.readUInt32BE(at) & mask);
        expect(bits, step.steady).toEqual(steady.get(step.steady) ?? bits);
        steady.set(step.steady, bits);
      }
    }
  }
  for (const [group, choices] of chosen) {
    const [kind = ""] = group.split(" ");
    const expected = { same: 1, spread: possible.get(group), distinct: choices.length }[kind];
    expect(new Set(choices).size, group).toBe(expected);
  }
}

describe.skipIf(noKernel !== null || lackingScapy !== "")(`the balancer on scapy's packets${skipped}`, () => {
  beforeAll(() => {
    enterOwnRoutes();
    spec = BalancerUnderTest.compile();
  });
  afterAll(() => {
    for (const balancer of loaded.values()) balancer[Symbol.dispose]();
  });

  test("at least 200 fixtures, each with its own name", () => {
    expect(all.length).toBeGreaterThanOrEqual(200);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  });

  test.each(all.map((fixture) => [fixture.name, fixture] as const))("%s", (_, fixture) => play(fixture));
});

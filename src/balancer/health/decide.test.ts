/** Who is taken away because of failing checks. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertProperty } from "../../../test/property.ts";
import { decide, type Member } from "./decide.ts";

const members = (...failingSince: (number | null)[]): Member[] =>
  failingSince.map((each, index) => ({ identity: `b${index}`, failingSince: each }));
const out = (all: Member[], minimumUp: number) => [...decide(all, minimumUp).out];

describe("who is out", () => {
  it("is who fails, as long as enough stay", () => {
    expect(decide(members(null, null), 0.5)).toEqual({ out: new Set(), failOpen: false });
    expect(out(members(null, 7, null, null), 0.5)).toEqual(["b1"]);
    expect(out(members(5, 7, null, null), 0.5)).toEqual(["b0", "b1"]);
  });

  it("is who has failed for longest, when more fail than may go", () => {
    expect(out(members(9, 7, 8, null), 0.5)).toEqual(["b1", "b2"]);
    expect(out(members(9, 7, 8, null), 0.75)).toEqual(["b1"]);
    expect(out(members(9, 7, 8, null), 1)).toEqual([]);
    expect(out(members(9, 7, 8, null), 0)).toEqual(["b1", "b2", "b0"]);
  });

  it("is nobody when all fail", () => {
    expect(decide(members(1), 0)).toEqual({ out: new Set(), failOpen: true });
    expect(decide(members(1, 2, 3), 0.5)).toEqual({ out: new Set(), failOpen: true });
    expect(decide([], 0.5)).toEqual({ out: new Set(), failOpen: false });
  });

  it("tenths are exact", () => {
    expect(out(members(...new Array<number>(9).fill(1), null), 0.7)).toHaveLength(3);
    expect(out(members(...new Array<number>(9).fill(1), null), 0.9)).toHaveLength(1);
  });

  it("never leaves fewer than the share, and never takes one that is well", () => {
    const some = fc.array(fc.option(fc.nat(100), { nil: null }), { maxLength: 30 });
    assertProperty(
      fc.property(some, fc.double({ min: 0, max: 1, noNaN: true }), (failing, minimumUp) => {
        const all = members(...failing);
        const decision = decide(all, minimumUp);
        expect(all.length - decision.out.size).toBeGreaterThanOrEqual(
          Math.min(all.length, Math.ceil(all.length * minimumUp - 1e-6)),
        );
        for (const identity of decision.out)
          expect(all.find((each) => each.identity === identity)?.failingSince).not.toBeNull();
        expect(decision.failOpen).toBe(all.length > 0 && all.every(({ failingSince }) => failingSince !== null));
      }),
    );
  });

  it("who is out stays out when another one fails later", () => {
    const times = fc.uniqueArray(fc.nat(1000), { minLength: 2, maxLength: 10 });
    assertProperty(
      fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (since, minimumUp) => {
        const later = Math.max(...since) + 1;
        const before = members(...since, null, null);
        const after = members(...since, later, null);
        for (const identity of decide(before, minimumUp).out) expect(decide(after, minimumUp).out).toContain(identity);
      }),
    );
  });
});

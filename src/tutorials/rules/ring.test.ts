import fc from "fast-check";
import { expect, test } from "vitest";
import { assertProperty } from "../../../test/property.ts";
import { type RingMember, spread } from "./ring.ts";

const SLOTS = 4096;
const members = (count: number, from = 0): RingMember[] =>
  Array.from({ length: count }, (_, index) => ({ number: from + index + 1, address: 0xac110002 + from + index }));

test("without members every slot is empty", () => {
  expect(new Set(spread([], SLOTS))).toEqual(new Set([0]));
});

test.each([1, 2, 3, 10, 100])("%d servers get about the same number of slots", (count) => {
  const slots = new Map<number, number>();
  for (const number of spread(members(count), SLOTS)) slots.set(number, (slots.get(number) ?? 0) + 1);
  const fair = SLOTS / count;
  expect(slots.size).toBe(count);
  // Five times what chance makes of it.
  for (const got of slots.values()) expect(Math.abs(got - fair)).toBeLessThan(5 * Math.sqrt(fair) + 1);
});

test("a server that goes moves its own slots only, and one that comes takes from all", () => {
  assertProperty(
    fc.property(fc.uniqueArray(fc.nat(0xffffffff), { minLength: 2, maxLength: 12 }), fc.nat(), (addresses, pick) => {
      const all = addresses.map((address, index) => ({ number: index + 1, address }));
      const gone = all[pick % all.length]?.number;
      const before = spread(all, 256);
      const after = spread(
        all.filter(({ number }) => number !== gone),
        256,
      );
      for (const [slot, owner] of before.entries()) if (owner !== gone) expect(after[slot]).toBe(owner);
    }),
    { numRuns: 50 },
  );
});

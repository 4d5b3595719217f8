/** The paper's own table, and what it promises of tables: balance, little disruption, and that nothing but names and weights counts. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertProperty } from "../../test/property.ts";
import { fillTable, isPrime, maglevTable, USUAL_SIZE, type WeightedName } from "./maglev.ts";

const SIZE = 4093;
const backends = (count: number, weight = 1): WeightedName[] =>
  Array.from({ length: count }, (_, index) => ({ name: `10.0.${index >> 8}.${index & 255}:80`, weight }));

/** Who has each slot, by name. */
const owners = (list: readonly WeightedName[], size: number) =>
  Array.from(maglevTable(list, size), (index) => list[index]?.name);
const movedBetween = (before: readonly unknown[], after: readonly unknown[]) =>
  before.filter((owner, slot) => owner !== after[slot]).length;

describe("the paper's example (table 1)", () => {
  const [b0, b1, b2] = [
    { offset: 3, skip: 4, weight: 1 },
    { offset: 0, skip: 2, weight: 1 },
    { offset: 3, skip: 1, weight: 1 },
  ];

  it("before B1 is removed", () => {
    expect([...fillTable([b0, b1, b2], 7)]).toEqual([1, 0, 1, 0, 2, 2, 0]);
  });

  it("and after", () => {
    expect([...fillTable([b0, b2], 7)]).toEqual([0, 0, 0, 0, 1, 1, 1]);
  });
});

describe("a table", () => {
  const someBackends = fc
    .uniqueArray(fc.record({ name: fc.string({ minLength: 1 }), weight: fc.integer({ min: 0, max: 20 }) }), {
      selector: ({ name }) => name,
      minLength: 1,
      maxLength: 30,
    })
    .filter((list) => list.some(({ weight }) => weight > 0));

  it("gives every slot to a backend with a weight, in any order of the same", () => {
    assertProperty(
      fc.property(someBackends, fc.array(fc.nat()), (list, keys) => {
        const shuffled = list.map((each, index) => ({ each, key: keys[index] ?? 0 })).sort((a, b) => a.key - b.key);
        const table = owners(list, 1021);
        expect(table.every((name) => list.some((each) => each.name === name && each.weight > 0))).toBe(true);
        expect(
          owners(
            shuffled.map(({ each }) => each),
            1021,
          ),
        ).toEqual(table);
      }),
      { numRuns: 200 },
    );
  });

  it("spreads slots by weight, within a slot or two for each round", () => {
    assertProperty(
      fc.property(someBackends, (list) => {
        const total = list.reduce((sum, { weight }) => sum + weight, 0);
        const table = owners(list, SIZE);
        for (const { name, weight } of list) {
          const slots = table.filter((owner) => owner === name).length;
          expect(Math.abs(slots - (SIZE * weight) / total)).toBeLessThan(2 + weight / 10);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("of equals gives none more than one slot over another", () => {
    for (const count of [1, 2, 3, 7, 100, 655]) {
      const table = maglevTable(backends(count), USUAL_SIZE);
      const slots = new Uint32Array(count);
      for (const index of table) slots[index] = (slots[index] as number) + 1;
      expect(Math.max(...slots) - Math.min(...slots)).toBeLessThanOrEqual(1);
    }
  });

  it("moves little beyond what it must when a backend goes or comes (the paper: about 2 to 3 % of slots at 1 % of 1,000)", () => {
    for (const count of [2, 10, 100, 1000]) {
      const all = backends(count);
      const before = owners(all, USUAL_SIZE);
      const must = USUAL_SIZE / count;
      const after = owners(all.slice(1), USUAL_SIZE);
      const moved = movedBetween(before, after);
      expect(moved).toBeGreaterThanOrEqual(Math.floor(must));
      expect(moved - must).toBeLessThan(0.04 * USUAL_SIZE);
    }
  });

  it("leaves weights that did not change nearly their slots when one does", () => {
    const all = backends(10, 10);
    const before = owners(all, USUAL_SIZE);
    const after = owners([{ ...all[0], weight: 5 } as WeightedName, ...all.slice(1)], USUAL_SIZE);
    const share = movedBetween(before, after) / USUAL_SIZE;
    // Half of a tenth must move.
    expect(share).toBeGreaterThan(0.045);
    expect(share).toBeLessThan(0.15);
  });

  it("is empty when nobody has a weight, and no bigger than a prime", () => {
    expect(new Set(maglevTable(backends(3, 0), 7))).toEqual(new Set([-1]));
    expect(new Set(maglevTable([], 7))).toEqual(new Set([-1]));
    expect(() => maglevTable(backends(3), 1024)).toThrow(RangeError);
    expect([2, 3, 7, 251, 65_537].every(isPrime)).toBe(true);
    expect([0, 1, 4, 9, 65_536, 2.5, -7].some(isPrime)).toBe(false);
  });

  it("is the same one everywhere: a change of it would move flows between balancers of different versions", () => {
    expect([...maglevTable(backends(5), 31)]).toMatchInlineSnapshot(`
      [
        2,
        2,
        1,
        0,
        4,
        2,
        3,
        3,
        0,
        3,
        3,
        3,
        1,
        2,
        1,
        1,
        4,
        0,
        4,
        1,
        4,
        3,
        2,
        0,
        4,
        2,
        1,
        4,
        0,
        0,
        0,
      ]
    `);
    // Of different weights, some of them 0, and as large as can be.
    const weighted = backends(300).map((backend, index) => ({ ...backend, weight: index % 7 }));
    const digest = createHash("sha256")
      .update(new Uint8Array(maglevTable(weighted, USUAL_SIZE).buffer))
      .digest("hex");
    expect(digest).toBe("79a9dcc8cbcd9daae8784084cbca919f62d4a5ae2544438c83ed77a981583e7f");
  });
});

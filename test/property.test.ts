/** What property tests draw. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { assertProperty, SEED } from "./property.ts";

const drawn = (): number[] => {
  const values: number[] = [];
  assertProperty(fc.property(fc.nat(), (value) => void values.push(value)));
  return values;
};

test("a property is tried with the same values each time", () => {
  expect(drawn()).toEqual(drawn());
});

test("one that does not hold names its seed", async () => {
  expect(() => assertProperty(fc.property(fc.nat(), (value) => value < 0))).toThrow(`seed: ${SEED}`);
  await expect(assertProperty(fc.asyncProperty(fc.nat(), async (value) => value < 0))).rejects.toThrow(`seed: ${SEED}`);
});

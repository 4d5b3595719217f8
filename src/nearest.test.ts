import { expect, test } from "vitest";
import { nearest } from "./nearest.ts";

const VERBS = ["list", "show", "dump", "get", "set", "delete", "watch"];

test.each([
  ["lst", "list"],
  ["shwo", "show"],
  ["DUMP", "dump"],
  ["del", "delete"],
  ["wacth", "watch"],
  ["sow", "show"],
])("%s was meant to be %s", (word, meant) => expect(nearest(word, VERBS)).toBe(meant));

test("letters that changed places are a smaller mistake than a missing one", () => {
  expect(nearest("stauts", ["stats", "status"])).toBe("status");
});

test.each(["frobnicate", "17", "x", ""])('"%s" is near to none', (word) => expect(nearest(word, VERBS)).toBeNull());

import { expect, it } from "vitest";
import { betweenEnds } from "./between-ends.ts";

it("leaves of two lists what is not the same at both ends", () => {
  const [a, b, c, d] = ["a", "b", "c", "d"];
  expect(betweenEnds([a, b, c], [a, d, c])).toEqual({ left: [b], right: [d] });
  expect(betweenEnds([a, b, c], [a, c])).toEqual({ left: [b], right: [] });
  expect(betweenEnds([a, b], [a, b, c])).toEqual({ left: [], right: [c] });
  expect(betweenEnds([a, b], [a, b])).toEqual({ left: [], right: [] });
  expect(betweenEnds([a, a], [a])).toEqual({ left: [a], right: [] });
  expect(betweenEnds([a, b, c], [b, c, a])).toEqual({ left: [a, b, c], right: [b, c, a] });
  expect(betweenEnds([], [a])).toEqual({ left: [], right: [a] });
});

it("takes equal objects for different ones", () => {
  const [one, other] = [{ name: "web" }, { name: "web" }];
  expect(betweenEnds([one], [other])).toEqual({ left: [one], right: [other] });
});

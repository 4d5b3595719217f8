/** `exchange-neighbours`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { exchangeNeighbours } from "./exchange-neighbours.ts";

const swap = (between = ""): string => `v4 = load.4 packet v2
v5 = load.2 packet v2 + 4
v6 = load.4 packet v2 + 6
v7 = load.2 packet v2 + 10
${between}store.4 packet v2, v6
store.2 packet v2 + 4, v7
store.4 packet v2 + 6, v4
store.2 packet v2 + 10, v5
v8 = const 3
return v8`;

test("MAC addresses are exchanged with six instructions", () => {
  expect(transformed([exchangeNeighbours], swap())).toBe(`v13 = load.4 packet v2
v14 = load.8 packet v2 + 4
store.2 packet v2 + 10, v14
v15 = const 16
v16 = lshr v14, v15
store.8 packet v2, v16
store.4 packet v2 + 6, v13
v8 = const 3
return v8`);
});

test("what is done elsewhere in the packet stays", () => {
  expect(transformed([exchangeNeighbours], swap("v13 = load.1 packet v2 + 12\nstore.1 packet v2 + 34, v13\n"))).toContain(
    "lshr",
  );
});

test.each([
  ["one of the addresses is needed", "store.4 packet v2 + 30, v4\n"],
  ["something else is read from them", "v13 = load.1 packet v2 + 11\nstore.1 packet v2 + 34, v13\n"],
  ["the kernel may look at them", "v13 = call ktime_get_ns()\n"],
])("nothing changes when %s", (_, between) => {
  expect(transformed([exchangeNeighbours], swap(between))).toBe(swap(between));
});

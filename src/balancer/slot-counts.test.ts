/** What is said of slots is what the kernel's ring has, whatever health says meanwhile. */
import { expect, test } from "vitest";
import { NO_BACKEND } from "./datapath/records.ts";
import { ringName } from "./datapath/rings.ts";
import { readDocument } from "./document.ts";
import { SlotCounts } from "./slot-counts.ts";

const SIZE = 1009;
const [service] = readDocument(`
services:
- { name: web, address: 192.0.2.1, port: 80, protocol: tcp, backends: [{ address: 10.0.0.1 }, { address: 10.0.0.2 }] }
`).services;
if (service === undefined) throw new Error("no service");
const [A, B] = ["10.0.0.1 80", "10.0.0.2 80"] as const;
const NUMBERS: Record<string, number> = { [A]: 7, [B]: 9 };
const backends = new Map([A, B].map((identity) => [identity, { number: NUMBERS[identity] as number, record: NO_BACKEND }])); // it has both
/** A ring in which these take connections, as the datapath names it. */
const ringOf = (...identities: string[]) => ({
  ring: ringName(
    SIZE,
    identities.map((identity) => ({ identity, number: NUMBERS[identity] as number, weight: 100 })), // it has both
  ),
  backends,
});
const up =
  (...addresses: string[]) =>
  ({ address }: { address: string }) =>
    addresses.includes(address);
const both = up("10.0.0.1", "10.0.0.2");
const onlyA = up("10.0.0.1");

test("a backend that was found down has its slots until the ring is without it", () => {
  const counts = new SlotCounts();
  const before = counts.of(service, SIZE, ringOf(A, B), both);
  expect(before.get(B)).toBeGreaterThan(400);
  expect(counts.of(service, SIZE, ringOf(A, B), onlyA)).toEqual(before);
  expect([...counts.of(service, SIZE, ringOf(A), onlyA)]).toEqual([
    [A, SIZE],
    [B, 0],
  ]);
});

test("a ring that is read while health is another one already is not known by that health", () => {
  const counts = new SlotCounts();
  counts.of(service, SIZE, ringOf(A), onlyA);
  // The ring has both by now, and the second is down once more, for a moment.
  counts.of(service, SIZE, ringOf(A, B), onlyA);
  expect(counts.of(service, SIZE, ringOf(A, B), both).get(B)).toBeGreaterThan(400);
});

test("before there is a ring, counts are those of the one that will be", () => {
  const counts = new SlotCounts();
  expect(counts.of(service, SIZE, undefined, onlyA).get(A)).toBe(SIZE);
  expect(counts.of(service, SIZE, ringOf(A, B), both).get(B)).toBeGreaterThan(400);
});

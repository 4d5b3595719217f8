/** Our reading of the schema beside TypeBox's. */
import fc from "fast-check";
import Value from "typebox/value";
import { expect, it } from "vitest";
import { assertProperty } from "../../test/property.ts";
import type { Problem } from "./contract.ts";
import { State } from "./state.ts";
import { validate } from "./validate.ts";

const junk = fc.oneof(
  fc.integer({ min: -10, max: 70_000 }),
  fc.double(),
  fc.string({ maxLength: 20 }),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom("all", "tcp", "udp", "nat", "http", "icmp", "/", "auto", "02:00:00:00:00:01"),
  fc.constant([]),
  fc.constant({}),
);
const maybe = <T>(usual: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 12, arbitrary: usual as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: junk });
const name = maybe(fc.constantFrom("a", "b-c", "d.e", "x:y", "_", ""));
const check = fc.record(
  {
    type: maybe(fc.constantFrom("tcp", "http", "https", "udp", "icmp")),
    interval: maybe(fc.constant(2)),
    rise: maybe(fc.constant(2)),
    port: maybe(fc.constant(80)),
    path: maybe(fc.constant("/x")),
    status: maybe(fc.array(maybe(fc.integer({ min: 90, max: 610 })), { maxLength: 3 })),
    expect: maybe(fc.string()),
    other: fc.constant(1),
  },
  { requiredKeys: ["type"] },
);
const backend = fc.record(
  {
    name,
    address: maybe(fc.constant("10.0.0.1")),
    weight: maybe(fc.nat(65_535)),
    drain: maybe(fc.boolean()),
    mac: maybe(fc.constant("02:00:00:00:00:0A")),
  },
  { requiredKeys: ["address"] },
);
const service = fc.record(
  {
    name,
    address: maybe(fc.constant("192.0.2.1")),
    port: maybe(fc.oneof(fc.integer({ min: 1, max: 65_535 }), fc.constant("all"))),
    protocol: maybe(fc.constantFrom("tcp", "udp")),
    mode: maybe(fc.constantFrom("nat", "gue")),
    check: maybe(check),
    minimumUp: maybe(fc.constant(0.5)),
    backends: maybe(fc.array(maybe(backend), { maxLength: 3 })),
  },
  { requiredKeys: ["name", "address", "port", "protocol"] },
);
const state = fc.record(
  {
    version: maybe(fc.constant(1)),
    mtu: maybe(fc.constant(1500)),
    natPorts: maybe(fc.constant({ first: 1 })),
    services: maybe(fc.array(maybe(service), { maxLength: 3 })),
  },
  { requiredKeys: [] },
);

it("takes what TypeBox takes of it, once it is complete, and nothing else", () => {
  assertProperty(
    fc.property(state, (generated) => {
      const problems: Problem[] = [];
      // With a prototype, as others have.
      const [value, before] = [structuredClone(generated), structuredClone(generated)];
      const complete = validate<State>(State, value, problems);
      expect(value).toEqual(before);
      if (complete !== undefined) {
        expect(problems).toEqual([]);
        expect(Value.Check(State, complete)).toBe(true);
        // Nothing that was given is changed or left out.
        expect(complete).toMatchObject(value);
      } else {
        expect(problems).not.toEqual([]);
        expect(Value.Check(State, Value.Default(State, value))).toBe(false);
      }
    }),
    { numRuns: 2000 },
  );
});

it("names each field that does not fit by its JSON pointer", () => {
  assertProperty(
    fc.property(state, (value) => {
      const problems: Problem[] = [];
      validate(State, value, problems);
      for (const { path, what } of problems) {
        expect(path).toMatch(/^(\/[^/]+)*$/);
        expect(what).not.toBe("");
      }
    }),
    { numRuns: 300 },
  );
});

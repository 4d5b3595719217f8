/** From one desired state to another: what changes, and what moves. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertProperty } from "../../test/property.ts";
import type { Service, State } from "./contract.ts";
import { readDocument } from "./document.ts";
import { planChanges } from "./plan.ts";

const two = (backends: string, service = "") =>
  readDocument(`
tableSize: 1009
services:
- { name: web, address: 192.0.2.1, port: 80, protocol: tcp, ${service} backends: [${backends}] }
- { name: dns, address: 192.0.2.1, port: 53, protocol: udp, backends: [{ address: 10.0.0.9 }] }
`);
const usual = two("{ name: a, address: 10.0.0.1 }, { name: b, address: 10.0.0.2 }");

describe("a plan", () => {
  it("is empty when nothing changes, in whatever order it is written", () => {
    expect(planChanges(usual, structuredClone(usual))).toEqual({ changes: [], moved: [] });
    const turned = { ...structuredClone(usual), services: structuredClone(usual.services).reverse() };
    for (const service of turned.services) service.backends.reverse();
    expect(planChanges(usual, turned)).toEqual({ changes: [], moved: [] });
  });

  it("says which fields change, and how many slots change hands: of the backend that drains, about its half", () => {
    const { changes, moved } = planChanges(
      usual,
      two("{ name: a, address: 10.0.0.1 }, { name: b, address: 10.0.0.2, drain: true }"),
    );
    expect(changes).toEqual([
      { action: "set", subject: "backend", service: "web", backend: "b", fields: { drain: [false, true] } },
    ]);
    expect(moved).toEqual([{ service: "web", slots: expect.any(Number), of: 1009 }]);
    expect(moved[0]?.slots).toBeGreaterThan(450);
    expect(moved[0]?.slots).toBeLessThan(560);
  });

  it("adds a backend at the cost of its share, and little more", () => {
    const { changes, moved } = planChanges(
      usual,
      two("{ name: a, address: 10.0.0.1 }, { name: b, address: 10.0.0.2 }, { name: c, address: 10.0.0.3 }"),
    );
    expect(changes).toMatchObject([
      { action: "add", subject: "backend", service: "web", backend: "c", fields: { address: [undefined, "10.0.0.3"] } },
    ]);
    expect(moved[0]?.slots).toBeGreaterThanOrEqual(336);
    expect(moved[0]?.slots).toBeLessThan(450);
  });

  it("knows a backend by its address and port: another name moves nothing, another address is another backend", () => {
    const renamed = planChanges(usual, two("{ name: c, address: 10.0.0.1 }, { name: b, address: 10.0.0.2 }"));
    expect(renamed).toEqual({
      changes: [{ action: "set", subject: "backend", service: "web", backend: "c", fields: { name: ["a", "c"] } }],
      moved: [],
    });
    const { changes } = planChanges(usual, two("{ name: a, address: 10.0.0.7 }, { name: b, address: 10.0.0.2 }"));
    expect(changes).toEqual([
      { action: "replace", subject: "backend", service: "web", backend: "a", fields: { address: ["10.0.0.1", "10.0.0.7"] } },
    ]);
  });

  it("knows a service by where clients send to", () => {
    const text = JSON.stringify(usual);
    expect(planChanges(usual, JSON.parse(text.replace('"web"', '"www"')))).toEqual({
      changes: [{ action: "set", subject: "service", service: "www", fields: { name: ["web", "www"] } }],
      moved: [],
    });
    expect(planChanges(usual, JSON.parse(text.replace('"port":80', '"port":81'))).changes).toEqual([
      { action: "replace", subject: "service", service: "web", fields: { port: [80, 81] } },
    ]);
  });

  it("that takes a service away, or to another address, moves all its slots; one without backends has none", () => {
    const [web, dns] = usual.services as [Service, Service];
    const all = [{ service: "web", slots: 1009, of: 1009 }];
    expect(planChanges(usual, { ...usual, services: [dns] }).moved).toEqual(all);
    expect(planChanges(usual, { ...usual, services: [{ ...web, address: "192.0.2.2" }, dns] }).moved).toEqual(all);
    expect(planChanges({ ...usual, services: [dns] }, usual).moved).toEqual([]);
    const idle = two("{ address: 10.0.0.1, weight: 0 }, { address: 10.0.0.2, drain: true }");
    expect(planChanges(idle, { ...idle, services: [dns] }).moved).toEqual([]);
  });

  it("says that devices are in another order: the first one's addresses are sent from", () => {
    const on = (...names: string[]): State => ({ ...usual, devices: names.map((name) => ({ name, mode: "auto" })) });
    expect(planChanges(on("lan", "wan"), on("wan", "lan"))).toEqual({
      changes: [
        {
          action: "set",
          subject: "balancer",
          fields: {
            devices: [
              ["lan", "wan"],
              ["wan", "lan"],
            ],
          },
        },
      ],
      moved: [],
    });
    expect(planChanges(on("lan", "wan"), on("wan")).changes).toMatchObject([{ action: "remove", subject: "device" }]);
  });

  it("names what goes first, then what comes, devices and settings", () => {
    const next: State = {
      ...usual,
      mtu: 9000,
      devices: [{ name: "eth0", mode: "auto" }],
      services: [{ ...(usual.services[0] as State["services"][0]), name: "x", port: 1 }],
    };
    expect(
      planChanges(usual, next).changes.map(({ action, subject, service, fields }) => [
        action,
        subject,
        service,
        Object.keys(fields),
      ]),
    ).toEqual([
      ["set", "balancer", undefined, ["mtu"]],
      ["add", "device", undefined, ["name", "mode"]],
      ["remove", "service", "web", expect.arrayContaining(["address", "backends"])],
      ["remove", "service", "dns", expect.arrayContaining(["address", "backends"])],
      ["add", "service", "x", expect.arrayContaining(["address", "backends"])],
    ]);
  });

  it("does not depend on which objects the two states share", () => {
    const one = (name: string, weight: number) =>
      two(`{ name: a, address: 10.0.0.1 }, { name: b, address: 10.0.0.2, weight: ${weight} }`).services.map((service) => ({
        ...service,
        name: `${name}-${service.name}`,
        address: `192.0.2.${name}`,
      }));
    const known = ["1", "2", "3"].flatMap((name) => [...one(name, 100), ...one(name, 50)]);
    const some = fc.uniqueArray(fc.constantFrom(...known), { selector: ({ name }) => name });
    const state = fc.record({ services: some, tableSize: fc.constantFrom(251, 509) });
    assertProperty(
      fc.property(state, state, (left, right) => {
        const [before, after] = [left, right].map((each): State => ({ ...usual, ...each })) as [State, State];
        expect(planChanges(before, after)).toEqual(planChanges(structuredClone(before), after));
      }),
      { numRuns: 200 },
    );
  });

  it("a table of another size is compared by the hashes that lead to its slots", () => {
    const [left, right] = [two("{ address: 10.0.0.1 }"), two("{ address: 10.0.0.1 }", "tableSize: 251,")];
    expect(planChanges(left, right)).toMatchObject({ changes: [{ fields: { tableSize: [undefined, 251] } }], moved: [] });
    const halves = two("{ address: 10.0.0.1 }, { address: 10.0.0.2 }", "tableSize: 251,");
    const slots = planChanges(left, halves).moved[0]?.slots;
    expect(slots).toBeGreaterThan(100);
    expect(slots).toBeLessThan(150);
  });

  it("leaves out backends that are down: what they get back moves, what they never had does not", () => {
    const down = (name: string) =>
      planChanges(
        usual,
        two("{ name: a, address: 10.0.0.1 }, { name: b, address: 10.0.0.2, weight: 50 }"),
        (_, backend) => backend.name !== name,
      );
    expect(down("b").moved).toEqual([]);
    expect(down("none").moved[0]?.slots).toBeGreaterThan(100);
  });

  it("back is as far as there", () => {
    const weights = fc.array(fc.nat(3), { minLength: 1, maxLength: 6 });
    assertProperty(
      fc.property(weights, weights, (there, back) => {
        const state = (each: number[]) =>
          two(each.map((weight, index) => `{ address: 10.0.0.${index + 1}, weight: ${weight} }`).join());
        const [left, right] = [state(there), state(back)];
        expect(planChanges(left, right).moved).toEqual(planChanges(right, left).moved);
      }),
      { numRuns: 50 },
    );
  });
});

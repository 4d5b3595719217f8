import { expect, it } from "vitest";
import { changedServices } from "./changed-services.ts";
import { readDocument } from "./document.ts";

const services = (...texts: string[]) =>
  readDocument(["services:", ...texts.map((text) => `- { address: 192.0.2.1, backends: [], ${text} }`)].join("\n")).services;

const before = services("name: web, port: 80, protocol: tcp", "name: dns, port: 53, protocol: udp");
const names = (from: typeof before, to: typeof before) => {
  const { gone, changed } = changedServices(from, to);
  return { gone: gone.map(({ name }) => name), changed: changed.map(({ name }) => name) };
};

it("names none when equal services come in another order", () => {
  expect(names(before, structuredClone(before).reverse())).toEqual({ gone: [], changed: [] });
});

it("tells one that takes another's place from one that is written otherwise", () => {
  expect(
    names(before, services("name: web, port: 80, protocol: tcp, affinity: source", "name: ntp, port: 123, protocol: udp")),
  ).toEqual({
    gone: ["dns"],
    changed: ["web", "ntp"],
  });
  expect(names(before, [])).toEqual({ gone: ["web", "dns"], changed: [] });
  expect(names([], before)).toEqual({ gone: [], changed: ["web", "dns"] });
});

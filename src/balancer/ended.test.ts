/** Whose connections end although their slots stay. */
import { describe, expect, it } from "vitest";
import type { State } from "./contract.ts";
import { readDocument } from "./document.ts";
import { endedServices } from "./ended.ts";

const HOP = 'mac: "02:00:00:00:00:09", device: lo';
const state = (mode: string): State =>
  readDocument(
    `
source4: 10.0.0.254
source6: fd00::254
services:
- { name: web, address: 192.0.2.1, port: 80, protocol: tcp, mode: ${mode}, backends: [{ address: 10.0.0.1, ${HOP} }] }
- { name: web6, address: "2001:db8::1", port: 80, protocol: tcp, backends: [{ address: "fd00::1" }] }
- { name: far, address: 192.0.2.2, port: 80, protocol: tcp, mode: ipip, backends: [{ address: 10.0.0.1 }] }
`,
  );
const FROM = { source4: "10.0.0.254", source6: "fd00::254" };

describe("connections that end", () => {
  it("are those of NAT whose source changes, by family", () => {
    const nat = state("nat");
    expect(endedServices(nat, nat, FROM, FROM)).toEqual([]);
    expect(endedServices(nat, nat, FROM, { ...FROM, source4: "10.0.0.253" })).toEqual(["web"]);
    expect(endedServices(nat, nat, FROM, { ...FROM, source6: "fd00::253" })).toEqual(["web6"]);
    expect(endedServices(nat, nat, FROM, { source4: null, source6: null })).toEqual(["web", "web6"]);
    // Without an address there were none.
    expect(endedServices(nat, nat, { ...FROM, source4: null }, FROM)).toEqual([]);
  });

  it("are those of services whose mode becomes, or was, one that rewrites packets", () => {
    const ended = (before: string, after: string) => endedServices(state(before), state(after), FROM, FROM);
    for (const [before, after] of [
      ["nat", "direct"],
      ["direct", "nat"],
      ["ipip", "redirect"],
      ["redirect", "gue"],
      ["nat", "redirect"],
    ] as const) {
      expect(ended(before, after), `${before} to ${after}`).toEqual(["web"]);
    }
    expect(ended("direct", "ipip")).toEqual([]);
    expect(ended("gue", "gue")).toEqual([]);
  });

  it("are those of redirection whose packets get another source, by backend", () => {
    const redirect = (source: string) =>
      readDocument(`
source4: 10.0.0.254
services:
- { name: logs, address: 192.0.2.1, port: 514, protocol: udp, mode: redirect, backends: [{ address: 10.0.0.1, ${source} ${HOP} }] }
`);
    const [usual, own] = [redirect(""), redirect("source: 10.0.0.77,")];
    const other = { ...FROM, source4: "10.0.0.253" };
    expect(endedServices(usual, usual, FROM, other)).toEqual(["logs"]);
    expect(endedServices(own, own, FROM, other)).toEqual([]);
    expect(endedServices(usual, own, FROM, FROM)).toEqual(["logs"]);
  });

  it("are not those of services that come or go, which move", () => {
    const nat = state("nat");
    const without = { ...nat, services: nat.services.slice(1) };
    const other = { ...FROM, source4: "10.0.0.253" };
    expect(endedServices(without, nat, FROM, other)).toEqual([]);
    expect(endedServices(nat, without, FROM, other)).toEqual([]);
  });
});

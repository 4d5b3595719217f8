/** Which of a device's addresses the balancer sends from. */
import { expect, it } from "vitest";
import type { InterfaceAddress } from "../sys/netlink/index.ts";
import { chosenSources, NO_SOURCES } from "./sources.ts";

const address = (text: string, more: Partial<InterfaceAddress> = {}): InterfaceAddress => {
  const [address = "", length] = text.split("/");
  const family = address.includes(":") ? 6 : 4;
  return {
    ifindex: 2,
    family,
    address,
    prefixLength: Number(length),
    scope: 0,
    tentative: false,
    deprecated: false,
    created: 0,
    ...more,
  };
};
const chosen = (addresses: InterfaceAddress[], services: string[] = [], used = NO_SOURCES) =>
  chosenSources(
    addresses,
    services.map((each) => ({ address: each })),
    used,
  );

it("the one that the device has had for longest, in whatever order the kernel lists them", () => {
  const addresses = [
    address("10.0.0.1/24", { created: 100 }),
    address("10.0.0.2/24", { created: 100 }),
    address("fd00::2/64", { created: 200 }),
    address("fd00::1/64", { created: 100 }),
  ];
  expect(chosen(addresses)).toEqual({ source4: "10.0.0.1", source6: "fd00::1" });
});

it("none of this link alone, none that is not ready, and none that is deprecated", () => {
  const addresses = [
    address("fe80::1/64", { scope: 253 }),
    address("fd00::1/64", { tentative: true }),
    address("fd00::2/64", { deprecated: true }),
  ];
  expect(chosen(addresses)).toEqual(NO_SOURCES);
  expect(chosen([...addresses, address("fd00::3/64")]).source6).toBe("fd00::3");
});

it("a service's address only where there is no other", () => {
  const vips = [address("192.0.2.1/32"), address("2001:db8::1/128")];
  const services = ["192.0.2.1", "2001:DB8::0:1"];
  expect(chosen([...vips, address("10.0.0.1/24"), address("fd00::1/64")], services)).toEqual({
    source4: "10.0.0.1",
    source6: "fd00::1",
  });
  expect(chosen(vips, services)).toEqual({ source4: "192.0.2.1", source6: "2001:db8::1" });
});

it("the one that is in use, as long as the device has it", () => {
  const used = { source4: "10.0.0.2", source6: "fd00::2" };
  const addresses = [
    address("10.0.0.1/24"),
    address("10.0.0.2/24"),
    address("fd00::1/64"),
    address("fd00::2/64", { deprecated: true }),
  ];
  expect(chosen(addresses, [], used)).toEqual(used);
  expect(chosen([address("10.0.0.1/24"), address("fd00::1/64")], [], used)).toEqual({
    source4: "10.0.0.1",
    source6: "fd00::1",
  });
});

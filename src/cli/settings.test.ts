import { expect, test } from "vitest";
import { collectSetting } from "./settings.ts";

test("settings are numbers, booleans, bytes and addresses", () => {
  const all = [
    "port=53",
    "mask=0xff00",
    "delta=-5",
    "on=true",
    "gateway=02:00:00:00:00:0a",
    "server=10.0.0.1",
    "big=0x123456789abcdef0",
  ];
  expect(all.reduce<Record<string, unknown>>((before, text) => collectSetting(text, before), {})).toEqual({
    port: 53,
    mask: 0xff00,
    delta: -5,
    on: true,
    gateway: Uint8Array.of(2, 0, 0, 0, 0, 10),
    server: 0x0a000001,
    big: 0x123456789abcdef0n,
  });
});

test.each(["port", "port=", "=5", "port=5x", "a=1.2.3.999", "1a=2"])("%s is refused", (text) => {
  expect(() => collectSetting(text)).toThrow(/does not set a setting/);
});

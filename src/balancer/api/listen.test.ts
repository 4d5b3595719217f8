/** Addresses to listen on, and which of them need a token. */
import { describe, expect, test } from "vitest";
import { isLoopback, mustBeProtected, parseListen, urlOf } from "./listen.ts";
import { readToken } from "./token.ts";

test.each([
  ["9092", "http://127.0.0.1:9092", true],
  ["127.0.0.1:9092", "http://127.0.0.1:9092", true],
  ["localhost:1", "http://localhost:1", true],
  ["[::1]:9092", "http://[::1]:9092", true],
  [":9092", "http://[::]:9092", false],
  ["192.0.2.1:80", "http://192.0.2.1:80", false],
  ["[2001:db8::1]:65535", "http://[2001:db8::1]:65535", false],
])("%s is %s", (text, url, loopback) => {
  const address = parseListen(text);
  expect(urlOf(address)).toBe(url);
  expect(isLoopback(address.host)).toBe(loopback);
  if (loopback) mustBeProtected(address, undefined, false);
  else expect(() => mustBeProtected(address, undefined, false)).toThrow("Others could steer the balancer");
  mustBeProtected(address, "token", false);
  mustBeProtected(address, undefined, true);
});

test.each(["", ":", "70000", "example.org:80", "::1:80", "[::1]", "1.2.3:80", "[1.2.3.4]:80", "-1", "80 "])(
  "%j is none",
  (text) => {
    expect(() => parseListen(text)).toThrow("no address to listen on");
  },
);

describe("tokens", () => {
  const token = "0123456789abcdef";
  const from = (value: string) => readToken(undefined, { WIRESCRIPT_BALANCER_TOKEN: value });
  test("come from the environment", () => expect(from(` ${token}\n`)).toBe(token));
  test("may be none", () => expect(readToken(undefined, {})).toBeUndefined());
  test.each(["short", "with space and more characters", "umlauts äöüäöüäöüäöü"])("%j is none, and is not repeated", (value) => {
    expect(() => from(value)).toThrow(/^(?!.*(short|space|uml)).*no token that could be used/);
  });
  test("in a file that is not there say how to make one", () => {
    expect(() => readToken("/nonexistent/token")).toThrow("cannot be read");
  });
});

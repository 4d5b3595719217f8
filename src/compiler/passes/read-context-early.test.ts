/** `read-context-early`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { readContextEarly } from "./read-context-early.ts";

const later = (between: string, after = ""): string => `v4 = const 0
${between}
v6 = ne v5, v4
branch v6, b1, b2
b1: from b0
v7 = load.4 context v1 + 12
${after}return v7
b2: from b0
return v4`;

const lookup = 'v8 = map "m"\nv5 = call get_smp_processor_id()';

test("the one field that is read behind a call is read at the start", () => {
  const text = transformed([readContextEarly], later(lookup));
  expect(text.startsWith("v7 = load.4 context v1 + 12\nv4 = const 0")).toBe(true);
  expect(text).toContain("b1: from b0\nreturn v7");
});

test.each([
  ["two fields are", later(lookup, "v9 = load.4 context v1 + 16\nstore.4 packet v2, v9\n")],
  ["the call may change it", later("v8 = const -4\nv5 = call xdp_adjust_head(v1, v8)")],
  ["the program changes it", later(`${lookup}\nstore.4 context v1 + 8, v4`)],
  ["a call is given the context", later(lookup, "v9 = call xdp_get_buff_len(v1)\n")],
])("nothing changes when %s", (_, body) => {
  expect(transformed([readContextEarly], body)).toBe(body);
});

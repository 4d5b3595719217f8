/** Numbers that are written in the source fit where they are put, or are reported at their line; what is computed wraps. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check } from "../../src/compiler/compile.ts";
import { PRELUDE } from "../kernel.ts";

const file = resolve("test/example.bpf.ts");
const DECLARATIONS = `import { arrayOf, global, local, setting } from "wirescript/kernel";
const Header = struct({ ttl: u8, length: be16, kind: bits(3), rest: bits(5), delta: i8, mark: u32, list: arrayOf(u8, 2) });
const m = hash({ key: u16, value: Header, entries: 4 });
function takes(x: u8): number { return x; }
function gives(): u16 { return LARGE; }
const LARGE = 65535;
let shared: u8 = 0;
`;

function codes(body: string, declarations = ""): string[] {
  const text = `${PRELUDE}${DECLARATIONS}${declarations}
    export const p = xdp((ctx) => { const h = ctx.at(Header, 14); if (!h) return XDP_PASS; ${body} return XDP_PASS; });`;
  return check(file, { overlay: new Map([[file, text]]) }).map(({ code }) => code);
}

describe("a number that does not fit is reported", () => {
  for (const body of [
    "h.ttl = 256;",
    "h.ttl = -1;",
    "h.length = 0x10000;",
    "h.kind = 8;",
    "h.delta = 128;",
    "h.delta = -129;",
    "h.mark = 0x100000000;",
    "h.list[1] = 300;",
    "h.list = [1, 256];",
    "const x: u8 = 300; if (x) return XDP_DROP;",
    "let x: u8 = 1; x = 300; if (x) return XDP_DROP;",
    "const x: u64 = -1; if (x) return XDP_DROP;",
    "if (takes(256)) return XDP_DROP;",
    "m.update(70000, { ttl: 1, length: 1, kind: 1, rest: 1, delta: 1, mark: 1, list: [0, 0] });",
    "m.update(7, { ttl: 256, length: 1, kind: 1, rest: 1, delta: 1, mark: 1, list: [0, 0] });",
    "shared = 256;",
    "const t = local(arrayOf(u8, 2), [0, 256]); if (t[0]) return XDP_DROP;",
    "h.ttl = LARGE;",
  ]) {
    test(body, () => expect(codes(body)).toEqual(["WS2085"]));
  }
  for (const declaration of [
    "let g: u8 = 256;",
    "const g = setting(u8, 256);",
    "const g = global(Header, { ttl: 1, length: 1, kind: 9, rest: 1, delta: 1, mark: 1, list: [0, 0] }).ttl;",
  ]) {
    test(declaration, () =>
      expect(codes("if (g) return XDP_DROP;", declaration)).toContain(declaration.includes("global") ? "WS3002" : "WS2085"),
    );
  }
  test("a function's result", () =>
    expect(codes("if (f()) return XDP_DROP;", "function f(): u8 { return 256; }")).toEqual(["WS2085"]));
  test("an arrow function's result", () =>
    expect(codes("if (f()) return XDP_DROP;", "const f = (): i8 => -200;")).toEqual(["WS2085"]));
});

test("what fits, what is computed, and what is cast is not", () => {
  const body = `h.ttl = 255; h.length = 0xffff; h.kind = 7; h.delta = -128; h.mark = 0xffffffff; h.ttl = u8(300); h.mark = u32(-1); h.ttl = h.ttl + 300;
    h.ttl += 256; h.ttl = ~1; const x: u16 = LARGE; const y: i64 = -5; let z = -1; z = 300; h.list = [255, 0]; for (let i = 0; i < 3; i++) h.ttl = i * 200;
    if (takes(255) + gives() + x + y + z > 1000) return XDP_DROP; shared = 255;`;
  expect(codes(body)).toEqual([]);
});

/** Moving the packet's start, end and metadata: what comes out, and which views live on. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check } from "../../src/compiler/compile.ts";
import { frame, noKernel, PRELUDE, runOnce, withoutKernel } from "../kernel.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const numbered = (length: number) => Uint8Array.from({ length }, (_, index) => index + 1);

describe.skipIf(noKernel)(`the packet${withoutKernel}`, () => {
  test("loses a VLAN tag, or gains one", () => {
    const toggle = `
      const eth = ctx.at(Ethernet);
      if (!eth) return XDP_ABORTED;
      const dst = eth.dst;
      const src = eth.src;
      if (eth.type === EtherType.VLAN) {
        const tag = ctx.at(Tag, 14);
        if (!tag) return XDP_ABORTED;
        const type = tag.type;
        if (!ctx.adjustHead(4)) return XDP_ABORTED;
        const moved = ctx.at(Ethernet);
        if (!moved) return XDP_ABORTED;
        moved.dst = dst;
        moved.src = src;
        moved.type = type;
        return XDP_PASS;
      }
      const type = eth.type;
      if (!ctx.adjustHead(-4)) return XDP_ABORTED;
      const outer = ctx.at(Ethernet);
      const tag = ctx.at(Tag, 14);
      if (!outer || !tag) return XDP_ABORTED;
      outer.dst = dst;
      outer.src = src;
      outer.type = EtherType.VLAN;
      tag.control = 1;
      tag.type = type;
      return XDP_TX;`;
    const tags = "const Tag = struct({ control: be16, type: be16 });";
    const plain = Uint8Array.from([...numbered(12), 0x08, 0x00, ...numbered(40)]);
    const tagged = Uint8Array.from([...numbered(12), 0x81, 0x00, 0x00, 0x01, 0x08, 0x00, ...numbered(40)]);
    const pushed = runOnce(toggle, plain, tags);
    expect([pushed.action, hex(pushed.packet)]).toEqual([3, hex(tagged)]);
    const popped = runOnce(toggle, tagged, tags);
    expect([popped.action, hex(popped.packet)]).toEqual([2, hex(plain)]);
  });

  test("is cut, and its length follows", () => {
    const { action, packet } = runOnce(
      `const before = ctx.length;
       if (!ctx.adjustTail(-20)) return XDP_ABORTED;
       return before - ctx.length === 20 ? XDP_PASS : XDP_DROP;`,
      numbered(80),
    );
    expect([action, hex(packet)]).toEqual([2, hex(numbered(80).subarray(0, 60))]);
  });

  test("has metadata after room was made for it", () => {
    const { action } = runOnce(
      `if (ctx.meta(Meta)) return XDP_DROP;
       if (!ctx.adjustMeta(-Meta.size)) return XDP_ABORTED;
       const meta = ctx.meta(Meta);
       if (!meta) return XDP_ABORTED;
       meta.mark = 42;
       return ctx.meta(Meta)?.mark === 42 ? XDP_TX : XDP_PASS;`,
      frame([], 64),
      "const Meta = struct({ mark: u32, more: u32 });",
    );
    expect(action).toBe(3);
  });
});

const dies = (body: string) => {
  const file = resolve("test/example.bpf.ts");
  const text = `${PRELUDE}\nexport const p = xdp((ctx) => {\n${body}\nreturn XDP_PASS;\n});`;
  return check(file, { overlay: new Map([[file, text]]) }).map(({ code }) => code);
};

describe("a view", () => {
  const view = "let eth = ctx.at(Ethernet); if (!eth) return XDP_DROP;";

  test("is dead after a move, on the path that moved and where paths meet", () => {
    expect(dies(`${view} ctx.adjustHead(4); eth.type = 1;`)).toEqual(["WS2022"]);
    expect(dies(`${view} if (ctx.length > 90) ctx.adjustHead(4); eth.type = 1;`)).toEqual(["WS2022"]);
    expect(dies(`${view} const src = eth; ctx.adjustTail(-1); src.src = src.dst;`)).toEqual(["WS2022"]);
    expect(dies(`${view} const m = hash({ key: u32, value: u32, entries: 1 }); ctx.adjustHead(4);`)).toEqual(["WS3002"]);
    expect(
      dies(
        `${view} if (ctx.length > 90) { ctx.adjustHead(4); } else { eth = ctx.at(Ethernet); if (!eth) return XDP_DROP; } eth.type = 1;`,
      ),
    ).toEqual(["WS2022"]);
  });

  test("lives on a path that did not move the packet, and when it was made anew", () => {
    expect(dies(`${view} if (ctx.length > 90) { ctx.adjustHead(4); return XDP_PASS; } eth.type = 1;`)).toEqual([]);
    expect(dies(`${view} ctx.adjustHead(4); eth = ctx.at(Ethernet); if (eth) eth.type = 1;`)).toEqual([]);
    expect(
      dies(
        `${view} if (ctx.length > 90) { ctx.adjustHead(4); eth = ctx.at(Ethernet); if (!eth) return XDP_DROP; } eth.type = 1;`,
      ),
    ).toEqual([]);
    expect(
      dies("for (let i = 0; i < 3; i++) { const e = ctx.at(Ethernet); if (!e) break; e.type = i; ctx.adjustHead(1); }"),
    ).toEqual([]);
  });

  test("cannot be moved in a long loop", () => {
    expect(dies("for (let i = 0; i < 500; i++) { if (!ctx.adjustHead(1)) break; }")).toEqual(["WS2023"]);
  });
});

describe.skipIf(noKernel)(`what the compiler lets live, the verifier does too${withoutKernel}`, () => {
  const view = "let eth = ctx.at(Ethernet); if (!eth) return XDP_DROP;";
  const bodies = [
    `${view} if (ctx.length > 90) { ctx.adjustHead(4); return XDP_PASS; } eth.type = 1; return XDP_TX;`,
    `${view} ctx.adjustHead(4); eth = ctx.at(Ethernet); if (eth) eth.type = 1; return XDP_TX;`,
    `${view} if (ctx.length > 90) { ctx.adjustHead(4); eth = ctx.at(Ethernet); if (!eth) return XDP_DROP; } eth.type = 1; return XDP_TX;`,
    "for (let i = 0; i < 3; i++) { const e = ctx.at(Ethernet); if (!e) break; e.type = i; ctx.adjustHead(1); } return XDP_TX;",
  ];
  for (const body of bodies) {
    test(body, () => {
      for (const length of [64, 120]) expect([2, 3]).toContain(runOnce(body, frame([], length)).action);
    });
  }
});

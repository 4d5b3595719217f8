/** Programs for traffic control: their context, their actions, and their helpers, in test runs of the kernel. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { loadSpec } from "../../src/index.ts";
import { noKernel, withoutKernel } from "../kernel.ts";

const PRELUDE = `import {
  be16, be32, bytes, csumDiff, devMap, local, noinline, struct, tc, u16, u32, u64, u8, xdp, XDP_DROP, XDP_PASS, TC_ACT_OK, TC_ACT_PIPE, TC_ACT_RECLASSIFY,
  TC_ACT_SHOT, TC_ACT_STOLEN, TC_ACT_UNSPEC, progArray,
} from "wirescript/kernel";
import type { TcAction, TcContext } from "wirescript/kernel";
import { Ethernet, EtherType, ethernetPayload, IPv4, IpProtocol, mac, Udp } from "wirescript/net";
`;
const FILE = resolve("test/example.bpf.ts");

const overlay = (text: string) => new Map([[FILE, PRELUDE + text]]);
const diagnose = (text: string) => check(FILE, { overlay: overlay(text) });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const numbered = (length: number) => Uint8Array.from({ length }, (_, index) => index + 1);

/** Runs `body`, the inside of a `tc.ingress` program, once on `packet`. */
function run(body: string, packet: Uint8Array, declarations = "") {
  const text = `${declarations}\nexport const p = tc.ingress((ctx) => {\n${body}\n});`;
  const { spec } = compile(FILE, { overlay: overlay(text) });
  using object = loadSpec(spec);
  return object.program("p").run(packet);
}

describe.skipIf(noKernel)(`a TC program${withoutKernel}`, () => {
  test("answers with its own actions", () => {
    for (const [name, value] of [
      ["TC_ACT_UNSPEC", -1],
      ["TC_ACT_OK", 0],
      ["TC_ACT_RECLASSIFY", 1],
      ["TC_ACT_SHOT", 2],
      ["TC_ACT_PIPE", 3],
      ["TC_ACT_STOLEN", 4],
    ] as const) {
      expect(run(`return ${name};`, numbered(64)).action, name).toBe(value);
    }
  });

  test("reads and writes the packet", () => {
    const { action, packet } = run(
      `const eth = ctx.at(Ethernet);
       if (!eth) return TC_ACT_SHOT;
       const dst = eth.dst;
       eth.dst = eth.src;
       eth.src = dst;
       return ctx.length === 64 && ctx.linearLength === 64 ? TC_ACT_OK : TC_ACT_PIPE;`,
      numbered(64),
    );
    const swapped = numbered(64);
    swapped.set(numbered(12).subarray(6), 0);
    swapped.set(numbered(6), 6);
    expect([action, hex(packet)]).toEqual([0, hex(swapped)]);
  });
});

describe.skipIf(noKernel)(`the kernel takes${withoutKernel}`, () => {
  const uses = [
    "return ctx.redirect(1, { ingress: true });",
    "return ctx.redirectNeigh(1);",
    "return ctx.redirectNeigh(1, { ipv4: 0x0a000001 });",
    "const ip = ctx.at(IPv4, 14); return ip ? ctx.redirectNeigh(1, { ipv4: ip.dst }) : TC_ACT_OK;",
    "const address = ctx.at(bytes(16), 38); return address ? ctx.redirectNeigh(1, { ipv6: address }) : TC_ACT_OK;",
    "return ctx.redirectPeer(1);",
    "ctx.cb0 = ctx.mark; ctx.cb4 += ctx.cb0; if (ctx.cb4 > 7) return TC_ACT_SHOT;",
    "const far = ctx.loadBytes(ctx.length - 4, be32); if (far?.value === 7) return TC_ACT_SHOT;",
    "const eth = ctx.at(Ethernet); if (eth && !ctx.storeBytes(20, mac, eth.src)) return TC_ACT_SHOT;",
    'if (!ctx.adjustRoom(8, "mac", { encapIpv4: true, encapUdp: true, encapL2Length: 14, fixedGso: true })) return TC_ACT_SHOT;',
    "if (!twice(ctx) || !pulls(ctx)) return TC_ACT_SHOT; const eth = ctx.at(Ethernet); if (eth) eth.type = ctx.protocol;",
    "if (!ctx.cloneRedirect(1)) return TC_ACT_SHOT;",
    "if (!ctx.pull(0)) return TC_ACT_SHOT;",
    "if (!ctx.changeTail(40)) return TC_ACT_SHOT;",
    "if (!ctx.changeHead(14)) return TC_ACT_SHOT;",
    "if (!ctx.pushVlan(EtherType.VLAN, 7) || !ctx.popVlan()) return TC_ACT_SHOT;",
    "if (!ctx.storeBytes(0, mac, mac(1, 2, 3), { recomputeChecksum: true, invalidateHash: true })) return TC_ACT_SHOT;",
    "if (!ctx.storeBytes(14, struct({ a: u8, b: be32 }), { a: 1, b: ctx.mark })) return TC_ACT_SHOT;",
    "if (!ctx.replaceL3Checksum(24, be16, 1, ctx.vlanTci) || !ctx.replaceL3Checksum(24, be32, 1, 2)) return TC_ACT_SHOT;",
    "if (!ctx.replaceL4Checksum(40, be16, 1, 2, { pseudoHeader: true, mangledZero: true })) return TC_ACT_SHOT;",
    "if (!ctx.addToL3Checksum(24, 77) || !ctx.addToL4Checksum(40, 78, { pseudoHeader: true })) return TC_ACT_SHOT;",
    "ctx.setHash(7); ctx.invalidateHash(); if (ctx.recalculateHash() === 8 || !ctx.changeType(0)) return TC_ACT_SHOT;",
    "ctx.mark++; ctx.priority = ctx.mark; ctx.queueMapping = 3; ctx.tcIndex = 7; ctx.tcClassid = 9; ctx.tstamp += 5;",
    `if (ctx.packetType + ctx.protocol + ctx.vlanTci + ctx.vlanProtocol + ctx.ingressIfindex + ctx.ifindex + ctx.hash === 77777
         || ctx.vlanPresent || ctx.wireLength + ctx.gsoSegments + ctx.gsoSize + ctx.tcIndex + ctx.tstamp === 7777777) return TC_ACT_PIPE;`,
    `const payload = ethernetPayload(ctx); if (payload?.type === EtherType.IPv4) { const ip = ctx.at(IPv4, payload.offset); if (ip) ip.ttl--; }`,
    `const m = ctx.meta(struct({ mark: u32 })); ctx.mark = m ? m.mark : 41; if (m) m.mark = 7;`,
  ];
  const programs = uses.flatMap((use, index) =>
    ["ingress", "egress"]
      .filter((hook) => hook === "ingress" || !use.includes("redirectPeer"))
      .map((hook) => `export const ${hook}_${index} = tc.${hook}((ctx) => {\n${use}\nreturn TC_ACT_OK;\n});`),
  );
  const subprograms = `
    const twice = noinline((ctx: TcContext): boolean => { ctx.mark *= 2; return ctx.mark > 1 && ctx.at(Ethernet) !== null; });
    const pulls = noinline((ctx: TcContext): boolean => ctx.pull(34) && ctx.at(IPv4, 14)?.ttl !== 0);`;
  const text = [subprograms, ...programs].join("\n");

  for (const cpu of [1, 4] as const) {
    for (const disabledPasses of [[], ["simplify"], ["forward-loads"]]) {
      test(`every helper and field, for cpu v${cpu}, without ${disabledPasses[0] ?? "nothing"}`, () => {
        const { spec } = compile(FILE, { overlay: overlay(text), cpu, disabledPasses });
        expect(spec.programs).toHaveLength(programs.length);
        loadSpec(spec).close();
      });
    }
  }
});

test("views die with every helper that may move the packet, also in subprograms and long loops", () => {
  const codes = (body: string) =>
    diagnose(`const pulls = noinline((ctx: TcContext): boolean => ctx.pull(34));
      export const p = tc.egress((ctx) => { const eth = ctx.at(Ethernet); if (!eth) return TC_ACT_OK; ${body} return TC_ACT_OK; });`).map(
      ({ code }) => code,
    );
  for (const move of [
    ...["pull(14)", "changeTail(60)", "changeHead(4)", "pushVlan(EtherType.VLAN, 1)", "popVlan()", "storeBytes(0, u8, 1)"],
    ...['adjustRoom(4, "mac")', "replaceL3Checksum(24, be16, 1, 2)", "addToL4Checksum(24, 1)", "cloneRedirect(1)"],
  ]) {
    expect(codes(`ctx.${move}; eth.type = 7;`), move).toEqual(["WS2022"]);
    expect(codes(`eth.type = 7; ctx.${move};`), move).toEqual([]);
  }
  expect(codes("pulls(ctx); eth.type = 7;")).toEqual(["WS2022"]);
  expect(codes("if (ctx.mark > 7) pulls(ctx); eth.type = 7;")).toEqual(["WS2022"]);
  expect(codes("for (let i = 0; i < 500; i++) { if (!ctx.pull(i)) break; }")).toEqual(["WS2023"]);
  for (const still of ["redirect(7)", "setHash(7)", "changeType(0)", "loadBytes(3, u8)", "invalidateHash()"]) {
    expect(codes(`ctx.${still}; eth.type = 7;`), still).toEqual([]);
  }
});

describe("arrays of programs", () => {
  const arrays = "const next = progArray({ entries: 2 });";
  const calls = (first: string, second: string) =>
    diagnose(`${arrays}
      export const a = ${first.replace("()", "((ctx) => { next.tailCall(ctx, 0); return ")});
      export const b = ${second.replace("()", "((ctx) => { next.tailCall(ctx, 1); return ")});`).map(({ code }) => code);

  test("are of one kind of programs", () => {
    expect(calls("tc.ingress()TC_ACT_OK; }", "tc.egress()TC_ACT_OK; }")).toEqual([]);
    expect(calls("tc.ingress()TC_ACT_OK; }", "xdp()XDP_PASS; }")).toEqual(["WS2063"]);
    expect(calls("xdp()XDP_PASS; }", "xdp()XDP_PASS; }, { frags: true }")).toEqual(["WS2063"]);
  });
});

describe("types keep the hooks apart", () => {
  const codes = (text: string) => diagnose(text).map(({ code }) => code);
  test("a TC program returns TC's actions", () => {
    expect(codes("export const p = tc.ingress(() => XDP_PASS);")).toEqual(["TS2322"]);
    expect(codes("export const p = tc.ingress(() => 7);")).toEqual(["TS2322"]);
    expect(codes("export const p = xdp(() => TC_ACT_OK);")).toEqual(["TS2322"]);
    expect(codes("export const p = tc.egress((ctx) => ctx.redirect(1));")).toEqual([]);
    expect(codes("export const p = tc.egress((ctx) => ctx.redirectPeer(1));")).toEqual(["TS2551"]);
    expect(codes("export const p = tc.ingress((ctx) => ctx.redirectPeer(1));")).toEqual([]);
  });
});

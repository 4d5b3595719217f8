/** Test runs on the real kernel: verdicts, contexts, metadata, CPUs, big packets, live packets, and what is refused and why. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { failure } from "../../test/failure.ts";
import { lacking, temporaryDirectory } from "../../test/foreign-tools.ts";
import { freshNamespace, uniqueName } from "../../test/own-network.ts";
import { compile } from "../compiler/compile.ts";
import { buildPacket } from "../packet/build.ts";
import { inNamespace } from "../sys/namespaces.ts";
import { addVethPair, getLink, setLinkUp } from "../sys/netlink/index.ts";
import { loadSpec } from "./load.ts";
import type { LoadedObject } from "./loaded-object.ts";
import { PerCpuArrayMap } from "./maps/array.ts";
import { CONTEXT_LAYOUT } from "./test-context.ts";

const noKernel = process.platform !== "linux" ? " (skipped: needs Linux)" : lacking("root");

const SOURCE = `import { perCpuArray, tc, TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC, u32, u64, XDP_DROP, XDP_PASS, XDP_TX, xdp, struct } from "wirescript/kernel";
import { Ethernet, IPv4 } from "wirescript/net";
const Meta = struct({ mark: u32, more: u32 });
export const counts = perCpuArray({ value: u64, entries: 1 });
export const pass = xdp(() => XDP_PASS);
export const tx = xdp(() => { const n = counts.lookup(0); if (n) n.value++; return XDP_TX; });
// 0x88b5 is for experiments: the stack sends frames of its own on a new device.
export const drop = xdp((ctx) => {
  const eth = ctx.at(Ethernet);
  const n = counts.lookup(0);
  if (eth && eth.type === 0x88b5 && n) n.value++;
  return XDP_DROP;
});
export const lengths = xdp((ctx) => (ctx.length > 5000 ? XDP_DROP : XDP_PASS), { frags: true });
export const meta = xdp((ctx) => {
  if (!ctx.adjustMeta(-8)) return XDP_DROP;
  const m = ctx.meta(Meta);
  if (!m) return XDP_DROP;
  m.mark = 0x11223344;
  m.more = 7;
  return XDP_PASS;
});
export const sees = xdp((ctx) => {
  const m = ctx.meta(Meta);
  return m && m.mark === 5 ? XDP_TX : XDP_PASS;
});
export const next = tc.ingress(() => TC_ACT_UNSPEC);
export const shot = tc.ingress((ctx) => { ctx.mark = ctx.mark + 1; return TC_ACT_SHOT; });
export const ok = tc.egress(() => TC_ACT_OK);
export const damages = tc.ingress((ctx) => {
  const ip = ctx.at(IPv4, Ethernet.size);
  if (ip) ip.ttl = 9;
  return TC_ACT_OK;
});
export const grows = tc.ingress((ctx) => (ctx.changeTail(16000) ? TC_ACT_OK : TC_ACT_SHOT));
`;

const PACKET = new Uint8Array(64);

describe.skipIf(noKernel !== "")(`test runs${noKernel}`, () => {
  let object: LoadedObject;
  const program = (name: string) => object.program(name);

  beforeAll(() => {
    const file = resolve("test/example.bpf.ts");
    object = loadSpec(compile(file, { overlay: new Map([[file, SOURCE]]) }).spec);
  });
  afterAll(() => object.close());

  test("names the verdict", () => {
    const verdict = (name: string) => program(name).run(PACKET).verdict;
    expect(["pass", "tx", "drop"].map(verdict)).toEqual(["XDP_PASS", "XDP_TX", "XDP_DROP"]);
    expect(["next", "shot", "ok"].map(verdict)).toEqual(["TC_ACT_UNSPEC", "TC_ACT_SHOT", "TC_ACT_OK"]);
    expect(program("next").run(PACKET).action).toBe(-1);
  });

  test("gives metadata apart from the packet, whether a context was given or not", () => {
    for (const options of [{}, { context: {} }]) {
      const result = program("meta").run(
        Uint8Array.from(PACKET, (_, i) => i),
        options,
      );
      expect(result.verdict).toBe("XDP_PASS");
      expect(result.packet).toEqual(Uint8Array.from(PACKET, (_, i) => i));
      expect(result.meta).toEqual(Uint8Array.of(0x44, 0x33, 0x22, 0x11, 7, 0, 0, 0));
    }
    expect(program("pass").run(PACKET).meta).toBeUndefined();
  });

  test("puts metadata in front of the packet", () => {
    const meta = Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0);
    const result = program("sees").run(PACKET, { context: { meta } });
    expect(result).toMatchObject({ verdict: "XDP_TX", meta });
    expect(result.packet).toHaveLength(64);
    expect(program("sees").run(PACKET, { context: { meta: new Uint8Array(8) } }).verdict).toBe("XDP_PASS");
  });

  test("carries all fields of a socket buffer there and back", () => {
    const context = {
      ...{ mark: 41, priority: 7, ingressIfindex: 1, ifindex: 1, cb: [1, 2, 3, 4, 5], tstamp: 123n, wireLength: 64 },
      ...{ gsoSegments: 2, gsoSize: 10, hwtstamp: 99n },
    };
    expect(program("ok").run(PACKET, { context }).context).toEqual(context);
    expect(program("shot").run(PACKET, { context: { mark: 41 } }).context).toMatchObject({ mark: 42, ifindex: 1 });
    // What the program wrote is told whether a context was given or not.
    expect(program("shot").run(PACKET).context).toMatchObject({ mark: 1, priority: 0, wireLength: 64, cb: [0, 0, 0, 0, 0] });
    expect(program("pass").run(PACKET)).not.toHaveProperty("context");
  });

  test("a checksum that the card has computed has to be right afterwards", () => {
    const packet = buildPacket("eth/ip/udp/payload");
    expect(program("ok").run(packet, { checksum: true }).verdict).toBe("TC_ACT_OK");
    expect(program("damages").run(packet).verdict).toBe("TC_ACT_OK");
    const error = failure(() => program("damages").run(packet, { checksum: true }));
    expect(error).toMatchObject({ code: "USAGE", why: expect.stringContaining("wrote to the packet") });
  });

  test("a packet comes back however long the program made it, and stays what it is when the next one comes", () => {
    const { verdict, packet } = program("grows").run(Uint8Array.of(...PACKET.subarray(1), 7));
    program("grows").run(new Uint8Array(64).fill(9));
    expect([verdict, packet.length, packet[63], packet[64], packet[15999]]).toEqual(["TC_ACT_OK", 16000, 7, 0, 0]);
  });

  test("a packet of several buffers", () => {
    expect(program("lengths").run(new Uint8Array(9000)).verdict).toBe("XDP_DROP");
    expect(program("lengths").run(new Uint8Array(1000)).verdict).toBe("XDP_PASS");
  });

  test("runs on the CPU that it is told to, and nowhere else", () => {
    const online = readFileSync("/sys/devices/system/cpu/online", "utf8").trim();
    const last = Number(online.split(/[-,]/).at(-1));
    const counts = object.map<PerCpuArrayMap<bigint>>("counts", PerCpuArrayMap);
    for (const cpu of [0, last]) {
      counts.set(
        0,
        Array.from({ length: counts.cpus }, () => 0n),
      );
      program("tx").run(PACKET, { cpu, repeat: 5 });
      expect(counts.get(0)?.map((count, index) => [index, count])[cpu]).toEqual([cpu, 5n]);
      expect(counts.sum(0)).toBe(5n);
    }
    const error = failure(() => program("tx").run(PACKET, { cpu: 8000 }));
    expect(error).toMatchObject({
      code: "USAGE",
      message: expect.stringContaining("CPU 8000"),
      why: expect.stringContaining(online),
    });
  });

  test("live packets that XDP_TX sends leave the device that they are said to come from", async () => {
    const namespace = freshNamespace();
    const name = uniqueName();
    const counts = object.map<PerCpuArrayMap<bigint>>("counts", PerCpuArrayMap);
    counts.set(
      0,
      Array.from({ length: counts.cpus }, () => 0n),
    );
    const { links, sent } = inNamespace(namespace, () => {
      addVethPair({ name, peerName: `${name}p` });
      for (const each of [name, `${name}p`]) setLinkUp(getLink(each).ifindex, true);
      const links = [
        program("drop").attach({ dev: `${name}p`, mode: "native" }),
        program("pass").attach({ dev: name, mode: "native" }),
      ];
      const frame = new Uint8Array(60).fill(0xff, 0, 6).fill(0x88, 12, 13).fill(0xb5, 13, 14);
      const context = { ingressIfindex: getLink(name).ifindex };
      return { links, sent: program("tx").run(frame, { live: true, repeat: 200, batchSize: 16, context }) };
    });
    onTestFinished(() => {
      for (const link of links) inNamespace(namespace, () => link.detach());
    });
    expect(sent.runs).toBe(200);
    expect(sent.duration).toBeGreaterThan(0);
    // One half is what tx counted, the other what the program at the other end of the cable did.
    await expect.poll(() => counts.sum(0)).toBe(400n);
  });

  describe("refusals say why", () => {
    test.each<[string, () => unknown, RegExp, RegExp]>([
      ["a packet without Ethernet header", () => program("pass").run(new Uint8Array(13)), /13 bytes/, /14 bytes/],
      ["a packet without Ethernet header, for TC", () => program("ok").run(new Uint8Array(13)), /13 bytes/, /14 bytes/],
      ["a packet beyond all buffers", () => program("lengths").run(new Uint8Array(200_000)), /200000 bytes/, /longer than/],
      [
        "a device that does not exist",
        () => program("pass").run(PACKET, { context: { ingressIfindex: 99_999 } }),
        /ingressIfindex 99999/,
        /No device/,
      ],
      [
        "a device that does not exist, for TC",
        () => program("ok").run(PACKET, { context: { ifindex: 99_999 } }),
        /ifindex 99999/,
        /No device/,
      ],
      [
        "a queue without a device",
        () => program("pass").run(PACKET, { context: { rxQueueIndex: 1 } }),
        /queue 1/,
        /names none/,
      ],
      [
        "a queue that the device lacks",
        () => program("pass").run(PACKET, { context: { ingressIfindex: 1, rxQueueIndex: 9 } }),
        /queue 9/,
        /has 1/,
      ],
      [
        "odd metadata",
        () => program("pass").run(PACKET, { context: { meta: new Uint8Array(5) } }),
        /metadata of 5 bytes/,
        /multiple of 4/,
      ],
      [
        "too much metadata",
        () => program("pass").run(PACKET, { context: { meta: new Uint8Array(256) } }),
        /metadata of 256 bytes/,
        /at most 216/,
      ],
      [
        "a field of the other kind of program",
        () => program("pass").run(PACKET, { context: { mark: 1 } }),
        /no field "mark"/,
        /xdp/,
      ],
      [
        "text for bytes",
        () => program("pass").run(PACKET.toString() as unknown as Uint8Array), // what the types forbid
        /cannot be run/,
        /A packet is bytes, a Uint8Array/,
      ],
      ["no repetition", () => program("pass").run(PACKET, { repeat: 0 }), /0 repetitions/, /32 bits/],
      ["a checksum for XDP", () => program("pass").run(PACKET, { checksum: true }), /checksum/, /before anybody/],
      ["live packets for TC", () => program("ok").run(PACKET, { live: true }), /live packets/, /Only XDP/],
      ["large batches", () => program("pass").run(PACKET, { live: true, batchSize: 257 }), /batches of 257/, /1 to 256/],
      [
        "a live packet that fits no page",
        () => program("pass").run(new Uint8Array(4000), { live: true }),
        /4000 bytes/,
        /one page/,
      ],
    ])("%s", (_, run, what, why) => {
      const error = failure(run);
      expect(error.code).toBe("USAGE");
      expect(error.message).toMatch(what);
      expect(error.why).toMatch(why);
      expect(error.fix).toMatch(/\S/);
    });

    test("216 bytes of metadata are taken, or 32 by older kernels", () => {
      expect(program("sees").run(PACKET, { context: { meta: new Uint8Array(32) } }).verdict).toBe("XDP_PASS");
      expect(program("sees").run(PACKET, { context: { meta: new Uint8Array(216) } }).meta).toHaveLength(216);
    });
  });
});

test.skipIf(lacking("cc") !== "")(`contexts lie as linux/bpf.h has them${lacking("cc")}`, () => {
  const rows = Object.values(CONTEXT_LAYOUT).flatMap(({ struct, size, fields }) => [
    { expression: `sizeof(struct ${struct})`, value: size },
    ...Object.values(fields).flatMap(({ field, at: [offset, bytes] }) => [
      { expression: `offsetof(struct ${struct}, ${field})`, value: offset },
      { expression: `sizeof(((struct ${struct} *)0)->${field})`, value: bytes },
    ]),
  ]);
  const program = `${temporaryDirectory()}/layout`;
  const lines = rows.map(({ expression }) => `printf("%zu\\n", ${expression});`).join("\n");
  const source = `#include <linux/bpf.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) { ${lines} return 0; }`;
  execFileSync("cc", ["-x", "c", "-", "-o", program], { input: source });
  expect(execFileSync(program, { encoding: "utf8" }).trim().split("\n").map(Number)).toEqual(rows.map(({ value }) => value));
});

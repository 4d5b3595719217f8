/** Lookups of routes: the interpreter, told what the kernel's tables hold, fills in struct bpf_fib_lookup as the kernel does. */
import { closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Exit, enterNetwork, fibLookupBy, hostIn, NETWORKS, type Network, SENDER } from "../../bench/network.ts";
import { noKernel } from "../../test/kernel.ts";
import { hex, join, PEER, u16 } from "../../test/packets/index.ts";
import { compile } from "../compiler/compile.ts";
import { loadSpec } from "../index.ts";
import { syscall } from "../sys/ffi.ts";
import { Vm, VmFault } from "./index.ts";

const CLONE_NEWNET = 0x40000000;
const [LOOPBACK, AF_INET, AF_INET6] = [1, 2, 10];

/** Looks up what the packet holds, and puts the answer back into it. */
const ASK = `
import { arrayOf, fibLookup, i64, local, struct, u32, u64, XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";
const Params = struct({ words: arrayOf(u64, 8) });
const Question = struct({ params: Params, flags: u32, result: i64 });
export const ask = xdp((ctx) => {
  const question = ctx.at(Question);
  if (!question) return XDP_DROP;
  const params = local(Params);
  params.words = question.params.words;
  question.result = fibLookup(ctx, params, question.flags);
  question.params.words = params.words;
  return XDP_PASS;
});
const Lookup = struct({ before: u64, tries: arrayOf(Params, 2), after: u64 });
export const askInPart = xdp((ctx) => {
  const question = ctx.at(Question);
  if (!question) return XDP_DROP;
  const lookup = local(Lookup);
  lookup.tries[1].words = question.params.words;
  question.result = fibLookup(ctx, lookup.tries[1], question.flags);
  question.params.words = lookup.tries[1].words;
  return lookup.before === 0 && lookup.tries[0].words[0] === 0 && lookup.after === 0 ? XDP_PASS : XDP_DROP;
});`;

const file = resolve("ask.bpf.ts");
const { spec } = compile(file, { overlay: new Map([[file, ASK]]) });

interface Question {
  family?: number;
  network?: Network;
  /** The host's last byte, for one that is no neighbour. */
  host?: number;
  source?: typeof PEER;
  length?: number;
  flags?: number;
}

function question({
  family = AF_INET,
  network = "link",
  host = 1,
  source = SENDER,
  length = 100,
  flags = 0,
}: Question): Uint8Array {
  const { ipv4, ipv6 } = hostIn(network);
  const [from, to] = family === AF_INET ? [source.ipv4, ipv4] : [source.ipv6, ipv6];
  const address = (bytes: readonly number[]) => [...bytes, ...new Array<number>(16 - bytes.length).fill(0xa5)];
  const start = [family, 6, ...u16(1000), ...u16(80), length & 0xff, length >> 8, LOOPBACK, 0, 0, 0, 0, 0, 0, 0];
  const rest = new Array<number>(16).fill(0x5a);
  return join(start, address(from), address(to.with(-1, host)), rest, [flags, 0, 0, 0], new Array<number>(8).fill(0));
}

describe.skipIf(noKernel !== null)(`bpf_fib_lookup${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  let home: number;
  let exit: Exit;

  beforeAll(() => {
    home = openSync("/proc/thread-self/ns/net", "r");
    exit = enterNetwork();
  });

  afterAll(() => {
    syscall("setns", home, CLONE_NEWNET);
    closeSync(home);
  });

  const CASES: [what: string, question: Question][] = [
    ...(Object.keys(NETWORKS) as Network[]).map((network): [string, Question] => [`a route: ${network}`, { network }]),
    ["an unknown neighbour", { host: 9 }],
    ["a packet as long as the MTU", { length: 1500 }],
    ["a packet longer than the MTU", { length: 1501 }],
    ["no length", { length: 0 }],
    ["a sender that is good on its link only", { source: PEER }],
  ];

  for (const [what, fields] of CASES) {
    for (const [name, family] of [["IPv4", AF_INET] as const, ["IPv6", AF_INET6] as const]) {
      test(`${what}, ${name}`, () => expectSame(question({ ...fields, family })));
    }
  }

  test("a family that is none, and flags that are none", () => {
    expectSame(question({ family: 7 }));
    expectSame(question({ flags: 0x40 }));
  });

  test("parameters that are a part of something larger", () => {
    using object = loadSpec(spec);
    const vm = new Vm(spec, { fibLookup: fibLookupBy(exit) });
    const packet = question({});
    const answered = hex(object.program("ask").run(packet).packet);
    expect(answered).not.toBe(hex(packet));
    for (const { action, packet: given } of [object.program("askInPart").run(packet), vm.run("askInPart", packet)]) {
      expect([action, hex(given)]).toEqual([2, answered]);
    }
  });

  function expectSame(packet: Uint8Array): void {
    using object = loadSpec(spec);
    const vm = new Vm(spec, { fibLookup: fibLookupBy(exit) });
    expect(hex(vm.run("ask", packet).packet)).toBe(hex(object.program("ask").run(packet).packet));
  }
});

test("nobody has said what to answer", () => {
  expect(() => new Vm(spec).run("ask", question({}))).toThrow(VmFault);
});

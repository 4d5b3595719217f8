/**
 * A program is exchanged a thousand times while another process sends packets all the time, tens of thousands a second. Every packet carries a number; behind
 * the program that is exchanged stands one that is not, and counts each number. What counts: each number once, and each packet met one of the
 * two programs. Packets that the virtual cable itself had no room for are told by its own counter.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import {
  ArrayMap,
  attachChain,
  type LoadedObject,
  type LoadedProgram,
  loadSpec,
  loadStep,
  PerCpuArrayMap,
} from "../../src/index.ts";
import { queryTcx } from "../../src/sys/bpf.ts";
import { lacking } from "../foreign-tools.ts";
import { freshNamespace } from "../own-network.ts";

const FILE = resolve("test/example.bpf.ts");
const PORT = 7999;
const SWAPS = 1000;
const LEAST_PACKETS = 10_000n;
const MOST_PACKETS = 1 << 20;

const MODULE = `import { array, bytes, perCpuArray, type PacketContext, tc, TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC, u32, u64, u8, xdp, XDP_PASS } from "wirescript/kernel";
import { Ethernet, EtherType, IPv4, IpProtocol, Udp } from "wirescript/net";

export const met = perCpuArray({ value: u64, entries: 2 });
export const seen = array({ value: u32, entries: ${MOST_PACKETS} });

function isOurs(ctx: PacketContext): boolean {
  const eth = ctx.at(Ethernet);
  const ip = ctx.at(IPv4, Ethernet.size);
  const udp = ctx.at(Udp, Ethernet.size + IPv4.size);
  if (!eth || !ip || !udp) return false;
  return eth.type === EtherType.IPv4 && ip.protocol === IpProtocol.UDP && udp.destinationPort === ${PORT};
}

function count(ctx: PacketContext, which: u32): void {
  const counter = met.lookup(which);
  if (counter && isOurs(ctx)) counter.value++;
}

export const xdp0 = xdp((ctx) => { count(ctx, 0); return XDP_PASS; });
export const xdp1 = xdp((ctx) => { count(ctx, 1); return XDP_PASS; });
/** Puts a letter behind the packet's number, and behind another letter that is there. */
function sign(ctx: PacketContext, letter: u8): void {
  const letters = ctx.at(bytes(2), Ethernet.size + IPv4.size + Udp.size + 4);
  if (letters && isOurs(ctx)) letters[letters[0] === 0 ? 0 : 1] = letter;
}

export const one = xdp((ctx) => { sign(ctx, 1); return XDP_PASS; });
export const two = xdp((ctx) => { sign(ctx, 2); return XDP_PASS; });
export const orders = perCpuArray({ value: u64, entries: 16 });
export const tcx0 = tc.ingress((ctx) => { count(ctx, 0); return TC_ACT_UNSPEC; });
export const tcx1 = tc.ingress((ctx) => { count(ctx, 1); return TC_ACT_UNSPEC; });
export const receiver = tc.ingress((ctx) => {
  if (!isOurs(ctx)) return TC_ACT_OK;
  const letters = ctx.at(bytes(2), Ethernet.size + IPv4.size + Udp.size + 4);
  const order = letters ? orders.lookup(letters[0] * 4 + letters[1]) : null;
  if (order) order.value++;
  const number = ctx.at(u32, Ethernet.size + IPv4.size + Udp.size);
  const times = number ? seen.lookup(number.value) : null;
  if (times) times.value++;
  return TC_ACT_SHOT;
});
`;

const SPEC = compile(FILE, { overlay: new Map([[FILE, MODULE]]) }).spec;

/** Sends numbered packets until its input ends, then prints how many, and which could not be sent. */
const SENDER = `
const socket = require("dgram").createSocket("udp4");
const failed = [];
let next = 0, ending = false;
function burst() {
  for (let i = 0; i < 32 && next < ${MOST_PACKETS}; i++) {
    const bytes = Buffer.alloc(32), number = next++;
    bytes.writeUInt32LE(number);
    socket.send(bytes, ${PORT}, "10.9.9.1", (error) => { if (error) failed.push(number); });
  }
  if (ending || next >= ${MOST_PACKETS}) socket.send("", 9, "10.9.9.1", () => { console.log(JSON.stringify({ sent: next, failed })); process.exit(); });
  // A short breath, or the exchanges get no time on a machine with few CPUs.
  else setTimeout(burst, 1);
}
process.stdin.on("end", () => { ending = true; }).resume();
socket.bind(0, () => { console.log("ready"); burst(); });
`;

const missing = lacking("root", "ip");
describe.skipIf(missing !== "")(`${SWAPS} exchanges under traffic${missing}`, () => {
  // Each exchange waits for the kernel's other CPUs: milliseconds, and on a busy machine tens of them.
  it("lose no packet of XDP, and show it none twice", async () => {
    await exchange(["xdp0", "xdp1"], (program, netns) => program.attach({ dev: "w", netns, mode: "native" }));
  });

  it("of a chain's order: each packet meets the old one or the new one, and none is lost", async () => {
    using one = await loadStep(SPEC, { program: "one" });
    using two = await loadStep(SPEC, { program: "two" });
    const arrived = await underTraffic((here) => {
      const chain = attachChain([one, two], { dev: "w", netns: here, mode: "native" });
      return {
        swap: (swap) => chain.rearrange(swap % 2 === 0 ? [one, two] : [two, one]),
        swaps: SWAPS / 5,
        [Symbol.dispose]: () => chain.detach(),
      };
    });
    const counted = Array.from({ length: 16 }, (_, index) => arrived.orders.sum(index));
    // 1 then 2, and 2 then 1.
    const [first, second] = [counted[1 * 4 + 2] ?? 0n, counted[2 * 4 + 1] ?? 0n];
    expect([first > 0n, second > 0n]).toEqual([true, true]);
    expect(first + second).toBe(arrived.total);
  });

  const noTcx = missing === "" && queryTcx(1, "ingress") !== null ? "" : " (skipped: needs TCX, Linux 6.6)";
  it.skipIf(noTcx !== "")(`lose no packet of TCX, and show it none twice${noTcx}`, async () => {
    await exchange(["tcx0", "tcx1"], (program, netns) => program.attach({ dev: "w", netns, direction: "ingress", via: "tcx" }));
  });
});

type Exchangeable = Disposable & { update(program: LoadedProgram): void };

/** Exchanges one program for the other and back, and counts how many packets met each. */
async function exchange(names: readonly [string, string], attach: (program: LoadedProgram, netns: string) => Exchangeable) {
  using object = loadSpec(SPEC, { programs: names });
  const programs = names.map((name) => object.program(name)) as [LoadedProgram, LoadedProgram];
  const met = object.map<PerCpuArrayMap<bigint>>("met", PerCpuArrayMap);
  const { total } = await underTraffic((here) => {
    const link = attach(programs[0], here);
    return {
      swap: (swap) => link.update(programs[swap % 2 === 0 ? 0 : 1]),
      swaps: SWAPS,
      [Symbol.dispose]: () => link[Symbol.dispose](),
    };
  });
  const [first, second] = [met.sum(0), met.sum(1)];
  expect(first + second).toBe(total);
  // Both were at work: it was no exchange of a program that nobody met.
  expect([first > 0n, second > 0n]).toEqual([true, true]);
}

interface Subject extends Disposable {
  swap(round: number): void;
  /** How often. */
  swaps: number;
}

/** Swaps while packets arrive, and checks that each arrived once. Returns how many did, and which letters they had. */
async function underTraffic(begin: (here: string) => Subject): Promise<{ total: bigint; orders: PerCpuArrayMap<bigint> }> {
  const { here, there } = cable();
  const object = loadSpec(SPEC, { programs: ["receiver"] });
  onTestFinished(() => object.close());
  object.program("receiver").attach({ dev: "w", netns: here, direction: "ingress", via: "clsact" });
  const orders = object.map<PerCpuArrayMap<bigint>>("orders", PerCpuArrayMap);
  const arrived = () => Array.from({ length: 16 }, (_, index) => orders.sum(index)).reduce((sum, each) => sum + each);
  using subject = begin(here);
  const sender = await startSender(there);
  try {
    for (let swap = 1; swap <= subject.swaps || arrived() < LEAST_PACKETS; swap++) {
      subject.swap(swap);
      // The sender runs on another CPU or in between; packets are on their way all the time.
      if (swap % 10 === 0) await nextTurn();
    }
    const { sent, failed } = await stop(sender);
    const total = sent - failed.length - dropped(there);
    await expect.poll(() => numbers(object).reduce((sum, times) => sum + times, 0)).toBe(total);
    const times = numbers(object);
    expect(times.findIndex((count) => count > 1)).toBe(-1);
    expect(times.subarray(0, sent).reduce((lost, count) => lost + (count === 0 ? 1 : 0), 0)).toBe(sent - total);
    return { total: BigInt(total), orders };
  } finally {
    sender.kill("SIGKILL");
  }
}

/** How often each number arrived. */
function numbers(object: LoadedObject): Uint32Array {
  return Uint32Array.from(object.map<ArrayMap<number>>("seen", ArrayMap).values());
}

/** Two namespaces with a cable between them: "w" with 10.9.9.1 here, and an end with 10.9.9.2 there. */
function cable(): { here: string; there: string } {
  const [here, there] = [freshNamespace(), freshNamespace()];
  const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8" });
  ip("-n", here, "link", "add", "w", "type", "veth", "peer", "name", "w", "netns", there);
  for (const [netns, address] of [
    [here, "10.9.9.1/24"],
    [there, "10.9.9.2/24"],
  ] as const) {
    ip("-n", netns, "address", "add", address, "dev", "w");
    ip("-n", netns, "link", "set", "dev", "w", "up");
  }
  const [{ address }] = JSON.parse(ip("-n", here, "-j", "link", "show", "dev", "w"));
  ip("-n", there, "neighbour", "replace", "10.9.9.1", "lladdr", address, "dev", "w", "nud", "permanent");
  return { here, there };
}

/** Packets for which the cable had no room. */
function dropped(there: string): number {
  const [{ stats64 }] = JSON.parse(
    execFileSync("ip", ["-n", there, "-j", "-s", "link", "show", "dev", "w"], { encoding: "utf8" }),
  );
  return stats64.tx.dropped;
}

async function startSender(netns: string): Promise<ChildProcess> {
  const sender = spawn("ip", ["netns", "exec", netns, process.execPath, "-e", SENDER], { stdio: ["pipe", "pipe", "inherit"] });
  const [text] = await once(sender.stdout, "data");
  expect(`${text}`).toBe("ready\n");
  return sender;
}

async function stop(sender: ChildProcess): Promise<{ sent: number; failed: number[] }> {
  let text = "";
  sender.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  sender.stdin?.end();
  await once(sender, "close");
  return JSON.parse(text);
}

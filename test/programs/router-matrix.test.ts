/**
 * The router with everything that readers may have set differently: native and skb mode, both families, the kernel's offloads, and every way between
 * three labs; pings and megabytes of TCP. What leaves the router is judged by tshark, from what tcpdump sees at the receiver's device.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { type LoadedObject, loadSpec, PerCpuArrayMap } from "../../src/index.ts";
import { INSIDE_DEVICE, type Lab, ping, setup, teardown, wakePeer } from "../../src/lab/index.ts";
import { syscall } from "../../src/sys/ffi.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { getLink } from "../../src/sys/netlink/index.ts";
import { ByteExchanger } from "../byte-exchange.ts";
import { lacking, output } from "../foreign-tools.ts";
import { noKernel } from "../kernel.ts";
import { uniqueName } from "../own-network.ts";
import { Capture, type Frame, framesIn } from "./capture.ts";
import { MODES, type Mode } from "./on-wire.ts";
import { ACTIONS, type Counters, sourceOf } from "./subject.ts";

const CLONE_NEWNET = 0x40000000;
const FIVE_MEGABYTES = 5 * 1024 * 1024;

const missing = noKernel ?? (lacking("ethtool", "tcpdump", "tshark").replace(/^ \(skipped: |\)$/g, "") || null);

/** Of the sending devices, those inside the labs. */
const OFFLOADS = {
  // What a lab has, and what a fresh veth has, come second and third.
  "no offloads": "tx off tso off gso off gro off",
  "segmentation offload": "tx off tso off gso on gro on",
  "all offloads": "tx on tso on gso on gro on",
} as const;
type OffloadName = keyof typeof OFFLOADS;

/** The size of a last ping's payload, by which it is told from all others; tcpdump says how long the message is. */
const LAST = { size: 345, said: "length 353" };

describe.skipIf(missing !== null)(`the router between three labs${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  const { spec } = compile(sourceOf("programs/router.bpf.ts"));
  const directory = mkdtempSync(join(tmpdir(), "wirescript-router-"));
  const labs: Lab[] = [];
  const exchangers = new Map<Lab, ByteExchanger>();
  let home: number;

  beforeAll(async () => {
    // A network of this process's own, which is a router.
    home = openSync("/proc/thread-self/ns/net", "r");
    syscall("unshare", CLONE_NEWNET);
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
    for (let index = 0; index < 3; index++) {
      const lab = await setup({ name: uniqueName(), legacyIp: true, stateDirectory: join(directory, "labs") });
      labs.push(lab);
      wakePeer(lab);
      exchangers.set(lab, await ByteExchanger.start(lab.name));
    }
  });

  afterAll(async () => {
    for (const exchanger of exchangers.values()) await exchanger.close();
    for (const lab of labs) await teardown({ name: lab.name, stateDirectory: lab.stateDirectory });
    rmSync(directory, { recursive: true, force: true });
    syscall("setns", home, CLONE_NEWNET);
    closeSync(home);
  });

  const ways = () => labs.flatMap((from) => labs.filter((to) => to !== from).map((to) => ({ from, to })));
  const addresses = ({ plan }: Lab) => [plan.ip4?.inside ?? "", plan.ip6.inside];
  const insideMac = (lab: Lab) => inNamespace(lab.name, () => getLink(INSIDE_DEVICE).mac ?? "");

  /** Loads the router, attaches it to all labs, and takes it off again when `work` is done. */
  async function routed(mode: Mode, offloads: OffloadName, work: (object: LoadedObject) => Promise<void>): Promise<void> {
    using object = loadSpec(spec);
    for (const lab of labs) {
      output("ip", "netns", "exec", lab.name, "ethtool", "-K", INSIDE_DEVICE, ...OFFLOADS[offloads].split(" "));
      expect(object.program("xdp_router_func").attach({ dev: lab.name, mode }).mode).toBe(mode);
    }
    await work(object);
  }

  /** How often the program has returned each action. */
  const counts = (object: LoadedObject) => {
    const statistics = object.map<PerCpuArrayMap<Counters>>("xdp_stats_map", PerCpuArrayMap);
    return Object.fromEntries(ACTIONS.map((name, action) => [name, Number(statistics.sum(action).rx_packets)]));
  };

  const exchange = async (from: Lab, to: string, length: number, patienceMs?: number): Promise<string> =>
    (await exchangers.get(from)?.exchange(to, length, patienceMs)) ?? "no such lab";

  /** What the router sends to the labs while `work` runs. */
  async function seenInside(work: () => Promise<void>): Promise<Frame[]> {
    const captures: Capture[] = [];
    try {
      for (const lab of labs) {
        const file = join(directory, `${lab.name}.pcap`);
        captures.push(await Capture.start(lab, file, `ether dst ${insideMac(lab)}`));
      }
      await work();
      for (const [index, to] of labs.entries()) {
        await ping({ destination: to.plan.ip6.inside, namespace: labs[(index + 1) % 3]?.name ?? "", size: LAST.size });
        await captures[index]?.endAfter(LAST.said);
      }
    } finally {
      for (const each of captures) await each.end();
    }
    return captures.flatMap(({ file }) => framesIn(file));
  }

  describe.each(MODES)("%s mode", (mode) => {
    it.each(Object.keys(OFFLOADS) as OffloadName[])("%s", async (offloads) => {
      // In native mode a frame leaves as it is: nobody finishes the checksum that its sender left to a card.
      const isLost = mode === "native" && offloads === "all offloads";
      await routed(mode, offloads, async (object) => {
        const seen = await seenInside(async () => {
          for (const { from, to } of ways()) {
            for (const destination of addresses(to)) {
              const pings = await ping({ destination, namespace: from.name, count: 3, intervalMs: 1 });
              expect(pings, `${from.name} to ${destination}`).toMatchObject({ sent: 3, received: 3, duplicates: 0 });
              // In one segment: the receiver's GRO would make one frame of several, with a checksum of its own.
              const verdict = await exchange(from, destination, 1000, isLost ? 100 : undefined);
              expect(verdict, `${from.name} to ${destination}`).toBe(
                isLost ? "nothing came for 100 ms, after 0 bytes" : "whole",
              );
            }
          }
        });
        for (const { from, to } of ways()) {
          for (const [index, destination] of addresses(to).entries()) {
            const frames = seen.filter((frame) => frame.from === addresses(from)[index] && frame.to === destination);
            const expected = {
              macs: { from: getLink(to.name).mac, to: insideMac(to) },
              hops: "63",
              headerChecksum: index === 0 ? "good" : "absent",
            };
            for (const frame of frames) {
              expect(frame).toMatchObject(expected);
              const checksum = offloads === "all offloads" && frame.kind === "TCP" ? "bad" : "good";
              expect(frame).toMatchObject({ checksum });
            }
            const of = (kind: Frame["kind"]) => frames.filter((frame) => frame.kind === kind).length;
            // Requests and replies.
            expect(of("ping")).toBeGreaterThanOrEqual(6);
            expect(of("TCP")).toBeGreaterThanOrEqual(isLost ? 1 : 4);
          }
        }

        if (!isLost) {
          for (const { from, to } of ways()) {
            for (const destination of addresses(to)) {
              expect(await exchange(from, destination, FIVE_MEGABYTES), `${from.name} to ${destination}`).toBe("whole");
            }
          }
        }
        const { XDP_REDIRECT, XDP_PASS, ...others } = counts(object);
        expect(others).toEqual({ XDP_ABORTED: 0, XDP_DROP: 0, XDP_TX: 0 });
        // What a sender leaves to its card to cut is larger than the MTU: the stack's business. Nothing else goes through it.
        if (mode === "skb" && offloads === "all offloads") expect(XDP_PASS).toBeGreaterThan(0);
        else expect(XDP_PASS).toBe(0);
        expect(XDP_REDIRECT).toBeGreaterThan(isLost ? seen.length : 1000);
      });
    });
  });
});

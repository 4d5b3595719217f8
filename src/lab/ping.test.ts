/** The prober on the real kernel, and what tshark sees of it. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { compileC } from "../../test/compile-c.ts";
import { freshLab } from "../../test/own-lab.ts";
import { freshNamespace, hasTool, isRoot } from "../../test/own-network.ts";
import { inNamespace } from "../sys/namespaces.ts";
import { getLink } from "../sys/netlink/link.ts";
import { setPermanentNeighbour } from "../sys/netlink/neighbour.ts";
import { openPacketSocket, type RawSocket } from "../sys/sockets.ts";
import { internetChecksum } from "./echo.ts";
import { wakePeer } from "./peer.ts";
import { ping } from "./ping.ts";
import { pingDestination, pingFromInside } from "./ping-lab.ts";
import type { Lab } from "./setup.ts";

describe.skipIf(!isRoot)("a ping from inside a lab (skipped without root)", () => {
  test.each([false, true])("is answered by the outside, with IPv4 %s", async (legacyIp) => {
    const lab = await freshLab({ legacyIp: true });
    const seen: number[] = [];
    const result = await pingFromInside(
      lab,
      { legacyIp },
      { count: 5, intervalMs: 1, onProbe: ({ sequence }) => void seen.push(sequence) },
    );
    expect(result).toMatchObject({
      destination: legacyIp ? lab.plan.ip4?.outside : lab.plan.ip6.outside,
      sent: 5,
      received: 5,
      duplicates: 0,
      lossPercent: 0,
    });
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    const { min, average, max } = result.roundTripMs ?? { min: 0, average: 0, max: 0 };
    expect(min).toBeGreaterThan(0);
    expect(average).toBeGreaterThanOrEqual(min);
    expect(max).toBeGreaterThanOrEqual(average);
    for (const probe of result.probes)
      expect(probe).toMatchObject({ bytes: 64, ttl: legacyIp ? 64 : null, error: null, invalid: [] });
  });

  test.each([16, 1452, 8000])("carries %i bytes, in fragments if it must", async (size) => {
    const lab = await freshLab({ legacyIp: true });
    for (const legacyIp of [false, true]) {
      expect(await pingFromInside(lab, { legacyIp }, { size })).toMatchObject({ received: 1, probes: [{ bytes: size + 8 }] });
    }
  });

  test("that nobody answers is lost after its time", async () => {
    const lab = await freshLab({ legacyIp: true });
    const start = performance.now();
    const result = await ping({ destination: nobody(lab), namespace: lab.name, count: 2, intervalMs: 1, timeoutMs: 30 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(59);
    const probe = { roundTripMs: null, bytes: 0, ttl: null, error: null, invalid: [] };
    expect(result).toMatchObject({ sent: 2, received: 0, lossPercent: 100, roundTripMs: null });
    expect(result.probes).toEqual([
      { sequence: 1, ...probe },
      { sequence: 2, ...probe },
    ]);
  });

  test("without a route is an error", async () => {
    const namespace = freshNamespace();
    await expect(ping({ destination: "10.11.1.1", namespace })).rejects.toMatchObject({ errnoName: "ENETUNREACH" });
  });

  test("ends early when told to, with what it has", async () => {
    const lab = await freshLab();
    const abort = new AbortController();
    const onProbe = ({ sequence }: { sequence: number }) => {
      if (sequence === 3) abort.abort();
    };
    const result = await pingFromInside(
      lab,
      {},
      { count: Number.POSITIVE_INFINITY, intervalMs: 1, signal: abort.signal, onProbe },
    );
    expect(result).toMatchObject({ sent: 3, received: 3 });
  });

  test("lets timers run while it waits", async () => {
    const lab = await freshLab({ legacyIp: true });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await ping({ destination: nobody(lab), namespace: lab.name, timeoutMs: 200 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });

  test("asks for what the lab does not have: says so", async () => {
    const lab = await freshLab();
    expect(() => pingDestination(lab, { legacyIp: true })).toThrow("No legacy IP addresses configured in environment.");
    expect(() => pingDestination(lab, { vlan: true })).toThrow("No VLANs configured in environment.");
    expect(() => pingDestination(lab, { legacyIp: true, vlan: true })).toThrow(
      "Can't use --legacy-ip and --vlan at the same time.",
    );
  });

  test("a reply whose checksum is wrong is not taken for an answer, and said to be there", async () => {
    const lab = await freshLab({ legacyIp: true });
    using outside = openPacketSocket(getLink(lab.name).ifindex);
    const answer = answerOne(outside, (reply) => {
      reply[reply.length - 1] = 0xee;
      return [reply];
    });
    const result = await ping({ destination: nobody(lab), namespace: lab.name, timeoutMs: 200 });
    await answer;
    expect(result).toMatchObject({ sent: 1, received: 0 });
    expect(result.probes[0]?.invalid).toEqual([expect.stringMatching(/^its ICMP checksum 0x[0-9a-f]{4} is wrong$/)]);
  });

  test("a second reply to the same request is a duplicate", async () => {
    const lab = await freshLab({ legacyIp: true });
    using outside = openPacketSocket(getLink(lab.name).ifindex);
    const answer = answerOne(outside, (reply) => {
      // Type 8 became 0: the complement of the sum grows by as much.
      new DataView(reply.buffer).setUint16(36, internetChecksum(reply.slice(34).fill(0, 2, 4)));
      return [reply, reply];
    });
    const result = await ping({ destination: nobody(lab), namespace: lab.name, count: 2, intervalMs: 1, timeoutMs: 200 });
    await answer;
    expect(result).toMatchObject({ sent: 2, received: 1, duplicates: 1 });
  });
});

/** An address that packets leave for without delay, and that nobody has. */
function nobody(lab: Lab): string {
  const address = `${lab.plan.ip4?.prefix}9`;
  inNamespace(lab.name, () => {
    setPermanentNeighbour({ ifindex: getLink("veth0").ifindex, address, mac: "02:00:00:00:00:09" });
  });
  return address;
}

/** Waits outside for an IPv4 echo request, and sends what `forge` makes of a reply, whose checksum is still the request's. */
async function answerOne(outside: RawSocket, forge: (reply: Uint8Array<ArrayBuffer>) => Uint8Array[]): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const frame = outside.receive(0)?.bytes;
    // Ethernet without tags, IPv4, ICMP, type 8.
    if (frame !== undefined && frame[12] === 8 && frame[13] === 0 && frame[23] === 1 && frame[34] === 8) {
      const reply = Uint8Array.from(frame);
      reply.set(frame.subarray(6, 12), 0);
      reply.set(frame.subarray(0, 6), 6);
      reply.set(frame.subarray(30, 34), 26);
      reply.set(frame.subarray(26, 30), 30);
      reply[34] = 0;
      for (const bytes of forge(reply)) outside.send(bytes);
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("No echo request came by.");
}

const captureReason = !isRoot ? "needs root" : !hasTool("tshark") || !hasTool("tcpdump") ? "needs tshark and tcpdump" : null;

describe.skipIf(captureReason !== null)(
  `what others see of it${captureReason === null ? "" : ` (skipped: ${captureReason})`}`,
  () => {
    test.each([false, true])(
      "tshark finds the requests and replies well-formed and their checksums good, with IPv4 %s",
      async (legacyIp) => {
        const lab = await freshLab({ legacyIp: true });
        const directory = mkdtempSync(join(tmpdir(), "wirescript-capture-"));
        onTestFinished(() => rmSync(directory, { recursive: true }));
        const file = join(directory, "ping.pcap");
        const filter = legacyIp ? "icmp" : "icmp6 and (ip6[40] == 128 or ip6[40] == 129)";
        const args = ["-U", "-Z", "root", "-c", "6", "-w", file, "-ni", "veth0", filter];
        const capture = inNamespace(lab.name, () => spawn("tcpdump", args, { stdio: ["ignore", "ignore", "pipe"] }));
        onTestFinished(() => void capture.kill("SIGKILL"));
        await new Promise((resolve) => capture.stderr.once("data", resolve));
        const exited = new Promise((resolve) => capture.once("exit", resolve));
        expect((await pingFromInside(lab, { legacyIp }, { count: 3, intervalMs: 1 })).received).toBe(3);
        await exited;
        const protocol = legacyIp ? "icmp" : "icmpv6";
        const sequence = legacyIp ? "icmp.seq" : "icmpv6.echo.sequence_number";
        const fields = [`${protocol}.type`, `${protocol}.code`, sequence, `${protocol}.checksum.status`, "_ws.malformed"];
        const output = execFileSync(
          "tshark",
          ["-r", file, "-T", "fields", "-E", "separator=,", ...fields.flatMap((field) => ["-e", field])],
          {
            encoding: "utf8",
            stdio: ["ignore", "pipe", "ignore"],
          },
        );
        const [request, reply] = legacyIp ? [8, 0] : [128, 129];
        expect(output.trim().split("\n")).toEqual([1, 2, 3].flatMap((n) => [`${request},0,${n},1,`, `${reply},0,${n},1,`]));
      },
    );
  },
);

const missing = ["ip", "clang-19", "gcc"].filter((tool) => !hasTool(tool));
const echoReason = !isRoot ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

describe.skipIf(echoReason !== null)(`native XDP in a lab${echoReason === null ? "" : ` (skipped: ${echoReason})`}`, () => {
  test.each(["tx", "redirect"])("by %s: every ping is answered once the other end has a program", async (section) => {
    const lab = await freshLab({ legacyIp: true });
    const object = compileC("test/fixtures/echo.c");
    execFileSync("ip", ["link", "set", lab.name, "xdpdrv", "obj", object, "sec", section]);
    expect(wakePeer(lab)).toBe(true);
    expect(inNamespace(lab.name, () => getLink("veth0").xdp)).toEqual([{ mode: "native", programId: expect.any(Number) }]);
    // It had none; now it has, and keeps it.
    expect(wakePeer(lab)).toBe(false);
    const destination = nobody(lab);
    inNamespace(lab.name, () => {
      setPermanentNeighbour({ ifindex: getLink("veth0").ifindex, address: destination, mac: lab.outsideMac });
    });
    expect(await ping({ destination, namespace: lab.name, count: 20, intervalMs: 1 })).toMatchObject({
      received: 20,
      duplicates: 0,
    });
  });

  test("by redirect: GRO, which a lab has, is enough", async () => {
    const lab = await freshLab({ legacyIp: true });
    execFileSync("ip", ["link", "set", lab.name, "xdpdrv", "obj", compileC("test/fixtures/echo.c"), "sec", "redirect"]);
    expect(await ping({ destination: nobody(lab), namespace: lab.name, count: 5, intervalMs: 1 })).toMatchObject({
      received: 5,
    });
  });
});

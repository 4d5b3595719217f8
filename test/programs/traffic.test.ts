/**
 * The shipped programs between two network stacks: attached to the outer end of a lab, pinged from inside, by our prober and by
 * Debian's ping, and judged by what comes back, by the counters, and by what the stacks and devices themselves have counted.
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { INSIDE_DEVICE, type Lab, ping, spawnInLab, wakePeer } from "../../src/lab/index.ts";
import { syscall } from "../../src/sys/ffi.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { lacking, output, temporaryDirectory } from "../foreign-tools.ts";
import { noKernel } from "../kernel.ts";
import { freshLab } from "../own-lab.ts";
import { hasTool, ipJson } from "../own-network.ts";
import { ECHO_HEADER, ETHERNET_HEADER, IPV4_HEADER, IPV6_HEADER } from "../packets/index.ts";
import { ExceptionTrace, tracingMissing } from "./exceptions.ts";
import { PROGRAMS, type ProgramName, Subject, specOf } from "./subject.ts";

const noLab = noKernel ?? (hasTool("ip") ? null : "needs iproute2");
const reason = noLab === null ? "" : ` (skipped: ${noLab})`;
const CLONE_NEWNET = 0x40000000;

type Mode = "native" | "skb";
const MODES: readonly Mode[] = ["native", "skb"];

describe.skipIf(noLab !== null)(`programs between two network stacks${reason}`, () => {
  const specs = new Map<ProgramName, ReturnType<typeof specOf>>();
  let home: number;

  beforeAll(() => {
    // A network of this process's own, as the labs' outside: whatever else happens on the machine is not counted here.
    home = openSync("/proc/thread-self/ns/net", "r");
    syscall("unshare", CLONE_NEWNET);
    for (const name of PROGRAMS) specs.set(name, specOf(name));
  });

  afterAll(() => {
    syscall("setns", home, CLONE_NEWNET);
    closeSync(home);
  });

  /** A lab with a program on its outer end. `prepare` is called just before the program is attached. */
  async function labWith(program: ProgramName, mode: Mode, prepare: (subject: Subject) => void = () => {}) {
    const lab = await freshLab({ legacyIp: true });
    const subject = new Subject(program, specs.get(program));
    if (mode === "native") wakePeer(lab);
    prepare(subject);
    expect(subject.program.attach({ dev: lab.name, mode }).mode).toBe(mode);
    const destinations = [lab.plan.ip4?.outside ?? "", lab.plan.ip6.outside] as const;
    const before = { ...sentAndCounted(lab, subject), heard: requestsHeard() };
    /** Every packet that came from inside was counted once, with all its bytes, whatever it was. */
    const expectAllCounted = async () => {
      const missing = () => {
        const { sent, counted } = sentAndCounted(lab, subject);
        const packets = sent.rx_packets - before.sent.rx_packets;
        const bytes = sent.rx_bytes - before.sent.rx_bytes;
        const missingPackets = packets - (counted.rx_packets - before.counted.rx_packets);
        const missingBytes = bytes - (counted.rx_bytes - before.counted.rx_bytes);
        // Some versions of veth count what they send without the Ethernet header.
        const isHeaders = missingBytes === -packets * BigInt(ETHERNET_HEADER);
        return { packets: missingPackets, bytes: isHeaders ? 0n : missingBytes };
      };
      await expect.poll(missing).toEqual({ packets: 0n, bytes: 0n });
    };
    const heard = () => requestsHeard() - before.heard;
    return { lab, subject, destinations, expectAllCounted, heard };
  }

  for (const mode of MODES) {
    it(`echo, ${mode}: answers our prober, and XDP_TX counts exactly the pings`, async () => {
      const { lab, subject, destinations, expectAllCounted, heard } = await labWith("echo", mode);
      using echo = subject;
      let [sent, bytes] = [0, 0];
      for (const destination of destinations) {
        for (const size of [16, 56, 1452]) {
          const result = await ping({ destination, namespace: lab.name, count: 10, intervalMs: 1, size });
          expect(result).toMatchObject({ sent: 10, received: 10, duplicates: 0 });
          expect(result.probes.flatMap(({ invalid }) => invalid)).toEqual([]);
          sent += result.sent;
          const ipHeader = destination.includes(":") ? IPV6_HEADER : IPV4_HEADER;
          bytes += result.sent * (ETHERNET_HEADER + ipHeader + ECHO_HEADER + size);
        }
      }
      const { XDP_TX, XDP_PASS: _, ...others } = echo.counts();
      expect(XDP_TX).toEqual({ rx_packets: BigInt(sent), rx_bytes: BigInt(bytes) });
      expect(Object.values(others).map(({ rx_packets }) => rx_packets)).toEqual([0n, 0n, 0n]);
      expect(heard(), "requests that the network stack heard").toBe(0);
      await expectAllCounted();
    });

    it.skipIf(!hasTool("ping"))(`echo, ${mode}: answers Debian's ping, with data of any size${lacking("ping")}`, async () => {
      const { lab, subject, destinations, expectAllCounted, heard } = await labWith("echo", mode);
      using echo = subject;
      const sizes = [0, 1, 2, 3, 15, 16, 17, 55, 56, 57, 1000, 1451, 1452];
      for (const destination of destinations) {
        for (const size of destination.includes(":") ? sizes : [...sizes, 1471, 1472]) {
          expect(runPing(lab, destination, "-c", "2", "-i", "0.002", "-s", String(size))).toContain(
            "2 received, 0% packet loss",
          );
        }
      }
      expect(echo.counts().XDP_TX.rx_packets).toBe(BigInt(2 * (sizes.length * 2 + 2)));
      expect(heard()).toBe(0);
      await expectAllCounted();
    });

    it.skipIf(!hasTool("ping"))(`echo, ${mode}: answers every packet of a flood${lacking("ping")}`, async () => {
      const { lab, subject, destinations, expectAllCounted } = await labWith("echo", mode);
      using echo = subject;
      for (const destination of destinations) {
        expect(runPing(lab, destination, "-f", "-c", "1000")).toContain("1000 received, 0% packet loss");
      }
      expect(echo.counts().XDP_TX.rx_packets).toBe(2000n);
      await expectAllCounted();
    });

    it.skipIf(!hasTool("ping"))(`echo, ${mode}: answers pings with IPv4 options${lacking("ping")}`, async () => {
      const { lab, subject, destinations } = await labWith("echo", mode);
      using echo = subject;
      const [v4] = destinations;
      expect(runPing(lab, v4, "-c", "2", "-i", "0.002", "-R"), "record route").toContain("2 received");
      expect(runPing(lab, v4, "-c", "2", "-i", "0.002", "-T", "tsonly"), "timestamps").toContain("2 received");
      expect(echo.counts().XDP_TX.rx_packets).toBe(4n);
    });

    it.skipIf(lacking("ping", "tcpdump", "tshark") !== "")(
      `echo, ${mode}: replies are right for tshark, and have the TTL that was sent${lacking("ping", "tcpdump", "tshark")}`,
      async () => {
        const { lab, subject, destinations } = await labWith("echo", mode);
        using _ = subject;
        const file = join(temporaryDirectory(), "pings.pcap");
        const captured = await capture(lab, file, 8, () => {
          for (const destination of destinations)
            runPing(lab, destination, "-c", "2", "-i", "0.002", "-t", "37", "-p", "c0ffee");
        });
        expect(captured).toHaveLength(8);
        for (const [index, packet] of captured.entries()) {
          const [request, isReply] = [captured[index - (index % 2)], index % 2 === 1];
          expect(packet).toMatchObject({
            ttl: "37",
            messageChecksum: "Good",
            headerChecksum: packet.family === 4 ? "Good" : "",
          });
          expect(packet.type).toBe({ 4: isReply ? "0" : "8", 6: isReply ? "129" : "128" }[packet.family]);
          if (!isReply) continue;
          expect(packet).toMatchObject({
            from: request?.to,
            to: request?.from,
            exchange: request?.exchange,
            data: request?.data,
          });
        }
      },
    );

    it(`drop, ${mode}: nothing is answered, everything is counted as XDP_DROP`, async () => {
      const { lab, subject, destinations, expectAllCounted, heard } = await labWith("drop", mode);
      using drop = subject;
      await expectNoReplies(lab, destinations);
      await expectAllCounted();
      expect(drop.counts().XDP_DROP).toEqual(total(drop));
      expect(heard()).toBe(0);
    });

    const untraceable = noLab ?? tracingMissing();
    const withoutTrace = untraceable === null ? "" : ` (not traced: ${untraceable})`;
    it(`aborted, ${mode}: nothing is answered, everything is counted as XDP_ABORTED`, async () => {
      const { lab, subject, destinations, expectAllCounted, heard } = await labWith("aborted", mode);
      using aborted = subject;
      await expectNoReplies(lab, destinations);
      await expectAllCounted();
      expect(aborted.counts().XDP_ABORTED).toEqual(total(aborted));
      expect(heard()).toBe(0);
    });

    it.skipIf(untraceable !== null)(`aborted, ${mode}: each packet raises xdp:xdp_exception${withoutTrace}`, async () => {
      let trace: ExceptionTrace | undefined;
      const { lab, subject, destinations, expectAllCounted } = await labWith("aborted", mode, ({ program }) => {
        trace = new ExceptionTrace(program.info().id);
        onTestFinished(() => trace?.[Symbol.dispose]());
      });
      using aborted = subject;
      await expectNoReplies(lab, destinations);
      await expectAllCounted();
      const { rx_packets } = aborted.counts().XDP_ABORTED;
      await expect.poll(() => trace?.actions()).toEqual(Array(Number(rx_packets)).fill("ABORTED"));
    });

    it(`pass, ${mode}: the network stack answers, everything is counted as XDP_PASS`, async () => {
      const { lab, subject, destinations, expectAllCounted, heard } = await labWith("pass", mode);
      using pass = subject;
      for (const destination of destinations) {
        const result = await ping({ destination, namespace: lab.name, count: 5, intervalMs: 1 });
        expect(result).toMatchObject({ sent: 5, received: 5 });
      }
      await expectAllCounted();
      expect(pass.counts().XDP_PASS).toEqual(total(pass));
      expect(heard()).toBe(10);
    });
  }
});

interface Total {
  rx_packets: bigint;
  rx_bytes: bigint;
}

function total(subject: Subject): Total {
  return Object.values(subject.counts()).reduce((sum, each) => ({
    rx_packets: sum.rx_packets + each.rx_packets,
    rx_bytes: sum.rx_bytes + each.rx_bytes,
  }));
}

/** What was sent from inside and what the program has counted, at a moment at which nothing was under way. */
function sentAndCounted(lab: Lab, subject: Subject): { sent: Total; counted: Total } {
  for (let sent = sentFromInside(lab); ; ) {
    const counted = total(subject);
    const after = sentFromInside(lab);
    if (after.rx_packets === sent.rx_packets) return { sent, counted };
    sent = after;
  }
}

/** What the device inside has sent: the kernel's own count. */
function sentFromInside(lab: Lab): Total {
  const [{ stats64 }] = ipJson(lab.name, "-s", "link", "show", "dev", INSIDE_DEVICE) as [
    { stats64: { tx: { packets: number; bytes: number } } },
  ];
  return { rx_packets: BigInt(stats64.tx.packets), rx_bytes: BigInt(stats64.tx.bytes) };
}

/** How many echo requests of both families the network stack of the thread's namespace has received (RFC 5097's counters). */
function requestsHeard(): number {
  const [names = [], values = []] = readFileSync("/proc/thread-self/net/snmp", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Icmp:"))
    .map((line) => line.split(" "));
  const v4 = Number(values[names.indexOf("InEchos")]);
  const v6 = Number(/^Icmp6InEchos\s+(\d+)/m.exec(readFileSync("/proc/thread-self/net/snmp6", "utf8"))?.[1]);
  return v4 + v6;
}

async function expectNoReplies(lab: Lab, destinations: readonly string[]): Promise<void> {
  for (const destination of destinations) {
    const result = await ping({ destination, namespace: lab.name, count: 5, intervalMs: 1, timeoutMs: 40 });
    expect(result).toMatchObject({ sent: 5, received: 0 });
  }
}

/** Debian's ping, from inside; what it prints. It compares the data that comes back, and says so when it differs. */
function runPing(lab: Lab, destination: string, ...args: string[]): string {
  const { stdout, stderr } = inNamespace(lab.name, () =>
    spawnSync("ping", ["-n", "-W", "2", "-w", "20", ...args, destination], { encoding: "utf8" }),
  );
  expect(stderr).toBe("");
  expect(stdout).not.toMatch(/wrong|DUP|mangled|damaged/i);
  return stdout;
}

interface Captured {
  family: 4 | 6;
  type: string;
  ttl: string;
  headerChecksum: string;
  messageChecksum: string;
  /** Identifier and sequence number. */
  exchange: string;
  from: string;
  to: string;
  data: string;
}

const PINGS = "icmp[0] == 0 or icmp[0] == 8 or (icmp6 and (ip6[40] == 128 or ip6[40] == 129))";
const CHECKSUM_STATUS: Record<string, string> = { "0": "Bad", "1": "Good", "2": "Unverified", "3": "Not present" };

/** What tcpdump inside sees of `count` echo requests and replies while `work` happens, as tshark reads it. */
async function capture(lab: Lab, file: string, count: number, work: () => void): Promise<Captured[]> {
  const args = ["-i", INSIDE_DEVICE, "-n", "--immediate-mode", "-U", "-Z", "root", "-c", String(count), "-w", file, PINGS];
  const child = spawnInLab(lab, ["tcpdump", ...args], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      let said = "";
      child.stderr?.on("data", (chunk: Buffer) => {
        said += chunk;
        if (said.includes("listening on")) resolve();
      });
      child.once("exit", () => reject(new Error(`tcpdump ended: ${said}`)));
    });
    work();
    await ended;
  } finally {
    child.kill();
  }
  const fields = [
    ...["ip.version", "icmp.type", "icmpv6.type", "ip.ttl", "ipv6.hlim", "ip.checksum.status"],
    ...["icmp.checksum.status", "icmpv6.checksum.status", "data.data"],
    ...["icmp.ident", "icmp.seq", "icmpv6.echo.identifier", "icmpv6.echo.sequence_number"],
    ...["eth.src", "ip.src", "ipv6.src", "eth.dst", "ip.dst", "ipv6.dst"],
  ];
  const options = ["-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=;"];
  const text = output("tshark", "-n", "-r", file, ...options, ...fields.flatMap((field) => ["-e", field]));
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const values = line.split(";");
      const of = (...names: string[]) => names.map((name) => values[fields.indexOf(name)] ?? "").join("");
      return {
        family: of("ipv6.src") === "" ? 4 : 6,
        type: of("icmp.type", "icmpv6.type"),
        ttl: of("ip.ttl", "ipv6.hlim"),
        headerChecksum: CHECKSUM_STATUS[of("ip.checksum.status")] ?? "",
        messageChecksum: CHECKSUM_STATUS[of("icmp.checksum.status", "icmpv6.checksum.status")] ?? "",
        exchange: of("icmp.ident", "icmp.seq", "icmpv6.echo.identifier", "icmpv6.echo.sequence_number"),
        from: of("eth.src", "ip.src", "ipv6.src"),
        to: of("eth.dst", "ip.dst", "ipv6.dst"),
        data: of("data.data"),
      };
    });
}

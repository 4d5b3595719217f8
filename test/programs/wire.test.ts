/**
 * The echo server attached to a device, and frames that a packet socket puts on the wire byte by byte: what a test run proves about
 * the program holds for the driver too. The wire is a veth pair in a namespace without IP, so that nobody else says anything on it.
 */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { syscall } from "../../src/sys/ffi.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { addVethPair, getLink, setLinkUp } from "../../src/sys/netlink/index.ts";
import { openPacketSocket, type RawSocket } from "../../src/sys/sockets.ts";
import { noKernel } from "../kernel.ts";
import { freshNamespace } from "../own-network.ts";
import { ETHERNET_HEADER, ETHERTYPE, join, pattern, pingV4, VLAN_TAG } from "../packets/index.ts";
import { type Case, firstWrong, SHORTEST } from "./cases.ts";
import { everyKind } from "./echo-cases.ts";
import { type Answer, Subject, specOf, XDP_PASS, XDP_TX } from "./subject.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;
/** What the default MTU allows. */
const LONGEST = 1514;
/** How long an answer may take on a busy machine. */
const PATIENCE_MS = 30_000;

/** A namespace in which nothing speaks by itself. */
function silentNamespace(): string {
  const namespace = freshNamespace();
  // The kernel shows a thread the settings of its own namespace.
  inNamespace(namespace, () => writeFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"));
  return namespace;
}

describe.skipIf(noKernel !== null)(`echo on the wire${reason}`, () => {
  let spec: ReturnType<typeof specOf>;
  let pass: Subject;
  beforeAll(() => {
    spec = specOf("echo");
    pass = new Subject("pass");
  });
  afterAll(() => pass[Symbol.dispose]());

  /** echo on "near", and a socket on "far". */
  function attachToWire(mode: "native" | "skb"): { echo: Subject; far: RawSocket } {
    const namespace = silentNamespace();
    const echo = new Subject("echo", spec);
    const far = inNamespace(namespace, () => {
      addVethPair({ name: "near", peerName: "far" });
      for (const device of ["near", "far"]) setLinkUp(getLink(device).ifindex, true);
      expect(echo.program.attach({ dev: "near", mode }).mode).toBe(mode);
      // Without a program of its own, a veth does not take what the other end's driver sends back.
      if (mode === "native") pass.program.attach({ dev: "far", mode });
      return openPacketSocket(getLink("far").ifindex);
    });
    return { echo, far };
  }

  for (const mode of ["native", "skb"] as const) {
    it(`${mode}: answers, passes and counts every kind of frame as in a test run`, () => {
      const { echo, far } = attachToWire(mode);
      using _ = echo;
      using socket = far;
      const cases = [...everyKind()].filter(({ packet }) => packet.length <= LONGEST);
      const wanted = { [XDP_PASS]: 0n, [XDP_TX]: 0n };
      for (const { action } of cases) wanted[action as keyof typeof wanted]++;

      let before = echo.counts();
      /** What became of the frame, told by the counters; and what came back, if it was answered. */
      const send = (packet: Uint8Array): Answer => {
        socket.send(packet);
        const deadline = performance.now() + PATIENCE_MS;
        for (;;) {
          const now = echo.counts();
          const isAnswered = now.XDP_TX.rx_packets > before.XDP_TX.rx_packets;
          const isPassed = now.XDP_PASS.rx_packets > before.XDP_PASS.rx_packets;
          if (isAnswered || isPassed) before = now;
          if (isPassed) return { action: XDP_PASS, packet };
          if (isAnswered) return { action: XDP_TX, packet: socket.receive(PATIENCE_MS)?.bytes ?? new Uint8Array() };
          if (performance.now() > deadline) throw new Error(`a frame of ${packet.length} bytes was not counted`);
        }
      };
      expect(firstWrong(send, cases.map(asReceived))).toBeNull();
      expect(socket.receive(0), "nothing else comes back").toBeNull();

      const counts = echo.counts();
      expect([counts.XDP_PASS.rx_packets, counts.XDP_TX.rx_packets]).toEqual([wanted[XDP_PASS], wanted[XDP_TX]]);
      const bytes = cases.reduce((sum, { packet }) => sum + packet.length, 0);
      expect(counts.XDP_PASS.rx_bytes + counts.XDP_TX.rx_bytes).toBe(BigInt(bytes));
    });
  }

  it("is sent no frame shorter than an Ethernet header: the kernel refuses to send one", () => {
    const { echo, far } = attachToWire("native");
    using _ = echo;
    using socket = far;
    for (let length = 0; length < SHORTEST; length++) expect(() => socket.send(pingV4().subarray(0, length))).toThrow("EINVAL");
    expect(echo.counts().XDP_PASS.rx_packets).toBe(0n);
  });
});

/** The kernel keeps the outermost tag of a received frame beside it, where a packet socket's reader has to ask for it. */
function asReceived(each: Case): Case {
  const type = ((each.after[12] ?? 0) << 8) | (each.after[13] ?? 0);
  const isTagged = type === ETHERTYPE.VLAN || type === ETHERTYPE.QINQ;
  if (each.action !== XDP_TX || !isTagged) return each;
  return { ...each, after: join(each.after.subarray(0, 12), each.after.subarray(12 + VLAN_TAG)) };
}

const TUN = { TUNSETIFF: 0x400454ca, IFF_TUN: 1, device: "/dev/net/tun" } as const;
/** `struct ifreq`. */
const IFREQ = { size: 40, flags: 16 } as const;

const noTun = noKernel ?? tunMissing();

/** Why no TUN device can be made; null when one can. */
function tunMissing(): string | null {
  try {
    closeSync(openSync(TUN.device, "r+"));
    return null;
  } catch (error) {
    return `${TUN.device}: ${(error as NodeJS.ErrnoException).code}`;
  }
}

describe.skipIf(noTun !== null)(
  `programs on a device without Ethernet headers${noTun === null ? "" : ` (skipped: ${noTun})`}`,
  () => {
    /** A TUN device "tun" that delivers what is written to it to programs as it is, however short. */
    function openTun(namespace: string): number {
      return inNamespace(namespace, () => {
        const fd = openSync(TUN.device, "r+");
        const request = new Uint8Array(IFREQ.size);
        request.set(new TextEncoder().encode("tun"));
        new DataView(request.buffer).setUint16(IFREQ.flags, TUN.IFF_TUN, true);
        syscall("ioctl", fd, TUN.TUNSETIFF, request);
        setLinkUp(getLink("tun").ifindex, true);
        return fd;
      });
    }

    it("echo passes packets from 1 byte on, unchanged, and counts their bytes", () => {
      const namespace = silentNamespace();
      using echo = new Subject("echo");
      const fd = openTun(namespace);
      try {
        inNamespace(namespace, () => echo.program.attach({ dev: "tun", mode: "skb" }));
        using socket = inNamespace(namespace, () => openPacketSocket(getLink("tun").ifindex));
        const packetInformation = [0, 0, 0x08, 0x00];
        let bytes = 0n;
        for (let length = 1; length <= ETHERNET_HEADER; length++) {
          const packet = pattern(length);
          writeSync(fd, join(packetInformation, packet));
          expect(socket.receive(PATIENCE_MS)?.bytes).toEqual(packet);
          bytes += BigInt(length);
          expect(echo.counts().XDP_PASS).toEqual({ rx_packets: BigInt(length), rx_bytes: bytes });
        }
      } finally {
        closeSync(fd);
      }
    });
  },
);

/** The router between real labs: packets that cross it never reach the outer network stack, and lose exactly one hop. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { DevMap, type LoadedObject, loadSpec, PerCpuArrayMap } from "../../src/index.ts";
import { INSIDE_DEVICE, type Lab, ping, wakePeer } from "../../src/lab/index.ts";
import { syscall } from "../../src/sys/ffi.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { getLink, setLinkMtu } from "../../src/sys/netlink/index.ts";
import { openPacketSocket, type RawSocket } from "../../src/sys/sockets.ts";
import { noKernel } from "../kernel.ts";
import { scapy } from "../net/scapy.ts";
import { freshLab } from "../own-lab.ts";
import { MODES } from "./on-wire.ts";
import { type Counters, sourceOf, XDP_DROP, XDP_PASS, XDP_REDIRECT } from "./subject.ts";

const CLONE_NEWNET = 0x40000000;
const SUCCESS = 0;
const NOT_FWDED = 4;
const FRAG_NEEDED = 8;

const FORMS = (["router", "router-devmap"] as const).flatMap((file) => MODES.map((mode) => [file, mode] as const));

describe.skipIf(noKernel).each(FORMS)(`%s, %s${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, (file, mode) => {
  const { spec } = compile(sourceOf(`programs/${file}.bpf.ts`));
  let home: number;

  beforeAll(() => {
    // A network of this process's own, which is a router.
    home = openSync("/proc/thread-self/ns/net", "r");
    syscall("unshare", CLONE_NEWNET);
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  });

  afterAll(() => {
    syscall("setns", home, CLONE_NEWNET);
    closeSync(home);
  });

  async function routed(count: number): Promise<{ labs: Lab[]; object: LoadedObject }> {
    const object = loadSpec(spec);
    onTestFinished(() => object.close());
    const labs: Lab[] = [];
    for (let index = 0; index < count; index++) {
      const lab = await freshLab({ legacyIp: true });
      wakePeer(lab);
      object.program("xdp_router_func").attach({ dev: lab.name, mode });
      labs.push(lab);
      const { ifindex } = getLink(lab.name);
      if (file === "router-devmap") object.map("router_port", DevMap).set(ifindex, ifindex);
    }
    return { labs, object };
  }

  const counted = (object: LoadedObject, action: number) =>
    object.map<PerCpuArrayMap<Counters>>("xdp_stats_map", PerCpuArrayMap).sum(action).rx_packets;
  const answered = (object: LoadedObject, result: number) =>
    object.map<PerCpuArrayMap<bigint>>("fib_results", PerCpuArrayMap).sum(result);
  const inside = ({ plan }: Lab) => [plan.ip4?.inside ?? "", plan.ip6.inside];

  it("forwards between labs in the driver, both families, and every packet is redirected", async () => {
    const { labs, object } = await routed(3);
    let pings = 0n;
    for (const from of labs) {
      for (const to of labs.filter((lab) => lab !== from)) {
        for (const destination of inside(to)) {
          const before = counted(object, XDP_REDIRECT);
          const result = await ping({ destination, namespace: from.name, count: 3, intervalMs: 1 });
          expect(result, `${from.name} to ${destination}`).toMatchObject({ sent: 3, received: 3 });
          pings += 3n;
          // Requests one way, replies the other.
          expect(counted(object, XDP_REDIRECT) - before).toBe(6n);
        }
      }
    }
    expect(answered(object, SUCCESS)).toBe(2n * pings);
    expect(counted(object, XDP_DROP)).toBe(0n);
  });

  it("takes exactly one hop off, keeps the checksum right, and writes the MAC addresses of the next link", async () => {
    const { labs } = await routed(2);
    const [from, to] = labs as [Lab, Lab];
    const [insideLink, socket] = inNamespace(to.name, () => {
      const link = getLink(INSIDE_DEVICE);
      return [link, openPacketSocket(link.ifindex)] as const;
    });
    try {
      await ping({ destination: to.plan.ip4?.inside ?? "", namespace: from.name, count: 1 });
      const frame = nextEchoRequest(socket);
      expect(Buffer.from(frame.subarray(0, 6)).toString("hex")).toBe(insideLink.mac?.replaceAll(":", ""));
      expect(Buffer.from(frame.subarray(6, 12)).toString("hex")).toBe(getLink(to.name).mac?.replaceAll(":", ""));
      expect(frame[14 + 8], "TTL: 64 when it was sent").toBe(63);
      expect(onesComplementSum(frame.subarray(14, 34)), "the header's checksum").toBe(0xffff);
    } finally {
      socket.close();
    }
  });

  it("takes exactly one hop off IPv6, for scapy to see", async () => {
    const { labs } = await routed(2);
    const [from, to] = labs as [Lab, Lab];
    const socket = inNamespace(to.name, () => openPacketSocket(getLink(INSIDE_DEVICE).ifindex));
    try {
      await ping({ destination: to.plan.ip6.inside, namespace: from.name, count: 1 });
      const frame = nextFrame(socket, (bytes) => bytes[12] === 0x86 && bytes[20] === 58 && bytes[54] === 128);
      const [seen] = scapy<Record<string, unknown>>(`p = Ether(bytes.fromhex("${Buffer.from(frame).toString("hex")}"))
q = p.copy(); del q[ICMPv6EchoRequest].cksum; q = Ether(bytes(q))
print(json.dumps(dict(hlim=p.hlim, right=p[ICMPv6EchoRequest].cksum == q[ICMPv6EchoRequest].cksum, src=p[IPv6].src)))`);
      expect(seen).toEqual({ hlim: 63, right: true, src: from.plan.ip6.inside });
    } finally {
      socket.close();
    }
  });

  it("leaves to the stack what is longer than the next link takes, headers included", async () => {
    const { labs, object } = await routed(2);
    const [from, to] = labs as [Lab, Lab];
    setLinkMtu(getLink(to.name).ifindex, 1400);
    for (const [destination, header] of [
      [to.plan.ip4?.inside ?? "", 20],
      [to.plan.ip6.inside, 40],
    ] as const) {
      for (const [length, tooLong] of [
        [1400, 0n],
        [1401, 1n],
      ] as const) {
        const before = answered(object, FRAG_NEEDED);
        await ping({ destination, namespace: from.name, count: 1, size: length - header - 8, timeoutMs: 50 });
        expect(answered(object, FRAG_NEEDED) - before, `${length} bytes to ${destination}`).toBe(tooLong);
      }
    }
  });

  if (file === "router-devmap")
    it("leaves by the device that the map names, and directly where it names none", async () => {
      const { labs, object } = await routed(3);
      const [from, to, detour] = labs as [Lab, Lab, Lab];
      const map = object.map("router_port", DevMap);
      const [toIndex, detourIndex] = [getLink(to.name).ifindex, getLink(detour.name).ifindex];
      const socket = inNamespace(detour.name, () => openPacketSocket(getLink(INSIDE_DEVICE).ifindex));
      try {
        map.set(toIndex, detourIndex);
        const destination = to.plan.ip4?.inside ?? "";
        expect(await ping({ destination, namespace: from.name, count: 1, timeoutMs: 100 })).toMatchObject({ received: 0 });
        expect(nextEchoRequest(socket).subarray(30, 34)).toEqual(Uint8Array.from(destination.split("."), Number));
      } finally {
        socket.close();
      }
      expect(map.delete(toIndex)).toBe(true);
      const result = await ping({ destination: to.plan.ip4?.inside ?? "", namespace: from.name, count: 2, intervalMs: 1 });
      expect(result).toMatchObject({ received: 2 });
    });

  it("leaves packets to this host and hops that run out to the stack", async () => {
    const { labs, object } = await routed(1);
    const [lab] = labs as [Lab];
    for (const destination of [lab.plan.ip4?.outside ?? "", lab.plan.ip6.outside]) {
      const before = counted(object, XDP_PASS);
      expect(await ping({ destination, namespace: lab.name, count: 2, intervalMs: 1 })).toMatchObject({ received: 2 });
      expect(counted(object, XDP_PASS) - before).toBeGreaterThanOrEqual(2n);
    }
    expect(answered(object, NOT_FWDED)).toBeGreaterThanOrEqual(4n);
    const expired = Uint8Array.from([
      ...new Array(12).fill(2),
      8,
      0,
      0x45,
      0,
      0,
      28,
      0,
      0,
      0,
      0,
      1,
      17,
      0,
      0,
      10,
      0,
      0,
      1,
      10,
      0,
      0,
      2,
      ...new Array(8).fill(0),
    ]);
    expect(object.program("xdp_router_func").run(expired).action).toBe(XDP_PASS);
  });

  it("drops what is cut off in the header, and passes what is neither IPv4 nor IPv6", () => {
    using object = loadSpec(spec);
    const run = (type: number[], length: number) =>
      object.program("xdp_router_func").run(Uint8Array.from([...new Array(12).fill(2), ...type, ...new Array(length).fill(0)]))
        .action;
    expect([run([8, 0], 19), run([0x86, 0xdd], 39)]).toEqual([XDP_DROP, XDP_DROP]);
    expect([run([8, 6], 28), run([0x81, 0], 60)]).toEqual([XDP_PASS, XDP_PASS]);
  });
});

/** The first ICMP echo request that the socket has heard. */
function nextEchoRequest(socket: RawSocket): Uint8Array {
  return nextFrame(socket, (frame) => frame[12] === 8 && frame[13] === 0 && frame[23] === 1 && frame[34] === 8);
}

function nextFrame(socket: RawSocket, isWanted: (frame: Uint8Array) => boolean): Uint8Array {
  for (;;) {
    const received = socket.receive(1000);
    if (received === null) throw new Error("no echo request came");
    if (isWanted(received.bytes)) return received.bytes;
  }
}

function onesComplementSum(header: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < header.length; index += 2) sum += ((header[index] ?? 0) << 8) | (header[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

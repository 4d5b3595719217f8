/**
 * Real faults on a real wire, and what the kernel's tracepoints tell of each: a veth pair near–far in a namespace of its own, with a program on "near", and
 * another pair left–right to send to.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { noKernel, withoutKernel } from "../../../test/kernel.ts";
import { freshNamespace } from "../../../test/own-network.ts";
import { compile } from "../../compiler/compile.ts";
import { encode } from "../../object/encoding.ts";
import { BPF, Fd, programInfo, programLoad } from "../../sys/bpf.ts";
import { inNamespace } from "../../sys/namespaces.ts";
import { addVethPair, deleteLink, getLink, setLinkUp, setXdp } from "../../sys/netlink/index.ts";
import { openPacketSocket } from "../../sys/sockets.ts";
import { loadSpec } from "../load.ts";
import type { CpuMap, DevMap } from "../maps/targets.ts";
import { type Code, LEAVE, set } from "./code.ts";
import { placeText } from "./places.ts";
import type { XdpEventName } from "./tracepoints.ts";
import { type XdpEventCount, XdpEvents } from "./xdp-events.ts";

const MODULE = `import { cpuMap, devMap, redirect, setting, u32, XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, xdp } from "wirescript/kernel";
const ifindex = setting(u32, 0);
export const ports = devMap({ entries: 4 });
export const cpus = cpuMap({ entries: 2 });
export const aborts = xdp(() => XDP_ABORTED);
export const bounces = xdp(() => XDP_TX);
export const passes = xdp(() => XDP_PASS);
export const to_index = xdp(() => redirect(ifindex));
export const to_port = xdp(() => ports.redirect(0, XDP_ABORTED));
export const to_cpu = xdp(() => cpus.redirect(0, XDP_DROP));
`;
const FILE = resolve("test/example.bpf.ts");
const MODES = ["native", "skb"] as const;
type Mode = (typeof MODES)[number];
const FRAME = new Uint8Array(64).fill(2);

/** The namespace with both pairs; `send` puts frames on "far", which "near" receives. */
function wires() {
  const netns = freshNamespace();
  const far = inNamespace(netns, () => {
    writeFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    addVethPair({ name: "near", peerName: "far" });
    addVethPair({ name: "left", peerName: "right" });
    for (const name of ["near", "far", "left", "right"]) setLinkUp(getLink(name).ifindex, true);
    return openPacketSocket(getLink("far").ifindex);
  });
  onTestFinished(() => far.close());
  const ifindex = (name: string) => inNamespace(netns, () => getLink(name).ifindex);
  const send = (count: number) => {
    for (let sent = 0; sent < count; sent++) far.send(FRAME);
  };
  return { netns, ifindex, send };
}

function attach(netns: string, program: string, mode: Mode, ifindex = 0) {
  const object = loadSpec(compile(FILE, { overlay: new Map([[FILE, MODULE]]) }).spec, { settings: { ifindex } });
  onTestFinished(() => object.close());
  inNamespace(netns, () => object.program(program).attach({ dev: "near", mode }));
  return object;
}

function attachCode(netns: string, code: Code, mode: Mode): number {
  const loaded = programLoad({
    ...{ name: "by_hand", type: BPF.BPF_PROG_TYPE_XDP, expectedAttachType: BPF.BPF_XDP, flags: 0, license: "GPL" },
    instructions: encode(code),
  });
  if (!(loaded instanceof Fd)) throw new Error(loaded.log);
  onTestFinished(() => loaded.close());
  inNamespace(netns, () => setXdp({ ifindex: getLink("near").ifindex, fd: loaded.number, mode }));
  return programInfo(loaded).id;
}

function open(options = {}): XdpEvents {
  const events = new XdpEvents(options);
  onTestFinished(() => events.close());
  return events;
}

const isOurs = (netns: string) => (count: XdpEventCount) => count.device?.netns === netns;

/** Waits until the events of the namespace's devices are as many as were sent; they come in softirqs. */
async function until(events: XdpEvents, netns: string, event: XdpEventName, number: bigint): Promise<XdpEventCount> {
  const find = () =>
    events
      .read()
      .counts.filter(isOurs(netns))
      .find((count) => count.event === event);
  await expect.poll(() => find()?.events ?? 0n).toBe(number);
  return find() as XdpEventCount;
}

describe.skipIf(noKernel !== null)(`the kernel's XDP events${withoutKernel}`, () => {
  describe.each(MODES)("%s", (mode) => {
    test("count what a program aborts, by program and by the device with its namespace", async () => {
      const { netns, send, ifindex } = wires();
      const object = attach(netns, "aborts", mode);
      const events = open();
      send(5);
      const count = await until(events, netns, "xdp_exception", 5n);
      expect(count).toMatchObject({
        action: "XDP_ABORTED",
        error: null,
        program: { id: object.program("aborts").info().id, name: "aborts" },
        device: { ifindex: ifindex("near"), name: "near", netns },
        target: null,
        map: null,
      });
      expect(placeText(count.device as NonNullable<typeof count.device>)).toBe(`${netns}/near`);
      expect(events.read().lost).toBe(0n);
    });

    test("count a verdict that does not exist", async () => {
      const { netns, send } = wires();
      const id = attachCode(netns, [...set(0, 77), ...LEAVE.slice(1)], mode);
      const events = open();
      send(2);
      expect(await until(events, netns, "xdp_exception", 2n)).toMatchObject({ action: "77", program: { id, name: "by_hand" } });
    });

    test("count an empty entry of a device map as what the program says of it", async () => {
      const { netns, send } = wires();
      attach(netns, "to_port", mode);
      const events = open();
      send(2);
      expect(await until(events, netns, "xdp_exception", 2n)).toMatchObject({ action: "XDP_ABORTED" });
    });

    test("count redirects to a device that is gone", async () => {
      const { netns, send, ifindex } = wires();
      const gone = ifindex("left");
      inNamespace(netns, () => deleteLink(gone));
      attach(netns, "to_index", mode, gone);
      const events = open();
      send(3);
      expect(await until(events, netns, "xdp_redirect_err", 3n)).toMatchObject({
        ...{ error: "EINVAL", program: { name: "to_index" } },
        ...{ device: { name: "near" }, target: { ifindex: gone, name: null, netns }, map: null, index: null },
      });
    });

    test("count redirects to a device that is down", async () => {
      const { netns, send, ifindex } = wires();
      const object = attach(netns, "to_index", mode, ifindex("left"));
      inNamespace(netns, () => {
        object.program("passes").attach({ dev: "right", mode });
        setLinkUp(getLink("left").ifindex, false);
      });
      const events = open();
      send(3);
      expect(await until(events, netns, "xdp_redirect_err", 3n)).toMatchObject({
        ...{ error: "ENETDOWN", target: { name: "left", netns } },
      });
    });

    test("count the redirects that went well when asked to", async () => {
      const { netns, send, ifindex } = wires();
      const object = attach(netns, "to_port", mode);
      inNamespace(netns, () => {
        (object.map("ports") as DevMap).set(0, getLink("left").ifindex);
        if (mode === "native") object.program("passes").attach({ dev: "right", mode });
      });
      const events = open({ redirects: true });
      send(4);
      expect(await until(events, netns, "xdp_redirect", 4n)).toMatchObject({
        ...{ error: null, target: { ifindex: ifindex("left"), name: "left", netns }, map: { name: "ports" }, index: 0 },
      });
    });
  });

  test("tell that a redirect's target takes no frames in native mode, by a map's entry", async () => {
    const { netns, send, ifindex } = wires();
    const object = attach(netns, "to_port", "native");
    inNamespace(netns, () => (object.map("ports") as DevMap).set(0, getLink("left").ifindex));
    const events = open();
    send(3);
    expect(await until(events, netns, "xdp_redirect_err", 3n)).toMatchObject({
      ...{ error: "EOPNOTSUPP", target: { ifindex: ifindex("left"), name: "left", netns }, map: { name: "ports" }, index: 0 },
    });
  });

  test("count what a device map's target takes", async () => {
    const { netns, send, ifindex } = wires();
    const object = attach(netns, "to_index", "native", ifindex("left"));
    inNamespace(netns, () => object.program("passes").attach({ dev: "right", mode: "native" }));
    const events = open();
    send(1);
    expect(await until(events, netns, "xdp_devmap_xmit", 1n)).toMatchObject({
      ...{ error: null, packets: 1n, drops: 0n, device: { name: "near" }, target: { name: "left", netns } },
    });
    const { counts } = events.read();
    expect(counts.filter(({ event }) => event === "xdp_redirect")).toEqual([]);
  });

  test("count what XDP_TX sends back and what the other end does not take", async () => {
    const { netns, send } = wires();
    attach(netns, "bounces", "native");
    const events = open();
    send(1);
    const sent = await until(events, netns, "xdp_bulk_tx", 1n);
    // "far" has no program and no GRO: nobody there takes frames.
    expect({ packets: sent.packets, drops: sent.drops, error: sent.error }).toEqual({ packets: 0n, drops: 1n, error: "ENXIO" });
  });

  test("count what a CPU map's queues and CPUs do", async () => {
    const { netns, send } = wires();
    const object = attach(netns, "to_cpu", "native");
    (object.map("cpus") as CpuMap).set(0, 192);
    const events = open();
    send(1);
    const map = object.map("cpus").info().id;
    const find = (event: XdpEventName) =>
      events.read().counts.filter((count) => count.event === event && count.map?.id === map);
    const packets = (event: XdpEventName) => find(event).reduce((sum, count) => sum + count.packets, 0n);
    await expect.poll(() => packets("xdp_cpumap_kthread")).toBe(1n);
    expect(packets("xdp_cpumap_enqueue")).toBe(1n);
    expect(find("xdp_cpumap_enqueue")[0]).toMatchObject({ toCpu: 0, drops: 0n, device: null, map: { name: "cpus" } });
    expect(find("xdp_cpumap_kthread")[0]).toMatchObject({ cpu: 0, drops: 0n, verdicts: { passed: 0n, dropped: 0n } });
  });

  test("keep devices with the same index in different namespaces apart", async () => {
    const [first, second] = [wires(), wires()];
    expect(first.ifindex("near")).toBe(second.ifindex("near"));
    for (const { netns } of [first, second]) attach(netns, "aborts", "native");
    const events = open();
    first.send(2);
    second.send(3);
    await until(events, first.netns, "xdp_exception", 2n);
    await until(events, second.netns, "xdp_exception", 3n);
  });

  test("remember the name of a device that has gone since", async () => {
    const { netns, send } = wires();
    attach(netns, "aborts", "skb");
    const events = open();
    send(1);
    await until(events, netns, "xdp_exception", 1n);
    inNamespace(netns, () => deleteLink(getLink("near").ifindex));
    expect(events.read().counts.filter(isOurs(netns))).toMatchObject([{ device: { name: "near", netns } }]);
  });
});

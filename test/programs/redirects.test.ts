/** The redirecting programs between two labs: what goes into one comes out of the other, readdressed, and is counted as XDP_REDIRECT. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { DevMap, HashMap, type LoadedObject, loadSpec, PerCpuArrayMap } from "../../src/index.ts";
import { INSIDE_DEVICE, type Lab, ping, wakePeer } from "../../src/lab/index.ts";
import { syscall } from "../../src/sys/ffi.ts";
import { parseMac } from "../../src/sys/mac.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { getLink } from "../../src/sys/netlink/index.ts";
import { noKernel } from "../kernel.ts";
import { freshBpffs } from "../kernel-objects.ts";
import { freshLab } from "../own-lab.ts";
import { changed, ETHERTYPE, frame, HOST, hex, icmp, ipv4, join as joined, PEER, pattern } from "../packets/index.ts";
import { loadShipped, MODES, type Mode, openFor, receive } from "./on-wire.ts";
import { ACTIONS, type ActionName, type Counters, sourceOf } from "./subject.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;
const CLONE_NEWNET = 0x40000000;

const macInside = (lab: Lab) => parseMac(inNamespace(lab.name, () => getLink(INSIDE_DEVICE)).mac ?? "");
const socketInside = (lab: Lab) => inNamespace(lab.name, () => openFor(INSIDE_DEVICE));

function packets(object: LoadedObject, action: ActionName): number {
  const statistics = object.map<PerCpuArrayMap<Counters>>("xdp_stats_map", PerCpuArrayMap);
  return Number(statistics.sum(ACTIONS.indexOf(action)).rx_packets);
}

/** Two labs whose devices take what is redirected to them. */
async function twoLabs(): Promise<[left: Lab, right: Lab]> {
  const [left, right] = [await freshLab(), await freshLab()];
  for (const lab of [left, right]) wakePeer(lab);
  return [left, right];
}

function attach(object: LoadedObject, program: string, lab: Lab, mode: Mode): void {
  expect(object.program(program).attach({ dev: lab.name, mode }).mode).toBe(mode);
}

describe.skipIf(noKernel !== null)(`redirects between two labs${reason}`, () => {
  let home: number;
  beforeAll(() => {
    // A network of this process's own, as the labs' outside.
    home = openSync("/proc/thread-self/ns/net", "r");
    syscall("unshare", CLONE_NEWNET);
  });
  afterAll(() => {
    syscall("setns", home, CLONE_NEWNET);
    closeSync(home);
  });

  /** Frames that nobody but the test sends. */
  const marker = pattern(40);
  const isOurs = (bytes: Uint8Array) => hex(bytes).endsWith(hex(marker));
  const ours = (from: readonly number[]) =>
    frame(ETHERTYPE.IPV4, ipv4(icmp({ data: marker })), [], { from: { ...PEER, mac: from }, to: HOST });

  for (const mode of MODES) {
    it(`redirect, ${mode}: every frame comes out of the other lab, to the address that was set`, async () => {
      const [left, right] = await twoLabs();
      const to = Uint8Array.of(2, 0xde, 0xad, 0, 0, 1);
      const object = loadShipped("redirect", { settings: { ifindex: getLink(right.name).ifindex, dest_mac: to } });
      const [sender, receiver] = [socketInside(left), socketInside(right)];
      attach(object, "xdp_redirect_func", left, mode);
      // Frames of any type: their type's first byte is changed.
      const sent = [ours(PEER.mac), ours(HOST.mac), changed(ours(PEER.mac), 12, 0x09), changed(ours(PEER.mac), 12, 0x88)];
      for (const each of sent) sender.send(each);
      expect(receive(receiver, sent.length, isOurs)).toEqual(sent.map((each) => hex(joined(to, each.subarray(6)))));
      expect(packets(object, "XDP_REDIRECT")).toBeGreaterThanOrEqual(sent.length);
      expect(packets(object, "XDP_PASS")).toBe(0);
    });

    it(`redirect, ${mode}: the sender's address is the one that was set, too`, async () => {
      const [left, right] = await twoLabs();
      const [to, from] = [Uint8Array.of(2, 0xde, 0xad, 0, 0, 1), Uint8Array.of(2, 0xde, 0xad, 0, 0, 2)];
      const settings = { ifindex: getLink(right.name).ifindex, dest_mac: to, src_mac: from };
      const [sender, receiver] = [socketInside(left), socketInside(right)];
      attach(loadShipped("redirect", { settings }), "xdp_redirect_func", left, mode);
      sender.send(ours(PEER.mac));
      expect(receive(receiver, 1, isOurs)).toEqual([hex(joined(to, from, ours(PEER.mac).subarray(12)))]);
    });

    it(`redirect, ${mode}: without an interface nothing is lost silently: XDP_ABORTED counts it`, async () => {
      const left = await freshLab();
      const object = loadShipped("redirect");
      const sender = socketInside(left);
      attach(object, "xdp_redirect_func", left, mode);
      sender.send(ours(PEER.mac));
      await expect.poll(() => packets(object, "XDP_ABORTED")).toBeGreaterThanOrEqual(1);
      expect(packets(object, "XDP_REDIRECT")).toBe(0);
    });

    it(`redirect-map, ${mode}: the insides of two labs ping each other, counted as XDP_REDIRECT on both sides`, async () => {
      const [left, right] = await twoLabs();
      const sides = [
        [left, right],
        [right, left],
      ] as const;
      const objects = sides.map(([here, there]) => {
        const object = loadShipped("redirect-map");
        object.map("tx_port", DevMap).set(0, getLink(there.name).ifindex);
        object.map<HashMap>("redirect_params", HashMap).set(macInside(here), macInside(there));
        attach(object, "xdp_redirect_map_func", here, mode);
        return object;
      });
      const before = objects.map((object) => packets(object, "XDP_REDIRECT"));
      const options = { destination: right.plan.ip6.inside, namespace: left.name, count: 20, intervalMs: 1 };
      expect(await ping(options)).toMatchObject({ sent: 20, received: 20, duplicates: 0 });
      const after = objects.map((object) => packets(object, "XDP_REDIRECT"));
      for (const [side, count] of after.entries()) expect(count - (before[side] ?? 0)).toBeGreaterThanOrEqual(20);
      expect(objects.map((object) => packets(object, "XDP_ABORTED"))).toEqual([0, 0]);
    });

    it(`redirect-map, ${mode}: each of many senders has its own receiver, and others pass`, async () => {
      const [left, right] = await twoLabs();
      const object = loadShipped("redirect-map");
      object.map("tx_port", DevMap).set(0, getLink(right.name).ifindex);
      const table = object.map<HashMap>("redirect_params", HashMap);
      const senders = Array.from({ length: 100 }, (_, n) => Uint8Array.of(2, 1, 1, 1, 1, n));
      const receivers = senders.map((mac) => mac.map((byte) => byte + 2));
      for (const [n, mac] of senders.entries()) table.set(mac, receivers[n]);
      const [sender, receiver, passed] = [socketInside(left), socketInside(right), openFor(left.name)];
      attach(object, "xdp_redirect_map_func", left, mode);
      for (const mac of senders) sender.send(ours([...mac]));
      const stranger = ours([2, 9, 9, 9, 9, 9]);
      sender.send(stranger);
      expect(receive(receiver, senders.length, isOurs)).toEqual(
        senders.map((mac, n) => hex(joined(receivers[n] ?? [], ours([...mac]).subarray(6)))),
      );
      expect(receive(passed, 1, isOurs)).toEqual([hex(stranger)]);
      expect(packets(object, "XDP_REDIRECT")).toBe(senders.length);
    });
  }

  it("redirect-map: both tables are pinned by name, where the tutorial's tool looks for them, and outlive the program", () => {
    const pinPath = join(freshBpffs(), "left");
    const { spec } = compile(sourceOf("programs/redirect-map.bpf.ts"));
    const first = loadSpec(spec, { pinPath });
    first.map<HashMap>("redirect_params", HashMap).set(Uint8Array.of(1, 2, 3, 4, 5, 6), Uint8Array.of(6, 5, 4, 3, 2, 1));
    expect([first.map("tx_port").pinnedAt, first.map("redirect_params").pinnedAt]).toEqual([
      join(pinPath, "tx_port"),
      join(pinPath, "redirect_params"),
    ]);
    first.close();
    const second = loadSpec(spec, { pinPath });
    onTestFinished(() => second.close());
    expect([...second.map<HashMap>("redirect_params", HashMap)]).toEqual([
      [Uint8Array.of(1, 2, 3, 4, 5, 6), Uint8Array.of(6, 5, 4, 3, 2, 1)],
    ]);
  });
});

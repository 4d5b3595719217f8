/** A program that stays with a device's name, whatever happens to the device: veth pairs in namespaces of the tests' own, changed by `ip`. */
import { execFileSync } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import { constant, counting, maps, object } from "../../../test/fixtures/objects.ts";
import { lacking } from "../../../test/foreign-tools.ts";
import { freshNamespace, uniqueName } from "../../../test/own-network.ts";
import { queryTcx } from "../../sys/bpf.ts";
import { loadSpec } from "../load.ts";
import { PerCpuArrayMap } from "../maps/array.ts";
import { attachedXdp } from "./device.ts";
import { type FollowEvent, type Following, type FollowOptions, follow } from "./follow.ts";
import { attachedTc } from "./tc-attached.ts";

const reason = lacking("root", "ip");

describe.skipIf(reason !== "")(`following a device${reason}`, () => {
  const closing: Disposable[] = [];
  afterEach(() => {
    for (const each of closing.splice(0).reverse()) each[Symbol.dispose]();
  });

  /** Two programs, a namespace, and `ip` in it. */
  function prepare() {
    const name = uniqueName();
    const loaded = loadSpec(object([counting(`p_${name}`, `st_${name}`), constant(`q_${name}`, 1)], [maps.stats(name)]));
    closing.push(loaded);
    const netns = freshNamespace();
    const ip = (...args: string[]) => execFileSync("ip", ["-n", netns, ...args], { stdio: "pipe" });
    const addPair = (device = "a") => ip("link", "add", "name", device, "type", "veth", "peer", "name", `${device}p`);
    const program = loaded.program(`p_${name}`);
    const seen: FollowEvent[] = [];
    const start = (options: Partial<FollowOptions> = {}): Following => {
      const following = follow(program, { dev: "a", netns, onEvent: (event) => seen.push(event), ...options });
      closing.push(following);
      return following;
    };
    const kinds = () => seen.map(({ kind }) => kind);
    const isOn = (device: string) => attachedXdp(device, { netns }).map(({ name: on }) => on);
    return { name, loaded, program, other: loaded.program(`q_${name}`), netns, ip, addPair, start, seen, kinds, isOn };
  }

  it.each(["", "sixteen-bytes-xy", "a/b", "a b", ".."])("does not wait for %j, which no device can be called", (dev) => {
    const { start, seen } = prepare();
    expect(() => start({ dev })).toThrow(
      expect.objectContaining({ code: "USAGE", why: expect.stringContaining(`${JSON.stringify(dev)} was given`) }),
    );
    expect(seen).toEqual([]);
  });

  it("waits for it, and attaches again when it was deleted and made anew; counters survive", async () => {
    const { name, loaded, program, addPair, ip, start, kinds, isOn } = prepare();
    const following = start();
    expect(kinds()).toEqual(["waiting"]);
    expect(following.device).toBeNull();
    addPair();
    await expect.poll(kinds).toEqual(["waiting", "attached"]);
    expect(isOn("a")).toEqual([program.name]);
    program.run(new Uint8Array(60));
    ip("link", "delete", "dev", "a");
    await expect.poll(kinds).toEqual(["waiting", "attached", "gone"]);
    expect(following.device).toBeNull();
    addPair();
    await expect.poll(kinds).toEqual(["waiting", "attached", "gone", "attached"]);
    expect(isOn("a")).toEqual([program.name]);
    program.run(new Uint8Array(60));
    expect(loaded.map<PerCpuArrayMap<unknown>>(`st_${name}`, PerCpuArrayMap).sum(2)).toMatchObject({ rx_packets: 2n });
    following.close();
    expect(isOn("a")).toEqual([]);
  });

  it("keeps up when it goes and comes many times in a row, with the same number too", async () => {
    const { program, ip, start, seen, isOn } = prepare();
    const made = ["link", "add", "name", "a", "index", "77", "type", "veth", "peer", "name", "ap"];
    ip(...made);
    start();
    for (let round = 0; round < 20; round++) {
      ip("link", "delete", "dev", "a");
      ip(...made);
    }
    await expect.poll(() => isOn("a")).toEqual([program.name]);
    await expect.poll(() => seen.at(-1)?.kind).toBe("attached");
  });

  it("stays when the device is renamed, and moves when another one gets the name", async () => {
    const { program, addPair, ip, start, seen, kinds, isOn } = prepare();
    addPair();
    const following = start();
    ip("link", "set", "dev", "a", "name", "old");
    await expect.poll(kinds).toEqual(["attached", "renamed"]);
    expect(seen[1]).toMatchObject({ from: "a", dev: "old" });
    expect([isOn("old"), following.device?.name]).toEqual([[program.name], "old"]);
    addPair("b");
    ip("link", "set", "dev", "b", "name", "a");
    await expect.poll(kinds).toEqual(["attached", "renamed", "attached", "moved"]);
    expect([isOn("old"), isOn("a")]).toEqual([[], [program.name]]);
  });

  it("does not quarrel: what somebody took off stays off until the device has been away", async () => {
    const { program, addPair, ip, start, kinds, isOn } = prepare();
    addPair();
    start({ persistent: true });
    ip("link", "set", "dev", "a", "xdp", "off");
    await expect.poll(kinds).toEqual(["attached", "taken"]);
    ip("link", "set", "dev", "a", "up");
    ip("link", "delete", "dev", "a");
    await expect.poll(kinds).toEqual(["attached", "taken", "gone"]);
    expect(kinds()).toHaveLength(3);
    addPair();
    await expect.poll(kinds).toEqual(["attached", "taken", "gone", "attached"]);
    expect(isOn("a")).toEqual([program.name]);
  });

  it("says when a device that came is taken, and tries again when that changes", async () => {
    const { program, other, netns, addPair, ip, start, seen, kinds, isOn } = prepare();
    start({ persistent: true });
    addPair("b");
    other.attachPersistently({ dev: "b", netns });
    ip("link", "set", "dev", "b", "name", "a");
    await expect.poll(kinds).toEqual(["waiting", "refused"]);
    expect(seen[1]).toMatchObject({ error: { code: "DEVICE_BUSY" } });
    ip("link", "set", "dev", "a", "up");
    ip("link", "set", "dev", "a", "xdp", "off");
    await expect.poll(() => kinds().at(-1)).toBe("attached");
    expect(isOn("a")).toEqual([program.name]);
  });

  it("leaves a persistent program where it is, and finds it again on a device that was in another namespace", async () => {
    const { program, netns, addPair, ip, start, seen, kinds, isOn } = prepare();
    const elsewhere = freshNamespace();
    addPair();
    const following = start({ persistent: true, mode: "skb" });
    ip("link", "set", "dev", "a", "netns", elsewhere);
    await expect.poll(kinds).toEqual(["attached", "gone"]);
    execFileSync("ip", ["-n", elsewhere, "link", "set", "dev", "a", "netns", netns]);
    await expect.poll(kinds).toEqual(["attached", "gone", "attached"]);
    expect(seen[2]).toMatchObject({ again: attachedXdp("a", { netns }).length > 0 });
    following.close();
    expect(isOn("a")).toEqual([program.name]);
  });

  it("fails at once where attaching does, and ends by its signal", () => {
    const { other, netns, addPair, start, isOn } = prepare();
    addPair();
    using blocking = other.attach({ dev: "a", netns });
    expect(() => start()).toThrow("already has the XDP program");
    blocking.detach();
    const controller = new AbortController();
    const following = start({ signal: controller.signal });
    expect(isOn("a")).toHaveLength(1);
    controller.abort();
    expect(following.closed).toBe(true);
    expect(isOn("a")).toEqual([]);
    expect(() => start({ netns: "nowhere" })).toThrow("no network namespace");
  });

  const hasTcx = reason === "" && queryTcx(1, "ingress") !== null;
  it.skipIf(!hasTcx).each([false, true])("works for TC too, persistent: %s (needs TCX, Linux 6.6)", async (persistent) => {
    const { netns, addPair, ip } = prepare();
    const name = uniqueName();
    const loaded = loadSpec(object([{ ...constant(`t_${name}`, -1), section: "tc", type: "sched_cls" }], []));
    closing.push(loaded);
    const seen: string[] = [];
    addPair();
    const options: FollowOptions = { dev: "a", netns, direction: "egress", persistent, onEvent: ({ kind }) => seen.push(kind) };
    closing.push(follow(loaded.program(`t_${name}`), options));
    ip("link", "delete", "dev", "a");
    addPair();
    await expect.poll(() => seen).toEqual(["attached", "gone", "attached"]);
    expect(attachedTc("a", { netns })).toMatchObject([{ direction: "egress", via: persistent ? "clsact" : "tcx" }]);
  });
});

/** A thousand times what lives longer than a call: chains, also pinned and rearranged, following a device, reading ring buffers. What is left of it. */
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import {
  attachChain,
  attachedXdp,
  follow,
  listPins,
  load,
  loadSpec,
  loadStep,
  openChain,
  RingBufferMap,
} from "../../src/index.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { addVethPair, getLink } from "../../src/sys/netlink/index.ts";
import { lacking } from "../foreign-tools.ts";
import { expectGone, freshBpffs } from "../kernel-objects.ts";
import { freshNamespace, uniqueName } from "../own-network.ts";

const CYCLES = 1000;
/** After so many, what is allocated once is there. */
const WARM = 200;

const missing = lacking("root", "bpftool");
describe.skipIf(missing !== "")(`${CYCLES} times chains, following and ring buffers${missing}`, () => {
  it("leave no descriptor, map, program, link or pin, and no memory", async () => {
    const directory = freshBpffs();
    const netns = freshNamespace();
    const name = uniqueName();
    const file = resolve("test/example.bpf.ts");
    const text = `import { ringBuffer, struct, u64, XDP_PASS, xdp } from "wirescript/kernel";
export const r${name} = ringBuffer({ value: struct({ length: u64 }), bytes: 4096 });
export const p${name} = xdp((ctx) => {
  const event = r${name}.reserve();
  if (event) { event.length = ctx.length; r${name}.submit(event); }
  return XDP_PASS;
});
export const q${name} = xdp(() => XDP_PASS);
`;
    const { spec } = compile(file, { overlay: new Map([[file, text]]) });
    inNamespace(netns, () => addVethPair({ name: "a", peerName: "b" }));
    const { ifindex } = inNamespace(netns, () => getLink("a"));
    const dev = "a";
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const step = (program: "p" | "q") => loadStep(spec, { program: `${program}${name}` });

    const chained = async (isPinned: boolean) => {
      const [first, second] = [await step("p"), await step("q")];
      const chain = attachChain([first, second], { dev, netns, mode: "skb" });
      if (isPinned) {
        chain.pin(`${directory}/chain`);
        chain[Symbol.dispose]();
        first.close();
        second.close();
        using again = openChain(`${directory}/chain`, { netns });
        again.rearrange([...again.steps].reverse());
        again.detach();
        for (const each of again.steps) each.close();
        return;
      }
      chain.rearrange([second]);
      first.close();
      chain.detach();
      second.close();
    };
    const followed = async () => {
      await using object = await load(spec);
      const program = object.program(`q${name}`);
      using following = follow(program, { dev, netns, mode: "skb" });
      expect(following.device?.ifindex).toBe(ifindex);
    };
    const read = async () => {
      using object = loadSpec<unknown>(spec);
      using reader = object.map<RingBufferMap<{ length: bigint }>>(`r${name}`, RingBufferMap).reader();
      object.program(`p${name}`).run(new Uint8Array(64));
      for await (const event of reader) {
        expect(event).toEqual({ length: 64n });
        break;
      }
    };

    // What is opened once, and stays open.
    for (const each of [() => chained(false), () => chained(true), followed, read]) await each();
    const before = descriptors();
    let resident = 0;
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      if (cycle === WARM) resident = process.memoryUsage.rss();
      if (cycle % 8 === 0) await chained(cycle % 16 === 0);
      else if (cycle % 2 === 0) await followed();
      else await read();
    }
    expect(descriptors()).toBe(before);
    expect(process.memoryUsage.rss() - resident).toBeLessThan(100 * 2 ** 20);
    expect(listPins(directory)).toEqual([]);
    await expect.poll(() => attachedXdp(dev, { netns })).toEqual([]);
    // A link holds its program: when there is none any more, no link is left either.
    await expectGone(name);
  });
});

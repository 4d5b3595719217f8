/** Chains of programs on the real kernel: which of them run, in which order, and what a packet meets while the order changes. */
import { existsSync, readdirSync, unlinkSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { compileC } from "../../../test/compile-c.ts";
import { failure } from "../../../test/failure.ts";
import { lacking, temporaryDirectory } from "../../../test/foreign-tools.ts";
import { freshBpffs, namesInKernel } from "../../../test/kernel-objects.ts";
import { freshNamespace, uniqueName } from "../../../test/own-network.ts";
import { compile } from "../../compiler/compile.ts";
import type { ObjectSpec } from "../../object/spec.ts";
import { queryTcx } from "../../sys/bpf.ts";
import { inNamespace } from "../../sys/namespaces.ts";
import { addVethPair, deleteLink, getLink } from "../../sys/netlink/index.ts";
import { ArrayMap } from "../maps/array.ts";
import { listPins } from "../pins.ts";
import { LoadedProgram } from "../program.ts";
import { attachChain, type Chain, openChain } from "./chain.ts";
import { NEXT } from "./chain-step.ts";
import { attachedXdp } from "./device.ts";
import { type ChainStep, loadStep } from "./loaded-step.ts";

const FILE = resolve("test/example.bpf.ts");
const missing = lacking("root", "bpftool");

/** Writes its letter behind those that are in the packet already, unless the packet's first byte forbids; returns `verdict`. */
function letterOf(name: string, letter: string, verdict = "XDP_PASS", hook = "xdp"): ObjectSpec {
  const code = letter.charCodeAt(0);
  const text = `import { array, tc, TC_ACT_OK, TC_ACT_SHOT, u64, u8, xdp, XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX } from "wirescript/kernel";
    export const runs = array({ value: u64, entries: 1 });
    export const ${name} = ${hook}((ctx) => {
      const counter = runs.lookup(0);
      if (counter) counter.value++;
      for (let at = 14; at < 40; at++) {
        const place = ctx.at(u8, at);
        if (!place) return ${hook === "xdp" ? "XDP_ABORTED" : "TC_ACT_SHOT"};
        if (place.value === 0) { place.value = ${code}; return ${verdict}; }
      }
      return ${hook === "xdp" ? "XDP_ABORTED" : "TC_ACT_SHOT"};
    });`;
  return compile(FILE, { overlay: new Map([[FILE, text]]) }).spec;
}

describe.skipIf(missing !== "")(`a chain${missing}`, () => {
  const steps: ChainStep[] = [];
  const chains: Chain[] = [];
  afterEach(() => {
    for (const chain of chains.splice(0)) chain.detach();
    for (const step of steps.splice(0)) step.close();
  });

  const step = async (spec: ObjectSpec | string, options: Parameters<typeof loadStep>[1] = {}) => {
    const made = await loadStep(spec, options);
    steps.push(made);
    return made;
  };
  const attach = (of: ChainStep[], netns = wire()) => {
    const chain = attachChain(of, { dev: "a", netns });
    chains.push(chain);
    return chain;
  };
  const wire = () => {
    const netns = freshNamespace();
    inNamespace(netns, () => addVethPair({ name: "a", peerName: "b" }));
    return netns;
  };
  /** What the first program makes of a packet: its verdict, and the letters that were written. */
  const run = (chain: Chain, bank: 0 | 1) => {
    const first = new LoadedProgram(chain.steps[0]?.copy(bank) as LoadedProgram, () => {});
    const { action, packet } = first.run(new Uint8Array(60));
    return `${action}:${Buffer.from(packet.subarray(14)).toString("latin1").replaceAll("\0", "")}`;
  };

  it("runs its programs in their order, until one gives another verdict, and gives the last one's", async () => {
    const name = uniqueName();
    const [a, b, tx, drop] = [
      await step(letterOf(`${name}a`, "a")),
      await step(letterOf(`${name}b`, "b")),
      await step(letterOf(`${name}t`, "t", "XDP_TX")),
      await step(letterOf(`${name}d`, "d", "XDP_DROP")),
    ];
    const chain = attach([a, b, tx]);
    expect(run(chain, 0)).toBe("3:abt");
    chain.rearrange([b, a]);
    expect(run(chain, 1)).toBe("2:ba");
    chain.rearrange([a, drop, b]);
    expect(run(chain, 0)).toBe("1:ad");
    chain.rearrange([drop]);
    expect(run(chain, 1)).toBe("1:d");
    expect(a.object.map("runs", ArrayMap as typeof ArrayMap<bigint>).get(0)).toBe(3n);
  });

  it("is on the device as its first program, and gone with it", async () => {
    const name = uniqueName();
    const netns = wire();
    const [a, b] = [await step(letterOf(`${name}a`, "a")), await step(letterOf(`${name}b`, "b"))];
    const chain = attach([a, b], netns);
    expect(attachedXdp("a", { netns })).toMatchObject([{ name: `${name}a` }]);
    chain.rearrange([b]);
    expect(attachedXdp("a", { netns })).toMatchObject([{ id: b.copy(1).info().id }]);
    // Left out: it can go, the chain stays.
    a.close();
    expect(attachedXdp("a", { netns })).toHaveLength(1);
    expect(failure(() => b.close())).toMatchObject({ code: "USAGE" });
    chain.detach();
    expect(attachedXdp("a", { netns })).toEqual([]);
    b.close();
    await expect.poll(() => namesInKernel(name)).toEqual([]);
  });

  it("leaves nothing in the kernel, though its programs hold each other", async () => {
    const name = uniqueName();
    const [a, b] = [await step(letterOf(`${name}a`, "a")), await step(letterOf(`${name}b`, "b"))];
    const chain = attach([a, b]);
    for (let round = 0; round < 10; round++) chain.rearrange(round % 2 === 0 ? [b, a] : [a, b]);
    chain.detach();
    for (const each of [a, b]) each.close();
    await expect.poll(() => namesInKernel(name)).toEqual([]);
  });

  it("asks goesOn, and keeps settings and global data", async () => {
    const name = uniqueName();
    const text = `import { setting, u32, xdp, XDP_DROP, XDP_TX } from "wirescript/kernel";
      const limit = setting(u32, 100);
      export let total: u32 = 0;
      export const ${name} = xdp((ctx) => { total += 1; return ctx.length > limit ? XDP_TX : XDP_DROP; });`;
    const spec = compile(FILE, { overlay: new Map([[FILE, text]]) }).spec;
    const first = await step(spec, { settings: { limit: 50 }, goesOn: [3] });
    const last = await step(letterOf(`${name}a`, "a"));
    expect(run(attach([first, last]), 0)).toBe("2:a");
    expect((first.object.globals as { total: number }).total).toBe(1);
  });

  const noClang = lacking("clang-19", "gcc");
  it.skipIf(noClang !== "")(`takes programs that clang made, with functions of their own${noClang}`, async () => {
    const source = `${temporaryDirectory()}/chained.c`;
    writeFileSync(
      source,
      `#include <linux/bpf.h>
      #define SEC(name) __attribute__((section(name), used))
      static __attribute__((noinline)) int mark(struct xdp_md *ctx) {
        unsigned char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
        if (data + 15 > end) return XDP_ABORTED;
        data[14] = 'C';
        return XDP_PASS;
      }
      SEC("xdp") int from_c(struct xdp_md *ctx) { return mark(ctx); }
      char program_license[] SEC("license") = "GPL";`,
    );
    const c = await step(compileC(source));
    const name = uniqueName();
    const a = await step(letterOf(`${name}a`, "a"));
    expect(run(attach([c, a]), 0)).toBe("2:Ca");
  });

  const noTcx = missing === "" && queryTcx(1, "ingress") !== null ? "" : " (skipped: needs TCX, Linux 6.6)";
  it.skipIf(noTcx !== "")(`works on TC${noTcx}`, async () => {
    const name = uniqueName();
    const [a, b] = [
      await step(letterOf(`${name}a`, "a", "TC_ACT_OK", "tc.ingress")),
      await step(letterOf(`${name}b`, "b", "TC_ACT_SHOT", "tc.ingress")),
    ];
    const chain = attach([a, b]);
    expect(run(chain, 0)).toBe("2:ab");
    chain.rearrange([b, a]);
    expect(run(chain, 1)).toBe("2:b");
  });

  it("cannot be rearranged or pinned when it was detached", async () => {
    const a = await step(letterOf(`${uniqueName()}a`, "a"));
    const chain = attach([a]);
    chain.detach();
    for (const work of [() => chain.rearrange([a]), () => chain.pin("/sys/fs/bpf/nowhere")]) {
      expect(failure(work)).toMatchObject({
        code: "USAGE",
        why: expect.stringContaining("detached"),
        fix: expect.stringContaining("attachChain"),
      });
    }
  });

  it("is pinned to stay, opened again in its order, rearranged and taken off", async () => {
    const name = uniqueName();
    const netns = wire();
    const directory = `${freshBpffs()}/chain`;
    const specs = ["a", "b", "c"].map((letter) => letterOf(`${name}${letter}`, letter));
    const [a, b] = [await loadStep(specs[0] as ObjectSpec), await loadStep(specs[1] as ObjectSpec)];
    {
      using chain = attachChain([a, b], { dev: "a", netns });
      chain.rearrange([b, a]);
      chain.pin(directory);
      expect(chain.pinnedAt).toBe(directory);
      expect(failure(() => chain.pin(`${directory}2`))).toMatchObject({
        code: "USAGE",
        why: expect.stringContaining("is pinned in"),
      });
    }
    // Nobody holds anything of it any more, but for the pins.
    a.close();
    b.close();
    expect(attachedXdp("a", { netns })).toHaveLength(1);
    const c = await step(specs[2] as ObjectSpec);
    {
      using chain = openChain(directory, { netns });
      expect(chain.steps.map((each) => each.name)).toEqual([`${name}b`, `${name}a`]);
      expect(run(chain, 1)).toBe("2:ba");
      const maps = chain.steps[0]?.openMaps() ?? new Map();
      expect(maps.has(NEXT)).toBe(false);
      expect(maps.get("runs")?.get(0)).toBe(1n);
      for (const map of maps.values()) map.close();
      expect(failure(() => chain.steps[0]?.object)).toMatchObject({ code: "USAGE", fix: expect.stringContaining("openMaps") });
      const [first, second] = chain.steps as [ChainStep, ChainStep];
      chain.rearrange([second, c, first]);
      expect(run(chain, 0)).toBe("2:acb");
      chain.rearrange([c, second]);
      first.close();
      expect(run(chain, 1)).toBe("2:ca");
      expect(listPins(directory)).toHaveLength(1 + 2 * 3);
    }
    using chain = openChain(directory, { netns });
    expect(chain.steps.map((each) => each.name)).toEqual([`${name}c`, `${name}a`]);
    const steps = [...chain.steps];
    chain.detach();
    for (const each of steps) each.close();
    expect(existsSync(directory)).toBe(false);
    expect(attachedXdp("a", { netns })).toEqual([]);
  });

  it("is opened only where one is, whole", async () => {
    const name = uniqueName();
    const netns = wire();
    const bpffs = freshBpffs();
    const [a, b] = [await step(letterOf(`${name}a`, "a")), await step(letterOf(`${name}b`, "b"))];
    expect(failure(() => openChain(`${bpffs}/none`))).toMatchObject({ code: "NOTHING_ATTACHED" });
    const chain = attach([a, b], netns);
    chain.pin(`${bpffs}/chain`);
    const other = attach([await step(letterOf(`${name}c`, "c"))]);
    expect(failure(() => other.pin(`${bpffs}/chain`))).toMatchObject({ code: "USAGE", why: "The directory is not empty." });
    expect(failure(() => other.pin("/tmp/nowhere"))).toMatchObject({
      code: "USAGE",
      why: expect.stringContaining("BPF file system"),
    });
    // A step's map under another's name: what is pinned is not believed.
    const [place] = readdirSync(`${bpffs}/chain`).filter((entry) => entry.startsWith(`${name}b`));
    unlinkSync(`${bpffs}/chain/${place}/next`);
    a.object.map("runs").pin(`${bpffs}/chain/${place}/next`);
    expect(failure(() => openChain(`${bpffs}/chain`, { netns }))).toMatchObject({
      code: "USAGE",
      message: `What is pinned in ${bpffs}/chain/${place} is no chain of ours.`,
    });
    chain.unpin();
    expect([chain.pinnedAt, chain.attached, existsSync(`${bpffs}/chain`)]).toEqual([null, true, false]);
  });

  it("outlives its device as an object, and says so", async () => {
    const name = uniqueName();
    const netns = wire();
    const [a, b] = [await step(letterOf(`${name}a`, "a")), await step(letterOf(`${name}b`, "b"))];
    const chain = attach([a], netns);
    inNamespace(netns, () => deleteLink(getLink("a").ifindex));
    expect(failure(() => chain.rearrange([b, a]))).toMatchObject({ code: "NO_SUCH_DEVICE" });
    expect(chain.steps).toEqual([a]);
    b.close();
    chain.detach();
    expect(a.owner).toBeNull();
  });

  it("says what does not go together", async () => {
    const name = uniqueName();
    const [a, b] = [await step(letterOf(`${name}a`, "a")), await step(letterOf(`${name}b`, "b"))];
    const tc = await step(letterOf(`${name}t`, "t", "TC_ACT_OK", "tc.ingress"));
    const chain = attach([a]);
    expect(failure(() => chain.rearrange([]))).toMatchObject({ code: "USAGE" });
    expect(failure(() => chain.rearrange([a, a]))).toMatchObject({ code: "USAGE" });
    expect(failure(() => chain.rearrange([a, tc]))).toMatchObject({
      code: "USAGE",
      message: `The program "${name}t" cannot stand behind "${name}a" in a chain.`,
    });
    expect(failure(() => attach([b, a]))).toMatchObject({ code: "USAGE" });
    expect(run(chain, 0)).toBe("2:a");
    await expect(loadStep({ ...letterOf(`${name}z`, "z"), programs: [] })).rejects.toMatchObject({ code: "NO_SUCH_PROGRAM" });
  });
});

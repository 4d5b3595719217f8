/** A thousand times load, attach in every way, pin, unpin, detach: what is left of it, by the kernel's own lists. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { attachedTc, attachedXdp, listPins, loadSpec, unpin } from "../../src/index.ts";
import { ids, queryTcx } from "../../src/sys/bpf.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { addVethPair, getLink, listQdiscs } from "../../src/sys/netlink/index.ts";
import { constant, counting, maps, object } from "../fixtures/objects.ts";
import { lacking } from "../foreign-tools.ts";
import { expectGone, freshBpffs } from "../kernel-objects.ts";
import { freshNamespace, uniqueName } from "../own-network.ts";

const CYCLES = 1000;
/** After so many, what is allocated once is there. */
const WARM = 200;

const missing = lacking("root", "bpftool");
describe.skipIf(missing !== "")(`${CYCLES} times load, attach, detach${missing}`, () => {
  it("leave no descriptor, map, program, link, pin or qdisc, and no memory", async () => {
    const directory = freshBpffs();
    const namespace = freshNamespace();
    const name = uniqueName();
    const hasTcx = queryTcx(1, "ingress") !== null;
    const spec = object(
      [counting(`p_${name}`, `st_${name}`), { ...constant(`t_${name}`, -1), section: "tc", type: "sched_cls" }],
      [maps.stats(name)],
    );
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const links = new Set<number>();
    const before = descriptors();
    let resident = 0;
    inNamespace(namespace, () => {
      addVethPair({ name: "a", peerName: "b" });
      const dev = "a";
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        if (cycle === WARM) resident = process.memoryUsage.rss();
        using loaded = loadSpec(spec, { pinPath: `${directory}/maps` });
        const [p, t] = [loaded.program(`p_${name}`), loaded.program(`t_${name}`)];
        if (cycle % 4 === 0) {
          const link = p.attach({ dev, mode: cycle % 40 === 0 ? "native" : "skb" });
          links.add(link.info().id);
          link.pin(`${directory}/link`);
          link.detach();
        } else if (cycle % 4 === 1) {
          using link = t.attach({ dev, direction: "ingress", via: hasTcx ? "tcx" : "clsact" });
          if (link.via === "tcx") links.add(link.info().id);
        } else if (cycle % 4 === 2) {
          t.attach({ dev, direction: "egress", via: "clsact" }).detach();
        } else {
          p.pin(`${directory}/program`);
          unpin(`${directory}/program`);
        }
        loaded.undoPins();
      }
      expect([attachedXdp(dev), attachedTc(dev)]).toEqual([[], []]);
      expect(listQdiscs(getLink(dev).ifindex)).not.toContain("clsact");
    });
    expect(descriptors()).toBe(before);
    expect(process.memoryUsage.rss() - resident).toBeLessThan(100 * 2 ** 20);
    expect(listPins(directory)).toEqual([]);
    await expectGone(name);
    expect([...ids("LINK")].filter((id) => links.has(id))).toEqual([]);
    expect(links.size).toBe(hasTcx ? CYCLES / 2 : CYCLES / 4);
  });
});

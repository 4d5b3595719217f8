/** TC programs on the real kernel, on veth pairs in namespaces of the tests' own; `tc` and bpftool say what they see, and do their part. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { failure } from "../../../test/failure.ts";
import { constant, object } from "../../../test/fixtures/objects.ts";
import { freshBpffs } from "../../../test/kernel-objects.ts";
import { freshNamespace, hasTool, isRoot, uniqueName } from "../../../test/own-network.ts";
import { type Direction, linkById, linkInfo, linkUpdate, queryTcx, unlessGone } from "../../sys/bpf.ts";
import { attachTcx, detachTcx } from "../../sys/bpf-tcx.ts";
import { inNamespace } from "../../sys/namespaces.ts";
import { addVethPair, deleteLink, getLink, listQdiscs } from "../../sys/netlink/index.ts";
import { loadSpec } from "../load.ts";
import type { LoadedProgram } from "../program.ts";
import { attachTcPersistently, detachTc } from "./tc.ts";
import { attachedTc, tcxRevision } from "./tc-attached.ts";

const missing = ["tc", "bpftool"].filter((tool) => !hasTool(tool));
const reason = !isRoot
  ? " (skipped: needs root on Linux)"
  : missing.length > 0
    ? ` (skipped: needs ${missing.join(" and ")})`
    : "";
const hasTcx = isRoot && queryTcx(1, "ingress") !== null;
const noTcx = hasTcx ? "" : " (skipped: needs TCX, Linux 6.6)";

/** TC programs that return TC_ACT_UNSPEC: [name, direction]. */
function programs<const Names extends readonly string[]>(...names: Names) {
  const suffix = uniqueName();
  const specs = names.map((name) => ({ ...constant(`${name}_${suffix}`, -1), section: "tc", type: "sched_cls" as const }));
  const loaded = loadSpec(object(specs, []));
  return { loaded, all: names.map((name) => loaded.program(`${name}_${suffix}`)) as { [K in keyof Names]: LoadedProgram } };
}

/** Runs in a namespace with a veth pair: "a" and "b". */
function onWire(work: (namespace: string) => void): void {
  const namespace = freshNamespace();
  inNamespace(namespace, () => {
    addVethPair({ name: "a", peerName: "b" });
    work(namespace);
  });
}

const idsOn = (dev: string, direction: Direction) => attachedTc(dev, { direction }).map(({ id }) => id);
const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: "utf8" });

describe.skipIf(reason !== "" || !hasTcx)(`by TCX links${reason}${noTcx}`, () => {
  it("stand where they ask to stand", () => {
    const { loaded, all } = programs("p", "q", "r", "s", "t");
    using _ = loaded;
    const [p, q, r, s, t] = all;
    onWire(() => {
      const dev = "a";
      const direction = "ingress";
      using middle = p.attach({ dev, direction, via: "tcx" });
      using _last = q.attach({ dev, direction });
      using _first = r.attach({ dev, direction, order: "first" });
      using _before = s.attach({ dev, direction, order: { before: p } });
      using _after = t.attach({ dev, direction, order: { after: middle } });
      expect(idsOn(dev, direction)).toEqual([r, s, p, t, q].map((each) => each.info().id));
      expect(attachedTc(dev)[2]).toEqual({
        id: p.info().id,
        name: p.name,
        tag: p.info().tag,
        direction,
        via: "tcx",
        linkId: middle.info().id,
        filter: null,
      });
    });
  });

  it("tell the two directions apart, and go with the object", () => {
    const { loaded, all } = programs("p", "q");
    const [p, q] = all;
    onWire(() => {
      const link = p.attach({ dev: "a", direction: "ingress" });
      q.attach({ dev: "a", direction: "egress" });
      expect([idsOn("a", "ingress"), idsOn("a", "egress")]).toEqual([[p.info().id], [q.info().id]]);
      loaded.close();
      expect(link.attached).toBe(false);
      expect(attachedTc("a")).toEqual([]);
    });
  });

  it("know their direction by the section, where it says it", () => {
    const name = uniqueName();
    const spec = { ...constant(`p_${name}`, -1), section: "tcx/egress", type: "sched_cls" as const };
    using loaded = loadSpec(object([spec, { ...spec, ...constant(`q_${name}`, -1), section: "tc", type: "sched_cls" }], []));
    onWire(() => {
      using _link = loaded.program(`p_${name}`).attach({ dev: "a" });
      expect(attachedTc("a")).toMatchObject([{ direction: "egress" }]);
      const unknown = failure(() => loaded.program(`q_${name}`).attach({ dev: "a" }));
      expect(unknown).toMatchObject({ code: "USAGE", why: expect.stringContaining('section "tc" does not say') });
    });
  });

  it("exchange a program at once, but not one that somebody else put there", () => {
    const { loaded, all } = programs("p", "q", "r");
    using _ = loaded;
    const [p, q, r] = all;
    onWire(() => {
      using link = p.attach({ dev: "a", direction: "ingress", via: "tcx" });
      const { id } = link.info();
      link.update(q);
      expect(idsOn("a", "ingress")).toEqual([q.info().id]);
      run("bpftool", "link", "show", "id", `${id}`);
      using other = linkById(id);
      expect(linkInfo(other)).toMatchObject({ type: 11, ifindex: getLink("a").ifindex, attachType: 46 });
      linkUpdate(other, p.fd);
      expect(failure(() => link.update(r))).toMatchObject({
        code: "DEVICE_BUSY",
        message: `The link on a holds program ${p.info().id} by now, which was not replaced.`,
      });
      link.update(r, { force: true });
      expect(idsOn("a", "ingress")).toEqual([r.info().id]);
    });
  });

  it("change nothing when the list has changed meanwhile", () => {
    const { loaded, all } = programs("p", "q");
    using _ = loaded;
    const [p, q] = all;
    onWire(() => {
      const revision = tcxRevision("a", "ingress");
      if (revision === null) throw new Error("no revision");
      using _first = p.attach({ dev: "a", direction: "ingress", expectedRevision: revision });
      const stale = failure(() => q.attach({ dev: "a", direction: "ingress", expectedRevision: revision }));
      expect(stale).toMatchObject({ code: "DEVICE_BUSY" });
      expect(stale.why).toContain(`"${p.name}" (id ${p.info().id})`);
      expect(idsOn("a", "ingress")).toEqual([p.info().id]);
    });
  });

  it("say what is wrong: twice in the list, no such neighbour, a full list, a device that went", () => {
    const { loaded, all } = programs("p", "q");
    using _ = loaded;
    const [p, q] = all;
    onWire(() => {
      using link = p.attach({ dev: "a", direction: "ingress", via: "tcx" });
      expect(failure(() => p.attach({ dev: "a", direction: "ingress" }))).toMatchObject({
        code: "DEVICE_BUSY",
        why: `It is in that list already: "${p.name}" (id ${p.info().id}).`,
      });
      expect(failure(() => q.attach({ dev: "b", direction: "ingress", order: { before: p } }))).toMatchObject({
        code: "USAGE",
        why: "What it was to stand next to is not in the list: nothing.",
      });
      const next = (order: unknown) => failure(() => q.attach({ dev: "a", direction: "ingress", order: order as "first" }));
      expect(next({ before: 0x7fff_ffff })).toMatchObject({
        code: "NO_SUCH_PROGRAM",
        message: "There is no program with id 2147483647.",
        fix: expect.stringContaining("wirescript progs"),
      });
      expect(next("frist")).toMatchObject({ code: "USAGE", why: expect.stringMatching(/`order` is .*"frist" was given/) });
      expect(next({ below: 1 })).toMatchObject({ code: "USAGE", why: expect.stringContaining("an object was given") });
      const many = programs(...Array.from({ length: 62 }, (_, index) => `m${index}`));
      using _many = many.loaded;
      for (const each of many.all) each.attach({ dev: "a", direction: "ingress" });
      expect(failure(() => q.attach({ dev: "a", direction: "ingress" }))).toMatchObject({
        code: "DEVICE_BUSY",
        why: expect.stringContaining("63 programs"),
      });
      deleteLink(getLink("a").ifindex);
      expect(link.info().ifindex).toBe(0);
      expect(failure(() => link.update(q))).toMatchObject({ code: "NO_SUCH_DEVICE" });
      expect(failure(() => q.attach({ dev: "a", direction: "ingress" }))).toMatchObject({ code: "NO_SUCH_DEVICE" });
    });
  });

  it("leave programs that stand by themselves in place; detachTc takes off both, links only by force", () => {
    const { loaded, all } = programs("p", "q");
    using _ = loaded;
    const [p, q] = all;
    onWire(() => {
      const { ifindex } = getLink("a");
      attachTcx({ program: p.fd, ifindex, direction: "egress" });
      expect(attachedTc("a")).toMatchObject([{ id: p.info().id, via: "tcx", linkId: null }]);
      detachTcx(p.fd, ifindex, "egress");
      attachTcx({ program: p.fd, ifindex, direction: "egress" });
      const link = q.attach({ dev: "a", direction: "ingress", via: "tcx" });
      const held = failure(() => detachTc("a"));
      expect(held).toMatchObject({ code: "DEVICE_BUSY" });
      expect(held.why).toContain(`held by process ${process.pid} (`);
      expect(held.fix).toMatch(/^Use the link that this process has: .*link\.detach\(\)/);
      expect(detachTc("a", { direction: "egress" })).toMatchObject([{ id: p.info().id }]);
      expect(detachTc("a", { force: true })).toMatchObject([{ id: q.info().id }]);
      expect(attachedTc("a")).toEqual([]);
      link.detach();
    });
  });

  it("stay when pinned, and end when the pin goes", () => {
    const directory = freshBpffs();
    const { loaded, all } = programs("p");
    const [p] = all;
    onWire(() => {
      const link = p.attach({ dev: "a", direction: "ingress", via: "tcx" });
      const { id } = link.info();
      link.pin(`${directory}/link`);
      loaded.close();
      expect(attachedTc("a")).toMatchObject([{ linkId: id }]);
      run("rm", `${directory}/link`);
      expect(unlessGone(() => linkById(id))).toBeNull();
      expect(attachedTc("a")).toEqual([]);
    });
  });
});

describe.skipIf(reason !== "")(`by filters of clsact${reason}`, () => {
  it("come and go with their qdisc, as tc sees it", () => {
    const { loaded, all } = programs("p", "q");
    using _ = loaded;
    const [p, q] = all;
    onWire(() => {
      const qdiscs = () => listQdiscs(getLink("a").ifindex);
      using link = p.attach({ dev: "a", direction: "ingress", via: "clsact" });
      expect(qdiscs()).toContain("clsact");
      const shown = run("tc", "filter", "show", "dev", "a", "ingress");
      expect(shown).toContain(`${p.name}:[wirescript+clsact] direct-action`);
      expect(shown).toContain(` id ${p.info().id} `);
      link.update(q);
      expect(attachedTc("a")).toMatchObject([{ id: q.info().id, via: "clsact" }]);
      {
        using _second = p.attach({ dev: "a", direction: "egress", via: "clsact", priority: 7 });
        expect(attachedTc("a")[1]?.filter).toMatchObject({ priority: 7, name: `${p.name}:[wirescript]` });
      }
      link.detach();
      expect(qdiscs()).not.toContain("clsact");
    });
  });

  it("leave a qdisc that somebody else made, and one that is still used", () => {
    const { loaded, all } = programs("p", "q");
    using _ = loaded;
    const [p, q] = all;
    onWire(() => {
      const { ifindex } = getLink("a");
      run("tc", "qdisc", "add", "dev", "a", "clsact");
      p.attach({ dev: "a", direction: "ingress", via: "clsact" }).detach();
      expect(listQdiscs(ifindex)).toContain("clsact");
      run("tc", "qdisc", "del", "dev", "a", "clsact");
      const first = p.attach({ dev: "a", direction: "ingress", via: "clsact" });
      using _second = q.attach({ dev: "a", direction: "egress", via: "clsact" });
      first.detach();
      expect(attachedTc("a")).toMatchObject([{ id: q.info().id }]);
    });
  });

  it("stay when attached to stay; the same name is replaced only by force, at once", () => {
    const { loaded, all } = programs("p", "q");
    const [p, q] = all;
    onWire(() => {
      const made = attachTcPersistently(p, { dev: "a", direction: "egress" });
      expect(made).toMatchObject({ dev: "a", direction: "egress", replaced: null });
      expect(failure(() => attachTcPersistently(p, { dev: "a", direction: "egress" }))).toMatchObject({ code: "DEVICE_BUSY" });
      const { priority, handle } = made;
      expect(failure(() => attachTcPersistently(q, { dev: "a", direction: "egress", priority, handle }))).toMatchObject({
        code: "DEVICE_BUSY",
      });
      const forced = attachTcPersistently(q, { dev: "a", direction: "egress", priority, handle, force: true });
      expect(forced).toMatchObject({ priority, handle, replaced: { id: p.info().id } });
      const { id } = q.info();
      loaded.close();
      expect(attachedTc("a")).toMatchObject([{ id, filter: { priority, handle } }]);
      expect(detachTc("a", { program: id })).toMatchObject([{ id }]);
      expect(listQdiscs(getLink("a").ifindex)).not.toContain("clsact");
    });
  });

  it("are removed by tc, and remove what tc attached", () => {
    const directory = freshBpffs();
    const { loaded, all } = programs("p", "q");
    using _ = loaded;
    const [p, q] = all;
    onWire(() => {
      using link = p.attach({ dev: "a", direction: "ingress", via: "clsact" });
      run("tc", "filter", "del", "dev", "a", "ingress");
      expect(attachedTc("a")).toEqual([]);
      expect(link.info()).toMatchObject({ ifindex: 0, programId: null });
      expect(failure(() => link.update(q))).toMatchObject({ code: "NO_SUCH_DEVICE" });
      q.pin(`${directory}/q`);
      run("tc", "filter", "add", "dev", "a", "ingress", "pref", "3", "bpf", "da", "object-pinned", `${directory}/q`);
      expect(attachedTc("a")).toMatchObject([{ id: q.info().id, filter: { priority: 3 } }]);
      expect(detachTc("a")).toMatchObject([{ id: q.info().id }]);
      expect(run("tc", "filter", "show", "dev", "a", "ingress")).toBe("");
    });
  });

  it("do not take off somebody else's program that took their place", () => {
    const directory = freshBpffs();
    const { loaded, all } = programs("p", "q");
    using _ = loaded;
    const [p, q] = all;
    q.pin(`${directory}/q`);
    onWire(() => {
      const link = p.attach({ dev: "a", direction: "ingress", via: "clsact", priority: 5 });
      const replace = ["filter", "replace", "dev", "a", "ingress", "pref", "5", "handle", "1", "bpf", "da"];
      run("tc", ...replace, "object-pinned", `${directory}/q`);
      expect(failure(() => link.update(p))).toMatchObject({ code: "DEVICE_BUSY" });
      link.detach();
      expect(attachedTc("a")).toMatchObject([{ id: q.info().id }]);
    });
  });

  it("go beside an older ingress qdisc, which has no egress", () => {
    const { loaded, all } = programs("p");
    using _ = loaded;
    const [p] = all;
    onWire(() => {
      run("tc", "qdisc", "add", "dev", "a", "ingress");
      {
        using _link = p.attach({ dev: "a", direction: "ingress", via: "clsact" });
        expect(run("tc", "filter", "show", "dev", "a", "ingress")).toContain(`${p.name}:[wirescript] `);
      }
      expect(failure(() => p.attach({ dev: "a", direction: "egress", via: "clsact" }))).toMatchObject({
        code: "DEVICE_BUSY",
        fix: expect.stringContaining("tc qdisc del dev a ingress"),
      });
      expect(listQdiscs(getLink("a").ifindex)).toContain("ingress");
    });
  });

  it("work in another namespace, and end where they were made", () => {
    const { loaded, all } = programs("p");
    using _ = loaded;
    const [p] = all;
    const namespace = freshNamespace();
    inNamespace(namespace, () => addVethPair({ name: "a", peerName: "b" }));
    const link = p.attach({ dev: "a", netns: namespace, direction: "ingress", via: "clsact" });
    expect(attachedTc("a", { netns: namespace })).toMatchObject([{ id: p.info().id }]);
    link.detach();
    expect(attachedTc("a", { netns: `/run/netns/${namespace}` })).toEqual([]);
    expect(failure(() => p.attach({ dev: "a", netns: "nowhere", direction: "ingress" }))).toMatchObject({
      code: "NO_SUCH_NAMESPACE",
    });
  });
});

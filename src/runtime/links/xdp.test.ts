/** Attaching on the real kernel, on veth pairs in namespaces of the tests' own; `ip` and bpftool say what they see. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { failure } from "../../../test/failure.ts";
import { constant, object } from "../../../test/fixtures/objects.ts";
import { bpftool, freshBpffs } from "../../../test/kernel-objects.ts";
import { hasTool, ipJson, isRoot, uniqueName, vethNamespace } from "../../../test/own-network.ts";
import { linkById, linkInfo, unlessGone } from "../../sys/bpf.ts";
import { inNamespace } from "../../sys/namespaces.ts";
import { getLink } from "../../sys/netlink/index.ts";
import { loadSpec } from "../load.ts";
import { attachedXdp } from "./device.ts";
import { attachPersistently, detachXdp } from "./xdp-netlink.ts";

const missing = ["ip", "bpftool"].filter((tool) => !hasTool(tool));
const reason = !isRoot
  ? " (skipped: needs root on Linux)"
  : missing.length > 0
    ? ` (skipped: ${missing.join(" and ")} not installed)`
    : "";

const two = () => {
  const name = uniqueName();
  const loaded = loadSpec(object([constant(`p_${name}`, 2), constant(`q_${name}`, 1)], []));
  return { name, loaded, p: loaded.program(`p_${name}`), q: loaded.program(`q_${name}`) };
};

/** What `ip -d link` shows: [mode, program id]. 1: native, 2: skb. */
function shownByIp(namespace: string, device: string): [number, number] | null {
  const xdp = ipJson(namespace, "link", "show", "dev", device)[0].xdp;
  return xdp === undefined ? null : [xdp.mode, xdp.prog.id];
}

describe.skipIf(reason !== "")(`attaching by link${reason}`, () => {
  it("runs in the driver where it can, and goes with the link", () => {
    const namespace = vethNamespace();
    const { loaded, p } = two();
    using _ = loaded;
    inNamespace(namespace, () => {
      {
        using link = p.attach({ dev: "a" });
        expect(link).toMatchObject({ dev: "a", mode: "native", fallback: null, attached: true });
        expect(shownByIp(namespace, "a")).toEqual([1, p.info().id]);
        expect(link.info()).toMatchObject({ programId: p.info().id, ifindex: getLink("a").ifindex });
        expect(attachedXdp("a")).toEqual([
          { id: p.info().id, name: p.name, tag: p.info().tag, mode: "native", linkId: link.info().id },
        ]);
      }
      expect(shownByIp(namespace, "a")).toBeNull();
    });
  });

  it("takes skb mode when asked, and when the driver has no native mode", () => {
    const namespace = vethNamespace();
    const { loaded, p } = two();
    using _ = loaded;
    inNamespace(namespace, () => {
      using link = p.attach({ dev: "a", mode: "skb" });
      expect(link.mode).toBe("skb");
      expect(shownByIp(namespace, "a")?.[0]).toBe(2);
      using fallen = p.attach({ dev: "lo", mode: "auto" });
      expect(fallen.mode).toBe("skb");
      expect(fallen.fallback).toBe("The kernel says: Underlying driver does not support XDP in native mode.");
    });
  });

  it("says what is wrong: no such device, no native mode, a busy device", () => {
    const namespace = vethNamespace();
    const { loaded, p, q } = two();
    using _ = loaded;
    inNamespace(namespace, () => {
      expect(failure(() => p.attach({ dev: "nope" }))).toMatchObject({ code: "NO_SUCH_DEVICE" });
      for (const number of [-1, 1.5, Number.NaN, 1e12, 4294967297]) {
        expect(failure(() => p.attach({ dev: number }))).toMatchObject({ code: "NO_SUCH_DEVICE" });
      }
      // What the types forbid: such a mode would be none, which the kernel takes as skb.
      expect(failure(() => p.attach({ dev: "a", mode: "driver" as "native" }))).toMatchObject({ code: "USAGE" });
      expect(failure(() => p.attach({} as { dev: string }))).toMatchObject({ code: "USAGE" });
      expect(failure(() => p.attach({ dev: "lo", mode: "native" }))).toMatchObject({ code: "MODE_UNSUPPORTED" });
      using link = p.attach({ dev: "a" });
      const busy = failure(() => q.attach({ dev: "a" }));
      expect(busy.code).toBe("DEVICE_BUSY");
      expect(busy.message).toContain(
        `"${p.name}" (id ${p.info().id}, tag ${p.info().tag}, native mode, bpf_link ${link.info().id} held by process ${process.pid} (`,
      );
      // "End that process" would be this one.
      expect(busy.fix).toMatch(/^Use the link that this process has: link\.update\(program\) .*, link\.detach\(\) .*, or /);
      expect(busy.fix).not.toMatch(/end that process/i);
      expect(link.attached).toBe(true);
    });
  });

  it("replaces the program of a link at once", () => {
    const namespace = vethNamespace();
    const { loaded, p, q } = two();
    using _ = loaded;
    inNamespace(namespace, () => {
      using link = p.attach({ dev: "a" });
      const { id } = link.info();
      link.update(q);
      expect(link.info()).toMatchObject({ id, programId: q.info().id });
      expect(shownByIp(namespace, "a")).toEqual([1, q.info().id]);
    });
  });

  it("by force takes the place of a program that ip attached, and gives it back when it cannot", () => {
    const namespace = vethNamespace();
    const { loaded, p, q } = two();
    using _ = loaded;
    inNamespace(namespace, () => {
      attachPersistently(p, { dev: "lo" });
      expect(failure(() => q.attach({ dev: "lo", mode: "native", force: true }))).toMatchObject({ code: "MODE_UNSUPPORTED" });
      expect(shownByIp(namespace, "lo")).toEqual([2, p.info().id]);
      using link = q.attach({ dev: "lo", force: true });
      expect(shownByIp(namespace, "lo")).toEqual([2, q.info().id]);
      expect(link.attached).toBe(true);
    });
  });

  it("stays when the link is pinned, and detaches when told", () => {
    const namespace = vethNamespace();
    const directory = freshBpffs();
    const { loaded, p } = two();
    inNamespace(namespace, () => {
      const link = p.attach({ dev: "a" });
      link.pin(`${directory}/link`);
      const { id } = p.info();
      loaded.close();
      expect(shownByIp(namespace, "a")).toEqual([1, id]);
      expect(detachXdp("a", { force: true })).toMatchObject([{ id }]);
      expect(shownByIp(namespace, "a")).toBeNull();
    });
  });

  it("ends with the object that the program belongs to", () => {
    const namespace = vethNamespace();
    const { loaded, p } = two();
    inNamespace(namespace, () => {
      const link = p.attach({ dev: "a" });
      loaded.close();
      expect(link.attached).toBe(false);
      link.detach();
      expect(shownByIp(namespace, "a")).toBeNull();
    });
  });
});

describe.skipIf(reason !== "")(`attaching by netlink${reason}`, () => {
  it("outlives the loaded object, and is taken off with the truth about what it was", () => {
    const namespace = vethNamespace();
    const { loaded, p } = two();
    inNamespace(namespace, () => {
      const { id } = p.info();
      expect(attachPersistently(p, { dev: "a" })).toMatchObject({ mode: "native", fallback: null, replaced: [] });
      loaded.close();
      expect(shownByIp(namespace, "a")).toEqual([1, id]);
      expect(detachXdp("a")).toMatchObject([{ id, name: p.name, mode: "native", linkId: null }]);
      expect(detachXdp("a")).toEqual([]);
      expect(shownByIp(namespace, "a")).toBeNull();
    });
  });

  it("can be removed by ip", () => {
    const namespace = vethNamespace();
    const { loaded, p } = two();
    using _ = loaded;
    inNamespace(namespace, () => {
      attachPersistently(p, { dev: "a" });
      execFileSync("ip", ["link", "set", "dev", "a", "xdp", "off"]);
      expect(attachedXdp("a")).toEqual([]);
    });
  });

  it("replaces only by force, atomically in the same mode", () => {
    const namespace = vethNamespace();
    const { loaded, p, q } = two();
    using _ = loaded;
    inNamespace(namespace, () => {
      attachPersistently(p, { dev: "a", mode: "skb" });
      expect(failure(() => attachPersistently(q, { dev: "a" }))).toMatchObject({ code: "DEVICE_BUSY" });
      expect(shownByIp(namespace, "a")).toEqual([2, p.info().id]);
      const result = attachPersistently(q, { dev: "a", force: true });
      expect(result).toMatchObject({ mode: "skb", atomic: true, replaced: [{ id: p.info().id, name: p.name, mode: "skb" }] });
      expect(shownByIp(namespace, "a")).toEqual([2, q.info().id]);
      const changed = attachPersistently(p, { dev: "a", mode: "native", force: true });
      expect(changed).toMatchObject({ mode: "native", atomic: false });
      expect(shownByIp(namespace, "a")).toEqual([1, p.info().id]);
    });
  });

  it("puts the old program back when the new mode is refused", () => {
    const namespace = vethNamespace();
    const { loaded, p, q } = two();
    using _ = loaded;
    inNamespace(namespace, () => {
      attachPersistently(p, { dev: "lo" });
      expect(failure(() => attachPersistently(q, { dev: "lo", mode: "native", force: true }))).toMatchObject({
        code: "MODE_UNSUPPORTED",
      });
      expect(shownByIp(namespace, "lo")).toEqual([2, p.info().id]);
    });
  });

  it("does not take off what a link holds, unless forced", () => {
    const namespace = vethNamespace();
    const { loaded, p, q } = two();
    using _ = loaded;
    inNamespace(namespace, () => {
      const link = p.attach({ dev: "a" });
      expect(failure(() => detachXdp("a"))).toMatchObject({ code: "DEVICE_BUSY" });
      expect(shownByIp(namespace, "a")).toEqual([1, p.info().id]);
      const result = attachPersistently(q, { dev: "a", force: true });
      expect(result).toMatchObject({ mode: "native", atomic: false, replaced: [{ id: p.info().id }] });
      link.detach();
      expect(shownByIp(namespace, "a")).toEqual([1, q.info().id]);
    });
  });
});

it.skipIf(reason !== "")(`bpftool lists the link with its device${reason}`, () => {
  const namespace = vethNamespace();
  const { loaded, p } = two();
  using _ = loaded;
  inNamespace(namespace, () => {
    using link = p.attach({ dev: "a" });
    const { id, ifindex } = link.info();
    expect(bpftool("link", "show", "id", String(id))).toMatchObject({ id, type: "xdp", prog_id: p.info().id });
    using again = linkById(id);
    expect(linkInfo(again).ifindex).toBe(ifindex);
    expect(unlessGone(() => linkById(0x7fff_ffff))).toBeNull();
  });
});

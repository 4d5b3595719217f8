/** Taking up what is in the kernel already: pins opened as what they are, programs by id, links by id and by pin; bpftool pins and reads along. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { failure } from "../../test/failure.ts";
import { constant, counting, maps, object } from "../../test/fixtures/objects.ts";
import { lacking } from "../../test/foreign-tools.ts";
import { freshBpffs } from "../../test/kernel-objects.ts";
import { freshNamespace, uniqueName, vethNamespace } from "../../test/own-network.ts";
import { queryTcx } from "../sys/bpf.ts";
import { inNamespace } from "../sys/namespaces.ts";
import { deleteLink, getLink } from "../sys/netlink/index.ts";
import { openPinnedMap } from "./introspect.ts";
import { adoptLink, openPinnedLink } from "./links/adopt.ts";
import { attachedXdp } from "./links/device.ts";
import { loadSpec } from "./load.ts";
import { PerCpuArrayMap } from "./maps/array.ts";
import { openPinnedProgram, openProgram } from "./open-program.ts";
import { unpin } from "./pin.ts";
import { listPins } from "./pins.ts";

const reason = lacking("root", "bpftool");
const hasTcx = reason === "" && queryTcx(1, "ingress") !== null;

const counter = () => {
  const name = uniqueName();
  const loaded = loadSpec(object([counting(`p_${name}`, `st_${name}`), constant(`q_${name}`, 1)], [maps.stats(name)]));
  return { name, loaded, p: loaded.program(`p_${name}`), q: loaded.program(`q_${name}`) };
};

const PACKET = new Uint8Array(60);

describe.skipIf(reason !== "")(`what is pinned${reason}`, () => {
  it("is opened as what it is, and refused as what it is not", () => {
    const directory = freshBpffs();
    const { name, loaded, p } = counter();
    using _ = loaded;
    using link = p.attach({ dev: "a", netns: vethNamespace() });
    p.pin(`${directory}/program`);
    link.pin(`${directory}/link`);
    loaded.map(`st_${name}`).pin(`${directory}/map`);
    expect(listPins(directory)).toEqual([
      { path: `${directory}/link`, kind: "link", id: link.info().id },
      { path: `${directory}/map`, kind: "map", id: loaded.map(`st_${name}`).info().id },
      { path: `${directory}/program`, kind: "program", id: p.info().id },
    ]);
    const openers = { program: openPinnedProgram, map: openPinnedMap, link: openPinnedLink } as const;
    const codes: Record<string, string> = { program: "NO_SUCH_PROGRAM", map: "MAP", link: "NOTHING_ATTACHED" };
    for (const [wanted, open] of Object.entries(openers)) {
      const code = codes[wanted];
      for (const found of Object.keys(openers).filter((kind) => kind !== wanted)) {
        expect(failure(() => open(`${directory}/${found}`))).toMatchObject({
          code,
          message: `There is no pinned ${wanted} at ${directory}/${found}.`,
          why: `What is pinned there is a ${found}.`,
        });
      }
      expect(failure(() => open(`${directory}/nothing`))).toMatchObject({ code, why: "The file does not exist." });
      expect(failure(() => open("/proc/version"))).toMatchObject({ why: "The file is not in a BPF file system." });
      expect(failure(() => open(directory))).toMatchObject({ code });
    }
  });

  it("keeps a program with its maps, to be run and attached after its loader", () => {
    const directory = freshBpffs();
    const { name, loaded, p } = counter();
    p.pin(`${directory}/program`);
    p.run(PACKET);
    const { id } = p.info();
    loaded.close();
    using again = openPinnedProgram(`${directory}/program`);
    expect(again).toMatchObject({ name: `p_${name}`.slice(0, 15), type: "xdp" });
    expect(again.info().id).toBe(id);
    expect(again.run(PACKET).action).toBe(2);
    const map = again.openMaps().get(`st_${name}`.slice(0, 15));
    if (!(map instanceof PerCpuArrayMap)) throw new Error("no counters");
    using counters = map as PerCpuArrayMap<{ rx_packets: bigint }>;
    expect(counters.sum(2)).toMatchObject({ rx_packets: 2n });
    const namespace = vethNamespace();
    using _link = again.attach({ dev: "a", netns: namespace });
    expect(attachedXdp("a", { netns: namespace })).toMatchObject([{ id }]);
  });

  it("may have been pinned by bpftool, and bpftool reads what we pin", () => {
    const directory = freshBpffs();
    const { loaded, p } = counter();
    const id = `${p.info().id}`;
    execFileSync("bpftool", ["prog", "pin", "id", id, `${directory}/theirs`]);
    p.pin(`${directory}/ours`);
    loaded.close();
    using opened = openPinnedProgram(`${directory}/theirs`);
    expect(`${opened.info().id}`).toBe(id);
    const shown = JSON.parse(
      execFileSync("bpftool", ["-j", "prog", "show", "pinned", `${directory}/ours`], { encoding: "utf8" }),
    );
    expect(`${shown.id}`).toBe(id);
  });

  it("is removed by unpin, which says what it was, and removes nothing else", () => {
    const directory = freshBpffs();
    const { loaded, p } = counter();
    using _ = loaded;
    p.pin(`${directory}/program`);
    expect(unpin(`${directory}/program`)).toEqual({ path: `${directory}/program`, kind: "program", id: p.info().id });
    expect(existsSync(`${directory}/program`)).toBe(false);
    mkdirSync(`${directory}/folder`);
    for (const path of [`${directory}/program`, `${directory}/folder`, "/etc/hostname"]) {
      expect(failure(() => unpin(path))).toMatchObject({
        code: "MAP",
        message: `There is no pin at ${path}: nothing was removed.`,
      });
    }
  });
});

describe.skipIf(reason !== "")(`what is attached${reason}`, () => {
  it("gives its program, by id", () => {
    const namespace = vethNamespace();
    const { loaded, p } = counter();
    const { id } = p.info();
    p.attachPersistently({ dev: "a", netns: namespace });
    loaded.close();
    const [attached] = attachedXdp("a", { netns: namespace });
    using program = openProgram(attached?.id ?? 0);
    expect(program.info().id).toBe(id);
    expect(failure(() => openProgram(0x7fff_ffff))).toMatchObject({ code: "NO_SUCH_PROGRAM" });
  });

  it("gives its link, which then stays without the first holder, and takes another program", () => {
    const namespace = vethNamespace();
    const { loaded, p, q } = counter();
    const { loaded: others, q: other } = counter();
    using _ = others;
    const first = p.attach({ dev: "a", netns: namespace, mode: "skb" });
    const second = adoptLink(first.info().id, { netns: namespace });
    expect(second).toMatchObject({ dev: "a", mode: "skb", attached: true });
    first.fd.close();
    loaded.close();
    expect(attachedXdp("a", { netns: namespace })).toMatchObject([{ name: p.name }]);
    second.update(other);
    expect(attachedXdp("a", { netns: namespace })).toMatchObject([{ id: other.info().id }]);
    expect(q.fd.closed).toBe(true);
    second[Symbol.dispose]();
    expect(attachedXdp("a", { netns: namespace })).toEqual([]);
  });

  it("gives its link by a pin, also after the device was renamed, and not when the device is gone or elsewhere", () => {
    const directory = freshBpffs();
    const namespace = vethNamespace();
    const { loaded, p } = counter();
    const made = p.attach({ dev: "a", netns: namespace });
    made.pin(`${directory}/link`);
    loaded.close();
    execFileSync("ip", ["-n", namespace, "link", "set", "dev", "a", "name", "z"]);
    {
      using link = openPinnedLink(`${directory}/link`, { netns: namespace });
      expect(link.dev).toBe("z");
    }
    const empty = freshNamespace();
    expect(failure(() => openPinnedLink(`${directory}/link`, { netns: empty }))).toMatchObject({ code: "NO_SUCH_DEVICE" });
    inNamespace(namespace, () => deleteLink(getLink("z").ifindex));
    expect(failure(() => openPinnedLink(`${directory}/link`, { netns: namespace }))).toMatchObject({
      code: "NOTHING_ATTACHED",
    });
    expect(failure(() => adoptLink(0x7fff_ffff))).toMatchObject({ code: "NOTHING_ATTACHED" });
  });

  it.skipIf(!hasTcx)(`gives TCX links too${hasTcx ? "" : " (skipped: needs TCX, Linux 6.6)"}`, () => {
    const namespace = vethNamespace();
    const name = uniqueName();
    const spec = { ...constant(`t_${name}`, -1), section: "tc", type: "sched_cls" as const };
    using loaded = loadSpec(object([spec], []));
    using made = loaded.program(`t_${name}`).attach({ dev: "a", netns: namespace, direction: "egress", via: "tcx" });
    using link = adoptLink(made.info().id, { netns: namespace });
    expect(link).toMatchObject({ dev: "a", direction: "egress", via: "tcx" });
    link.detach();
    expect(made.info().ifindex).toBe(0);
  });
});

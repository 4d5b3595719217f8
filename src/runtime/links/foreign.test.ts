/** What other people's tools attached, seen, replaced and removed by us; what libxdp keeps of its programs; and drivers that refuse. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { failure } from "../../../test/failure.ts";
import { constant, object } from "../../../test/fixtures/objects.ts";
import { lacking } from "../../../test/foreign-tools.ts";
import { freshBpffs } from "../../../test/kernel-objects.ts";
import { freshNamespace, uniqueName } from "../../../test/own-network.ts";
import { inNamespace } from "../../sys/namespaces.ts";
import { addVethPair, getLink } from "../../sys/netlink/index.ts";
import { loadSpec } from "../load.ts";
import { attachedXdp } from "./device.ts";
import { attachPersistently, detachXdp } from "./xdp-netlink.ts";

const missing = lacking("root", "ip", "bpftool");
const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: "utf8" });

function onWire(work: (namespace: string) => void): void {
  const namespace = freshNamespace();
  inNamespace(namespace, () => {
    addVethPair({ name: "a", peerName: "b" });
    work(namespace);
  });
}

const load = (...names: string[]) =>
  loadSpec(
    object(
      names.map((name) => constant(name, 2)),
      [],
    ),
  );

describe.skipIf(missing !== "")(`programs of other tools${missing}`, () => {
  it("by bpftool: seen, not replaced by accident, replaced by force, removed", () => {
    const name = uniqueName();
    using loaded = load(`p_${name}`, `q_${name}`);
    const [p, q] = [loaded.program(`p_${name}`), loaded.program(`q_${name}`)];
    onWire(() => {
      run("bpftool", "net", "attach", "xdpgeneric", "id", `${p.info().id}`, "dev", "a");
      expect(attachedXdp("a")).toMatchObject([{ id: p.info().id, mode: "skb", linkId: null }]);
      expect(failure(() => q.attach({ dev: "a" }))).toMatchObject({ code: "DEVICE_BUSY" });
      expect(attachPersistently(q, { dev: "a", force: true })).toMatchObject({ mode: "skb", atomic: true });
      expect(run("bpftool", "net", "show", "dev", "a")).toContain(`generic id ${q.info().id}`);
      run("bpftool", "net", "detach", "xdpgeneric", "dev", "a");
      expect(attachedXdp("a")).toEqual([]);
    });
  });

  it("by ip from a pin of ours, and by our command from a pin of bpftool's", () => {
    const directory = freshBpffs();
    const name = uniqueName();
    using loaded = load(`p_${name}`);
    const p = loaded.program(`p_${name}`);
    p.pin(`${directory}/p`);
    onWire(() => {
      run("ip", "link", "set", "dev", "a", "xdp", "pinned", `${directory}/p`);
      expect(attachedXdp("a")).toMatchObject([{ id: p.info().id, mode: "native" }]);
      expect(detachXdp("a")).toMatchObject([{ id: p.info().id }]);
      expect(detachXdp("a")).toEqual([]);
    });
  });

  it("replaces only the one that is expected", () => {
    const name = uniqueName();
    using loaded = load(`p_${name}`, `q_${name}`, `r_${name}`);
    const [p, q, r] = ["p", "q", "r"].map((letter) => loaded.program(`${letter}_${name}`)) as [
      ReturnType<typeof loaded.program>,
      ReturnType<typeof loaded.program>,
      ReturnType<typeof loaded.program>,
    ];
    onWire(() => {
      expect(failure(() => attachPersistently(q, { dev: "a", replace: p.info().id }))).toMatchObject({
        code: "DEVICE_BUSY",
        why: "There is no XDP program on it.",
      });
      attachPersistently(p, { dev: "a" });
      attachPersistently(q, { dev: "a", replace: p.info().id });
      expect(failure(() => attachPersistently(r, { dev: "a", replace: p.info().id }))).toMatchObject({ code: "DEVICE_BUSY" });
      expect(attachedXdp("a")).toMatchObject([{ id: q.info().id }]);
      using link = r.attach({ dev: "a", replace: q.info().id });
      expect(attachedXdp("a")).toMatchObject([{ id: r.info().id, linkId: link.info().id }]);
    });
  });

  it("on links that cannot be told apart: none is detached rather than the wrong one", () => {
    const name = uniqueName();
    using loaded = load(`p_${name}`);
    const p = loaded.program(`p_${name}`);
    const [first, second] = [freshNamespace(), freshNamespace()];
    for (const netns of [first, second]) inNamespace(netns, () => addVethPair({ name: "a", peerName: "b" }));
    using _one = p.attach({ dev: "a", netns: first });
    const two = p.attach({ dev: "a", netns: second });
    expect(failure(() => detachXdp("a", { netns: second, force: true }))).toMatchObject({ code: "DEVICE_BUSY" });
    expect(attachedXdp("a", { netns: first })).toHaveLength(1);
    expect(attachedXdp("a", { netns: second })).toHaveLength(1);
    two.detach();
    expect(detachXdp("a", { netns: first, force: true })).toHaveLength(1);
  });

  it("of libxdp: its dispatcher is recognised, and the programs behind it are named", () => {
    const directory = freshBpffs();
    const name = uniqueName();
    using loaded = load("xdp_dispatcher", `one_${name}`, `two_${name}`, `mine_${name}`);
    onWire(() => {
      const dispatcher = loaded.program("xdp_dispatcher");
      attachPersistently(dispatcher, { dev: "a" });
      // As libxdp's protocol has it.
      const place = `${directory}/xdp/dispatch-${getLink("a").ifindex}-${dispatcher.info().id}`;
      mkdirSync(place, { recursive: true });
      loaded.program(`one_${name}`).pin(`${place}/prog0-prog`);
      loaded.program(`two_${name}`).pin(`${place}/prog1-prog`);
      const busy = failure(() => loaded.program(`mine_${name}`).attach({ dev: "a" }));
      expect(busy.code).toBe("DEVICE_BUSY");
      const [one, two] = ["one", "two"].map((each) => loaded.program(`${each}_${name}`).info());
      expect(busy.why).toContain(`it runs "${one?.name}" (id ${one?.id}), then "${two?.name}" (id ${two?.id}).`);
      expect(busy.fix).toContain("xdp-loader load a program.o");
    });
  });
});

describe.skipIf(missing !== "")(`drivers that refuse${missing}`, () => {
  it("say why: frames too long for native mode, no card that runs programs", () => {
    const name = uniqueName();
    using loaded = load(`p_${name}`);
    const p = loaded.program(`p_${name}`);
    onWire(() => {
      run("ip", "link", "set", "dev", "b", "mtu", "9000");
      const refused = failure(() => p.attach({ dev: "a", mode: "native" }));
      expect(refused).toMatchObject({ code: "MODE_UNSUPPORTED" });
      expect(refused.why).toMatch(/The kernel says: .*MTU/);
      {
        using link = p.attach({ dev: "a" });
        expect(link).toMatchObject({ mode: "skb", fallback: expect.stringContaining("MTU") });
      }
      expect(failure(() => p.attach({ dev: "a", mode: "hw" }))).toMatchObject({
        code: "MODE_UNSUPPORTED",
        fix: expect.stringContaining("only a card that runs eBPF itself"),
      });
    });
  });
});

/** TC programs, other namespaces, devices that come and go, pins, and two commands at once: the command line's whole life of a program. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cannotRun, ECHO, ended, needs, PASS, printed, ROOT, Sandbox, titled } from "./sandbox.ts";

const METADATA = join(ROOT, "src/programs/metadata.bpf.ts");

describe.skipIf(cannotRun !== null)(titled("programs and devices"), () => {
  let box: Sandbox;
  let dev: string;
  let count = 0;

  beforeAll(() => {
    box = new Sandbox();
  });
  afterAll(() => box[Symbol.dispose]());
  beforeEach(() => {
    dev = `t${process.pid.toString(36)}${count++}`;
    box.addVeth(dev);
  });

  const works = (...args: string[]): string => {
    const { status, stdout, stderr } = box.wirescript(...args);
    if (status !== 0) throw new Error(`wirescript ${args.join(" ")}: ${status}\n${stdout}${stderr}`);
    return stdout;
  };
  const statusOf = (...args: string[]) => JSON.parse(works("status", "--json", ...args));

  test.skipIf(needs("tc") !== "")(`a TC program is attached where tc sees it, and taken off${needs("tc")}`, () => {
    const said = works("load", "--tc", dev, METADATA);
    expect(said).toContain(`Attached tc_mark to the ingress of ${dev}.`);
    expect(box.output("tc", "filter", "show", "dev", dev, "ingress")).toContain("tc_mark:[wirescript+clsact] direct-action");
    const [{ programs }] = statusOf(dev);
    expect(programs).toMatchObject([
      { hook: "clsact ingress", mode: null, name: "tc_mark", linkId: null, filter: { priority: 49152 } },
    ]);
    expect(works("status", dev)).toMatch(/clsact ingress priority 49152 +tc_mark/);

    const twice = box.wirescript("load", "--ingress", dev, METADATA);
    expect(twice.status).toBe(7);
    expect(twice.stderr).toContain('already has the program "tc_mark"');
    expect(works("load", "--ingress", "--force", dev, METADATA)).toContain("replaced  tc_mark");
    const nothing = box.wirescript("unload", dev);
    expect(nothing.stderr).toContain(`wirescript unload ${dev} --ingress`);
    expect(works("unload", dev, "--ingress")).toMatch(/^Removed "tc_mark" \(id \d+\) from the ingress of .*: clsact\.$/m);
    expect(box.output("tc", "qdisc", "show", "dev", dev)).not.toContain("clsact");
    expect(box.wirescript("unload", dev, "--tc").status).toBe(15);
  });

  test("several TC programs are taken off one by one", () => {
    works("load", "--tc", dev, METADATA);
    works("load", "--tc", "--priority", "5", dev, METADATA);
    const several = box.wirescript("unload", dev, "--tc");
    expect(several.status).toBe(2);
    expect(several.stderr).toContain("has several TC programs");
    const [{ programs }] = statusOf(dev);
    expect(programs.map(({ filter }: { filter: { priority: number } }) => filter.priority)).toEqual([5, 49152]);
    works("unload", dev, "--tc", "--prog", `${programs[0].id}`);
    works("unload", dev, "--tc");
    expect(box.wirescript("load", "--tc", "--priority", "70000", dev, METADATA).stderr).toContain("70000 is no priority");
    expect(box.wirescript("load", "--egress", dev, METADATA).stderr).toContain("no program for TC egress");
  });

  test("another network namespace is named, or given by a process in it; its pins are kept apart", () => {
    const name = `n${process.pid.toString(36)}`;
    box.output("ip", "netns", "add", name);
    try {
      box.output("ip", "link", "set", "dev", `${dev}p`, "netns", name);
      box.output("ip", "-n", name, "link", "set", "dev", `${dev}p`, "name", dev);
      const said = works("load", "--netns", name, dev, ECHO);
      expect(said).toContain(`pinned    /sys/fs/bpf/netns-${name}/${dev}/xdp_stats_map`);
      expect(said).toContain(`wirescript unload ${dev} --netns ${name}`);
      expect(JSON.parse(box.output("ip", "-n", name, "-j", "-d", "link", "show", "dev", dev))[0].xdp.prog.name).toBe("echo");
      expect(statusOf(dev)[0].programs).toEqual([]);
      // What is advised acts there too, and not on the device of the same name here.
      expect(box.wirescript("load", "--netns", name, dev, ECHO).stderr).toContain(`wirescript unload --netns ${name} ${dev}`);
      const filter = works("load", "--netns", `/run/netns/${name}`, "--tc", dev, METADATA);
      expect(filter).toContain(`tc -n ${name} filter show dev ${dev} ingress`);
      works("unload", "--netns", name, dev, "--tc");
      expect(statusOf("--netns", `/run/netns/${name}`, dev)[0].programs).toMatchObject([{ hook: "xdp", name: "echo" }]);
      works("stats", "--netns", name, dev, "--count", "1");
      expect(works("unload", "--netns", `/run/netns/${name}`, dev)).toContain(
        `Removed the empty directory /sys/fs/bpf/netns-${name}/${dev}.`,
      );
      expect(box.output("ls", "/sys/fs/bpf")).not.toContain(name);
    } finally {
      box.output("ip", "netns", "delete", name);
    }
    const gone = box.wirescript("load", "--netns", name, dev, ECHO);
    expect(gone.status).toBe(16);
    expect(gone.stderr).toContain(`There is no network namespace "${name}".`);
    expect(box.wirescript("status", "--netns", "4000000").stderr).toContain("There is no process 4000000.");
  });

  test("--follow attaches again when the device comes back, keeps the counters, and ends with Ctrl-C", async () => {
    box.output("ip", "link", "delete", "dev", dev);
    const child = box.start("load", "--follow", dev, ECHO);
    const end = ended(child);
    try {
      await printed(child, `There is no ${dev} yet: waiting for it.`);
      box.addVeth(dev);
      await printed(child, `Attached echo to ${dev}`);
      const [{ programs: first }] = statusOf(dev);
      box.output("ip", "link", "delete", "dev", dev);
      await printed(child, "is gone: waiting until it comes back.");
      box.addVeth(dev);
      await printed(child, `Attached echo to ${dev}`);
      expect(statusOf(dev)[0].programs).toMatchObject([{ id: first[0].id, maps: first[0].maps }]);
      child.kill("SIGINT");
      expect(await end).toMatchObject({ status: 130, stderr: `Stopped. echo stays on ${dev}.\n` });
      expect(statusOf(dev)[0].programs).toMatchObject([{ id: first[0].id }]);
      works("unload", dev);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("stats says that its device vanished, and unload then removes what is left", async () => {
    works("load", dev, ECHO);
    const child = box.start("stats", dev, "--interval", "0.05");
    const end = ended(child);
    await printed(child, "XDP_REDIRECT");
    box.output("ip", "link", "delete", "dev", dev);
    const { status, stderr } = await end;
    expect(status).toBe(5);
    expect(stderr).toContain(`${dev} is gone, and its programs with it`);
    expect(works("unload", dev)).toContain(`Unpinned /sys/fs/bpf/${dev}/xdp_stats_map.`);
    expect(box.wirescript("unload", dev).status).toBe(5);
  });

  test("pins are made and removed, and those that somebody else made are named", () => {
    works("load", dev, ECHO);
    const [{ id, maps }] = statusOf(dev)[0].programs;
    const pins = "/sys/fs/bpf/own";
    expect(works("pin", "map", `${maps[0].id}`, `${pins}/counters`)).toBe(`Pinned map ${maps[0].id} at ${pins}/counters.\n`);
    works("pin", "prog", "id", `${id}`, `${pins}/program`);
    works("pin", "map", "pinned", `${pins}/counters`, `${pins}/again`);
    works("unpin", `${pins}/again`);
    expect(box.wirescript("pin", "prog", `${id}`, `${pins}/program`).stderr).toContain("The path is taken.");
    expect(works("unload", dev)).toContain(`Left ${pins}/counters, a pin of its map in a place that others may share`);
    expect(works("unpin", `${pins}/counters`, `${pins}/program`)).toBe(
      `Unpinned ${pins}/counters: map ${maps[0].id}.\nUnpinned ${pins}/program: prog ${id}.\n`.replace("prog ", "program "),
    );
    expect(box.wirescript("unpin", `${pins}/program`).status).toBe(12);
    expect(box.wirescript("pin", "prog", "zero", `${pins}/x`).status).toBe(6);
    expect(box.wirescript("pin", "link", "zero", `${pins}/x`).stderr).toContain("Links have no names, only ids.");
    expect(box.wirescript("pin", "prog", `${id}`).stderr).toContain("does not say where to pin it");
    expect(box.wirescript("pin", "cat", "1", `${pins}/x`).status).toBe(2);
    expect(box.wirescript("pin", "map", "4294967290", `${pins}/x`).status).toBe(12);
    box.output("rmdir", pins);
  });

  test("of two loads at once one wins, and the other says who did", async () => {
    const both = [box.start("load", dev, ECHO), box.start("load", dev, PASS)];
    const outcomes = await Promise.all(both.map(ended));
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual([0, 7]);
    const loser = outcomes.find(({ status }) => status === 7);
    const [{ name, id }] = statusOf(dev)[0].programs;
    expect(loser?.stderr).toContain(`${dev} already has the XDP program "${name}" (id ${id}, `);
    expect(statusOf(dev)[0].programs[0].maps[0].pins).toEqual([`/sys/fs/bpf/${dev}/xdp_stats_map`]);
    works("unload", dev);
  });

  test.skipIf(needs("xdp-loader") !== "")(`what xdp-loader and ip attach is seen and taken off${needs("xdp-loader")}`, () => {
    const object = join(box.directory, "pass.o");
    works("build", PASS, "-o", object);
    box.output("sh", "-c", "mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf");
    box.output("xdp-loader", "load", "-m", "skb", dev, object);
    const [{ programs }] = statusOf(dev);
    expect(programs).toMatchObject([{ hook: "xdp", mode: "skb" }]);
    expect(box.wirescript("load", dev, ECHO).stderr).toContain(`already has the XDP program "${programs[0].name}"`);
    works("unload", dev);
    box.output("ip", "link", "set", "dev", dev, "xdpgeneric", "obj", object, "sec", "xdp");
    // ip pins maps where programs share them, which is not ours to remove.
    const left = /^Left (\S+), a pin of its map/m.exec(works("unload", dev))?.[1] ?? "";
    expect(left).toMatch(/^\/sys\/fs\/bpf\/.*xdp_stats_map$/);
    works("unpin", left);
    expect(statusOf(dev)[0].programs).toEqual([]);
  });

  test("without the right to change the network, attaching says what is missing, and commands do", () => {
    const script = join(box.directory, "denied.mjs");
    writeFileSync(
      script,
      `import { load } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
      const object = await load(${JSON.stringify(METADATA)});
      const dev = ${JSON.stringify(dev)};
      const ways = [
        () => object.program("xdp_mark").attachPersistently({ dev }),
        () => object.program("tc_mark").attachPersistently({ dev, direction: "ingress" }),
      ];
      for (const way of ways) {
        try { way(); console.log("attached"); } catch ({ code, why, fix }) { console.log(code, /CAP_NET_ADMIN/.test(why + fix)); }
      }`,
    );
    // CAP_SYS_ADMIN is enough for BPF, links included, and not for netlink.
    const bounds = ["--bounding-set=-all,+bpf,+perfmon,+sys_admin,+dac_override", "--inh-caps=-all"];
    const { stdout, stderr } = box.run("setpriv", [...bounds, "--", process.execPath, script]);
    expect([stdout, stderr]).toEqual(["NO_PRIVILEGES true\nNO_PRIVILEGES true\n", ""]);
    for (const args of [
      ["pin", "map", "1", "/sys/fs/bpf/x"],
      ["unpin", "/sys/fs/bpf/x"],
      ["load", "--tc", dev, METADATA],
    ])
      expect(box.unprivileged(...args).status).toBe(3);
  });

  test("a busy device names the process and the pin that hold its link", async () => {
    const script = join(box.directory, "hold.mjs");
    writeFileSync(
      script,
      `import { load } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
      const object = await load(${JSON.stringify(PASS)});
      const link = object.program("pass").attach({ dev: ${JSON.stringify(dev)} });
      link.pin("/sys/fs/bpf/held");
      console.log("attached", process.pid);
      setInterval(() => {}, 1000);`,
    );
    box.output("sh", "-c", "mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf");
    const child = box.startNode(script);
    const end = ended(child);
    try {
      await printed(child, "attached");
      const busy = box.wirescript("load", dev, ECHO);
      expect(busy.status).toBe(7);
      expect(busy.stderr).toMatch(new RegExp(`held by process ${child.pid} \\(.+\\) and the pin /sys/fs/bpf/held`));
      expect(works("status", dev)).toMatch(new RegExp(`xdp native +pass .* link \\d+: /sys/fs/bpf/held .+ \\(${child.pid}\\)`));
      const refused = box.wirescript("unload", dev);
      expect(refused.status).toBe(7);
      expect(refused.stderr).toContain("wirescript unpin /sys/fs/bpf/held");
      const forced = works("load", "--force", dev, ECHO);
      const holders = `held by process ${child.pid} \\(.+\\) and the pin /sys/fs/bpf/held`;
      expect(forced).toMatch(new RegExp(`detached {2}bpf_link \\d+, ${holders}`));
      child.kill("SIGKILL");
      await end;
      works("unload", dev);
      works("unpin", "/sys/fs/bpf/held");
      expect(statusOf(dev)[0].programs).toEqual([]);
    } finally {
      child.kill("SIGKILL");
      rmSync(script, { force: true });
    }
  });
});

/** `wirescript links`, `trace`, `top` and `features`: what is attached, what programs say, how busy they are, what the kernel can do. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BIN, cannotRun, ended, needs, PASS, printed, ROOT, Sandbox, titled } from "./sandbox.ts";

const unique = `w${process.pid.toString(36)}`;

describe.skipIf(cannotRun !== null)(titled("watching the kernel"), () => {
  let box: Sandbox;
  const dev = `${unique}d`;
  const path = (name: string) => join(box.directory, name);
  const json = (...args: string[]) => {
    const { status, stdout, stderr } = box.wirescript(...args, "--json");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return JSON.parse(stdout);
  };

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    writeFileSync(
      path("says.bpf.ts"),
      `import { trace, XDP_PASS, xdp } from "wirescript/kernel";\nexport const ${unique}s = xdp((ctx) => { trace\`${unique} says \${ctx.length}\`; return XDP_PASS; });\n`,
    );
    writeFileSync(
      path("tc.bpf.ts"),
      `import { tc, TC_ACT_OK } from "wirescript/kernel";\nexport const ${unique}t = tc.egress(() => TC_ACT_OK);\n`,
    );
    // A process of its own, which holds two links.
    writeFileSync(
      path("hold.mjs"),
      `import { load } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
const pass = await load(${JSON.stringify(PASS)});
pass.programs.pass.attach({ dev: "${dev}p", mode: "native" });
const tc = await load("${path("tc.bpf.ts")}");
tc.program("${unique}t").attach({ dev: "${dev}p", direction: "egress" });
console.log("ready");
setInterval(() => {}, 1000);
`,
    );
  });
  afterAll(() => box[Symbol.dispose]());

  test.skipIf(needs("bpftool") !== "")(
    `links with their devices and holders, as bpftool sees them${needs("bpftool")}`,
    async () => {
      expect(box.wirescript("load", dev, PASS).status).toBe(0);
      const holder = box.spawn(process.execPath, [path("hold.mjs")]);
      try {
        await printed(holder, "ready");
        const rows: {
          linkId: number | null;
          hook: string;
          mode: string;
          dev: string;
          program: { id: number };
          processes: { pid: number }[];
        }[] = json("links");
        const mine = rows.filter((row) => row.dev?.startsWith(dev));
        expect(mine).toMatchObject(
          expect.arrayContaining([
            expect.objectContaining({
              linkId: null,
              hook: "xdp",
              mode: "native",
              dev,
              program: expect.objectContaining({ name: "pass" }),
            }),
            expect.objectContaining({ linkId: expect.any(Number), hook: "xdp", mode: "native", dev: `${dev}p` }),
            expect.objectContaining({ linkId: expect.any(Number), hook: "tcx egress", mode: null, dev: `${dev}p` }),
          ]),
        );
        const theirs: { id: number; prog_id: number }[] = JSON.parse(box.output("bpftool", "-j", "link", "show"));
        for (const { linkId, program, processes } of mine) {
          if (linkId === null) continue;
          expect(theirs.find(({ id }) => id === linkId)).toMatchObject({ prog_id: program.id });
          expect(processes.map(({ pid }) => pid)).toEqual([holder.pid]);
        }
        const text = box.wirescript("links").stdout;
        expect(text).toMatch(
          new RegExp(`^\\d+ +tcx egress +${dev}p +- +${unique}t \\(\\d+\\) +\\S+ \\(${holder.pid}\\)$`, "m"),
        );
        expect(text).toMatch(new RegExp(`^- +xdp native +${dev} +- +pass \\(\\d+\\) +the device$`, "m"));
        const shown = box.wirescript("progs", "show", `${unique}t`).stdout;
        expect(shown).toMatch(new RegExp(`^attached {2}${dev}p \\(tcx egress, link \\d+\\)$`, "m"));
      } finally {
        holder.kill();
        await ended(holder);
        box.wirescript("unload", dev);
      }
    },
  );

  test("a program in another network namespace is found by the namespace's name", () => {
    box.output("ip", "netns", "add", `${unique}n`);
    box.output("ip", "link", "add", `${unique}x`, "type", "veth", "peer", "name", "inside", "netns", `${unique}n`);
    box.output("ip", "netns", "exec", `${unique}n`, process.execPath, join(ROOT, "bin/wirescript.js"), "load", "inside", PASS);
    const rows: { dev: string; netns: string | null }[] = json("links");
    expect(rows.find(({ dev }) => dev === "inside")).toMatchObject({ netns: `${unique}n`, hook: "xdp", linkId: null });
    box.output("ip", "netns", "delete", `${unique}n`);
  });

  test("trace prints what a program says, mounts tracefs and says so, and lets nobody else read meanwhile", async () => {
    while (box.run("umount", ["/sys/kernel/tracing"]).status === 0);
    while (box.run("umount", ["/sys/kernel/debug"]).status === 0);
    // Somebody else on this machine may be reading; then that is over soon.
    await expect.poll(() => box.wirescript("trace", "--no-follow").status).toBe(0);
    while (box.run("umount", ["/sys/kernel/tracing"]).status === 0);
    const child = box.start("trace", "--json");
    const end = ended(child);
    const notes = new Promise<string>((resolve) => child.stderr?.once("data", (chunk) => resolve(`${chunk}`)));
    expect(await notes).toContain("Mounted tracefs at /sys/kernel/tracing");
    await expect
      .poll(() => box.wirescript("trace", "--no-follow"))
      .toMatchObject({
        status: 7,
        stderr: expect.stringMatching(new RegExp(`one reader at a time, now process ${child.pid} \\(`)),
      });
    const lines = printed(child, `${unique} says 42`);
    expect(box.wirescript("run", path("says.bpf.ts"), "-p", "eth/ip/udp").status).toBe(0);
    await lines;
    child.kill("SIGINT");
    const { status, stdout, stderr } = await end;
    expect(status).toBe(130);
    expect(stderr).toContain("Only the watching ended");
    const said = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const line = said.find(({ message }) => message === `${unique} says 42`);
    expect(line).toMatchObject({
      event: "bpf_trace_printk",
      cpu: expect.any(Number),
      at: expect.any(Number),
      pid: expect.any(Number),
    });
    expect(box.wirescript("run", path("says.bpf.ts"), "-p", "eth/ip6/tcp").status).toBe(0);
    expect(box.wirescript("trace", "--no-follow").stdout).toMatch(
      new RegExp(`^\\d+\\.\\d{6} {2}cpu \\d+ {2}\\S+-\\d+ +${unique} says 74$`, "m"),
    );
  });

  test("top counts runs while it looks, and only then", async () => {
    const name = `${unique}s`;
    expect(box.wirescript("load", dev, path("says.bpf.ts")).status).toBe(0);
    const child = box.start("top", "--interval", "0.2", "--json");
    const end = ended(child);
    await printed(child, "seconds");
    const seen = printed(child, `"name":"${name}"`);
    for (let round = 0; round < 3; round++) box.wirescript("run", name, "-p", "eth/ip/udp", "--repeat", "50000");
    await seen;
    child.kill("SIGINT");
    const { status, stdout } = await end;
    expect(status).toBe(130);
    const programs = stdout
      .trim()
      .split("\n")
      .flatMap((line) => JSON.parse(line).programs);
    const busy = programs.filter((program) => program.name === name && program.runs > 100);
    expect(busy.length).toBeGreaterThan(0);
    for (const { runs, runTime, nanosecondsPerRun, cpuShare, runsPerSecond } of busy) {
      expect(nanosecondsPerRun).toBeCloseTo(runTime / runs);
      expect(cpuShare).toBeGreaterThan(0);
      expect(runsPerSecond).toBeGreaterThan(0);
    }
    const once = box.wirescript("top", "--once", "--interval", "0.1", "--all");
    expect(once.status).toBe(0);
    expect(once.stdout).toMatch(/^\d+ of \d+ programs ran, \d+\.\d+ % of one CPU\nID +Type +Name +Runs\/s {2}ns\/run +CPU$/m);
    expect(once.stdout).toContain(name);
    expect(once.stdout).not.toContain("\x1b");
    box.wirescript("unload", dev);
  });

  test.skipIf(needs("script") !== "")(`top keeps its lines whole on a terminal of 40 columns${needs("script")}`, () => {
    expect(box.wirescript("load", dev, path("says.bpf.ts")).status).toBe(0);
    const command = `stty cols 40 rows 12; exec '${process.execPath}' '${BIN}' top --all --interval 0.05 --count 2`;
    const { status, stdout } = box.run("script", ["-qec", command, "/dev/null"]);
    box.wirescript("unload", dev);
    expect(status).toBe(0);
    expect(stdout).toContain("ns/run");
    const lines = stripVTControlCharacters(stdout).split(/\r?\n/);
    expect(lines.filter((line) => line.length > 40)).toEqual([]);
    expect(lines.length).toBeLessThanOrEqual(2 * 12);
  });

  describe("features", () => {
    test.skipIf(needs("bpftool") !== "")(`agree with bpftool's probes${needs("bpftool")}`, () => {
      const { kernel } = json("features");
      const theirs = JSON.parse(box.output("bpftool", "-j", "feature", "probe", "kernel"));
      for (const [type, there] of Object.entries(kernel.programTypes)) {
        const bpftool = theirs.program_types[`have_${type}_prog_type`];
        if (bpftool !== undefined) expect([type, there]).toEqual([type, bpftool]);
      }
      for (const [type, there] of Object.entries(kernel.mapTypes)) {
        const bpftool = theirs.map_types[`have_${type.toLowerCase()}_map_type`];
        if (bpftool !== undefined) expect([type, there]).toEqual([type, bpftool]);
      }
      // Since Linux 6.11 the verifier refuses in words that Debian's bpftool does not know, which then counts too many helpers; never too few.
      for (const [ours, name] of [
        ["xdp", "xdp"],
        ["tc", "sched_cls"],
      ] as const) {
        const available: string[] = theirs.helpers[`${name}_available_helpers`] ?? [];
        const newer = kernel.helpers[ours].filter((helper: string) => !available.includes(`bpf_${helper}`));
        // What is newer than Debian's bpftool it cannot know.
        expect(newer.filter((helper: string) => !/^(cgrp_storage|user_ringbuf|dynptr)/.test(helper))).toEqual([]);
      }
      expect(kernel.helpers.xdp).toEqual(
        expect.arrayContaining(["map_lookup_elem", "xdp_adjust_head", "redirect_map", "fib_lookup"]),
      );
      expect(kernel.helpers.xdp).not.toContain("skb_store_bytes");
      expect(kernel.helpers.tc).toEqual(expect.arrayContaining(["skb_store_bytes", "redirect"]));
      expect(kernel.helpers.tc).not.toContain("xdp_adjust_head");
    });

    test("of this kernel are those that the tests of this project rely on, and probing leaves nothing", () => {
      const before = box.state(unique);
      const { kernel, device } = json("features", dev);
      expect(kernel).toMatchObject({ attaching: { xdpSkb: true, xdpLink: true, testRun: true }, btf: true });
      expect(device).toMatchObject({ dev, driver: "veth", mtu: 1500 });
      if (device.xdp !== null) expect(device.xdp).toEqual(expect.arrayContaining(["basic", "redirect"]));
      expect(json("features", "lo").device).toMatchObject({ driver: null });
      const { stdout } = box.wirescript("features", dev, "--helpers");
      expect(stdout).toMatch(/^ {2}yes {2}XDP by bpf_link$/m);
      expect(stdout).toContain("Helpers of XDP  map_lookup_elem");
      expect(stdout).toMatch(/^ {2}XDP {11}native XDP, /m);
      return expect.poll(() => box.state(unique)).toEqual(before);
    });
  });

  test.each<[number, string[], RegExp]>([
    [5, ["features", "nosuch"], /no network device "nosuch"/],
    [2, ["top", "--interval", "0"], /greater than 0/],
    [2, ["trace", "--count", "x"], /whole number/],
    [2, ["links", "extra"], /too many arguments/i],
  ])("exit status %i for %j", (status, args, says) => {
    const outcome = box.wirescript(...args);
    expect(outcome).toMatchObject({ status, stdout: "" });
    expect(outcome.stderr).toMatch(says);
    expect(outcome.stderr).toMatch(/^ {2}why: \S[\s\S]*^ {2}fix: \S/m);
  });

  test.each([["links"], ["trace"], ["top", "--once"], ["features"]])("without root: %s", (...args) => {
    const { status, stderr } = box.unprivileged(...args);
    expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringContaining("root") });
  });
});

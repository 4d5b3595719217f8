/** Pins that outlive what they were for. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { loadSpec } from "../../src/index.ts";
import { BPFFS_PATH } from "../../src/sys/mount.ts";
import { uniqueName } from "../own-network.ts";
import { sourceOf } from "../programs/subject.ts";
import { apply, cannotRun, examine, sh, titled, Ward, withBpffs } from "./ward.ts";

/** What the doctor finds of pins in the directory; other tests have theirs. */
const stale = (directory: string) => examine({}).filter(({ id, what }) => id === "stale-pins" && what.includes(directory));

/** A directory below the BPF file system, gone when the test ends. */
function pinDirectory(name = uniqueName()): string {
  withBpffs();
  const directory = join(BPFFS_PATH, name);
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const REDIRECT_MAP = sourceOf("programs/redirect-map.bpf.ts");

describe.skipIf(cannotRun !== null)(titled("pins"), () => {
  test("stale-pins: maps in a directory that is called after a device, when that is gone", async () => {
    const ward = new Ward();
    const name = uniqueName();
    ward.host(name, "10.77.0.1/24");
    const directory = pinDirectory(name);
    const object = loadSpec(compile(REDIRECT_MAP).spec, { pinPath: directory });
    expect(stale(directory), "a program has them").toEqual([]);
    object.close();
    await expect.poll(() => stale(directory)).toEqual([]);
    ward.ip(`link del ${name}`);
    await expect.poll(() => stale(directory)).toHaveLength(1);
    const [finding] = stale(directory);
    expect(finding?.evidence).toMatch(/map \d+ \(redirect_params\), map \d+ \(tx_port\)/);
    if (finding !== undefined) await apply(finding);
    expect(stale(directory)).toEqual([]);
  });

  test("stale-pins: maps of a device in a network namespace that is gone", async () => {
    const netns = uniqueName();
    const directory = join(pinDirectory(`netns-${netns}`), "veth0");
    sh(`ip netns add ${netns} && ip -n ${netns} link add veth0 type veth peer name other`);
    onTestFinished(() => void spawnSync("ip", ["netns", "del", netns]));
    loadSpec(compile(REDIRECT_MAP).spec, { pinPath: directory }).close();
    expect(stale(directory)).toEqual([]);
    sh(`ip netns del ${netns}`);
    await expect.poll(() => stale(directory)).toHaveLength(1);
  });

  test("stale-pins: a link whose device is gone", async () => {
    const ward = new Ward();
    ward.host("left", "10.77.0.1/24");
    const directory = pinDirectory();
    mkdirSync(directory);
    const path = join(directory, "link");
    const object = ward.load("import { xdp, XDP_PASS } from 'wirescript/kernel';\nexport const pass = xdp(() => XDP_PASS);\n");
    const link = object.program("pass").attach({ dev: "left", netns: ward.hub });
    link.pin(path);
    expect(stale(directory)).toEqual([]);
    ward.ip("link del left");
    const [finding] = stale(directory);
    expect(finding?.fix.command).toContain(directory);
    if (finding !== undefined) await apply(finding);
    expect(stale(directory)).toEqual([]);
  });

  test("stale-pins: programs of a dispatcher that is on no device", async () => {
    const ward = new Ward();
    const directory = join(pinDirectory(), "dispatch-2147483000-2147483000");
    mkdirSync(directory, { recursive: true });
    const object = ward.load("import { xdp, XDP_PASS } from 'wirescript/kernel';\nexport const pass = xdp(() => XDP_PASS);\n");
    object.program("pass").pin(join(directory, "prog0-prog"));
    const [finding] = stale(directory);
    expect(finding?.evidence).toContain("prog0-prog");
    if (finding !== undefined) await apply(finding);
    expect(stale(directory)).toEqual([]);
  });
});

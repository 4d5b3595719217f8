/** Whatever attaches and detaches waits its turn in a network namespace: `load` and `unload`, and the launchers of the lessons' workspaces. */
import type { ChildProcess } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, ended, needs, PASS, printed, ROOT, Sandbox, titled } from "./sandbox.ts";

const unique = `q${process.pid.toString(36)}`;

describe.skipIf(cannotRun !== null || needs("flock") !== "")(titled(`one at a time${needs("flock")}`), () => {
  let box: Sandbox;
  const dev = `${unique}d`;

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    expect(box.wirescript("build", PASS, "-o", join(box.directory, "pass.o")).status).toBe(0);
  });
  afterAll(() => box[Symbol.dispose]());

  const tool = (name: string, ...args: string[]) => {
    const object = join(box.directory, "pass.o");
    return ["tutorial", "run", "--with", object, "--", name, ...args.map((each) => (each === "FILE" ? object : each))];
  };
  const programs = () => JSON.parse(box.wirescript("status", dev, "--json").stdout)[0].programs.length;

  test.each<[string, () => string[]]>([
    ["load", () => ["load", dev, PASS]],
    ["unload", () => ["unload", dev]],
    ["xdp_loader", () => tool("xdp_loader", "--dev", dev, "--progsec", "xdp")],
    ["xdp_loader --unload", () => tool("xdp_loader", "--dev", dev, "--unload")],
    ["load.sh", () => tool("load.sh", dev)],
    ["unload.sh", () => tool("unload.sh", dev)],
    ["xdp-loader load", () => tool("xdp-loader", "load", dev, "FILE")],
    ["xdp-loader unload", () => tool("xdp-loader", "unload", "--all", dev)],
  ])("%s", async (_, command) => {
    const before = programs();
    // Holds the lock until its input ends.
    const holder = box.startGroup("flock", ["/proc/self/ns/net", "sh", "-c", "echo held; exec cat"], ROOT);
    const released = ended(holder);
    try {
      await printed(holder, "held");
      const child = box.start(...command());
      const end = ended(child);
      await expect.poll(() => waitsAtNamespace(child) || child.exitCode !== null).toBe(true);
      expect(child.exitCode).toBeNull();
      expect(programs()).toBe(before);
      holder.stdin?.end();
      await released;
      expect(await end).toMatchObject({ status: 0, stderr: "" });
      expect(programs()).toBe(1 - before);
    } finally {
      holder.stdin?.end();
    }
  });
});

/** A process that waits for its turn has the namespace's file open. */
function waitsAtNamespace({ pid }: ChildProcess): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("net:["));
  } catch {
    // A descriptor was closed meanwhile, or the process has ended.
    return false;
  }
}

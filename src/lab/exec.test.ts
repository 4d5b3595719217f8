/** Commands inside labs: where they are, what they see, and how they end. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statfsSync, statSync } from "node:fs";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { freshLab } from "../../test/own-lab.ts";
import { hasTool, isRoot } from "../../test/own-network.ts";
import { deleteNamespace, inNamespace } from "../sys/namespaces.ts";
import { exec, spawnInLab, untilExit } from "./exec.ts";
import { pinDirectory } from "./pins.ts";
import type { Lab } from "./setup.ts";
import { tcpdump } from "./tcpdump.ts";
import { teardown } from "./teardown.ts";

/** Runs a shell script inside and returns what it printed. */
async function run(lab: Lab, script: string): Promise<{ exitCode: number; stdout: string }> {
  const child = spawnInLab(lab, ["sh", "-c", script], { stdio: ["ignore", "pipe", "inherit"] });
  const [{ exitCode }, stdout] = await Promise.all([untilExit(child, "sh"), child.stdout === null ? "" : text(child.stdout)]);
  return { exitCode, stdout: stdout.trim() };
}

describe.skipIf(!isRoot)("a command inside a lab (skipped without root)", () => {
  test("is in the lab's network namespace, sees its devices in /sys, and knows the lab's name", async () => {
    const lab = await freshLab();
    const script = "readlink /proc/self/ns/net; ls /sys/class/net | tr '\\n' ' '; echo; echo $TESTENV_NAME";
    const namespace = inNamespace(lab.name, () => readlinkSync("/proc/thread-self/ns/net"));
    expect((await run(lab, script)).stdout.split("\n")).toEqual([namespace, "lo veth0 ", lab.name]);
  });

  test("starts in the caller's directory, and leaves the caller where it was", async () => {
    const lab = await freshLab();
    const before = ["mnt", "net"].map((kind) => readlinkSync(`/proc/thread-self/ns/${kind}`));
    expect((await run(lab, "pwd")).stdout).toBe(process.cwd());
    expect(["mnt", "net"].map((kind) => readlinkSync(`/proc/thread-self/ns/${kind}`))).toEqual(before);
    expect(statSync(".").ino).toBe(statSync(process.cwd()).ino);
    expect(readdirSync("/sys/class/net")).toContain(lab.name);
  });

  test("its mounts are its own", async () => {
    const lab = await freshLab();
    const mountsOn = (path: string) =>
      readFileSync("/proc/self/mountinfo", "utf8")
        .split("\n")
        .filter((line) => line.split(" ")[4] === path);
    const [sys, mnt] = [mountsOn("/sys"), mountsOn("/mnt")];
    expect((await run(lab, "mount -t tmpfs none /mnt && echo mounted")).stdout).toBe("mounted");
    expect([mountsOn("/sys"), mountsOn("/mnt")]).toEqual([sys, mnt]);
  });

  test.skipIf(!hasTool("bpftool"))(
    "its pins outlive it, are seen outside and by the next one, and go with the lab (needs bpftool)",
    async () => {
      const [lab, other] = [await freshLab(), await freshLab()];
      const create = "bpftool map create /sys/fs/bpf/counts type array key 4 value 8 entries 1 name counts";
      expect((await run(lab, create)).exitCode).toBe(0);
      const outside = `${pinDirectory(lab.name)}/inside/counts`;
      expect(existsSync(outside)).toBe(true);
      expect(statfsSync(outside).type).toBe(0xcafe4a11);
      expect((await run(lab, "bpftool map show pinned /sys/fs/bpf/counts")).stdout).toContain("name counts");
      // The same path in another lab is another pin.
      expect((await run(other, "ls /sys/fs/bpf")).stdout).toBe("");
      expect((await run(other, create)).exitCode).toBe(0);
      const { removed } = await teardown({ name: other.name, stateDirectory: other.stateDirectory });
      expect(removed).toEqual(["link", "namespace", "pins"]);
      expect(existsSync(outside)).toBe(true);
      // Its own teardown when the test ends needs something to take away.
      expect(existsSync(pinDirectory(other.name))).toBe(false);
    },
  );

  test("hands its exit status on", async () => {
    const lab = await freshLab();
    expect(await exec(lab, ["true"])).toEqual({ exitCode: 0, signal: null });
    expect(await exec(lab, ["sh", "-c", "exit 42"])).toEqual({ exitCode: 42, signal: null });
    expect(await exec(lab, ["sh", "-c", "kill -KILL $$"])).toEqual({ exitCode: 137, signal: "SIGKILL" });
  });

  test("decides itself what Ctrl-C means; the caller lives on", async () => {
    const lab = await freshLab();
    const script = "trap 'exit 7' INT; echo ready; while :; do read line || exit 9; done";
    const child = spawnInLab(lab, ["sh", "-c", script], { stdio: ["pipe", "pipe", "inherit"] });
    const end = untilExit(child, "sh");
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    // A terminal sends it to both.
    process.kill(process.pid, "SIGINT");
    child.kill("SIGINT");
    expect(await end).toEqual({ exitCode: 7, signal: null });
  });

  test("is told when the caller is asked to end", async () => {
    const lab = await freshLab();
    const child = spawnInLab(lab, ["sh", "-c", "echo ready; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
    const end = untilExit(child, "sh");
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    process.kill(process.pid, "SIGTERM");
    expect(await end).toEqual({ exitCode: 143, signal: "SIGTERM" });
  });

  test("that does not exist: says so", async () => {
    const lab = await freshLab();
    await expect(exec(lab, ["no-such-command"])).rejects.toMatchObject({
      code: "USAGE",
      message: '"no-such-command" cannot be run.',
      why: "There is no such program.",
    });
  });

  test("in a lab whose namespace is gone: says so", async () => {
    const lab = await freshLab();
    deleteNamespace(lab.name);
    await expect(exec(lab, ["true"])).rejects.toMatchObject({
      code: "LAB",
      fix: `Make it again: wirescript lab reset --name ${lab.name}`,
    });
  });

  test.skipIf(!hasTool("tcpdump"))(
    "tcpdump listens on the lab's device outside, and on veth0 inside (needs tcpdump)",
    async () => {
      const lab = await freshLab();
      // A file that does not exist makes it end at once, with status 1, after it has opened nothing.
      expect(await tcpdump(lab, ["--version"], { stdio: "ignore" })).toEqual({ exitCode: 0, signal: null });
      expect(await tcpdump(lab, ["--version"], { stdio: "ignore", inner: true })).toEqual({ exitCode: 0, signal: null });
    },
  );
});

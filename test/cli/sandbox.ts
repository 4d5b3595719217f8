/**
 * A corner of the machine for one test file: a network namespace with only a loopback device, and a mount namespace without BPF file
 * system and without named network namespaces. The command runs in it as on a machine of its own, and what it leaves there can be told from what others do
 * at the same time.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listPrograms } from "../../src/runtime/introspect.ts";
import { ids, mapById, mapInfo, unlessGone } from "../../src/sys/bpf.ts";
import { hasTool, isRoot } from "../own-network.ts";

export const ROOT = join(import.meta.dirname, "../..");
export const BIN = join(ROOT, "bin/wirescript.js");
export const ECHO = join(ROOT, "src/programs/echo.bpf.ts");
export const DROP = join(ROOT, "src/programs/drop.bpf.ts");
export const PASS = join(ROOT, "src/programs/pass.bpf.ts");

const missing = ["unshare", "nsenter", "setpriv", "ip"].filter((tool) => !hasTool(tool));

/** Why the tests of this folder that touch the kernel are skipped; null when they are not. */
export const cannotRun: string | null = !isRoot
  ? "needs root"
  : missing.length > 0
    ? `needs ${missing.join(", ")} of util-linux and iproute2`
    : null;

/** A title that says why its tests are skipped, if they are. */
export function titled(title: string): string {
  return cannotRun === null ? title : `${title} (skipped: ${cannotRun})`;
}

/** For the title of a test that asks another program: "", or why it is skipped. */
export function needs(tool: string): string {
  return hasTool(tool) ? "" : ` (skipped: needs ${tool})`;
}

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

export class Sandbox implements Disposable {
  readonly #holder: ChildProcess;
  /** For files of the test; also TMPDIR of what runs inside. */
  readonly directory = mkdtempSync(join(tmpdir(), "wirescript-test-"));
  readonly #env: NodeJS.ProcessEnv;

  constructor() {
    // Colours would make results depend on who runs the tests.
    const { FORCE_COLOR: _, ...env } = process.env;
    this.#env = { ...env, TMPDIR: this.directory };
    this.#holder = spawn("unshare", ["--mount", "--net", "cat"], { stdio: ["pipe", "pipe", "inherit"] });
    const ready = spawnSync("sh", [
      "-c",
      // The holder is in its namespaces once they differ from ours.
      'while [ "$(readlink /proc/$0/ns/mnt)" = "$(readlink /proc/self/ns/mnt)" ]; do [ -d /proc/$0 ] || exit 1; done',
      String(this.#holder.pid),
    ]);
    if (ready.status !== 0) throw new Error("no sandbox: unshare failed");
    this.run("ip", ["link", "set", "lo", "up"]);
    // In this mount namespace only: no BPF file system, and an empty /run, so that other tests' namespaces do not show in it.
    while (this.run("umount", ["/sys/fs/bpf"]).status === 0);
    while (this.run("umount", ["--recursive", "--lazy", "/run/netns"]).status === 0);
    this.output("mount", "-t", "tmpfs", "tmpfs", "/run");
  }

  #enter(command: readonly string[]): [string, string[]] {
    return ["nsenter", ["--target", String(this.#holder.pid), "--mount", "--net", "--wd=.", "--", ...command]];
  }

  run(command: string, args: readonly string[] = [], cwd = ROOT, input = ""): Outcome {
    const [file, all] = this.#enter([command, ...args]);
    return spawnSync(file, all, { cwd, env: this.#env, encoding: "utf8", input });
  }

  /** The output of a command that must work. */
  output(command: string, ...args: string[]): string {
    const { status, stdout, stderr } = this.run(command, args);
    if (status !== 0) throw new Error(`${command} ${args.join(" ")}: status ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  wirescript(...args: string[]): Outcome {
    return this.run(process.execPath, [BIN, ...args]);
  }

  /** As `wirescript`, with `input` on its standard input. */
  wirescriptWith(input: string, ...args: string[]): Outcome {
    return this.run(process.execPath, [BIN, ...args], ROOT, input);
  }

  /** As `wirescript`, without any capability: what a user without root meets, who may read all files nevertheless. */
  unprivileged(...args: string[]): Outcome {
    return this.run("setpriv", ["--bounding-set=-all", "--inh-caps=-all", "--", process.execPath, BIN, ...args]);
  }

  /** Starts the command; its pid is the command's own, because nsenter becomes it. */
  start(...args: string[]): ChildProcess {
    return this.spawn(process.execPath, [BIN, ...args]);
  }

  /** As `start`, any program. */
  spawn(command: string, args: readonly string[]): ChildProcess {
    const [file, all] = this.#enter([command, ...args]);
    return spawn(file, all, { cwd: ROOT, env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Starts any command, as the leader of a process group of its own. */
  startGroup(command: string, args: readonly string[], cwd: string): ChildProcess {
    const [file, all] = this.#enter([command, ...args]);
    return spawn(file, all, { cwd, env: this.#env, stdio: ["pipe", "pipe", "pipe"], detached: true });
  }

  /** Starts a script of a test's own; its pid is the script's. */
  startNode(script: string): ChildProcess {
    const [file, all] = this.#enter([process.execPath, script]);
    return spawn(file, all, { cwd: ROOT, env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
  }

  /** A virtual cable; both ends are in the sandbox. Its driver has native XDP. */
  addVeth(name: string): void {
    this.output("ip", "link", "add", name, "type", "veth", "peer", "name", `${name}p`);
    this.output("ip", "link", "set", name, "up");
    this.output("ip", "link", "set", `${name}p`, "up");
  }

  /**
   * All that commands could leave: devices with their programs, mounts, pins, labs, and programs and maps of these names. Compare by
   * `expect.poll`: the kernel frees maps and programs a moment after their last use.
   */
  state(...names: string[]): object {
    const mine = (name: string) => names.some((each) => name.includes(each));
    return {
      devices: this.output("ip", "-details", "link", "show").replace(/ qlen \d+| state \w+/g, ""),
      mounts: this.output("cat", "/proc/self/mountinfo").replaceAll(/^\d+ \d+ | shared:\d+/gm, ""),
      pins: this.output("find", "/sys/fs/bpf"),
      files: readdirSync(this.directory, { recursive: true }).toSorted(),
      programs: listPrograms().filter(({ name }) => mine(name)).length,
      maps: [...ids("MAP")].flatMap((id) => {
        const fd = unlessGone(() => mapById(id));
        if (fd === null) return [];
        using map = fd;
        const { name } = mapInfo(map);
        return mine(name) ? [name] : [];
      }),
    };
  }

  [Symbol.dispose](): void {
    this.#holder.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Waits until a child has ended, and gives all that it said. */
export async function ended(child: ChildProcess): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, stdout, stderr };
}

/** Waits until a child has printed `text`. */
export async function printed(child: ChildProcess, text: string): Promise<void> {
  let seen = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (chunk) => {
      seen += chunk;
      if (seen.includes(text)) resolve();
    });
    child.once("close", () => reject(new Error(`ended without printing "${text}":\n${seen}`)));
  });
}

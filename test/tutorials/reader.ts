/**
 * Somebody who follows a lesson: types its command lines into a shell in its workspace, one after the other, and watches what goes on until
 * Ctrl-C. The shell has the alias `t` that the workspace prints, and a `sudo` that only runs what it is given, since the reader is root already.
 */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Outcome, Sandbox } from "../cli/sandbox.ts";

/** The lines of a document's block that the reader types: those behind a prompt. */
export function commandsIn(block: string): string[] {
  return block.split("\n").flatMap((line) => /^\s*[$#>] (\S.*)$/.exec(line)?.[1] ?? []);
}

const PATIENCE_MS = 30_000;

export class Reader {
  readonly #box: Sandbox;
  readonly directory: string;
  readonly #prelude: string;
  readonly #started: Watched[] = [];

  /** Makes the workspace. */
  constructor(box: Sandbox, tutorial: string) {
    this.#box = box;
    this.directory = join(box.directory, tutorial);
    const { status, stderr } = box.wirescript("tutorial", "new", tutorial, this.directory);
    if (status !== 0) throw new Error(stderr);
    const alias = box.run("./wirescript", ["lab", "alias"], this.directory).stdout;
    const commands = join(box.directory, `commands-${tutorial}`);
    mkdirSync(commands);
    writeFileSync(join(commands, "sudo"), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
    this.#prelude = `shopt -s expand_aliases\n${alias}\nPATH=${commands}:$PATH\n`;
  }

  /** Runs a line to its end. */
  try(line: string, folder = "."): Outcome {
    return this.#box.run("bash", ["-c", `${this.#prelude}${line}`], join(this.directory, folder));
  }

  /** As `try`, for a line that must work. Its output. */
  type(line: string, folder = "."): string {
    const { status, stdout, stderr } = this.try(line, folder);
    if (status !== 0) throw new Error(`${line}: status ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Types all commands of a block. Their output. */
  follow(block: string, folder = "."): string {
    return commandsIn(block)
      .map((line) => this.type(line, folder))
      .join("");
  }

  /** Starts a line that does not end by itself. */
  start(line: string, folder = "."): Watched {
    const script = `${this.#prelude}${line}`;
    const watched = new Watched(line, this.#box.startGroup("bash", ["-c", script], join(this.directory, folder)));
    this.#started.push(watched);
    return watched;
  }

  /** Ends whatever still runs, also after a test that failed. */
  async close(): Promise<void> {
    for (const watched of this.#started) await watched.kill();
  }

  /** Starts a line, waits until it has printed something, and presses Ctrl-C. All that it printed. */
  async watch(line: string, until: RegExp, folder = "."): Promise<string> {
    const watched = this.start(line, folder);
    await watched.prints(until);
    return await watched.interrupt();
  }

  /** Changes a file as an editor would: the text must be there. */
  edit(path: string, from: string | RegExp, to: string): void {
    const file = join(this.directory, path);
    const text = readFileSync(file, "utf8");
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`${path} has nothing like ${from}`);
    writeFileSync(file, changed);
  }
}

export class Watched {
  readonly #line: string;
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  output = "";
  #wake: () => void = () => {};
  /** Comes true when something more has been printed. */
  #news: Promise<void> = new Promise((resolve) => {
    this.#wake = resolve;
  });

  constructor(line: string, child: ChildProcess) {
    this.#line = line;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        this.output += chunk;
        this.#wake();
        this.#news = new Promise((resolve) => {
          this.#wake = resolve;
        });
      });
    }
    this.#closed = new Promise((resolve) => child.once("close", () => resolve()));
  }

  /** Waits until it has printed something. */
  async prints(until: RegExp): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!until.test(this.output)) {
      const left = deadline - performance.now();
      const isOver = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (left <= 0 || isOver) {
        await this.interrupt();
        if (until.test(this.output)) return;
        throw new Error(`${this.#line}: never printed ${until}\n${this.output}`);
      }
      await Promise.race([this.#news, this.#closed, new Promise((resolve) => setTimeout(resolve, left).unref())]);
    }
  }

  /** Types a line into it. */
  type(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Presses Ctrl-C, which reaches all processes of the group, and waits for the end. All that was printed. */
  async interrupt(): Promise<string> {
    this.#child.stdin?.end();
    this.#signal("SIGINT");
    await this.#closed;
    return this.output;
  }

  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#closed;
  }

  #signal(name: "SIGINT" | "SIGKILL"): void {
    if (this.#child.pid === undefined) return;
    try {
      // All processes of its group: what it started may outlive it.
      process.kill(-this.#child.pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** The counters of the last block that xdp_stats printed, by action. */
export function lastCounters(output: string): Record<string, { packets: number; pps: number }> {
  const rows = [...output.matchAll(/^(XDP_\w+) +([\d,]+) pkts \( *([\d,]+) pps\) .* period:\d+\.\d{6}$/gm)];
  return Object.fromEntries(
    rows.slice(-5).map(([, action = "", packets = "", pps = ""]) => [action, { packets: whole(packets), pps: whole(pps) }]),
  );
}

const whole = (text: string) => Number(text.replaceAll(",", ""));

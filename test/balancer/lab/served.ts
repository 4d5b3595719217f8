/** A balancer as users run it, in a lab with real servers: `wirescript balancer serve` from the built command, and the commands that steer it. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BackendStatus, Status } from "../../../src/balancer/contract.ts";
import { spawnInLab } from "../../../src/lab/exec.ts";
import { type LabServer, TrafficLab, type TrafficLabOptions } from "../../../src/lab/traffic/index.ts";
import { BIN } from "../../cli/sandbox.ts";

const PATIENCE_MS = 60_000;

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

export class ServedBalancer implements AsyncDisposable {
  readonly lab: TrafficLab;
  readonly #directory = mkdtempSync(join(tmpdir(), "wirescript-served-"));
  #service: ChildProcess | null = null;
  #said = "";

  static async setup(options: Omit<TrafficLabOptions, "signal">): Promise<ServedBalancer> {
    return new ServedBalancer(await TrafficLab.setup(options));
  }

  private constructor(lab: TrafficLab) {
    this.lab = lab;
  }

  /** Writes `balancer.yaml`, whose devices are the lab's. @returns its path. */
  write(document: string): string {
    const file = join(this.#directory, "balancer.yaml");
    const devices = this.lab.balancer.devices.map((name) => `  - name: ${name}\n`).join("");
    writeFileSync(file, `devices:\n${devices}${document}`);
    return file;
  }

  /** Starts the service with the document, or with its last state, and returns when its backends are up. */
  async serve(document?: string, ...options: string[]): Promise<void> {
    const file = document === undefined ? [] : [this.write(document)];
    const service = this.lab.spawnAtBalancer([
      BIN,
      "balancer",
      "serve",
      ...file,
      "--state-dir",
      join(this.#directory, "state"),
      ...options,
    ]);
    this.#service = service;
    this.#said = "";
    for (const stream of [service.stdout, service.stderr]) {
      stream?.on("data", (data: Buffer) => {
        this.#said += data;
      });
    }
    await this.until((backends) => backends.every(({ health }) => health === "up" || health === "unchecked"));
  }

  get said(): string {
    return this.#said;
  }

  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const service = this.#service;
    this.#service = null;
    if (service === null || service.exitCode !== null) return;
    const exited = once(service, "exit");
    service.kill(signal);
    await exited;
  }

  /** `wirescript balancer …` where the balancer is. */
  async command(...args: string[]): Promise<Outcome> {
    return await finished(this.lab.spawnAtBalancer([BIN, "balancer", ...args]));
  }

  /** As `command`, of one that must work. */
  async steer(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.command(...args);
    if (status !== 0) throw new Error(`balancer ${args.join(" ")}: status ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  async status(): Promise<Status> {
    return JSON.parse(await this.steer("status", "--json")) as Status;
  }

  /** Polls until the backends of all services are as wanted. */
  async until(wanted: (backends: BackendStatus[]) => boolean): Promise<BackendStatus[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const { status, stdout, stderr } = await this.command("status", "--json");
      const backends = status === 0 ? (JSON.parse(stdout) as Status).services.flatMap((each) => each.backends) : null;
      if (backends !== null && wanted(backends)) return backends;
      const ended = this.#service !== null && this.#service.exitCode !== null;
      if (ended || Date.now() > deadline) {
        throw new Error(`not as wanted${ended ? ", and ended" : ""}: ${stdout}${stderr}\nthe service said: ${this.#said}`);
      }
      await sleep(200);
    }
  }

  /** A command on a server's host, which must work. */
  async onHost({ host }: Pick<LabServer, "host">, ...command: [string, ...string[]]): Promise<string> {
    const child = spawnInLab({ name: host.namespace, labName: this.lab.network.name }, command, {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { status, stdout, stderr } = await finished(child);
    if (status !== 0) throw new Error(`${command.join(" ")}: status ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  /** A command where the balancer is, which must work. */
  async atBalancer(...command: [string, ...string[]]): Promise<string> {
    const inside = { name: this.lab.balancer.namespace, labName: this.lab.network.name };
    const { status, stdout, stderr } = await finished(spawnInLab(inside, command, { stdio: ["ignore", "pipe", "pipe"] }));
    if (status !== 0) throw new Error(`${command.join(" ")}: status ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGTERM");
    await this.lab[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function finished(child: ChildProcess): Promise<Outcome> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (data: Buffer) => {
    stdout += data;
  });
  child.stderr?.on("data", (data: Buffer) => {
    stderr += data;
  });
  child.stdin?.end();
  await once(child, "close");
  return { status: child.exitCode, stdout, stderr };
}

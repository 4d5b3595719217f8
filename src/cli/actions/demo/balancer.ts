/**
 * `wirescript demo`: a balancer at work in a lab of its own. A client, the balancer and four web servers, each in a network namespace; requests
 * are spread, a server dies and comes back, and nothing breaks that did not go through it. What it says was counted, by the client and by
 * the balancer, and the two must agree. It leaves nothing, also when it fails or is interrupted.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BackendStatus, Status } from "../../../balancer/contract.ts";
import { WirescriptError } from "../../../errors.ts";
import { SERVER_PORT, type Tally, TrafficLab } from "../../../lab/traffic/index.ts";
import { Interruption } from "../../interruption.ts";
import { BIN, ownCommand, ownFile } from "../../own-command.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { paint, say } from "../../terminal.ts";
import { Surroundings, sayCommands, shellOfUser, step } from "./stage.ts";

const SERVERS = 4;
const REQUESTS = 2000;
const HELD = 60;
const SERVICE = "web";
const ADDRESS = "10.12.0.80";
const URL_OF_SERVICE = `http://${ADDRESS}/`;
/** The server that dies. */
const VICTIM = 2;
const PATIENCE_MS = 60_000;
const NOTHING_LEFT = "The lab and the balancer are gone; nothing is left behind.";

export async function demoBalancer(keep: boolean): Promise<void> {
  await mustBeAbleTo("make a lab and attach programs");
  using interruption = new Interruption();
  const before = new Surroundings();
  const directory = mkdtempSync(join(tmpdir(), "wirescript-demo-"));
  say(paint("bold", "One address, four web servers, and a balancer between them that is TypeScript in the network driver."));
  say();
  try {
    const { signal } = interruption;
    await using lab = await TrafficLab.setup({ name: `demo-${process.pid}`, servers: SERVERS, middle: "router", signal });
    await using balancer = new RunningBalancer(lab, directory);
    await show(lab, balancer, interruption);
    if (keep) await wait(lab, balancer, interruption);
  } finally {
    rmSync(directory, { recursive: true, force: true });
    before.restore();
  }
  suggest();
}

async function show(lab: TrafficLab, balancer: RunningBalancer, interruption: Interruption): Promise<void> {
  const here = () => interruption.checkpoint(NOTHING_LEFT);
  step(1, "A lab: a client, the balancer and four web servers, each in a network namespace of its own");
  say(`     client    ${lab.network.host(1).ip4}`);
  say(`     balancer  ${ADDRESS}, port 80: what the client connects to`);
  for (const { name, host } of lab.servers) say(`     ${name}  ${host.ip4}, port ${SERVER_PORT}`);

  const begin = performance.now();
  const started = await balancer.start(interruption);
  step(2, "wirescript balancer serve balancer.yaml");
  const modes = [...new Set(started.devices.map(({ mode }) => mode))].join(" and ");
  say(
    `     attached to ${started.devices.map(({ name }) => name).join(", ")} in ${modes} mode, ${took(begin)} after its start`,
  );
  say(`     a health check every 200 ms finds all ${SERVERS} servers up`);
  await here();

  step(3, `${count(REQUESTS)} requests, each over a connection of its own`);
  const spread = await lab.request(URL_OF_SERVICE, REQUESTS);
  const all = lab.servers.map(({ name }) => name);
  sayShares(spread, all);
  demand(total(spread.answers) === REQUESTS, `Of ${REQUESTS} requests ${total(spread.answers)} were answered.`, spread);
  await here();

  const victim = lab.servers[VICTIM - 1];
  if (victim === undefined) throw new Error("a lab has fewer servers than it was asked for");
  step(4, `${HELD} connections stay open and busy, and ${victim.name} is killed`);
  const held = await lab.hold(URL_OF_SERVICE, HELD);
  const killed = performance.now();
  await lab.killServer(victim);
  await balancer.until(interruption, (backends) => isKnownDown(backends.get(victim.name)));
  const slots = backendsOf(started).find(({ name }) => name === victim.name)?.slots ?? 0;
  say(`     its health check noticed within ${took(killed)}; its ${count(slots)} slots of the table go to the other three`);
  const without = await lab.request(URL_OF_SERVICE, REQUESTS);
  sayShares(without, all);
  demand(total(without.answers) === REQUESTS, `Of ${REQUESTS} requests ${total(without.answers)} were answered.`, without);
  demand(without.answers[victim.name] === undefined, `${victim.name} answered after its death.`, without);
  await here();

  step(5, `${victim.name} comes back`);
  const restarted = performance.now();
  await lab.startServer(victim);
  await balancer.until(interruption, (backends) => isKnownUp(backends.get(victim.name)));
  say(`     its health check found it up within ${took(restarted)}`);
  const again = await lab.request(URL_OF_SERVICE, REQUESTS);
  sayShares(again, all);
  demand(total(again.answers) === REQUESTS, `Of ${REQUESTS} requests ${total(again.answers)} were answered.`, again);

  const kept = await held.release();
  const broken = total(kept.errors);
  const strangers = Object.keys(kept.errors).filter((error) => !error.startsWith(`${victim.name}:`));
  say(`     of the ${HELD} open connections ${HELD - broken} went on through all of it; ${broken} were ${victim.name}'s`);
  demand(strangers.length === 0 && kept.moved === 0, "A connection to a server that lived was broken or moved.", kept);
  await here();

  step(6, "Where the packets went, as the balancer counted them");
  const end = await balancer.status();
  sayCounters(end);
  const flows = backendsOf(end).reduce((sum, { counters }) => sum + counters.flows, 0);
  const opened = [spread, without, again, kept].reduce((sum, { connections }) => sum + connections, 0);
  const begunAnew = `The client opened ${count(opened)}; what ${victim.name} had open is begun anew when it is spread again.`;
  say(`     ${count(flows)} connections. ${flows === opened ? "The client opened exactly as many." : begunAnew}`);
  demand(flows >= opened, `The balancer counted ${flows} connections, and the client opened ${opened}.`, kept);
}

/** `wirescript balancer serve` at the lab's place for it, on loopback there. */
class RunningBalancer implements AsyncDisposable {
  readonly #lab: TrafficLab;
  readonly #directory: string;
  #process: ChildProcess | null = null;
  #said = "";

  constructor(lab: TrafficLab, directory: string) {
    this.#lab = lab;
    this.#directory = directory;
  }

  /** Returns when all backends are up. */
  async start(interruption: Interruption): Promise<Status> {
    const file = join(this.#directory, "balancer.yaml");
    writeFileSync(file, this.#document());
    const state = join(this.#directory, "state");
    this.#process = this.#lab.spawnAtBalancer([BIN, "balancer", "serve", file, "--state-dir", state]);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (data: Buffer) => {
        this.#said = `${this.#said}${data}`.slice(-4000);
      });
    }
    await this.until(interruption, (backends) => backends.size > 0 && [...backends.values()].every(isKnownUp));
    return await this.status();
  }

  #document(): string {
    const { devices } = this.#lab.balancer;
    const client = this.#lab.network.host(1);
    return `devices:
${devices.map((name) => `  - name: ${name}`).join("\n")}
source4: ${client.gateway?.ip4}
services:
  - name: ${SERVICE}
    address: ${ADDRESS}
    port: 80
    protocol: tcp
    check: { type: http, interval: 0.2, timeout: 0.5, rise: 2, fall: 2 }
    backends:
${this.#lab.servers.map(({ name, host }) => `      - { name: ${name}, address: ${host.ip4}, port: ${SERVER_PORT} }`).join("\n")}
`;
  }

  async status(): Promise<Status> {
    const status = await this.#ask();
    if (status !== null) return status;
    throw this.#gone("It no longer answers.");
  }

  /** Polls until the backends, by name, are as wanted. */
  async until(
    interruption: Interruption,
    wanted: (backends: Map<string, BackendStatus>) => boolean,
  ): Promise<Map<string, BackendStatus>> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      await interruption.checkpoint(NOTHING_LEFT);
      const status = await this.#ask();
      const backends = new Map(status === null ? [] : backendsOf(status).map((each) => [each.name, each]));
      if (wanted(backends)) return backends;
      if (this.#process?.exitCode !== null) throw this.#gone("It ended.");
      if (performance.now() > deadline) throw this.#gone(`It was waited for ${PATIENCE_MS / 1000} s.`);
      await sleep(100);
    }
  }

  /** Null while it does not answer. */
  async #ask(): Promise<Status | null> {
    const child = this.#lab.spawnAtBalancer([BIN, "balancer", "status", "--json"]);
    let text = "";
    child.stdout?.on("data", (data: Buffer) => {
      text += data;
    });
    child.stdin?.end();
    await once(child, "close");
    return child.exitCode === 0 ? (JSON.parse(text) as Status) : null;
  }

  #gone(why: string): WirescriptError {
    return new WirescriptError({
      code: "LAB",
      what: "The balancer is not as it should be.",
      why: `${why} It said: ${this.#said.trim() || "nothing"}`,
      fix: "Try again; if it stays so, please report it with the output of wirescript demo --debug and uname -a.",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }
}

function backendsOf({ services }: Status): BackendStatus[] {
  return services.find(({ name }) => name === SERVICE)?.backends ?? [];
}

/** Found down, and gone from the table too, which the kernel has a moment later. */
function isKnownDown(backend: BackendStatus | undefined): boolean {
  return backend?.health === "down" && backend.slots === 0;
}

function isKnownUp(backend: BackendStatus | undefined): boolean {
  return backend?.health === "up" && backend.slots > 0;
}

function sayShares({ answers }: Tally, servers: readonly string[]): void {
  const sum = total(answers);
  for (const server of servers) {
    const share = (answers[server] ?? 0) / sum;
    const bar = "█".repeat(Math.round(share * 60));
    say(
      `     ${server}  ${String(answers[server] ?? 0).padStart(5)}  ${percent(share).padStart(6)}  ${paint("green", bar)}`.trimEnd(),
    );
  }
}

function sayCounters(status: Status): void {
  say(
    paint(
      "bold",
      `     ${"".padEnd(10)}${"connections".padStart(12)}${"packets".padStart(10)}${"replies".padStart(10)}${"bytes back".padStart(14)}`,
    ),
  );
  for (const { name, counters } of backendsOf(status)) {
    const { flows, packets, replies, replyBytes } = counters;
    say(
      `     ${name.padEnd(10)}${count(flows).padStart(12)}${count(packets).padStart(10)}${count(replies).padStart(10)}${count(replyBytes).padStart(14)}`,
    );
  }
}

/** The demo must not show something that did not happen. */
function demand(held: boolean, what: string, tally: Tally): void {
  if (held) return;
  throw new WirescriptError({
    code: "LAB",
    what,
    why: `The client saw: ${JSON.stringify(tally)}.`,
    fix: "Try again; if it stays so, please report it with the output of wirescript demo --debug and uname -a.",
  });
}

const total = (counts: Record<string, number>): number => Object.values(counts).reduce((sum, each) => sum + each, 0);
const count = (number: number): string => number.toLocaleString("en-US");
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const took = (begin: number): string => `${Math.round(performance.now() - begin)} ms`;

/** With --keep: until Ctrl-C. */
async function wait(lab: TrafficLab, balancer: RunningBalancer, interruption: Interruption): Promise<void> {
  const command = ownCommand();
  const inside = `${command} lab exec --name ${lab.network.name} --`;
  sayCommands([
    ["It runs until Ctrl-C. In another terminal:", ""],
    [`${inside} ${command} balancer status`, "services, backends, where connections go"],
    [`${inside} ${command} balancer top`, "the same, live"],
    [`${inside} ${command} balancer set ${SERVICE}/server-1 weight=50`, "half the connections; says how many slots it moves"],
    [`${inside} ${command} balancer drain ${SERVICE}/server-4`, "no new connections"],
    [`${command} lab exec --name ${lab.network.name} --host 1 -- curl -s ${URL_OF_SERVICE}`, "ask as the client"],
    [`${command} lab exec --name ${lab.network.name} --host 1 -- ${shellOfUser()}`, "a shell at the client"],
  ]);
  while (!interruption.signal.aborted) {
    await sleep(1000, undefined, { signal: interruption.signal }).catch(() => {});
    if (!interruption.signal.aborted) await balancer.status();
  }
}

function suggest(): void {
  const command = ownCommand();
  sayCommands([
    ["It is all gone again. Try next:", ""],
    [`${command} demo --keep`, "the same, and it goes on until Ctrl-C"],
    [`${command} demo echo`, "a program that answers pings in the driver: the smallest one worth loading"],
    [`${command} check ${ownFile("src/programs/balancer.bpf.ts")}`, "the balancer's program; change it, and see what is wrong"],
    [`${command} balancer --help`, "a balancer of your own"],
    [`${command} --help`, "everything else"],
  ]);
}

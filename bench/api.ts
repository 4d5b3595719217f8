/**
 * How the balancer's API bears up: a hundred clients at once against a balancer that runs in the kernel of this machine, in a network of its own, and then a
 * hundred thousand malformed requests, of which none may be answered with an error of ours or leave memory behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { listen } from "../src/balancer/api/listen.ts";
import { makeApi } from "../src/balancer/api/server.ts";
import { startBalancer } from "../src/balancer/balancer.ts";
import type { Balancer } from "../src/balancer/contract.ts";
import { completeState } from "../src/balancer/document.ts";
import type { State } from "../src/balancer/state.ts";
import { ensureBpffs } from "../src/sys/mount.ts";
import type { Malformed, Pace, Times } from "./api-clients.ts";
import { describeHost, type Host } from "./machine.ts";
import { enterNetwork } from "./network.ts";
import { table } from "./table.ts";

const MALFORMED = 100_000;
const SEED = 20_261_121;
const SMALL = { flows4: 65_536, flows6: 4096, origins4: 65_536, origins6: 4096 };

/** A state that is taken as a whole, into a balancer without services. */
const LARGE = { services: 10_000, backends: 4, tableSize: 1021 };
/** What a balancer has while it is asked. */
const USUAL: typeof LARGE = { services: 100, backends: 4, tableSize: 4093 };
const PACE: Pace = { clients: 100, perSecond: 2, seconds: 20, services: USUAL.services };

export interface ApiResults {
  machine: Host;
  /** How long the large state took, from the call to when the kernel has all of it and the disk, too. */
  loading: typeof LARGE & { seconds: number };
  pace: Pace;
  times: Times[];
  malformed: Malformed & {
    seconds: number;
    /** Bytes that live in the heap behind each tenth of the requests, after collecting garbage. */
    heap: number[];
  };
}

export async function measureApi(progress: (text: string) => Promise<void>): Promise<ApiResults> {
  const machine = describeHost();
  enterNetwork();
  ensureBpffs();
  const directory = mkdtempSync(join(tmpdir(), "wirescript-bench-api-"));
  try {
    await progress(`loading ${LARGE.services} services of ${LARGE.backends} backends each`);
    const loading = await withBalancer(join(directory, "large"), measureLoading);
    await progress(`starting a balancer with ${USUAL.services} services of ${USUAL.backends} backends each`);
    const measured = await withBalancer(join(directory, "usual"), (balancer) => measureAsked(balancer, progress));
    return { machine, loading, pace: PACE, ...measured };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Hands `measure` a balancer without services, which is gone afterwards, and gives what it measured. */
async function withBalancer<T>(directory: string, measure: (balancer: Balancer) => Promise<T>): Promise<T> {
  const balancer = await startBalancer({ instance: `bench-${process.pid}`, directory, entries: SMALL });
  try {
    return await measure(balancer);
  } finally {
    await balancer.close({ detach: true });
  }
}

async function measureLoading(balancer: Balancer): Promise<ApiResults["loading"]> {
  const state = stateOf(LARGE);
  const begin = performance.now();
  await balancer.apply(state);
  return { ...LARGE, seconds: (performance.now() - begin) / 1000 };
}

async function measureAsked(balancer: Balancer, progress: (text: string) => Promise<void>) {
  await balancer.apply(stateOf(USUAL));
  const app = await makeApi(balancer, {});
  const { port } = await listen(app, { host: "127.0.0.1", port: 0 });
  try {
    await progress("warming up");
    await elsewhere<Times[]>("askAtPace", port, { ...PACE, seconds: 3 });
    await progress(`${PACE.clients} clients, ${PACE.clients * PACE.perSecond} requests a second, for ${PACE.seconds} s`);
    const times = await elsewhere<Times[]>("askAtPace", port, PACE);
    const begin = performance.now();
    const malformed: Malformed = { asked: 0, statuses: {} };
    const heap: number[] = [];
    for (let part = 0; part < 10; part++) {
      await progress(`${MALFORMED} malformed requests, part ${part + 1} of 10`);
      const { asked, statuses } = await elsewhere<Malformed>("askWrongly", port, SEED + part, MALFORMED / 10);
      malformed.asked += asked;
      for (const [status, count] of Object.entries(statuses))
        malformed.statuses[status] = (malformed.statuses[status] ?? 0) + count;
      // What they did to the state is undone, so that it is not its size that grows.
      await balancer.apply(stateOf(USUAL));
      collectGarbage();
      heap.push(process.memoryUsage().heapUsed);
    }
    return { times, malformed: { ...malformed, seconds: (performance.now() - begin) / 1000, heap } };
  } finally {
    await app.close();
  }
}

/** Calls a function of api-clients.ts in a process of its own, in this network. */
async function elsewhere<T>(name: string, ...args: unknown[]): Promise<T> {
  const code = `
    import { register } from "node:module";
    register(${JSON.stringify(new URL("strip-types.js", import.meta.url).href)});
    const { ${name} } = await import(${JSON.stringify(new URL("api-clients.ts", import.meta.url).href)});
    process.stdout.write(JSON.stringify(await ${name}(...JSON.parse(process.argv[1]))));
    process.exit();
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code, JSON.stringify(args)], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`${name} ended with status ${status}`);
  return JSON.parse(text) as T;
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

function stateOf({ services, backends, tableSize }: typeof LARGE): State {
  return completeState({
    tableSize,
    source4: "198.51.100.1",
    services: Array.from({ length: services }, (_, number) => ({
      name: `s${number}`,
      address: `192.0.2.${1 + (number % 200)}`,
      port: 1 + number,
      protocol: "tcp",
      backends: Array.from({ length: backends }, (_, index) => ({
        name: `b${index + 1}`,
        address: `10.${number % 200}.${index}.1`,
      })),
    })),
  });
}

export function apiReport({ loading, pace, times, malformed }: ApiResults): string {
  const { clients, perSecond, seconds } = pace;
  const rows = times.map(({ what, count, p50, p99, most, refused }) => [
    what,
    `${count}`,
    ...[p50, p99, most].map((each) => `${each.toFixed(1)} ms`),
    `${refused}`,
  ]);
  const count = (isIt: (status: number) => boolean) =>
    Object.entries(malformed.statuses).reduce((sum, [status, count]) => sum + (isIt(Number(status)) ? count : 0), 0);
  const [failed, closed] = [count((status) => status >= 500), count((status) => status === 0)];
  const statuses = Object.entries(malformed.statuses)
    .filter(([status]) => status !== "0")
    .map(([status, count]) => `${count} × ${status}`);
  return [
    `${loading.services} services of ${loading.backends} backends and ${loading.tableSize} slots each, into a balancer without any: ${loading.seconds.toFixed(1)} s`,
    "",
    `${clients} clients at once, ${clients * perSecond} requests a second for ${seconds} s, counted from when they were due`,
    "",
    table(["request", "requests", "median", "99 %", "slowest", "refused"], rows),
    "",
    `${malformed.asked} malformed requests in ${malformed.seconds.toFixed(0)} s: ${failed} errors of ours, ${closed} connections closed before the answer was read`,
    `answers: ${statuses.join(", ")}`,
    `heap behind each tenth of them: ${malformed.heap.map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(", ")} MiB`,
  ].join("\n");
}

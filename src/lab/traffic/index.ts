/**
 * A balancer's surroundings, real ones: a lab with hosts, on the first a client, on the others servers, and a place for the balancer. The
 * demo and the tests make one of these.
 *
 * With a router in the middle, the balancer is the router: packets come in on one device and leave by others. With a switch, it is host 2,
 * and has one device for both ("on a stick").
 */

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { WirescriptError } from "../../errors.ts";
import { packageFile } from "../../package.ts";
import { setOffloads } from "../../sys/ethtool.ts";
import { inNamespace } from "../../sys/namespaces.ts";
import { spawnInLab } from "../exec.ts";
import { type HostPlan, type Middle, type Network, setupNetwork } from "../network/index.ts";
import { freeDevice, wakeDevice } from "../peer.ts";
import type { Order, Outcome, Tally } from "./orders.ts";

export type { Tally } from "./orders.ts";

export interface TrafficLabOptions {
  /** At most 12 characters. */
  name: string;
  /** How many servers. */
  servers: number;
  middle: Middle;
  signal?: AbortSignal;
}

export interface LabServer {
  name: string;
  host: HostPlan;
}

/** What a server listens on. */
export const SERVER_PORT = 8080;
const ANSWER_MS = 4000;

export class TrafficLab implements AsyncDisposable {
  readonly network: Network;
  readonly servers: LabServer[];
  /** Where the balancer is. */
  readonly balancer: { namespace: string; devices: string[] };
  #children = new Map<string, ChildProcess>();
  #client: ChildProcess | null = null;
  #orders = 0;

  /** @throws WirescriptError as `setupNetwork` does. */
  static async setup({ name, servers, middle, signal }: TrafficLabOptions): Promise<TrafficLab> {
    const before = middle === "router" ? 1 : 2;
    const network = await setupNetwork({ name, hosts: before + servers, middle, ...(signal && { signal }) });
    const lab = new TrafficLab(network, before);
    try {
      for (const { namespace, device } of network.hosts) {
        // Nobody finishes a checksum that was left to the device: a packet that a program sends on would arrive with half a one.
        inNamespace(namespace, () => setOffloads(device, { txChecksum: false }));
      }
      if (middle === "switch") {
        // What programs send back by XDP_TX needs a program at the other end; and the balancer's own device must be free for it.
        inNamespace(network.name, () => wakeDevice(network.host(2).port));
        inNamespace(network.host(2).namespace, () => freeDevice(network.host(2).device));
      }
      await Promise.all(lab.servers.map((server) => lab.startServer(server)));
      lab.#client = await lab.#spawn(network.host(1), "client");
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(network: Network, before: number) {
    this.network = network;
    this.servers = network.hosts.slice(before).map((host, index) => ({ name: `server-${index + 1}`, host }));
    this.balancer =
      network.middle === "router"
        ? { namespace: network.name, devices: network.hosts.map(({ port }) => port) }
        : { namespace: network.host(2).namespace, devices: [network.host(2).device] };
  }

  async startServer(server: LabServer): Promise<void> {
    this.#children.set(server.name, await this.#spawn(server.host, "server", server.name, String(SERVER_PORT)));
  }

  /** As if its power failed: nothing is said to its clients. */
  async killServer({ name }: LabServer): Promise<void> {
    const child = this.#children.get(name);
    this.#children.delete(name);
    if (child !== undefined) await end(child);
  }

  /** A process at the balancer's place: `node ARGUMENTS`. The caller ends it. */
  spawnAtBalancer(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const inside = { name: this.balancer.namespace, labName: this.network.name };
    return spawnInLab(inside, [process.execPath, ...args], { stdio: ["pipe", "pipe", "pipe"], env });
  }

  /** `count` requests, each over a connection of its own. */
  async request(url: string, count: number, { atOnce = 32, timeoutMs = ANSWER_MS } = {}): Promise<Tally> {
    return tallyOf(await this.#order({ do: "request", url, count, atOnce, timeoutMs }));
  }

  /** Datagrams: `rounds` from each of `flows` sockets. `moved` of them were answered by several servers. */
  async volley(
    address: string,
    port: number,
    { flows = 64, rounds = 4, intervalMs = 5, timeoutMs = ANSWER_MS } = {},
  ): Promise<Tally & { moved: number }> {
    const outcome = await this.#order({ do: "volley", address, port, flows, rounds, intervalMs, timeoutMs });
    return { ...tallyOf(outcome), moved: outcome.moved ?? 0 };
  }

  /** Opens connections and keeps them busy until `release`. */
  async hold(url: string, connections: number, { intervalMs = 20, timeoutMs = ANSWER_MS } = {}): Promise<Held> {
    const holding = ++this.#orders;
    await this.#order({ do: "hold", holding, url, connections, intervalMs, timeoutMs });
    return {
      release: async () => {
        const outcome = await this.#order({ do: "release", holding });
        return { ...tallyOf(outcome), moved: outcome.moved ?? 0 };
      },
    };
  }

  async #order(order: Order): Promise<Outcome> {
    const client = this.#client;
    if (client === null) throw new Error("The lab has ended.");
    const id = ++this.#orders;
    const answer = new Promise<Outcome>((resolve, reject) => {
      const listen = (message: { id: number; outcome: Outcome }) => {
        if (message.id !== id) return;
        client.off("message", listen);
        client.off("exit", gone);
        resolve(message.outcome);
      };
      const gone = () => reject(new Error("The lab's client ended."));
      client.on("message", listen);
      client.once("exit", gone);
    });
    client.send({ id, order });
    const outcome = await answer;
    if (outcome.failure !== undefined) throw new Error(`The lab's client: ${outcome.failure}`);
    return outcome;
  }

  async #spawn(host: HostPlan, role: "client" | "server", ...args: string[]): Promise<ChildProcess> {
    // As a process of its own it is the built file, also for tests that run this one from its source.
    const script = packageFile(`dist/lab/traffic/${role}.js`);
    const child = spawnInLab({ name: host.namespace, labName: this.network.name }, [process.execPath, script, ...args], {
      stdio: role === "client" ? ["ignore", "ignore", "inherit", "ipc"] : ["pipe", "pipe", "inherit"],
    });
    const ready = role === "client" ? once(child, "message") : once(child.stdout ?? child, "data");
    const ended = once(child, "exit").then(() => {
      throw new WirescriptError({
        code: "LAB",
        what: `The ${role} on host ${host.number} did not start.`,
        why: `It ended at once with status ${child.exitCode}; above is what it said.`,
        fix: "Report it, with what it said and the version of Node.js.",
      });
    });
    ended.catch(() => {});
    await Promise.race([ready, ended]);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const children = [...this.#children.values(), ...(this.#client === null ? [] : [this.#client])];
    this.#children.clear();
    this.#client = null;
    await Promise.all(children.map(end));
    await this.network[Symbol.asyncDispose]();
  }
}

export interface Held {
  /** Lets the connections go. `errors` are those that broke, `moved` those that another server answered. */
  release(): Promise<Tally & { moved: number }>;
}

function tallyOf({ tally }: Outcome): Tally {
  return tally ?? { answers: {}, clients: {}, errors: {}, connections: 0 };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

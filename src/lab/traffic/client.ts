/**
 * A client to try a balancer with, as a process of its own that its parent steers by messages: `Order` in, `Outcome` out. See
 * `orders.ts` for what it can be asked.
 */
import { createSocket } from "node:dgram";
import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Hold, Order, Outcome, Requests, Tally, Volleys } from "./orders.ts";

const held = new Map<number, Holding>();

process.on("message", async ({ id, order }: { id: number; order: Order }) => {
  const outcome = await carryOut(order).catch((error: Error): Outcome => ({ failure: error.message }));
  process.send?.({ id, outcome });
});
process.on("disconnect", () => process.exit(0));
process.send?.({ id: 0, outcome: {} });

async function carryOut(order: Order): Promise<Outcome> {
  switch (order.do) {
    case "request":
      return await request(order);
    case "volley":
      return await volley(order);
    case "hold":
      held.set(order.holding, await Holding.start(order));
      return {};
    case "release": {
      const holding = held.get(order.holding);
      held.delete(order.holding);
      return holding === undefined ? { failure: "Nothing is held by that number." } : await holding.end();
    }
  }
}

function emptyTally(): Tally {
  return { answers: {}, clients: {}, errors: {}, connections: 0 };
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

/** Each request over a connection of its own. */
async function request({ url, count: wanted, atOnce, timeoutMs }: Requests): Promise<Outcome> {
  const tally = emptyTally();
  let next = 0;
  const lane = async () => {
    while (next++ < wanted) {
      tally.connections++;
      try {
        const { server, client } = await fetchOnce(url, timeoutMs);
        count(tally.answers, server);
        count(tally.clients, client);
      } catch (error) {
        count(tally.errors, (error as NodeJS.ErrnoException).code ?? (error as Error).message);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, wanted) }, lane));
  return { tally };
}

/** @returns which server answered, and by what address it knows us. */
function fetchOnce(
  url: string,
  timeoutMs: number,
  agent: Agent | false = false,
): Promise<{ server: string; client: string; bytes: number }> {
  return new Promise((resolve, reject) => {
    const asking = get(url, { agent, timeout: timeoutMs }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        const [server = "", client = ""] = text.split("\n");
        resolve({ server, client: client.split(" ")[0] ?? "", bytes: text.length });
      });
      response.on("error", reject);
    });
    asking.on("timeout", () => asking.destroy(Object.assign(new Error("no answer in time"), { code: "TIMEOUT" })));
    asking.on("error", reject);
  });
}

/** Datagrams from `flows` sockets in turn; a flow that two servers answer has moved. */
async function volley({ address, port, flows, rounds, intervalMs, timeoutMs }: Volleys): Promise<Outcome> {
  const tally = emptyTally();
  const seen = Array.from({ length: flows }, () => new Set<string>());
  let open = flows * rounds;
  const sockets = seen.map((servers) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("message", (message) => {
      const [server = ""] = message.toString().split("\n");
      servers.add(server);
      count(tally.answers, server);
      open--;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => count(tally.errors, error.code ?? error.message));
    return socket;
  });
  for (let round = 0; round < rounds; round++) {
    for (const socket of sockets) socket.send(`round ${round}`, port, address);
    await sleep(intervalMs);
  }
  const deadline = Date.now() + timeoutMs;
  while (open > 0 && Date.now() < deadline) await sleep(5);
  for (const socket of sockets) socket.close();
  if (open > 0) tally.errors.TIMEOUT = open;
  return { tally, moved: seen.filter(({ size }) => size > 1).length };
}

/** Connections that stay, with a request on each in turn. */
class Holding {
  #tally = emptyTally();
  #broken: Record<string, number> = {};
  #moved = 0;
  #ending = false;
  #lanes: Promise<void>[] = [];

  /** Returns when every connection has had its first answer, or failed. */
  static async start(order: Hold): Promise<Holding> {
    const holding = new Holding();
    const first: Promise<void>[] = [];
    for (let index = 0; index < order.connections; index++) {
      let answered = () => {};
      first.push(
        new Promise((resolve) => {
          answered = resolve;
        }),
      );
      holding.#lanes.push(holding.#keep(order, answered));
    }
    await Promise.all(first);
    return holding;
  }

  async #keep({ url, intervalMs, timeoutMs }: Hold, answered: () => void): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let connections = 0;
    const create = agent.createConnection.bind(agent);
    agent.createConnection = (options, callback) => {
      connections++;
      this.#tally.connections++;
      return create(options, callback);
    };
    let mine: string | undefined;
    try {
      do {
        const { server } = await fetchOnce(url, timeoutMs, agent);
        answered();
        count(this.#tally.answers, server);
        if (connections > 1) throw Object.assign(new Error("the connection ended"), { code: "CLOSED" });
        if (mine !== undefined && server !== mine) this.#moved++;
        mine = server;
        await sleep(intervalMs);
      } while (!this.#ending);
    } catch (error) {
      count(this.#broken, `${mine ?? "nobody"}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
    } finally {
      answered();
      agent.destroy();
    }
  }

  async end(): Promise<Outcome> {
    this.#ending = true;
    await Promise.all(this.#lanes);
    return { tally: { ...this.#tally, errors: this.#broken }, moved: this.#moved };
  }
}

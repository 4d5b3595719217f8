/**
 * Clients of the balancer's API, in a process of their own, so that what they cost is not the service's. Each keeps a connection and asks at its own pace, answered or not
 * yet; a time begins when the request was due, so that a service that stands still for a moment is not asked less because of it.
 */
import { Agent, request } from "node:http";
import { performance } from "node:perf_hooks";
import { askRaw, malformedRequests, wireForm } from "../test/balancer-api/malformed.ts";

export interface Pace {
  clients: number;
  /** Of each client. */
  perSecond: number;
  seconds: number;
  services: number;
}

export interface Times {
  what: string;
  count: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  most: number;
  /** Answers that were no 2xx. */
  refused: number;
}

interface Kind {
  what: string;
  /** Of a hundred requests. */
  share: number;
  make: (service: string) => { method: string; path: string; body?: string };
}

const KINDS: readonly Kind[] = [
  { what: "GET a service", share: 45, make: (name) => ({ method: "GET", path: `/services/${name}` }) },
  { what: "GET a service's status", share: 20, make: (name) => ({ method: "GET", path: `/services/${name}/status` }) },
  {
    what: "GET where a connection goes",
    share: 20,
    make: () => ({
      method: "GET",
      path: `/flows?protocol=tcp&client=198.51.100.7&clientPort=${1 + Math.floor(Math.random() * 65_534)}&address=192.0.2.1&port=1`,
    }),
  },
  {
    what: "PATCH a backend, as a dry run",
    share: 14,
    make: (name) => ({ method: "PATCH", path: `/services/${name}/backends/b1?dryRun=true`, body: weight() }),
  },
  {
    what: "PATCH a backend, to disk and maps",
    share: 1,
    make: (name) => ({ method: "PATCH", path: `/services/${name}/backends/b1`, body: weight() }),
  },
];

const weight = (): string => JSON.stringify({ weight: 1 + Math.floor(Math.random() * 200) });

export async function askAtPace(port: number, { clients, perSecond, seconds, services }: Pace): Promise<Times[]> {
  const times = new Map(KINDS.map(({ what }) => [what, { all: [] as number[], refused: 0 }]));
  const begin = performance.now() + 200;
  const client = async (number: number) => {
    using agent = new OneConnection();
    const pending: Promise<void>[] = [];
    for (let count = 0; count < perSecond * seconds; count++) {
      const due = begin + ((count + number / clients) * 1000) / perSecond;
      await until(due);
      const kind = kindOf(Math.random() * 100);
      const { method, path, body } = kind.make(`s${Math.floor(Math.random() * services)}`);
      pending.push(
        agent.ask(port, method, path, body).then((status) => {
          const known = times.get(kind.what);
          known?.all.push(performance.now() - due);
          if (known !== undefined && (status < 200 || status > 299)) known.refused++;
        }),
      );
    }
    await Promise.all(pending);
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  const all = [...times].map(([what, { all, refused }]) => summary(what, all, refused));
  const together = [...times.values()];
  return [
    ...all,
    summary(
      "all",
      together.flatMap((each) => each.all),
      together.reduce((sum, { refused }) => sum + refused, 0),
    ),
  ];
}

/** `random` from 0 to 100. */
function kindOf(random: number): Kind {
  let end = 0;
  for (const kind of KINDS) {
    end += kind.share;
    if (random < end) return kind;
  }
  return KINDS[0] as Kind; // there are some
}

function summary(what: string, times: number[], refused: number): Times {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { what, count: sorted.length, p50: at(0.5), p99: at(0.99), most: at(1), refused };
}

function until(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, time - performance.now())));
}

class OneConnection implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  ask(port: number, method: string, path: string, body?: string): Promise<number> {
    const headers =
      body === undefined ? {} : { "content-type": "application/json", "content-length": `${Buffer.byteLength(body)}` };
    return new Promise((resolve, reject) => {
      const call = request({ host: "127.0.0.1", port, method, path, headers, agent: this.#agent }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      });
      call.on("error", reject).end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

export interface Malformed {
  asked: number;
  /** By status. 0: the connection was closed without an answer. */
  statuses: Record<string, number>;
}

/** Sends malformed requests, some at once, and counts what is answered. */
export async function askWrongly(port: number, seed: number, count: number): Promise<Malformed> {
  const requests = malformedRequests(seed);
  const statuses: Record<string, number> = {};
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      const { status } = await askRaw(port, wireForm(requests.next().value));
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return { asked: count, statuses };
}

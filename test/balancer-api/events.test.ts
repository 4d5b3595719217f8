/** Events over HTTP: what comes, in which order, and what becomes of clients that were away or do not read. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listen } from "../../src/balancer/api/listen.ts";
import { type App, makeApi } from "../../src/balancer/api/server.ts";
import type { BalancerEvent } from "../../src/balancer/contract.ts";
import { MemoryBalancer } from "./memory-balancer.ts";

let balancer: MemoryBalancer;
let app: App;
let port: number;
beforeEach(async () => {
  balancer = new MemoryBalancer();
  app = await makeApi(balancer, {});
  ({ port } = await listen(app, { host: "127.0.0.1", port: 0 }));
});
afterEach(() => app.close());

const drained = (backend: string): BalancerEvent => ({ at: new Date(0), type: "drained", service: "web", backend });

interface Received {
  id?: string;
  event?: string;
  data?: string;
}

/** Events, as they come in. */
async function* listenTo(headers: Record<string, string> = {}, query = ""): AsyncGenerator<Received> {
  const response = await fetch(`http://127.0.0.1:${port}/events${query}`, { headers });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  let text = "";
  // fetch's body is iterable in Node.js; its types say so in the browser's library only.
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString("utf8");
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      yield Object.fromEntries(fields.map((field) => field.split(/: ?(.*)/s, 2)));
    }
  }
}

const next = async (events: AsyncGenerator<Received>): Promise<Received> => (await events.next()).value ?? {};

test("an event comes when it happens, with its id, type and contents", async () => {
  const events = listenTo();
  expect(await next(events)).toEqual({ retry: "1000" });
  balancer.happen(drained("b1"));
  const event = await next(events);
  expect(event).toMatchObject({ id: expect.stringMatching(/^[0-9a-f]{8}-1$/), event: "drained" });
  expect(JSON.parse(event.data ?? "")).toEqual({
    at: "1970-01-01T00:00:00.000Z",
    type: "drained",
    service: "web",
    backend: "b1",
  });
  await events.return(undefined);
});

test("who was away gets what it missed, and only that", async () => {
  const first = listenTo({}, "?recent=true");
  await next(first);
  for (const name of ["b1", "b2", "b3"]) balancer.happen(drained(name));
  const seen = await next(first);
  await first.return(undefined);
  const again = listenTo({ "last-event-id": seen.id ?? "" });
  await next(again);
  expect(JSON.parse((await next(again)).data ?? "")).toMatchObject({ backend: "b2" });
  expect(JSON.parse((await next(again)).data ?? "")).toMatchObject({ backend: "b3" });
  await again.return(undefined);
});

test.each(["00000000-1", "nonsense", "-"])("who comes with the id %s is told of the gap", async (id) => {
  balancer.happen(drained("b1"));
  const events = listenTo({ "last-event-id": id });
  await next(events);
  expect(await next(events)).toMatchObject({ event: "gap" });
  await events.return(undefined);
});

test("who does not read is cut off, and nobody else notices", async () => {
  const lazy = connect({ port, host: "127.0.0.1" });
  await once(lazy, "connect");
  lazy.pause();
  lazy.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const eager = listenTo();
  await next(eager);
  const gone = once(lazy, "close");
  const long = drained("b".repeat(100_000));
  let count = 0;
  // The kernel's buffers take some megabytes before anything waits here.
  for (; count < 2000 && !lazy.destroyed && app.server.listening; count++) {
    balancer.happen(long);
    await next(eager);
    if ((await connections()) < 2) break;
  }
  expect(count).toBeLessThan(2000);
  lazy.resume();
  await gone;
  await eager.return(undefined);
});

function connections(): Promise<number> {
  return new Promise((resolve, reject) =>
    app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

test("closing the server ends the streams", async () => {
  const events = listenTo();
  await next(events);
  await app.close();
  expect((await events.next()).done).toBe(true);
});

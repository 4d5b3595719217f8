/**
 * Events as they happen (server-sent events, HTML standard section 9.2). Who reconnects sends the id of its last event and gets what came since; when that
 * is too long ago an event `gap` says so, and the state has to be read anew. A client that does not read is cut off once what waits for it is too
 * much: it can come back with its last id.
 */
import type { ServerResponse } from "node:http";
import Type from "typebox";
import { EventLog, type NumberedEvent } from "../event-log.ts";
import { Refusal } from "../problem.ts";
import { answers } from "../schemas.ts";
import type { ApiParts } from "../server.ts";

const MOST_CLIENTS = 128;
/** Bytes that may wait for one client. */
const MOST_WAITING = 1024 * 1024;
const HEARTBEAT = 15_000;

const Query = Type.Object(
  { recent: Type.Boolean({ default: false, description: "Begin with the events that are kept." }) },
  { additionalProperties: false },
);

export function eventRoutes({ app, balancer }: ApiParts): void {
  const log = new EventLog(balancer);
  const clients = new Set<ServerResponse>();
  const heartbeat = setInterval(() => {
    for (const client of clients) write(client, ": still here\n\n");
  }, HEARTBEAT);
  heartbeat.unref();
  app.addHook("preClose", async () => {
    clearInterval(heartbeat);
    log[Symbol.dispose]();
    for (const client of clients) client.end();
  });

  app.get(
    "/events",
    {
      // A stream without its contents would be open for nothing.
      exposeHeadRoute: false,
      schema: {
        tags: ["status"],
        summary: "Events as they happen, as server-sent events",
        description:
          "Each has an id, its type as the event's name, and JSON as data. Last-Event-ID continues where a client was cut off; an event gap says that some are lost.",
        querystring: Query,
        produces: ["text/event-stream"],
        response: answers({ 200: Type.String({ description: "text/event-stream" }) }),
      },
    },
    (request, reply) => {
      if (clients.size >= MOST_CLIENTS) throw full();
      const last = request.headers["last-event-id"];
      const missed = last !== undefined || request.query.recent ? log.since(last?.toString()) : [];
      reply.hijack();
      const client = reply.raw;
      client.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        // Proxies that would wait for the end of the answer.
        "x-accel-buffering": "no",
      });
      write(client, "retry: 1000\n\n");
      if (missed === null) write(client, `event: gap\ndata: ${JSON.stringify({ after: last })}\n\n`);
      else for (const event of missed) write(client, textOf(event));
      const unsubscribe = log.subscribe((event) => write(client, textOf(event)));
      clients.add(client);
      client.on("close", () => {
        unsubscribe();
        clients.delete(client);
      });
    },
  );
}

/** JSON has no ends of lines. */
function textOf({ id, event }: NumberedEvent): string {
  return `id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function write(client: ServerResponse, text: string): void {
  if (client.destroyed || client.writableEnded) return;
  client.write(text);
  if (client.writableLength > MOST_WAITING) client.destroy();
}

function full(): Refusal {
  return new Refusal({
    status: 503,
    code: "busy",
    detail: `${MOST_CLIENTS} clients are listening to events already.`,
    fix: "Try again later, or end one of them.",
    headers: { "retry-after": "10" },
  });
}

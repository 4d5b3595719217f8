/** `wirescript balancer events`: what happens, as it happens. A stream that breaks is taken up again where it was. */
import type { BalancerEvent } from "../../../balancer/contract.ts";
import { movedText, percent } from "../../../balancer/moved.ts";
import { WirescriptError } from "../../../errors.ts";
import { Interruption } from "../../interruption.ts";
import { oneLine, say, sayJsonLine } from "../../terminal.ts";
import { Api, type ApiOptions } from "./api.ts";

export interface EventsOptions extends ApiOptions {
  /** Those that are kept first. */
  recent?: boolean;
  /** End after so many. */
  count?: number;
}

const LEFT = "The balancer goes on.";

export async function events(options: EventsOptions): Promise<void> {
  const api = new Api(options);
  using interruption = new Interruption();
  let [last, shown]: [string | undefined, number] = [undefined, 0];
  for (let tries = 0; ; tries++) {
    const headers: Record<string, string> = last === undefined ? {} : { "last-event-id": last };
    try {
      for await (const message of messages(
        api.stream(`/events?recent=${options.recent === true}`, headers, interruption.signal),
      )) {
        tries = 0;
        last = message.id ?? last;
        if (message.event === "gap") process.stderr.write("Some events were missed meanwhile.\n");
        if (message.event === "gap" || message.data === undefined) continue;
        sayEvent(message.data, options.json);
        if (++shown === options.count) return;
      }
    } catch (error) {
      // At first, and after a while, that nobody answers is what there is to say.
      const isAway = error instanceof WirescriptError && error.code === "NO_ANSWER" && last !== undefined && tries < MOST_TRIES;
      if (!interruption.signal.aborted && !isAway) throw error;
    }
    if (interruption.isOver(LEFT)) return;
    if (!(await interruption.pause(1, LEFT))) return;
  }
}

/** A restart of the service takes seconds. */
const MOST_TRIES = 30;

interface Message {
  id?: string;
  event?: string;
  data?: string;
}

/** Server-sent events, as this service writes them: fields that are one line each. */
async function* messages(chunks: AsyncIterable<string>): AsyncGenerator<Message> {
  let text = "";
  for await (const chunk of chunks) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      yield Object.fromEntries(fields.map((field) => field.split(/: ?(.*)/s, 2))) as Message;
    }
  }
}

function sayEvent(data: string, json: boolean | undefined): void {
  const event = JSON.parse(data) as BalancerEvent;
  if (json === true) return sayJsonLine(event);
  const at = new Date(event.at).toISOString().slice(11, 23);
  say(`${at}  ${oneLine(textOf(event))}`);
}

function textOf(event: BalancerEvent): string {
  switch (event.type) {
    case "applied":
      return `revision ${event.revision}: ${event.changes.length} change${event.changes.length === 1 ? "" : "s"}, ${movedText(event)}`;
    case "health": {
      const why = event.reason === undefined ? "" : ` (${event.reason})`;
      return `${event.service}/${event.backend} is ${event.to}, was ${event.from}${why}; ${percent(event.of === 0 ? 0 : event.moved / event.of)} of slots move`;
    }
    case "fail-open":
      return event.open
        ? `${event.service}: all backends fail their checks, so all of them get connections nevertheless`
        : `${event.service}: a backend is up again, so only those that are get connections`;
    case "drained":
      return `${event.service}/${event.backend} is drained`;
    case "neighbour":
      return event.mac === null
        ? `${event.address} has no next hop`
        : `${event.address} is reached by ${event.mac} on ${event.device}`;
    case "device":
      return `${event.device} is ${event.attached ? "attached" : "not attached"}${event.reason === undefined ? "" : `: ${event.reason}`}`;
    default:
      // Of a service that is newer than this command.
      return JSON.stringify(event);
  }
}

/** The balancer's API as the verbs of `wirescript balancer` use it. Whatever it refuses is said as all other failures are: what, why, fix. */
import { request } from "node:http";
import type { ProblemDetails } from "../../../balancer/api/problem.ts";
import { readToken } from "../../../balancer/api/token.ts";
import type { Applied } from "../../../balancer/contract.ts";
import { type ErrorCode, WirescriptError } from "../../../errors.ts";

export const DEFAULT_API = "http://127.0.0.1:9092";
const API_VARIABLE = "WIRESCRIPT_BALANCER_API";

/** What every verb takes. */
export interface ApiOptions {
  api?: string;
  tokenFile?: string;
  json?: boolean;
}

/** What a change did, or would do. */
export interface Changed extends Applied {
  dryRun: boolean;
  summary: string;
}

type Method = "GET" | "PUT" | "PATCH" | "DELETE" | "POST";

export interface Ask {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export class Api {
  readonly #base: URL;
  readonly #token: string | undefined;

  /** @throws WirescriptError USAGE, BAD_FILE */
  constructor({ api, tokenFile }: ApiOptions) {
    this.#base = baseOf(api ?? process.env[API_VARIABLE] ?? DEFAULT_API);
    this.#token = readToken(tokenFile);
  }

  /**
   * Sends a request and returns the JSON of its answer. `path` begins with a slash, and is encoded.
   *
   * @throws WirescriptError NO_ANSWER, and those of `refused`.
   */
  async ask<T>(method: Method, path: string, { body, headers = {}, signal }: Ask = {}): Promise<T> {
    const response = await this.#send(method, path, headers, body, signal);
    let text = "";
    response.setEncoding("utf8");
    try {
      for await (const chunk of response) text += chunk;
    } catch (cause) {
      throw this.#noAnswer(cause as NodeJS.ErrnoException);
    }
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return parsed(text, this.#base) as T;
    throw refused(text, status, this.#base);
  }

  /** The body of an answer, piece by piece, as it comes. Ends when the service ends it. */
  async *stream(path: string, headers: Record<string, string>, signal: AbortSignal): AsyncGenerator<string> {
    const response = await this.#send("GET", path, headers, undefined, signal);
    response.setEncoding("utf8");
    if (response.statusCode !== 200) {
      let text = "";
      for await (const chunk of response) text += chunk;
      throw refused(text, response.statusCode ?? 0, this.#base);
    }
    try {
      for await (const chunk of response) yield chunk as string;
    } catch (cause) {
      if (!signal.aborted && (cause as NodeJS.ErrnoException).code !== "ECONNRESET") throw cause;
    }
  }

  #send(method: Method, path: string, headers: Record<string, string>, body: unknown, signal?: AbortSignal) {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const all = {
      accept: "application/json",
      ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
      ...(payload !== undefined && { "content-type": "application/json", "content-length": `${payload.length}` }),
      ...headers,
    };
    return new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
      const url = new URL(`${this.#base.pathname.replace(/\/$/, "")}${path}`, this.#base);
      const call = request(url, { method, headers: all, signal }, resolve);
      call.on("error", (cause: NodeJS.ErrnoException) => reject(this.#noAnswer(cause)));
      call.end(payload);
    });
  }

  #noAnswer(cause: NodeJS.ErrnoException): WirescriptError {
    const isRefused = cause.code === "ECONNREFUSED";
    return new WirescriptError({
      code: "NO_ANSWER",
      what: `No balancer answers at ${this.#base.origin}.`,
      why: isRefused ? "Nothing listens there." : `${cause.message || cause.code}.`,
      fix: isRefused
        ? "Start one: wirescript balancer serve; or say where it is: --api URL, or the variable WIRESCRIPT_BALANCER_API."
        : "Say where it is: --api URL, or the variable WIRESCRIPT_BALANCER_API.",
      cause,
    });
  }
}

/** @throws WirescriptError USAGE */
function baseOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === "http:" && url.search === "" && url.username === "") return url;
  throw new WirescriptError({
    code: "USAGE",
    what: `"${text}" is no URL of an API.`,
    why: "The API is reached by http://HOST:PORT.",
    fix: `For example: --api ${DEFAULT_API}`,
  });
}

function parsed(text: string, base: URL): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notOurs(base, cause);
  }
}

function notOurs(base: URL, cause?: unknown): WirescriptError {
  return new WirescriptError({
    code: "NO_ANSWER",
    what: `What answers at ${base.origin} is no balancer of Wirescript's.`,
    why: "Its answers are of another form.",
    fix: "Say where the balancer is: --api URL.",
    cause,
  });
}

const CODES: Record<number, ErrorCode> = {
  401: "NO_PRIVILEGES",
  403: "NO_PRIVILEGES",
  404: "NO_SUCH_SERVICE",
  409: "CONFLICT",
  412: "CONFLICT",
  413: "BAD_FILE",
  421: "NO_PRIVILEGES",
  422: "INVALID_STATE",
  429: "NO_ANSWER",
  503: "NO_ANSWER",
  507: "KERNEL",
};

/** By the code of the problem, where its detail is what and not why. */
const WHYS: Record<string, string> = {
  taken: "A name, an address and port, and what clients send to belong to one alone.",
  conflict: "The change was made to what is not so any more.",
  "changed-meanwhile": "The change was asked for on a condition that does not hold.",
};

/** What the service said no with, as a failure of the command. */
function refused(text: string, status: number, base: URL): WirescriptError {
  let problem: Partial<ProblemDetails>;
  try {
    problem = JSON.parse(text) as Partial<ProblemDetails>;
  } catch (cause) {
    return notOurs(base, cause);
  }
  if (typeof problem !== "object" || problem === null || typeof problem.code !== "string") return notOurs(base);
  const code = CODES[status] ?? (status >= 500 ? "INTERNAL" : "USAGE");
  if (problem.problems !== undefined && problem.problems.length > 0) {
    const lines = problem.problems.map(({ field, reason, fix, state }) => {
      const place = field || state;
      return `${place ? `${place}: ` : ""}${reason}${fix === undefined ? "" : ` ${fix}`}`;
    });
    return new WirescriptError({
      code,
      what: "The balancer refuses this; nothing was changed.",
      why: lines.join("\n"),
      fix: "Mend what is named.",
    });
  }
  if (status === 401) {
    return new WirescriptError({
      code,
      what: "The balancer asks for a token.",
      why: problem.detail,
      fix: "Give the one that it was started with: --token-file FILE, or the variable WIRESCRIPT_BALANCER_TOKEN.",
    });
  }
  const what = problem.detail ?? `The balancer answers ${status}.`;
  // What there is instead is the reason here, not what to do.
  if (problem.code === "not-found")
    return new WirescriptError({ code, what, why: problem.fix, fix: "See the names: wirescript balancer status" });
  const why = WHYS[problem.code] ?? `The balancer answers ${status} (${problem.title}).`;
  return new WirescriptError({ code, what, why, fix: problem.fix });
}

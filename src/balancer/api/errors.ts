/** Every error on its way out: those of routes, of Fastify before and behind them, and of HTTP itself. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { WirescriptError } from "../../errors.ts";
import { ConflictError, InvalidState, StateNotSaved } from "../refusals.ts";
import { detailsOf, invalid, PROBLEM_JSON, Refusal } from "./problem.ts";

/** Fastify's error handler. What is the client's doing is said to the client; what is ours is logged, and said to be ours. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const refusal = refusalOf(error);
  if (refusal.status >= 500) request.log.error({ err: error }, "a request failed");
  send(reply, refusal, request.url);
}

export function send(reply: FastifyReply, refusal: Refusal, url: string): void {
  reply
    .code(refusal.status)
    .headers(refusal.headers)
    .header("content-type", PROBLEM_JSON)
    .header("cache-control", "no-store")
    .serializer((payload) => JSON.stringify(payload))
    .send(detailsOf(refusal, url.split("?", 1)[0]));
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof InvalidState) {
    return invalid(
      error.problems.map(({ path, what, fix }) => ({ field: path, reason: what, ...(fix !== undefined && { fix }) })),
    );
  }
  if (error instanceof ConflictError) return conflict(error);
  if (error instanceof WirescriptError) {
    const [status, code] =
      error instanceof StateNotSaved ? [507, "not-saved"] : [500, error.code.toLowerCase().replaceAll("_", "-")];
    return new Refusal({
      status,
      code,
      detail: error.why === undefined ? error.message : `${error.message} ${error.why}`,
      fix: error.fix ?? "The service's log says more.",
    });
  }
  return fastifys(error as Partial<FastifyError>);
}

export function conflict({ message, revision }: ConflictError): Refusal {
  return new Refusal({
    status: 409,
    code: "conflict",
    detail: `Another change came first: ${message}`,
    fix: "Read it again, and make the change to what it is now.",
    revision,
    headers: { etag: `"${revision}"` },
  });
}

/** What Fastify finds wrong before a route runs; its own words name the matter, and `KNOWN` what to do. */
const KNOWN: Record<string, { status: number; code: string; detail: string; fix: string }> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    status: 413,
    code: "too-large",
    detail: "The body is larger than this route takes.",
    fix: "Send less at once. A whole state may have 16 MiB, everything else 1 MiB.",
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: "media-type",
    detail: "The body is of a type that this route does not read.",
    fix: "Send JSON, and say so: content-type: application/json (application/merge-patch+json for PATCH).",
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: {
    status: 400,
    code: "no-json",
    detail: "The body is empty.",
    fix: "Send a JSON value.",
  },
  FST_ERR_CTP_INVALID_JSON_BODY: {
    status: 400,
    code: "no-json",
    detail: "The body is no JSON.",
    fix: "Send a JSON value in UTF-8, without keys such as __proto__.",
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    status: 400,
    code: "bad-length",
    detail: "The body is not as long as content-length says.",
    fix: "Leave the header to your client.",
  },
  FST_ERR_BAD_URL: {
    status: 400,
    code: "bad-url",
    detail: "The path is not properly encoded.",
    fix: "Write a % that stands for itself as %25.",
  },
  FST_ERR_MAX_PARAM_LENGTH: {
    status: 414,
    code: "bad-url",
    detail: "A name in the path is too long.",
    fix: "Names have 63 characters at most.",
  },
};

function fastifys(error: Partial<FastifyError>): Refusal {
  const known = KNOWN[error.code ?? ""];
  if (known !== undefined) return new Refusal(known);
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    return new Refusal({
      status,
      code: (STATUS_CODES[status] ?? "error").toLowerCase().replaceAll(/\W+/g, "-"),
      detail: error.message ?? "The request cannot be answered.",
      fix: "See /docs for what can be asked.",
    });
  }
  return new Refusal({
    status: 500,
    code: "internal",
    detail: "The service failed in a way that it did not foresee. That is a defect of Wirescript, not of the request.",
    fix: "Please report it, with what the service's log says.",
  });
}

const HTTP_FAILURES: Record<string, number> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 };

/** What is no HTTP never becomes a request: it is answered on its socket, which is then closed. */
export function answerBrokenHttp(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = HTTP_FAILURES[error.code ?? ""] ?? 400;
  const detail =
    status === 408 ? "The request did not come to its end." : status === 431 ? "The headers are too long." : "This is no HTTP.";
  const refusal = new Refusal({ status, code: "bad-http", detail, fix: "Send a request of HTTP/1.1." });
  const body = JSON.stringify(detailsOf(refusal));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${PROBLEM_JSON}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/**
 * Revisions over HTTP (RFC 9110, section 13). The ETag of everything that is desired is the state's revision: what somebody read is still true as long as
 * no change came, to whatever part.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { Refusal } from "./problem.ts";

export const etagOf = (revision: number): string => `"${revision}"`;

/** Answers 304 where the client has it already. */
export function sendDesired(request: FastifyRequest, reply: FastifyReply, revision: number, value: unknown): FastifyReply {
  reply.header("etag", etagOf(revision)).header("cache-control", "no-cache");
  const known = request.headers["if-none-match"];
  if (known !== undefined && listed(known).some((tag) => tag === "*" || tag.replace(/^W\//, "") === etagOf(revision))) {
    return reply.code(304).send();
  }
  return reply.send(value);
}

/**
 * What the client demands of the state before its change is made to it.
 *
 * @param exists whether what is changed is there.
 * @returns the revision that it must still have when the change is made; undefined for any.
 * @throws Refusal 412
 */
export function mustStillBe(request: FastifyRequest, revision: number, exists: boolean): number | undefined {
  const absent = request.headers["if-none-match"];
  if (absent !== undefined && listed(absent).includes("*") && exists) {
    throw precondition(revision, "It is there already, and If-None-Match: * asks that it is not.");
  }
  const match = request.headers["if-match"];
  if (match === undefined) return undefined;
  const tags = listed(match);
  if (tags.includes("*")) {
    if (!exists) throw precondition(revision, "It is not there, and If-Match: * asks that it is.");
    return undefined;
  }
  if (!tags.includes(etagOf(revision)))
    throw precondition(revision, `The state is at revision ${revision}, and If-Match asks for another.`);
  return revision;
}

export function precondition(revision: number, detail: string): Refusal {
  return new Refusal({
    status: 412,
    code: "changed-meanwhile",
    detail: `${detail} Nothing was changed.`,
    fix: "Read it again, and make the change to what it is now, with the ETag that comes with it.",
    revision,
    headers: { etag: etagOf(revision) },
  });
}

function listed(header: string): string[] {
  return header.split(",").map((tag) => tag.trim());
}

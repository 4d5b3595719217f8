/** Requests of tests to an API that does not listen. */
import type { App } from "../../src/balancer/api/server.ts";

export type Method = "GET" | "PUT" | "PATCH" | "DELETE" | "POST";

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  // What is in it is what the tests are about.
  // biome-ignore lint/suspicious/noExplicitAny: parsed JSON
  body: any;
}

export async function ask(
  app: App,
  method: Method,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const json = body === undefined ? {} : { payload: JSON.stringify(body) };
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const response = await app.inject({ method, url, ...json, headers: { ...type, ...headers } });
  return { status: response.statusCode, headers: response.headers, body: response.body === "" ? null : response.json() };
}

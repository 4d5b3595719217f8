/** Verbs that change one thing: `add`, `remove`, `set`, `drain`, `undrain`. */

import { backendName } from "../../../balancer/names.ts";
import { WirescriptError } from "../../../errors.ts";
import { Api, type ApiOptions, type Changed } from "./api.ts";
import { sayChanged } from "./change-report.ts";
import { parseFields } from "./fields.ts";
import { parseBackend, parseEndpoint, parseTarget, pathOf } from "./target.ts";

export interface ChangeOptions extends ApiOptions {
  dryRun?: boolean;
}

export interface DrainOptions extends ChangeOptions {
  /** After so many seconds its connections end too. */
  seconds?: number;
}

/** `add web 192.0.2.1:80/tcp mode=ipip`, `add web/b1 10.0.0.2:8080 weight=50`, `add web 10.0.0.2` for a backend that is called by its address. */
export async function add(name: string, endpoint: string, fields: readonly string[], options: ChangeOptions): Promise<void> {
  const target = parseTarget(name);
  const { address, port, protocol } = parseEndpoint(endpoint);
  if (protocol !== undefined && target.backend !== undefined) throw noProtocol(endpoint);
  const body = {
    address,
    ...(port !== undefined && { port }),
    ...(protocol !== undefined && { protocol }),
    ...parseFields(fields),
  };
  const path =
    protocol === undefined
      ? pathOf({ ...target, backend: target.backend ?? backendName({ address, port: port === "all" ? undefined : port }) })
      : pathOf(target);
  const isPlain = protocol !== undefined || target.backend !== undefined;
  await change("PUT", path, options, body, { "if-none-match": "*" }).catch((error: unknown) => {
    if (isPlain || !(error instanceof WirescriptError) || error.code !== "NO_SUCH_SERVICE") throw error;
    throw noService(target.service, endpoint, port, error);
  });
}

/** Without a protocol it is an address of a backend; most who meet this meant the service itself. */
function noService(service: string, endpoint: string, port: unknown, cause: WirescriptError): WirescriptError {
  const whole = port === undefined ? `${endpoint}:80/tcp` : `${endpoint}/tcp`;
  return new WirescriptError({
    code: "NO_SUCH_SERVICE",
    what: cause.message,
    why: `"${endpoint}" says no protocol, so it is taken for a backend of ${service}.`,
    fix: `To add the service, say the protocol: wirescript balancer add ${service} ${whole}`,
    cause,
  });
}

export async function remove(name: string, options: ChangeOptions): Promise<void> {
  await change("DELETE", pathOf(parseTarget(name)), options);
}

/** `set web mode=gue`, `set web/b1 weight=50`; without a name, of the balancer as a whole: `set mtu=9000`. */
export async function set(words: readonly string[], options: ChangeOptions): Promise<void> {
  const [first = "", ...rest] = words;
  const isWhole = first.includes("=");
  const fields = isWhole ? words : rest;
  if (fields.length === 0) {
    throw new WirescriptError({
      code: "USAGE",
      what: `What is to be set of ${first} was not said.`,
      why: "There is no FIELD=VALUE.",
      fix: "For example: wirescript balancer set web/b1 weight=50",
    });
  }
  await change("PATCH", isWhole ? "/state" : pathOf(parseTarget(first)), options, parseFields(fields));
}

export async function drain(name: string, { seconds, ...options }: DrainOptions): Promise<void> {
  const patch = { drain: true, ...(seconds !== undefined && { drainSeconds: seconds }) };
  await change("PATCH", pathOf(parseBackend(name)), options, patch);
}

export async function undrain(name: string, options: ChangeOptions): Promise<void> {
  await change("PATCH", pathOf(parseBackend(name)), options, { drain: null, drainSeconds: null });
}

async function change(
  method: "PUT" | "PATCH" | "DELETE",
  path: string,
  options: ChangeOptions,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<void> {
  const query = options.dryRun === true ? "?dryRun=true" : "";
  sayChanged(await new Api(options).ask<Changed>(method, `${path}${query}`, { body, headers }), options.json);
}

function noProtocol(endpoint: string): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `"${endpoint}" is no address of a backend.`,
    why: "A backend has the protocol of its service.",
    fix: `Leave /tcp or /udp out: ${endpoint.replace(/\/(tcp|udp)$/, "")}`,
  });
}

/**
 * Well is who answers a GET with one of the statuses that the check names. A connection of its own for each question; redirections are answers, not
 * followed; the body is not waited for.
 */
import { type ClientRequest, type RequestOptions, request } from "node:http";
import { request as requestTls } from "node:https";
import { isIP } from "node:net";
import type { Check } from "../state.ts";
import type { Target } from "./probe.ts";
import { Sick, sick } from "./sick.ts";

type HttpCheck = Extract<Check, { type: "http" | "https" }>;

export function probeHttp(check: HttpCheck, { address, port }: Target, signal: AbortSignal): Promise<void> {
  const { path, host, status } = check;
  const usual = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  const options: RequestOptions = {
    host: address,
    port,
    path,
    method: "GET",
    agent: false,
    signal,
    // Bytes of the answer's header.
    maxHeaderSize: 16_384,
    headers: { host: host ?? usual, "user-agent": "wirescript-balancer", accept: "*/*", connection: "close" },
  };
  return new Promise((resolve, reject) => {
    let asked: ClientRequest;
    try {
      asked = check.type === "http" ? request(options) : requestTls({ ...options, ...tlsOptions(check) });
    } catch (error) {
      reject(sick(error));
      return;
    }
    asked.once("response", (response) => {
      const { statusCode = 0 } = response;
      response.on("error", () => {});
      asked.destroy();
      if (status.includes(statusCode)) resolve();
      else reject(new Sick(`HTTP status ${statusCode}`));
    });
    // An answer that is none but switches protocols comes by events of its own.
    asked.once("upgrade", (_response, socket) => {
      socket.destroy();
      reject(new Sick("HTTP status 101"));
    });
    asked.on("error", (error) => reject(sick(error)));
    asked.end();
  });
}

function tlsOptions({ host, ...check }: HttpCheck) {
  const name = host?.replace(/:\d+$/, "");
  return {
    rejectUnauthorized: check.type === "https" && check.verify,
    // Names of hosts only: RFC 6066, section 3, allows no addresses.
    ...(name !== undefined && isIP(name) === 0 && { servername: name }),
  };
}

/**
 * Where the API listens. On the loopback device by default; an address that others reach takes a token, or somebody who says that none is
 * wanted: whoever may speak to this API decides where packets go.
 */
import type { AddressInfo } from "node:net";
import { isIP, isIPv4 } from "node:net";
import type { FastifyInstance } from "fastify";
import { WirescriptError } from "../../errors.ts";

export interface ListenAddress {
  host: string;
  port: number;
}

/**
 * "9092" and "127.0.0.1:9092" are what they look like, ":9092" is that port of all addresses, "[::1]:9092" one of IPv6.
 *
 * @throws WirescriptError USAGE
 */
export function parseListen(text: string): ListenAddress {
  const [, bracketed, plain, digits = ""] = /^(?:\[([^\]]+)\]:|([^:]*):)?(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "127.0.0.1";
  const port = Number(digits);
  const isHost = host === "" || host === "localhost" || (bracketed === undefined ? isIPv4(host) : isIP(host) === 6);
  if (digits !== "" && port <= 65_535 && isHost) return { host: host === "" ? "::" : host, port };
  throw new WirescriptError({
    code: "USAGE",
    what: `"${text}" is no address to listen on.`,
    why: "That is a port, or an address of this host and a port.",
    fix: "Write it like 9092 (this host only), 192.0.2.1:9092, [2001:db8::1]:9092, or :9092 for all addresses.",
  });
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

/** @throws WirescriptError USAGE when others can reach the address and nothing keeps them out. */
export function mustBeProtected({ host, port }: ListenAddress, token: string | undefined, isOpenToAll: boolean): void {
  if (isLoopback(host) || token !== undefined || isOpenToAll) return;
  throw new WirescriptError({
    code: "USAGE",
    what: `Others could steer the balancer at ${urlOf({ host, port })}.`,
    why: "The address is not of the loopback device, and there is no token.",
    fix: "Give a token (--token-file FILE, or WIRESCRIPT_BALANCER_TOKEN), listen on 127.0.0.1, or say --without-token if something else keeps others out.",
  });
}

/**
 * Starts listening, and says so in the log: `what` listens, at its address.
 *
 * @returns the address, with the port that the system chose for port 0.
 * @throws WirescriptError KERNEL
 */
export async function listen(app: FastifyInstance, { host, port }: ListenAddress, what = "The API"): Promise<ListenAddress> {
  // Who has said all that it wants to say may close its side, and is answered nevertheless; Node.js would hang up on it. Its types do not have this.
  Object.assign(app.server, { httpAllowHalfOpen: true });
  try {
    const listenTextResolver = (address: string) => `${what} listens at ${address}.`;
    await app.listen({ host, port, ...(host === "::" && { ipv6Only: false }), listenTextResolver });
  } catch (cause) {
    throw cannotListen({ host, port }, cause as NodeJS.ErrnoException);
  }
  const bound = app.server.address() as AddressInfo;
  return { host: bound.address, port: bound.port };
}

function cannotListen(address: ListenAddress, cause: NodeJS.ErrnoException): WirescriptError {
  const { code, message } = cause;
  const known: Record<string, [why: string, fix: string]> = {
    EADDRINUSE: ["Another program listens there.", "Choose another port, or end that program; `ss -ltnp` shows it."],
    EADDRNOTAVAIL: ["This host has no such address.", "Choose one that `ip address` shows, or 127.0.0.1."],
    EACCES: ["Ports below 1024 need CAP_NET_BIND_SERVICE.", "Choose a port from 1024 on."],
  };
  const [why, fix] = known[code ?? ""] ?? [message, "Choose an address of this host, such as 127.0.0.1:9092."];
  return new WirescriptError({ code: "KERNEL", what: `The API cannot listen on ${urlOf(address)}.`, why, fix, cause });
}

export function urlOf({ host, port }: ListenAddress): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** What a command line calls the balancer's things: SERVICE, SERVICE/BACKEND, ADDRESS:PORT/PROTOCOL, "SRC:PORT > VIP:PORT/udp". */
import { isIP } from "node:net";
import type { FlowQuestion, Protocol } from "../../../balancer/contract.ts";
import { WirescriptError } from "../../../errors.ts";

/** A service, or one of its backends. */
export interface Target {
  service: string;
  backend?: string;
}

/** "web" or "web/b1". Names have no slash. @throws WirescriptError USAGE */
export function parseTarget(text: string): Target {
  const [service = "", backend, ...more] = text.split("/");
  if (service !== "" && backend !== "" && more.length === 0) return { service, ...(backend !== undefined && { backend }) };
  throw usage(
    `"${text}" names nothing of a balancer.`,
    "That is SERVICE, or SERVICE/BACKEND.",
    "See the names: wirescript balancer status",
  );
}

/** @throws WirescriptError USAGE */
export function parseBackend(text: string): Required<Target> {
  const { service, backend } = parseTarget(text);
  if (backend !== undefined) return { service, backend };
  throw usage(`"${text}" names no backend.`, "That is SERVICE/BACKEND.", "See the names: wirescript balancer status");
}

export function pathOf({ service, backend }: Target): string {
  const path = `/services/${encodeURIComponent(service)}`;
  return backend === undefined ? path : `${path}/backends/${encodeURIComponent(backend)}`;
}

export interface Endpoint {
  /** For a service, it may be a prefix. */
  address: string;
  port?: number | "all";
  /** A service has one, a backend has not. */
  protocol?: Protocol;
}

/**
 * "192.0.2.1:80/tcp", "192.0.2.0/24:all/udp", "[2001:db8::1]:53/udp"; of a backend "10.0.0.2:8080", "10.0.0.2", "fd00::2". Whether the address is one
 * is for the balancer to say.
 *
 * @throws WirescriptError USAGE
 */
export function parseEndpoint(text: string): Endpoint {
  const [, body = text, protocol] = /^(.*)\/(tcp|udp)$/.exec(text) ?? [];
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)|(?<=^)$)(?::(\d+|all))?$/.exec(body) ?? [];
  const address = bracketed ?? plain ?? (isIP(body) === 6 ? body : undefined);
  const isRight = address !== undefined && (protocol === undefined ? port !== "all" : port !== undefined);
  if (!isRight) {
    throw usage(
      `"${text}" is no address of a service or backend.`,
      "A service has ADDRESS:PORT/tcp or ADDRESS:PORT/udp, with `all` for all ports; a backend has ADDRESS or ADDRESS:PORT.",
      "Write it like 192.0.2.1:80/tcp, [2001:db8::1]:53/udp, or 10.0.0.2:8080",
    );
  }
  return {
    address,
    ...(port !== undefined && { port: port === "all" ? port : Number(port) }),
    ...(protocol !== undefined && { protocol: protocol as Protocol }),
  };
}

/** "198.51.100.7:40000 > 192.0.2.1:80/tcp". @throws WirescriptError USAGE */
export function parseConnection(text: string): FlowQuestion {
  const [, from = "", to = "", protocol = ""] = /^\s*(\S+)\s*(?:>|→|->)\s*(\S+)\/(tcp|udp)\s*$/.exec(text) ?? [];
  const [source, destination] = [hostAndPort(from), hostAndPort(to)];
  if (source === null || destination === null || isIP(source.host) !== isIP(destination.host)) {
    throw usage(
      `"${text}" is no connection.`,
      "It is written CLIENT:PORT > ADDRESS:PORT/PROTOCOL, both of the same IP version.",
      'For example: wirescript balancer explain "198.51.100.7:40000 > 192.0.2.1:80/tcp"',
    );
  }
  return {
    protocol: protocol as Protocol,
    client: source.host,
    clientPort: source.port,
    address: destination.host,
    port: destination.port,
  };
}

function hostAndPort(text: string): { host: string; port: number } | null {
  const [, bracketed, plain, digits] = /^(?:\[([^\]%]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const isHost = bracketed === undefined ? isIP(host) === 4 : isIP(host) === 6;
  return isHost && Number(digits) <= 65_535 ? { host, port: Number(digits) } : null;
}

function usage(what: string, why: string, fix: string): WirescriptError {
  return new WirescriptError({ code: "USAGE", what, why, fix });
}

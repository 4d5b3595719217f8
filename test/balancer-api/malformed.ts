/**
 * Requests that nobody should send, the same ones for the same seed: valid bodies with something wrong in them, values of every wrong kind, broken JSON,
 * paths and parameters that are none, headers that contradict each other. Some come out right, since that is what mistakes are like.
 */
import { connect } from "node:net";

export interface MalformedRequest {
  method: "GET" | "PUT" | "PATCH" | "DELETE" | "POST" | "OPTIONS" | "HEAD";
  url: string;
  headers: Record<string, string>;
  payload?: string;
}

const STATE = {
  source4: "198.51.100.1",
  source6: "2001:db8:51::1",
  tableSize: 251,
  mtu: 1500,
  natPorts: { first: 1024, count: 1000 },
  services: [
    {
      name: "web",
      address: "192.0.2.1",
      port: 80,
      protocol: "tcp",
      mode: "nat",
      affinity: "source",
      check: { type: "http", path: "/ok", status: [200, 204], interval: 2 },
      backends: [
        { name: "b1", address: "10.0.0.2", port: 8080, weight: 50 },
        { address: "10.0.0.3", drain: true, drainSeconds: 10 },
      ],
    },
    { name: "dns", address: "2001:db8::/64", port: "all", protocol: "udp", mode: "ipip", backends: [{ address: "fd00::2" }] },
  ],
};
const [SERVICE] = STATE.services;
const BACKEND = { address: "10.0.0.9", weight: 7, mac: "02:00:00:00:00:01", device: "eth0" };

const PATHS: readonly (readonly [path: string, body: unknown])[] = [
  ["/state", STATE],
  ["/services", null],
  ["/services/web", SERVICE],
  ["/services/other", SERVICE],
  ["/services/web/backends", null],
  ["/services/web/backends/b1", BACKEND],
  ["/services/nil/backends/b1", BACKEND],
  ["/services/web/status", null],
  ["/flows?protocol=tcp&client=198.51.100.1&clientPort=5&address=192.0.2.1&port=80", null],
  ["/status", null],
  ["/health", null],
  ["/counters", null],
  ["/metrics", null],
  ["/openapi.json", null],
  ["/docs/", null],
  ["/stop", { detach: false }],
];
const METHODS = ["GET", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "HEAD"] as const;
const STRANGE: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  0.5,
  2 ** 53,
  "",
  "x",
  "\u0000",
  "\ud800",
  "é".repeat(300),
  "a".repeat(5000),
  [],
  {},
  [[]],
  { toString: 1 },
  { constructor: { prototype: 1 } },
  "$&",
  "../..",
  "0x10",
  "999.1.1.1",
  "::ffff:1.2.3.4",
  "192.0.2.0/33",
  "fe80::1%eth0",
  ["tcp"],
];
const TYPES = [
  "application/json",
  "application/json; charset=utf-8",
  "application/merge-patch+json",
  "application/json; charset=nonsense",
  "text/plain",
  "application/xml",
  "multipart/form-data",
  ";",
  "application/",
];
const HEADERS: readonly (readonly [string, string])[] = [
  ["host", "attacker.example"],
  ["host", ""],
  ["host", "[::1"],
  ["origin", "http://attacker.example"],
  ["if-match", "*"],
  ["if-match", '"1"'],
  ["if-match", 'W/"", ,"'],
  ["if-none-match", "*"],
  ["if-none-match", '"'],
  ["authorization", "Bearer"],
  ["authorization", `Bearer ${"x".repeat(5000)}`],
  ["accept", "application/xml;q=nonsense"],
  ["content-encoding", "gzip"],
  ["content-length", "-5"],
  ["content-length", "7"],
  ["expect", "100-continue"],
  ["range", "bytes=0-"],
  ["x-forwarded-for", "1.2.3.4"],
  ["last-event-id", "nonsense"],
  ["transfer-encoding", "identity"],
];

/** As it goes over the wire. */
export function wireForm({ method, url, headers, payload }: MalformedRequest): Buffer {
  const body = Buffer.from(payload ?? "");
  const all = { host: "localhost", ...(payload !== undefined && { "content-length": `${body.length}` }), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${method} ${url} HTTP/1.1\r\n${lines.join("")}connection: close\r\n\r\n`), body]);
}

export interface WireAnswer {
  /** 0 when the connection was closed without an answer. */
  status: number;
  type: string;
  body: string;
}

/** Sends bytes on a connection of their own, and ends it. */
export async function askRaw(port: number, bytes: Buffer): Promise<WireAnswer> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.end(bytes);
  let text = "";
  try {
    for await (const chunk of socket) text += chunk;
  } catch {
    // What was answered before it was reset counts.
  }
  const final = text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, "");
  const [head = "", ...rest] = final.split("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? 0);
  return { status, type: /^content-type: (.*)$/im.exec(head)?.[1] ?? "", body: rest.join("\r\n\r\n") };
}

/** Requests without end. */
export function* malformedRequests(seed: number): Generator<MalformedRequest> {
  const random = mulberry32(seed);
  const below = (end: number) => Math.floor(random() * end);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const chance = (share: number) => random() < share;

  const mutated = (value: unknown, depth = 0): unknown => {
    if (typeof value !== "object" || value === null || chance(0.1 + depth * 0.05)) return chance(0.4) ? pick(STRANGE) : value;
    if (Array.isArray(value)) {
      const list = value.map((each) => (chance(0.5) ? mutated(each, depth + 1) : each));
      if (chance(0.1)) list.push(...list);
      if (chance(0.05)) list.push(...Array(below(200)).fill(pick(STRANGE)));
      return list;
    }
    const entries = Object.entries(value).map(([key, each]) => [chance(0.05) ? key.toUpperCase() : key, each] as const);
    const kept = entries.filter(() => !chance(0.07)).map(([key, each]) => [key, chance(0.4) ? mutated(each, depth + 1) : each]);
    if (chance(0.1)) kept.push([pick(["constructor", "toString", "length", "", "a/b", "~0", "extra"]), pick(STRANGE)]);
    return Object.fromEntries(kept);
  };
  const broken = (text: string): string => {
    const at = below(text.length + 1);
    switch (below(6)) {
      case 0:
        return text.slice(0, at);
      case 1:
        return text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at);
      case 2:
        return text.replace("{", '{"__proto__":{"x":1},');
      case 3:
        return "[".repeat(below(3000)) + text;
      case 4:
        return text.replace(/\d+/, "1e999");
      default:
        return "";
    }
  };
  const wrongPath = (path: string): string => {
    const at = below(path.length + 1);
    switch (below(6)) {
      case 0:
        return `${path}/${pick(["%", "%zz", "%00", "..", "x".repeat(400), "%F0%9F%98%80", "a%2Fb"])}`;
      case 1:
        return path.slice(0, at);
      case 2:
        return path.replace(
          /(web|b1)/,
          pick(["%", "%2e%2e", "__proto__", "constructor", "a b", encodeURIComponent("[::1]:80")]),
        );
      case 3:
        return `${path}${path.includes("?") ? "&" : "?"}${pick(["dryRun=maybe", "dryRun=true&dryRun=false", "x[y]=1", "=", "&&", "dryRun", "__proto__=1"])}`;
      case 4:
        return `/${path}`;
      default:
        return path.replace(/=\w+/, `=${encodeURIComponent(String(pick(["", "-1", "65536", "NaN", "::", "1e9"])))}`);
    }
  };

  for (;;) {
    const [path, body] = pick(PATHS);
    const method = pick(METHODS);
    const dry = chance(0.3) && !path.includes("?") && method !== "GET" ? "?dryRun=true" : "";
    const url = encodable(chance(0.3) ? wrongPath(path + dry) : path + dry);
    const headers: Record<string, string> = {};
    let payload: string | undefined;
    if (method !== "GET" && method !== "HEAD" && chance(0.9)) {
      payload = JSON.stringify(body === null ? pick(STRANGE) : mutated(body));
      if (chance(0.15)) payload = broken(payload);
      if (chance(0.95)) headers["content-type"] = chance(0.85) ? "application/json" : pick(TYPES);
    }
    while (chance(0.15)) {
      const [name, value] = pick(HEADERS);
      headers[name] = value;
    }
    yield { method, url, headers, ...(payload !== undefined && { payload }) };
  }
}

/** What a client can put in a request line at all. */
function encodable(url: string): string {
  return url.replaceAll(" ", "%20");
}

/** Small, quick, and good enough for choosing (Tommy Ettinger, public domain). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

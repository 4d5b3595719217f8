/** Probes against real servers, well and sick in every way, on the loopback device. */

import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { noKernel, withoutKernel } from "../../../test/kernel.ts";
import { completeState } from "../document.ts";
import type { Check } from "../state.ts";
import { moveIntoNamespace } from "../testing/namespace.ts";
import { probe } from "./probe.ts";

const closing: (() => unknown)[] = [];

async function listening(server: Server, host = "127.0.0.1"): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, host);
  await once(server, "listening");
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** As documents give checks: complete. */
function check(fields: object): Check {
  const service = { name: "s", address: "192.0.2.1", port: 1, protocol: "tcp", check: fields };
  return completeState({ services: [service] }).services[0]?.check as Check;
}

/** "well", or why it is not. */
async function ask(fields: object, port: number, address = "127.0.0.1", milliseconds = 2000): Promise<string> {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), milliseconds);
  try {
    return await probe(check(fields), { address, port }, end.signal).then(
      () => "well",
      (error: Error) => error.message,
    );
  } finally {
    clearTimeout(timer);
  }
}

describe.skipIf(noKernel)(`probes${withoutKernel}`, () => {
  let leave: () => void;
  beforeAll(() => {
    leave = moveIntoNamespace("probe");
  });
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });
  afterAll(() => leave?.());

  it("TCP: well is who accepts", async () => {
    const port = await listening(createServer());
    expect(await ask({ type: "tcp" }, port)).toBe("well");
    expect(await ask({ type: "tcp" }, await listening(createServer(), "::1"), "::1")).toBe("well");
    expect(await ask({ type: "tcp" }, 1)).toBe("connection refused");
    expect(await ask({ type: "tcp" }, 1, "192.0.2.1")).toBe("network unreachable");
  });

  it("HTTP: well is who gives the status, on the path and for the host", async () => {
    const seen: string[] = [];
    const answer: RequestListener = ({ url, headers }, response) => {
      seen.push(`${headers.host} ${url}`);
      response.writeHead(url === "/health" ? 204 : 503).end();
    };
    const port = await listening(createHttpServer(answer));
    expect(await ask({ type: "http", path: "/health", host: "example.org", status: [200, 204] }, port)).toBe("well");
    expect(await ask({ type: "http" }, port)).toBe("HTTP status 503");
    expect(seen).toEqual(["example.org /health", `127.0.0.1:${port} /`]);
  });

  it("HTTP: does not wait for a body, follow a redirection, or believe what is no HTTP", async () => {
    const endless = await listening(createHttpServer((_, response) => void response.writeHead(200).write("so it begins")));
    expect(await ask({ type: "http" }, endless)).toBe("well");
    const elsewhere = await listening(createHttpServer((_, response) => response.writeHead(302, { location: "/" }).end()));
    expect(await ask({ type: "http" }, elsewhere)).toBe("HTTP status 302");
    const noHttp = await listening(createServer((socket) => socket.end("SSH-2.0-x\r\n")));
    expect(await ask({ type: "http" }, noHttp)).toContain("Expected HTTP");
    const hangsUp = await listening(createServer((socket) => socket.destroy()));
    expect(await ask({ type: "http" }, hangsUp)).toMatch(/socket hang up|connection reset/);
    const switches = await listening(
      createServer((socket) => socket.end("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")),
    );
    expect(await ask({ type: "http" }, switches)).toBe("HTTP status 101");
  });

  it("in time or not at all", async () => {
    const mute = await listening(createServer());
    expect(await ask({ type: "http" }, mute, "127.0.0.1", 50)).toBe("no answer in time");
    const socket = createSocket("udp4");
    closing.push(() => socket.close());
    await new Promise<void>((resolve) => void socket.bind(0, "127.0.0.1", resolve));
    expect(await ask({ type: "udp" }, socket.address().port, "127.0.0.1", 50)).toBe("no answer in time");
    expect(await ask({ type: "udp" }, socket.address().port, "127.0.0.1", 0)).toBe("no answer in time");
  });

  it("HTTPS: certificates count when they are to be verified", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ws-probe-"));
    try {
      const [key, cert] = [join(folder, "key"), join(folder, "cert")];
      execFileSync(
        "openssl",
        [
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:P-256",
          "-nodes",
          "-subj",
          "/CN=example.org",
          "-keyout",
          key,
          "-out",
          cert,
        ],
        { stdio: "ignore" },
      );
      const names: unknown[] = [];
      const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => response.end());
      server.on("secureConnection", ({ servername }) => names.push(servername));
      const port = await listening(server);
      expect(await ask({ type: "https", host: "example.org:8443" }, port)).toBe("well");
      expect(await ask({ type: "https" }, port)).toBe("well");
      expect(names).toEqual(["example.org", false]);
      expect(await ask({ type: "https", verify: true, host: "example.org" }, port)).toMatch(/self.signed/);
      expect(await ask({ type: "https" }, await listening(createServer((socket) => socket.end("no TLS"))))).not.toBe("well");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("UDP: well is who answers what is expected", async () => {
    const socket = createSocket("udp4", (message, from) => socket.send(`pong ${message}`, from.port, from.address));
    closing.push(() => socket.close());
    await new Promise<void>((resolve) => void socket.bind(0, "127.0.0.1", resolve));
    const { port } = socket.address();
    expect(await ask({ type: "udp", send: "x" }, port)).toBe("well");
    expect(await ask({ type: "udp", send: "x", expect: "pong x" }, port)).toBe("well");
    expect(await ask({ type: "udp", send: "y", expect: "pong x" }, port)).toBe("another answer than expected");
    expect(await ask({ type: "udp" }, 1)).toBe("connection refused");
  });

  it("ICMP: well is who answers a ping, in both families", async () => {
    expect(await ask({ type: "icmp" }, 0)).toBe("well");
    expect(await ask({ type: "icmp" }, 0, "::1")).toBe("well");
    expect(await ask({ type: "icmp" }, 0, "192.0.2.1")).toBe("network unreachable");
  });

  it("leaves no descriptor behind", async () => {
    const port = await listening(createServer((socket) => socket.resume()));
    const descriptors = () => readdirSync("/proc/self/fd").length;
    await ask({ type: "icmp" }, 0);
    const before = descriptors();
    for (let round = 0; round < 20; round++) {
      await Promise.all([
        ask({ type: "icmp" }, 0),
        ask({ type: "tcp" }, 1),
        ask({ type: "udp" }, 1),
        ask({ type: "http" }, port, "127.0.0.1", 5),
      ]);
    }
    await expect.poll(descriptors).toBeLessThanOrEqual(before + 2);
  });
});

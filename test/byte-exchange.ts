/**
 * TCP between namespaces, by Node.js processes of which one stands in each: every one is a server, and a client when it is told to be. A client sends
 * `LENGTH` bytes, the server compares them with what they must be and answers with as many others, and the client compares those.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { inNamespace } from "../src/sys/namespaces.ts";

export const PORT = 7777;

const AGENT = `
const net = require("node:net");
const { createCipheriv } = require("node:crypto");
const stream = (letter, length) => createCipheriv("aes-128-ctr", letter.repeat(16), "0".repeat(16)).update(Buffer.alloc(length));
const cache = new Map();
const content = (letter, length) => cache.get(letter + length) ?? cache.set(letter + length, stream(letter, length)).get(letter + length);
const collect = (socket, done) => {
  const chunks = [];
  socket.on("data", (chunk) => chunks.push(chunk)).on("end", () => done(Buffer.concat(chunks)));
};
net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  collect(socket, (got) => socket.end(got.equals(content("f", got.length)) ? content("b", got.length) : "not what was sent"));
}).listen(${PORT}, "::", () => console.log("listening"));
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { address, length, patienceMs } = JSON.parse(line);
  const socket = net.connect({ host: address, port: ${PORT}, allowHalfOpen: true });
  let isOver = false;
  const say = (verdict) => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    clearTimeout(timer);
    console.log(verdict);
  };
  const timer = setTimeout(() => say("nothing came for " + patienceMs + " ms, after " + socket.bytesRead + " bytes"), patienceMs);
  socket.on("data", () => timer.refresh()).on("drain", () => timer.refresh());
  socket.on("error", ({ code }) => say(code));
  collect(socket, (got) => say(got.equals(content("b", length)) ? "whole" : "other bytes came back: " + got.length));
  socket.end(content("f", length));
});`;

export class ByteExchanger {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  /** Starts one in a namespace; its server listens when the promise is fulfilled. */
  static async start(namespace: string): Promise<ByteExchanger> {
    const child = inNamespace(namespace, () => spawn(process.execPath, ["-e", AGENT], { stdio: ["pipe", "pipe", "inherit"] }));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next();
    return new ByteExchanger(child, lines);
  }

  /** Sends `length` bytes to the server at the address, and gets as many back. "whole", or what went wrong. */
  async exchange(address: string, length: number, patienceMs = 10_000): Promise<string> {
    this.#child.stdin?.write(`${JSON.stringify({ address, length, patienceMs })}\n`);
    const { value } = await this.#lines.next();
    return value ?? "the process ended";
  }

  async close(): Promise<void> {
    this.#child.kill();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }
}

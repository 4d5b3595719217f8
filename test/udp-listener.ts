/** A server's ear: what a UDP socket hears in a namespace, said by a process of its own, since Node.js sockets stay in one namespace. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { inNamespace } from "../src/sys/namespaces.ts";

/** Lines: "listening", then for each datagram to the port "ADDRESS:PORT TEXT", its sender and its text. Gone when the test ends. */
export function listen(namespace: string, port: number): { next(): Promise<string> } {
  const script = `
    const socket = require("node:dgram").createSocket("udp4");
    socket.on("message", (message, from) => console.log(from.address + ":" + from.port + " " + message));
    socket.bind(${port}, () => console.log("listening"));`;
  const child = inNamespace(namespace, () => spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] }));
  onTestFinished(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { next: async () => (await lines.next()).value as string }; // undefined when the process has ended, which no test expects
}

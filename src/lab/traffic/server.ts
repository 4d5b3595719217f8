/**
 * A backend to try a balancer with, as a process of its own: `node server.js NAME PORT`. HTTP, and UDP on the same port; each answer begins
 * with the server's name, and says who asked as the server sees it. Ends with its standard input, so it never outlives who started it.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";

const [name = "server", portText = "8080"] = process.argv.slice(2);
const port = Number(portText);

const http = createServer({ keepAliveTimeout: 600_000, requestTimeout: 0 }, (request, response) => {
  const { remoteAddress, remotePort } = request.socket;
  const length = Number(new URL(request.url ?? "/", "http://server").searchParams.get("bytes") ?? 0);
  response.setHeader("content-type", "text/plain");
  response.end(`${name}\n${remoteAddress} ${remotePort}\n${"x".repeat(Math.min(length, 10_000_000))}`);
});
const udp = createSocket({ type: "udp6", ipv6Only: false });
udp.on("message", (message, { address, port: from }) => udp.send(`${name}\n${message}`, from, address));

http.listen({ port, host: "::", backlog: 4096 });
udp.bind(port);
await Promise.all([once(http, "listening"), once(udp, "listening")]);
process.stdout.write(`${name} listens on port ${port}\n`);
process.stdin.resume();
process.stdin.once("end", () => process.exit(0));

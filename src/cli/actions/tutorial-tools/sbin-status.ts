/** `sbin/status.sh [-h HOST] [-p PORT]` of the XDP redirect demo: all rules and what was forwarded by each, every second until Ctrl-C. */
import { setTimeout as pause } from "node:timers/promises";
import { type OptionSpec, parseOptions } from "../../../tutorials/getopt.ts";
import { Interruption } from "../../interruption.ts";
import { say } from "../../terminal.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure } from "./tool-failure.ts";

const OPTIONS: readonly OptionSpec[] = [
  { short: "h", long: "host", argument: "<host>", help: "" },
  { short: "p", long: "port", argument: "<port>", help: "" },
];

interface Row {
  server: string;
  mac: string;
  ifindex: number;
  forward_bytes: number;
  forward_packages: number;
}

export async function sbinStatus({ args }: ToolCall): Promise<number> {
  const { values, operands, problem } = parseOptions(OPTIONS, args);
  const [host, port] = [values.get("host") ?? "127.0.0.1", values.get("port") ?? "9091"];
  if (problem !== null || operands.length > 0 || !/^\d{1,5}$/.test(port)) {
    throw new ToolFailure({
      status: STATUS.OPTION,
      what: `Usage: sbin/status.sh [-h HOST] [-p PORT]`,
      why: problem ?? "It takes a host and a port.",
      fix: "For example: sbin/status.sh -p 9093",
    });
  }
  using interruption = new Interruption();
  const { signal } = interruption;
  while (!signal.aborted) {
    const rows = await rulesAt(`http://${host.includes(":") ? `[${host}]` : host}:${port}/rules`, signal);
    if (rows === null) break;
    say(`${new Date().toISOString()}\n${line("Server", "MAC", "ifindex", "Forward Bytes", "Forward Packages")}`);
    for (const { server, mac, ifindex, forward_bytes, forward_packages } of rows) {
      say(line(server, mac, String(ifindex), String(forward_bytes), String(forward_packages)));
    }
    say();
    await pause(1000, undefined, { signal }).catch(() => {});
  }
  return STATUS.OK;
}

const line = (...cells: [string, string, string, string, string]) =>
  cells
    .map((cell, index) => cell.padEnd([16, 18, 8, 14, 16][index] ?? 0))
    .join(" ")
    .trimEnd();

/** `null` when the user wants to stop. */
async function rulesAt(url: string, signal: AbortSignal): Promise<Row[] | null> {
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    return (await response.json()) as Row[];
  } catch (cause) {
    if (signal.aborted) return null;
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : (cause as Error).message;
    throw new ToolFailure({
      status: STATUS.OPTION,
      what: "Accessing the webserver failed",
      why: `${url}: ${reason}`,
      fix: "Start it: bin/xdplbmgmt &",
      cause,
    });
  }
}

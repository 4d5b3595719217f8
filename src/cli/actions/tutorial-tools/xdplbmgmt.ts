/**
 * `bin/xdplbmgmt`, the management server of the XDP redirect demo: `--address HOST:PORT`, and `--map PATH` of the pinned map. It listens on
 * the loopback device only, unless an address says otherwise; `:9093` is port 9093 on all of them, as the demo has it.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WirescriptError } from "../../../errors.ts";
import { type OptionSpec, parseOptions, usagePage } from "../../../tutorials/getopt.ts";
import { RuleTable, rulesServer } from "../../../tutorials/index.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { say } from "../../terminal.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure, told } from "./tool-failure.ts";

/** Where `sbin/load.sh` pins the maps. */
export const SERVERS_MAP = "/sys/fs/bpf/xdp/globals/servers";
const DEFAULT_ADDRESS = "127.0.0.1:9091";

const OPTIONS: readonly OptionSpec[] = [
  { long: "address", argument: "<addr>", help: `Listen there (default ${DEFAULT_ADDRESS})` },
  { long: "map", argument: "<path>", help: `The pinned map (default ${SERVERS_MAP})` },
  { short: "h", long: "help", help: "Show help" },
];

export async function xdplbmgmt({ args }: ToolCall): Promise<number> {
  // Go's flags may begin with one dash or two.
  const words = args.map((word) => word.replace(/^-(?=address\b|map\b|help\b)/, "--"));
  const { values, operands, problem } = parseOptions(OPTIONS, words);
  if (values.has("help")) {
    say(usagePage("xdplbmgmt", ["Rules of the UDP balancer over HTTP: GET and POST /rules"], OPTIONS));
    return STATUS.OK;
  }
  if (problem !== null || operands.length > 0) {
    const what = `xdplbmgmt: ${problem ?? `"${operands.join(" ")}" is no option`}`;
    throw new ToolFailure({ status: STATUS.OPTION, what, fix: "See its options: bin/xdplbmgmt --help" });
  }
  const address = values.get("address") ?? DEFAULT_ADDRESS;
  const { host, port } = parseAddress(address);
  await mustBeAbleTo("change maps");
  const path = values.get("map") ?? SERVERS_MAP;
  using table = openTable(path);
  // So that `killall xdplbmgmt` finds it.
  process.title = "xdplbmgmt";
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  // Node.js forgets that nohup told it to ignore this one. nohup also takes the terminal away, which tells.
  process.on("SIGHUP", () => {
    if (process.stdin.isTTY === true) stop.abort();
  });
  const server = rulesServer(table, (error) => process.stderr.write(`${error instanceof Error ? error.stack : error}\n`));
  server.listen({ port, host });
  await told(STATUS.FAIL, `xdplbmgmt cannot listen on ${address}`, () => listening(server, address));
  const bound = server.address() as AddressInfo;
  process.stderr.write(
    `Server started, listening on ${bound.address.includes(":") ? `[${bound.address}]` : bound.address}:${bound.port}\n`,
  );
  if (!stop.signal.aborted) await once(stop.signal, "abort");
  server.close();
  server.closeAllConnections();
  return STATUS.OK;
}

function openTable(path: string): RuleTable {
  try {
    return new RuleTable(path);
  } catch (error) {
    if (!(error instanceof WirescriptError)) throw error;
    throw new ToolFailure({
      status: STATUS.FAIL,
      what: `boot lbmap server error: load mapper for ${path} error`,
      why: [error.message, error.why].filter((text) => text !== undefined).join("\n"),
      fix:
        error.code === "MAP"
          ? "Load the program first, which makes its maps: sbin/load.sh DEV. Or say where they are: --map PATH"
          : error.fix,
      cause: error,
    });
  }
}

async function listening(server: ReturnType<typeof rulesServer>, address: string): Promise<void> {
  try {
    await once(server, "listening");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isTaken = code === "EADDRINUSE";
    throw new ToolFailure({
      status: STATUS.FAIL,
      what: `xdplbmgmt cannot listen on ${address}`,
      why: isTaken ? "Another program listens there." : message,
      fix: isTaken
        ? "End that program, or choose another port: --address :9093"
        : "Choose an address of this host: --address 127.0.0.1:9091",
      cause,
    });
  }
}

/** ":9093" is all addresses, "host:9093" one, "[::1]:9093" one of IPv6. */
function parseAddress(text: string): { host: string | undefined; port: number } {
  const [, bracketed, plain, digits = ""] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits !== "" && port <= 65_535) return { host: bracketed || plain || undefined, port };
  throw new ToolFailure({
    status: STATUS.OPTION,
    what: `xdplbmgmt: "${text}" is no address`,
    why: "An address is HOST:PORT, or :PORT for all addresses of this host.",
    fix: "For example: --address :9093, --address 127.0.0.1:9093",
  });
}

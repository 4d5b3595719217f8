/**
 * `./trace_load_and_stats` of the XDP tutorial's lesson tracing02: a table of the kernel's XDP tracepoints, again and again until Ctrl-C. The rows are the
 * lesson's; errors have their names, and rows that the lesson shows a CPU at a time are sums.
 */
import { type XdpEventCount, XdpEvents } from "../../../runtime/xdp-events/xdp-events.ts";
import { parseOptions, usagePage } from "../../../tutorials/getopt.ts";
import { Interruption } from "../../interruption.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { say } from "../../terminal.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure } from "./tool-failure.ts";
import { HELP } from "./tutorial-options.ts";

const INTERVAL_SECONDS = 2;

/** What one row adds up. */
interface Row {
  event: string;
  place: string;
  packets: bigint;
  drops: bigint;
  events: bigint;
  info: string;
}

export async function traceLoadAndStats({ name, args }: ToolCall): Promise<number> {
  const { values, operands, problem } = parseOptions([HELP], args);
  if (values.has("help")) {
    say(usagePage(name, ["XDP monitor: the kernel's XDP tracepoints"], [HELP]));
    return STATUS.OK;
  }
  if (problem !== null || operands.length > 0) {
    const what = `${name}: ${problem ?? `"${operands.join(" ")}" is no option`}`;
    throw new ToolFailure({ status: STATUS.OPTION, what, fix: "It takes no options but --help." });
  }
  await mustBeAbleTo("watch the kernel's XDP events");
  using interruption = new Interruption();
  using events = new XdpEvents({ redirects: true });
  let [before, at] = [rowsOf(events.read().counts), performance.now()];
  for (;;) {
    try {
      if (!(await interruption.pause(INTERVAL_SECONDS, ""))) return STATUS.OK;
    } catch {
      // As the lesson's ends with Ctrl-C: without a word.
      return 128 + 2;
    }
    const [now, until] = [rowsOf(events.read().counts), performance.now()];
    show(before, now, (until - at) / 1000);
    [before, at] = [now, until];
  }
}

/** Rows without packets are shown too where the lesson has them. */
const ALWAYS: readonly Row[] = [
  { event: "XDP_REDIRECT", place: "total", packets: 0n, drops: 0n, events: 0n, info: "Success" },
  { event: "XDP_REDIRECT", place: "total", packets: 0n, drops: 0n, events: 0n, info: "Error" },
];

const keyOf = ({ event, place, info }: Row): string => `${event} ${place} ${info}`;

function rowsOf(counts: readonly XdpEventCount[]): Map<string, Row> {
  const rows = new Map(ALWAYS.map((row) => [keyOf(row), { ...row }]));
  for (const count of counts) {
    const row = rowOf(count);
    const known = rows.get(keyOf(row));
    if (known === undefined) {
      rows.set(keyOf(row), row);
      continue;
    }
    known.packets += row.packets;
    known.drops += row.drops;
    known.events += row.events;
  }
  return rows;
}

function rowOf({ event, action, error, cpu, toCpu, events, packets, drops }: XdpEventCount): Row {
  const row = { place: "total", packets, drops, events, info: "" };
  switch (event) {
    case "xdp_redirect":
    case "xdp_redirect_map":
      return { ...row, event: "XDP_REDIRECT", packets: events, drops: 0n, info: "Success" };
    case "xdp_redirect_err":
    case "xdp_redirect_map_err":
      return { ...row, event: "XDP_REDIRECT", packets: 0n, drops: events, info: error === null ? "Error" : `Error ${error}` };
    case "xdp_exception":
      return { ...row, event: "Exception", packets: 0n, drops: events, info: action ?? "" };
    case "xdp_cpumap_enqueue":
      return { ...row, event: "cpumap-enqueue", place: `${cpu}:${toCpu}` };
    case "xdp_cpumap_kthread":
      return { ...row, event: "cpumap-kthread", place: `${cpu}` };
    default:
      return { ...row, event: event === "xdp_bulk_tx" ? "bulk-tx" : "devmap-xmit", info: error === null ? "" : error };
  }
}

function line(event: string, place: string, pps: string, drops: string, info: string): string {
  return `${event.padEnd(15)} ${place.padEnd(7)} ${pps.padEnd(12)} ${drops.padEnd(12)} ${info}`.trimEnd();
}

function show(before: ReadonlyMap<string, Row>, now: ReadonlyMap<string, Row>, seconds: number): void {
  const rate = (value: bigint, old: bigint | undefined) =>
    Math.round(Number(value - (old ?? 0n)) / seconds).toLocaleString("en-US");
  say(line("XDP-event", "CPU:to", "pps", "drop-pps", "extra-info"));
  for (const [key, row] of now) {
    const old = before.get(key);
    const calls = row.events - (old?.events ?? 0n);
    const average = Number(row.packets + row.drops - (old === undefined ? 0n : old.packets + old.drops)) / Number(calls);
    // Frames are sent many at once; how many is what the row is for.
    const bulk = row.event.includes("-") && calls > 0n ? `bulk-average:${average.toFixed(2)}` : "";
    const info = [row.info, bulk].filter(Boolean).join(" ");
    say(line(row.event, row.place, rate(row.packets, old?.packets), rate(row.drops, old?.drops), info));
  }
  say();
}

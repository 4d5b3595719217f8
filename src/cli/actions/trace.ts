/** `wirescript trace`: what programs say, line by line. */
import { openTrace, type TraceLine } from "../../runtime/trace.ts";
import { Interruption } from "../interruption.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { oneLine, paint, say, sayJsonLine } from "../terminal.ts";

export interface TraceOptions {
  follow: boolean;
  count?: number;
  all?: boolean;
  json?: boolean;
}

const EVENT = "bpf_trace_printk";

export async function trace({ follow, count, all, json }: TraceOptions): Promise<void> {
  await mustBeAbleTo("read the kernel's trace");
  using interruption = new Interruption();
  const source = openTrace();
  try {
    if (source.mounted) process.stderr.write(`Mounted tracefs at ${source.path}; it stays mounted.\n`);
    if (source.switchedOn) process.stderr.write("Recording was switched off; it is on now, and stays on.\n");
    let seen = 0;
    for await (const line of source.lines({ follow, signal: interruption.signal })) {
      if ("message" in line && line.event !== EVENT && all !== true) continue;
      if (json === true) sayJsonLine(line);
      else if ("lost" in line) say(paint("red", `… ${line.lost} lines of CPU ${line.cpu} were lost: nobody read them in time`));
      else say(lineText(line));
      if ("message" in line && ++seen === count) return;
    }
  } finally {
    source.close();
  }
  interruption.isOver("Only the watching ended; nothing was changed.");
}

function lineText({ at, cpu, task, pid, event, message }: TraceLine): string {
  const head = `${at.toFixed(6)}  cpu ${cpu}  ${`${task}-${pid}`.padEnd(16)}`;
  return `${paint("dim", head)}  ${event === EVENT ? "" : `${event}: `}${oneLine(message)}`;
}

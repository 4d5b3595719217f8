/** `wirescript top`: which programs keep the CPUs busy. */
import { type ProgramActivity, ProgramStatistics } from "../../runtime/statistics.ts";
import { Interruption } from "../interruption.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { shortRate } from "../rate.ts";
import { sayTable } from "../table.ts";
import { clearScreen, say, sayJsonLine } from "../terminal.ts";

export interface TopOptions {
  /** Seconds. */
  interval: number;
  count?: number;
  all?: boolean;
  json?: boolean;
}

export async function top({ interval, count, all, json }: TopOptions): Promise<void> {
  await mustBeAbleTo("count the runs of programs");
  using interruption = new Interruption();
  using statistics = new ProgramStatistics();
  for (let looks = 0; count === undefined || looks < count; looks++) {
    if (!(await interruption.pause(interval, "The kernel has stopped counting; nothing else was changed."))) return;
    const { seconds, programs } = statistics.sample();
    const shown = programs
      .filter(({ runs }) => all === true || runs > 0n)
      .sort((left, right) => right.cpuShare - left.cpuShare || left.id - right.id);
    if (json === true) sayJsonLine({ seconds, programs: shown });
    else sayBlock(programs.length, shown, looks > 0);
  }
}

function sayBlock(total: number, shown: readonly ProgramActivity[], again: boolean): void {
  // On a terminal one block takes the place of the one before; in a pipe they follow each other.
  if (process.stdout.isTTY) clearScreen();
  else if (again) say();
  const room = process.stdout.isTTY ? Math.max(1, (process.stdout.rows ?? 24) - 4) : shown.length;
  const share = shown.reduce((sum, { cpuShare }) => sum + cpuShare, 0);
  const running = shown.filter(({ runs }) => runs > 0n).length;
  say(`${running} of ${total} programs ran, ${percent(share)} of one CPU`);
  // A line that wraps would push the first ones off the screen.
  const narrow = process.stdout.isTTY && (process.stdout.columns ?? 80) < WIDTH;
  const rows = shown
    .slice(0, room)
    .map(({ id, type, name, runsPerSecond, nanosecondsPerRun, cpuShare }) => [
      `${id}`,
      ...(narrow ? [] : [type]),
      narrow ? cut(name || "-", Math.max(4, (process.stdout.columns ?? 80) - WIDTH_OF_NUMBERS)) : name || "-",
      shortRate(runsPerSecond).padStart(8),
      (nanosecondsPerRun === null ? "-" : nanosecondsPerRun.toFixed(0)).padStart(6),
      percent(cpuShare).padStart(7),
    ]);
  sayTable(["ID", ...(narrow ? [] : ["Type"]), "Name", "  Runs/s", "ns/run", "    CPU"], rows);
}

/** Of ids of seven digits, runs, time and share, with the spaces between them and the name. */
const WIDTH_OF_NUMBERS = 7 + 8 + 6 + 7 + 4 * 2;
/** With the longest name that the kernel keeps, and "raw_tracepoint_writable". */
const WIDTH = WIDTH_OF_NUMBERS + 15 + 23 + 2;

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`;
}

/** `wirescript stats`: the counters of a device's program, again and again, as the XDP tutorial's xdp_stats prints them. */
import { existsSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";
import { attachedXdp } from "../../index.ts";
import { findLink } from "../../sys/netlink/index.ts";
import { ACTION_HEADING, actionLine, actionRows } from "../counter-table.ts";
import { type Counter, openCounters, readCounters, STATS_MAP } from "../counters.ts";
import { Interruption } from "../interruption.ts";
import { enterNetwork } from "../network.ts";
import { pinDirectoryOf } from "../pins.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { say, sayJsonLine } from "../terminal.ts";

export interface StatsOptions {
  /** Seconds. */
  interval: number;
  count?: number;
  json?: boolean;
  /** Only the rows, without saying which map they are from. */
  quiet?: boolean;
  pinPath?: string;
  netns?: string;
}

/** The tutorial's first block comes soon, so that nobody waits for the first numbers. */
export const FIRST_PERIOD_SECONDS = 0.25;

interface Reading {
  mapId: number;
  mapType: number;
  counters: Counter[];
}

export async function stats(dev: string, options: StatsOptions): Promise<void> {
  await mustBeAbleTo("read maps");
  const network = enterNetwork(options.netns);
  const directory = options.pinPath ?? pinDirectoryOf(dev, network);
  const take = (): Reading => {
    try {
      using map = openCounters(directory);
      return { mapId: map.info().id, mapType: map.type, counters: readCounters(map) };
    } catch (error) {
      throw explainMissing(error, dev, directory);
    }
  };

  using interruption = new Interruption();
  let last = take();
  // The map of another program's pin directory may be watched under any name.
  const wasThere = findLink(dev) !== null;
  const announce = () => {
    if (options.json === true || options.quiet === true) return;
    say();
    say("Collecting stats from BPF map");
    say(` - BPF map (bpf_map_type:${last.mapType}) id:${last.mapId} name:${STATS_MAP} key_size:4 value_size:16 max_entries:5`);
  };
  announce();
  let period = FIRST_PERIOD_SECONDS;
  for (let block = 0; options.count === undefined || block < options.count; ) {
    if (!(await interruption.pause(period, `Only the watching ended; nothing was changed on ${dev}.`))) return;
    if (wasThere && findLink(dev) === null) throw vanished(dev, directory);
    const now = take();
    if (now.mapId !== last.mapId) {
      if (options.json !== true) say(`BPF map ${STATS_MAP} changed its ID, restarting`);
      last = now;
      announce();
      period = FIRST_PERIOD_SECONDS;
      continue;
    }
    const rows = actionRows(last.counters, now.counters);
    if (options.json === true) sayJsonLine({ dev, mapId: now.mapId, actions: rows });
    else say([ACTION_HEADING, ...rows.map(actionLine), ""].join("\n"));
    last = now;
    period = options.interval;
    block++;
  }
}

function vanished(dev: string, directory: string): WirescriptError {
  return new WirescriptError({
    code: "NO_SUCH_DEVICE",
    what: `${dev} is gone, and its programs with it: nothing counts any more.`,
    why: `It was removed, renamed, or moved to another network namespace. What was counted is still pinned in ${directory}.`,
    fix: `Load the program again when it is back (wirescript load --follow does so by itself); remove the pins: wirescript unload ${dev}`,
  });
}

/** No map is an everyday answer, with several reasons. */
function explainMissing(error: unknown, dev: string, directory: string): unknown {
  if (!(error instanceof WirescriptError) || error.code !== "MAP" || existsSync(`${directory}/${STATS_MAP}`)) return error;
  // A device that does not exist is the better answer.
  const [present] = attachedXdp(dev);
  return new WirescriptError({
    code: "NOTHING_ATTACHED",
    what: `There are no statistics for ${dev}: ${directory}/${STATS_MAP} does not exist.`,
    why:
      present === undefined
        ? `No XDP program is attached to ${dev}.`
        : `"${present.name}" (id ${present.id}) is attached, but pins no map of that name there.`,
    fix:
      present === undefined
        ? `Load one that counts: wirescript load ${dev} src/programs/echo.bpf.ts`
        : "Give its pin directory with --pin-path, or load a program that counts (see src/programs/stats.bpf.ts).",
    cause: error,
  });
}

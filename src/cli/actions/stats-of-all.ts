/** `wirescript stats` without a device: all devices that have an XDP program, what each program decides, and what gets lost on the way out. */
import { WirescriptError } from "../../errors.ts";
import { programInfo } from "../../index.ts";
import { placeText } from "../../runtime/xdp-events/places.ts";
import { lostPackets, reasonOf } from "../../runtime/xdp-events/reasons.ts";
import { type XdpEventCount, XdpEvents } from "../../runtime/xdp-events/xdp-events.ts";
import { type DeviceCounters, receivedByDevices } from "../../sys/device-counters.ts";
import { listLinks } from "../../sys/netlink/index.ts";
import { type ActionRow, actionRows } from "../counter-table.ts";
import { ACTIONS, type Counter, openCounters, openCountersOf, readCounters } from "../counters.ts";
import { Interruption } from "../interruption.ts";
import { enterNetwork } from "../network.ts";
import { pinDirectoryOf } from "../pins.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { shortRate } from "../rate.ts";
import { sayTable } from "../table.ts";
import { clearScreen, oneLine, paint, say, sayJsonLine } from "../terminal.ts";
import { FIRST_PERIOD_SECONDS, type StatsOptions } from "./stats.ts";

/** One program on one device, at one moment. */
interface Reading {
  dev: string;
  ifindex: number;
  mode: string;
  program: { id: number; name: string };
  /** Null when the program keeps no counters that we know. */
  counters: Counter[] | null;
  received: DeviceCounters;
  at: bigint;
}

interface Lost {
  reason: string;
  to: string | null;
  packets: bigint;
  perSecond: number;
  why: string;
  fix: string;
}

interface Row extends Pick<Reading, "dev" | "ifindex" | "mode" | "program"> {
  actions: ActionRow[] | null;
  received: { packets: bigint; bytes: bigint; pps: number; bitsPerSecond: number };
  /** Null when the kernel's events cannot be counted. */
  lost: Lost[] | null;
}

export async function statsOfAll(options: StatsOptions): Promise<void> {
  if (options.pinPath !== undefined) throw pinPathOfWhat();
  await mustBeAbleTo("read maps");
  const network = enterNetwork(options.netns);
  using interruption = new Interruption();
  let before = readAll(network);
  if (before.length === 0) throw nothingAttached();
  const { events, why } = openEvents();
  using _ = events;
  if (why !== null && options.json !== true)
    process.stderr.write(`What gets lost behind the programs is not counted: ${why}\n`);
  let [lostBefore, at] = [events?.read().counts ?? [], performance.now()];
  for (let block = 0; options.count === undefined || block < options.count; block++) {
    const period = block === 0 ? Math.min(FIRST_PERIOD_SECONDS, options.interval) : options.interval;
    if (!(await interruption.pause(period, "Only the watching ended; nothing was changed."))) return;
    const [now, lostNow, until] = [readAll(network), events?.read().counts ?? [], performance.now()];
    const seconds = (until - at) / 1000;
    const rows = now.map((reading) =>
      rowOf(reading, before, events === null ? null : lostAt(reading, lostBefore, lostNow, seconds)),
    );
    if (options.json === true) sayJsonLine({ seconds, devices: rows, ...(why !== null && { lostUnknown: why }) });
    else sayBlock(rows, block > 0);
    [before, lostBefore, at] = [now, lostNow, until];
  }
}

/** The kernel's events need more than reading maps does. */
function openEvents(): { events: XdpEvents | null; why: string | null } {
  try {
    return { events: new XdpEvents(), why: null };
  } catch (error) {
    if (!(error instanceof WirescriptError) || !["NO_PRIVILEGES", "UNSUPPORTED_SYSTEM"].includes(error.code)) throw error;
    return { events: null, why: `${error.message} ${error.why ?? ""}`.trim() };
  }
}

function readAll(network: string | null): Reading[] {
  const received = receivedByDevices();
  return listLinks().flatMap(({ name, ifindex, xdp }) =>
    xdp.flatMap(({ mode, programId }): Reading[] => {
      const info = programOrNull(programId);
      if (info === null) return [];
      return [
        {
          ...{ dev: name, ifindex, mode, program: { id: programId, name: info.name } },
          counters: countersOf(info, pinDirectoryOf(name, network)),
          received: received.get(name) ?? { packets: 0n, bytes: 0n, dropped: 0n },
          at: process.hrtime.bigint(),
        },
      ];
    }),
  );
}

function programOrNull(id: number) {
  try {
    return programInfo(id);
  } catch (error) {
    // Taken off since the device told of it.
    if (error instanceof WirescriptError && error.code === "NO_SUCH_PROGRAM") return null;
    throw error;
  }
}

/** Those that the program uses itself; else, since it may be a dispatcher or call others, those pinned for the device. */
function countersOf(program: { mapIds: readonly number[] }, directory: string): Counter[] | null {
  try {
    using map = openCountersOf(program) ?? openCounters(directory);
    return readCounters(map);
  } catch (error) {
    if (error instanceof WirescriptError && error.code === "MAP") return null;
    throw error;
  }
}

function rowOf(now: Reading, before: readonly Reading[], lost: Lost[] | null): Row {
  const then = before.find(({ ifindex, program }) => ifindex === now.ifindex && program.id === now.program.id) ?? now;
  const { dev, ifindex, mode, program, counters, received } = now;
  const seconds = Number(now.at - then.at) / 1e9;
  const rate = (change: bigint) => (seconds > 0 ? Number(change) / seconds : 0);
  return {
    ...{ dev, ifindex, mode, program, lost },
    actions: counters === null ? null : actionRows(then.counters ?? counters, counters),
    received: {
      ...{ packets: received.packets, bytes: received.bytes, pps: rate(received.packets - then.received.packets) },
      bitsPerSecond: rate((received.bytes - then.received.bytes) * 8n),
    },
  };
}

/** What was lost of packets that came in by that device, by reason, since the look before. */
function lostAt(
  { ifindex }: Reading,
  before: readonly XdpEventCount[],
  now: readonly XdpEventCount[],
  seconds: number,
): Lost[] {
  const isHere = ({ device }: XdpEventCount) => device?.ifindex === ifindex && device.netns === null;
  const key = ({ event, action, error, target, index, program }: XdpEventCount) =>
    JSON.stringify([event, action, error, target?.ifindex, target?.netns, index, program?.id]);
  const then = new Map(before.filter(isHere).map((count) => [key(count), lostPackets(count)]));
  return now.filter(isHere).flatMap((count) => {
    const [packets, reason] = [lostPackets(count), reasonOf(count)];
    if (packets === 0n || reason === null) return [];
    return [
      {
        ...{ reason: count.action ?? count.error ?? "queue full", to: count.target === null ? null : placeText(count.target) },
        ...{ packets, perSecond: Number(packets - (then.get(key(count)) ?? 0n)) / seconds, ...reason },
      },
    ];
  });
}

function sayBlock(rows: readonly Row[], again: boolean): void {
  // On a terminal one block takes the place of the one before; in a pipe they follow each other.
  if (process.stdout.isTTY) clearScreen();
  else if (again) say();
  if (rows.length === 0) return say("No device has an XDP program any more.");
  const actions = ACTIONS.map((name) => `${name.slice("XDP_".length)}/s`);
  sayTable(
    ["Device", "Mode", "Program", "Received/s", "Mbit/s", ...actions, "Lost/s"],
    rows.map(({ dev, mode, program, received, actions: counted, lost }) => [
      ...[
        dev,
        mode,
        `${program.name || "-"} (${program.id})`,
        shortRate(received.pps),
        (received.bitsPerSecond / 1e6).toFixed(1),
      ],
      ...ACTIONS.map((_, action) => (counted === null ? "-" : shortRate(counted[action]?.pps ?? 0))),
      lost === null ? "?" : shortRate(lost.reduce((sum, each) => sum + each.perSecond, 0)),
    ]),
  );
  for (const { dev, lost } of rows)
    for (const { reason, to, packets, why, fix } of lost ?? []) {
      const path = to === null ? dev : `${dev} → ${to}`;
      say(`${oneLine(path)}: ${paint("red", `${packets} lost, ${reason}`)}: ${oneLine(`${why} ${fix}`)}`);
    }
}

function nothingAttached(): WirescriptError {
  return new WirescriptError({
    code: "NOTHING_ATTACHED",
    what: "There are no statistics: no device here has an XDP program.",
    why: `This network namespace has ${listLinks()
      .map(({ name }) => name)
      .join(", ")}, and nothing is attached to them.`,
    fix: "Load a program that counts (wirescript load eth0 src/programs/echo.bpf.ts), or name another network namespace with --netns.",
  });
}

function pinPathOfWhat(): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: "--pin-path names the maps of one device, and no device is named.",
    why: "Without a device the statistics of all devices are shown, each from its own program's maps.",
    fix: "Name the device: wirescript stats eth0 --pin-path DIR",
  });
}

/** `wirescript monitor`: what the kernel's tracepoints tell of packets that get lost in XDP, by reason. */
import { placeText } from "../../runtime/xdp-events/places.ts";
import { lostPackets, reasonOf } from "../../runtime/xdp-events/reasons.ts";
import { type XdpEventCount, type XdpEventCounts, XdpEvents } from "../../runtime/xdp-events/xdp-events.ts";
import { findLink, noSuchDevice } from "../../sys/netlink/index.ts";
import { Interruption } from "../interruption.ts";
import { enterNetwork } from "../network.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { shortRate } from "../rate.ts";
import { sayTable } from "../table.ts";
import { clearScreen, oneLine, paint, say, sayJsonLine } from "../terminal.ts";

export interface MonitorOptions {
  /** Seconds. */
  interval: number;
  count?: number;
  /** Redirects that go well, too. */
  redirects?: boolean;
  json?: boolean;
  netns?: string;
}

/** A reason, and what happened for it since the look before. */
interface Row {
  count: XdpEventCount;
  lost: bigint;
  newlyLost: bigint;
  newlySent: bigint;
  /** Per second. */
  lostRate: number;
  sentRate: number;
}

export async function monitor(devices: readonly string[], options: MonitorOptions): Promise<void> {
  await mustBeAbleTo("watch the kernel's XDP events");
  enterNetwork(options.netns);
  for (const device of devices) if (findLink(device) === null) throw noSuchDevice(device);
  const isWanted = filter(devices, options.netns !== undefined);
  using interruption = new Interruption();
  using events = new XdpEvents({ redirects: options.redirects === true });
  if (options.json !== true && !process.stdout.isTTY) process.stderr.write(`${introduction(devices, options)}\n`);
  let [before, at] = [events.read(), performance.now()];
  for (let looks = 0; options.count === undefined || looks < options.count; looks++) {
    if (!(await interruption.pause(options.interval, "The kernel has stopped counting; nothing else was changed."))) return;
    const [now, until] = [events.read(), performance.now()];
    const seconds = (until - at) / 1000;
    const rows = rowsOf(before, now, seconds, isWanted);
    if (options.json === true) sayJson(rows, now.lost, seconds);
    else if (process.stdout.isTTY) sayScreen(rows, now.lost, introduction(devices, options));
    else sayLines(rows, now.lost - before.lost);
    [before, at] = [now, until];
  }
}

function introduction(devices: readonly string[], { netns, redirects }: MonitorOptions): string {
  const where = netns === undefined ? "" : ` in the network namespace ${netns}`;
  const what = devices.length > 0 ? ` of ${devices.join(", ")}${where}` : where === "" ? " of all network namespaces" : where;
  const well = redirects === true ? "" : "; redirects that go well are counted with --redirects only";
  return `XDP events${what}${well}.`;
}

/** Tracepoints are the machine's: what is wanted is chosen here. The cpumap's name no device, so they belong to the whole. */
function filter(devices: readonly string[], ownOnly: boolean): (count: XdpEventCount) => boolean {
  if (devices.length === 0 && !ownOnly) return () => true;
  return ({ device, target }) =>
    [device, target].some(
      (place) => place !== null && place.netns === null && (devices.length === 0 || devices.includes(place.name ?? "")),
    );
}

function keyOf({ event, action, error, program, device, target, map, index, cpu, toCpu }: XdpEventCount): string {
  const place = (each: XdpEventCount["device"]) => each && [each.ifindex, each.netns];
  return JSON.stringify([event, action, error, program?.id, place(device), place(target), map?.id, index, cpu, toCpu]);
}

function rowsOf(
  before: XdpEventCounts,
  now: XdpEventCounts,
  seconds: number,
  isWanted: (count: XdpEventCount) => boolean,
): Row[] {
  const then = new Map(before.counts.map((count) => [keyOf(count), count]));
  return now.counts
    .filter(isWanted)
    .map((count) => {
      const old = then.get(keyOf(count));
      const lost = lostPackets(count);
      const newlyLost = lost - (old === undefined ? 0n : lostPackets(old));
      const newlySent = sentPackets(count) - (old === undefined ? 0n : sentPackets(old));
      const [lostRate, sentRate] = [Number(newlyLost) / seconds, Number(newlySent) / seconds];
      return { count, lost, newlyLost, newlySent, lostRate, sentRate };
    })
    .sort((a, b) => b.lostRate - a.lostRate || b.sentRate - a.sentRate || keyOf(a.count).localeCompare(keyOf(b.count)));
}

function sentPackets({ event, events, packets }: XdpEventCount): bigint {
  return event === "xdp_redirect" || event === "xdp_redirect_map" ? events : packets;
}

function sayJson(rows: readonly Row[], lost: bigint, seconds: number): void {
  const counts = rows.map(({ count, lost: lostPackets, lostRate, sentRate }) => {
    const reason = reasonOf(count);
    return {
      ...count,
      lostPackets,
      lostPerSecond: lostRate,
      packetsPerSecond: sentRate,
      ...(reason ?? { why: null, fix: null }),
    };
  });
  sayJsonLine({ seconds, uncounted: lost, counts });
}

const HEADINGS = ["Event", "Reason", "Where", "To", "By", "   Lost", " Lost/s", " Sent/s"];

function sayScreen(rows: readonly Row[], uncounted: bigint, head: string): void {
  clearScreen();
  say(head);
  sayUncounted(uncounted);
  say();
  if (rows.length === 0) return say("Nothing has happened yet.");
  const room = Math.max(1, Math.floor(((process.stdout.rows ?? 24) - 5) / 2));
  const shown = rows.slice(0, room);
  sayTable(
    HEADINGS,
    shown.map(({ count, lost, lostRate, sentRate }) => [
      ...[eventText(count), reasonText(count), whereText(count), toText(count), byText(count)],
      ...[`${lost}`.padStart(7), shortRate(lostRate).padStart(7), shortRate(sentRate).padStart(7)],
    ]),
  );
  if (rows.length > shown.length) say(paint("dim", `… and ${rows.length - shown.length} more reasons`));
  const reasons = new Set(shown.flatMap(({ count }) => explained(count)));
  if (reasons.size > 0) say(`\n${[...reasons].join("\n")}`);
}

/** One line for each reason that counted since the last look. */
function sayLines(rows: readonly Row[], uncounted: bigint): void {
  const time = new Date().toTimeString().slice(0, 8);
  sayUncounted(uncounted);
  for (const { count, newlyLost, newlySent } of rows) {
    if (newlyLost === 0n && newlySent === 0n) continue;
    const [to, by] = [toText(count), byText(count)];
    const path = `${whereText(count)}${to === "-" ? "" : ` → ${to}`}${by === "-" ? "" : ` by ${by}`}`;
    const amounts = [newlyLost > 0n ? `${newlyLost} lost` : "", newlySent > 0n ? `${newlySent} sent` : ""].filter(Boolean);
    const line = `${time}  ${eventText(count)}  ${reasonText(count)}  ${path}: ${amounts.join(", ")}`;
    const reason = newlyLost > 0n ? reasonOf(count) : null;
    say(oneLine(reason === null ? line : `${line}. ${reason.why}`));
  }
}

function explained(count: XdpEventCount): string[] {
  const reason = lostPackets(count) === 0n ? null : reasonOf(count);
  return reason === null ? [] : [oneLine(`${reasonText(count)}: ${reason.why} ${reason.fix}`)];
}

function sayUncounted(uncounted: bigint): void {
  if (uncounted > 0n)
    say(paint("red", `${uncounted} events were not counted: there were too many reasons, or too many at once.`));
}

/** As the kernel's name, without what all of them begin with. */
function eventText({ event }: XdpEventCount): string {
  return event.slice("xdp_".length);
}

function reasonText({ action, error, drops }: XdpEventCount): string {
  return action ?? error ?? (drops > 0n ? "queue full" : "-");
}

function whereText({ device, cpu }: XdpEventCount): string {
  if (device !== null) return placeText(device);
  return cpu === null ? "-" : `cpu ${cpu}`;
}

function toText({ target, toCpu, map, index }: XdpEventCount): string {
  if (target !== null) return placeText(target);
  if (toCpu !== null) return `cpu ${toCpu}`;
  return map === null || index === null ? "-" : `${map.name ?? `map ${map.id}`}[${index}]`;
}

function byText({ program, map }: XdpEventCount): string {
  const named = program ?? map;
  return named === null ? "-" : `${named.name ?? "?"} (${named.id})`;
}

/** `wirescript balancer top`: what goes where, per second. */
import type { Counters } from "../../../balancer/contract.ts";
import { Interruption } from "../../interruption.ts";
import { shortRate } from "../../rate.ts";
import { sayTable } from "../../table.ts";
import { clearScreen, say, sayJsonLine } from "../../terminal.ts";
import { Api, type ApiOptions } from "./api.ts";
import { endpoint, overallHealth, type StatusReport } from "./status.ts";

export interface TopOptions extends ApiOptions {
  /** Seconds. */
  interval: number;
  count?: number;
}

interface Row {
  service: string;
  /** Null for the service as a whole. */
  backend: string | null;
  address: string;
  health: string;
  packetsPerSecond: number;
  bitsPerSecond: number;
  repliesPerSecond: number;
  flowsPerSecond: number;
}

export async function top({ interval, count, ...options }: TopOptions): Promise<void> {
  const api = new Api(options);
  using interruption = new Interruption();
  const look = async () => ({ report: await api.ask<StatusReport>("GET", "/status"), at: performance.now() });
  let before = await look();
  for (let looks = 0; count === undefined || looks < count; looks++) {
    if (!(await interruption.pause(interval, "The balancer goes on."))) return;
    const now = await look();
    const seconds = (now.at - before.at) / 1000;
    const rows = rowsOf(before.report, now.report, seconds);
    const lost = lostPerSecond(before.report, now.report, seconds);
    if (options.json === true) sayJsonLine({ seconds, rows, reasons: lost });
    else sayBlock(rows, lost, looks > 0);
    before = now;
  }
}

function rowsOf(before: StatusReport, now: StatusReport, seconds: number): Row[] {
  const then = new Map(before.services.map((service) => [service.name, service]));
  return now.services
    .map((service) => {
      const old = then.get(service.name);
      const backends = new Map(old?.backends.map((backend) => [backend.name, backend]));
      const whole: Row = {
        service: service.name,
        backend: null,
        address: `${endpoint(service.address, service.port)}/${service.protocol}`,
        health: overallHealth(service),
        ...rates(old?.counters, service.counters, seconds),
      };
      const parts = service.backends.map((backend): Row => {
        return {
          service: service.name,
          backend: backend.name,
          address: endpoint(backend.address, backend.port),
          health: backend.draining ? `${backend.health}, draining` : backend.health,
          ...rates(backends.get(backend.name)?.counters, backend.counters, seconds),
        };
      });
      return { whole, parts };
    })
    .sort((a, b) => b.whole.packetsPerSecond - a.whole.packetsPerSecond || a.whole.service.localeCompare(b.whole.service))
    .flatMap(({ whole, parts }) => [whole, ...parts]);
}

function rates(before: Counters | undefined, now: Counters, seconds: number) {
  const rate = (of: keyof Counters) => (before === undefined ? 0 : Math.max(0, now[of] - before[of]) / seconds);
  return {
    packetsPerSecond: rate("packets"),
    bitsPerSecond: 8 * (rate("bytes") + rate("replyBytes")),
    repliesPerSecond: rate("replies"),
    flowsPerSecond: rate("flows"),
  };
}

function lostPerSecond(before: StatusReport, now: StatusReport, seconds: number): Record<string, number> {
  const changed = Object.entries(now.reasons).map(([reason, { packets }]) => {
    return [reason, (packets - (before.reasons[reason]?.packets ?? 0)) / seconds] as const;
  });
  return Object.fromEntries(changed.filter(([, rate]) => rate > 0));
}

const HEADINGS = ["Service", "Backend", "Address", "Health", "Packets/s", "Replies/s", "  Mbit/s", "  Flows/s"];

function sayBlock(rows: readonly Row[], lost: Record<string, number>, again: boolean): void {
  // On a terminal one block takes the place of the one before; in a pipe they follow each other.
  if (process.stdout.isTTY) clearScreen();
  else if (again) say();
  const room = process.stdout.isTTY ? Math.max(1, (process.stdout.rows ?? 24) - 4) : rows.length;
  const reasons = Object.entries(lost).map(([reason, rate]) => `${reason} ${shortRate(rate)}/s`);
  say(reasons.length === 0 ? "Every packet was forwarded." : `Besides: ${reasons.join(", ")}`);
  sayTable(
    HEADINGS,
    rows
      .slice(0, room)
      .map(({ service, backend, address, health, packetsPerSecond, repliesPerSecond, bitsPerSecond, flowsPerSecond }) => [
        backend === null ? service : "",
        backend ?? "",
        address,
        health,
        shortRate(packetsPerSecond).padStart(9),
        shortRate(repliesPerSecond).padStart(9),
        (bitsPerSecond / 1e6).toFixed(1).padStart(8),
        shortRate(flowsPerSecond).padStart(9),
      ]),
  );
}

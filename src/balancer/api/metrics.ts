/**
 * What Prometheus reads: the maps' counters at the moment of the scrape, under a registry of their own that lives as long as the scrape. Names are as its conventions
 * have them: base units, `_total` for what only grows, shares from 0 to 1; no label has a value of a client's choosing.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { version } from "../../package.ts";
import type { BackendStatus, Balancer, Counters, MapPressure, ServiceStatus, Status } from "../contract.ts";

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;
const PREFIX = "wirescript_balancer_";

/** All metrics as text (Prometheus text format 0.0.4). */
export async function metricsOf(balancer: Balancer, others: readonly Registry[] = []): Promise<string> {
  const [status, pressure] = await Promise.all([balancer.status(), balancer.pressure()]);
  const registry = new Registry();
  const metrics = new Metrics(registry);
  about(metrics, status);
  services(metrics, status.services);
  backends(metrics, status.services);
  packets(metrics, status);
  maps(metrics, pressure);
  const texts = await Promise.all([registry, ...others].map((each) => each.metrics()));
  return texts.join("\n");
}

/** How long the API takes, by route and status. It grows with what is asked, so it outlives the scrape. */
export function requestDurations(registry: Registry): Histogram<"method" | "route" | "status"> {
  return new Histogram({
    name: `${PREFIX}http_request_duration_seconds`,
    help: "Time that requests to the API took.",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
    registers: [registry],
  });
}

type Labels = Record<string, string>;

/** Metrics made and filled in one step. */
class Metrics {
  readonly #registers: Registry[];

  constructor(registry: Registry) {
    this.#registers = [registry];
  }

  counter(name: string, help: string, labels: readonly string[], values: Iterable<[Labels, number]>): void {
    const counter = new Counter({ name: PREFIX + name, help, labelNames: [...labels], registers: this.#registers });
    for (const [labelled, value] of values) counter.inc(labelled, value);
  }

  gauge(name: string, help: string, labels: readonly string[], values: Iterable<[Labels, number]>): void {
    const gauge = new Gauge({ name: PREFIX + name, help, labelNames: [...labels], registers: this.#registers });
    for (const [labelled, value] of values) gauge.set(labelled, value);
  }
}

function about(metrics: Metrics, { revision, devices }: Status): void {
  metrics.gauge(
    "build_info",
    "The version that runs.",
    ["version", "node"],
    [[{ version: version(), node: process.version }, 1]],
  );
  metrics.gauge("config_revision", "Revision of the desired state; it grows with every change.", [], [[{}, revision]]);
  metrics.gauge(
    "device_info",
    "Devices that the program is attached to.",
    ["device", "mode", "driver"],
    devices.map(({ name, mode, driver }) => [{ device: name, mode, driver }, 1]),
  );
}

const COUNTED: [key: keyof Counters, name: string, help: string][] = [
  ["packets", "packets_total", "Packets from clients"],
  ["bytes", "bytes_total", "Bytes of frames from clients"],
  ["replies", "reply_packets_total", "Packets from backends that came back through here (NAT)"],
  ["replyBytes", "reply_bytes_total", "Bytes of frames from backends that came back through here (NAT)"],
  ["flows", "flows_total", "New connections"],
];

function services(metrics: Metrics, all: readonly ServiceStatus[]): void {
  const labels = ["service"];
  const each = (value: (service: ServiceStatus) => number) =>
    all.map((service): [Labels, number] => [{ service: service.name }, value(service)]);
  metrics.gauge(
    "service_info",
    "Services.",
    ["service", "address", "port", "protocol", "mode"],
    all.map(({ name, address, port, protocol, mode }) => [{ service: name, address, port: `${port}`, protocol, mode }, 1]),
  );
  for (const [key, name, help] of COUNTED)
    metrics.counter(
      `service_${name}`,
      `${help}, by service.`,
      labels,
      each(({ counters }) => counters[key]),
    );
  metrics.counter(
    "service_dropped_packets_total",
    "Packets to a service that were dropped.",
    labels,
    each(({ drops }) => drops),
  );
  metrics.gauge(
    "service_fail_open",
    "1 when all backends fail their checks and all get connections nevertheless.",
    labels,
    each(({ failOpen }) => Number(failOpen)),
  );
  metrics.gauge(
    "service_slots",
    "Slots of a service's table.",
    labels,
    each(({ slots }) => slots),
  );
}

function backends(metrics: Metrics, all: readonly ServiceStatus[]): void {
  const labels = ["service", "backend"];
  const list = all.flatMap((service) => service.backends.map((backend) => ({ backend, of: service.name })));
  const each = (value: (backend: BackendStatus) => number) =>
    list.map(({ backend, of }): [Labels, number] => [{ service: of, backend: backend.name }, value(backend)]);
  for (const [key, name, help] of COUNTED)
    metrics.counter(
      `backend_${name}`,
      `${help}, by backend.`,
      labels,
      each(({ counters }) => counters[key]),
    );
  metrics.gauge(
    "backend_up",
    "0 when a backend fails its checks.",
    labels,
    each(({ health }) => (health === "down" ? 0 : 1)),
  );
  metrics.gauge(
    "backend_draining",
    "1 when a backend gets no new connections because it drains.",
    labels,
    each(({ draining }) => Number(draining)),
  );
  metrics.gauge(
    "backend_weight",
    "A backend's weight.",
    labels,
    each(({ weight }) => weight),
  );
  metrics.gauge(
    "backend_slots",
    "Slots of its service's table that are a backend's.",
    labels,
    each(({ slots }) => slots),
  );
  metrics.gauge(
    "backend_health_changed_timestamp_seconds",
    "When a backend's health last changed.",
    labels,
    each(({ since }) => since.getTime() / 1000),
  );
}

function packets(metrics: Metrics, { reasons }: Status): void {
  const each = (key: "packets" | "bytes") =>
    Object.entries(reasons).map(([reason, value]): [Labels, number] => [{ reason }, value[key]]);
  metrics.counter(
    "fate_packets_total",
    "Packets that were not simply forwarded, by what became of them.",
    ["reason"],
    each("packets"),
  );
  metrics.counter(
    "fate_bytes_total",
    "Bytes of frames that were not simply forwarded, by what became of them.",
    ["reason"],
    each("bytes"),
  );
}

function maps(metrics: Metrics, pressure: readonly MapPressure[]): void {
  const each = (value: (map: MapPressure) => number) =>
    pressure.map((map): [Labels, number] => [{ map: map.name }, value(map)]);
  metrics.gauge(
    "map_entries",
    "Entries of a map.",
    ["map"],
    each(({ entries }) => entries),
  );
  metrics.gauge(
    "map_capacity",
    "Entries that a map has room for.",
    ["map"],
    each(({ capacity }) => capacity),
  );
  metrics.gauge(
    "map_pressure_ratio",
    "How full a map is, from 0 to 1.",
    ["map"],
    each(({ entries, capacity }) => (capacity === 0 ? 0 : entries / capacity)),
  );
}

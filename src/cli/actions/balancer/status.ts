/** `wirescript balancer status`: devices, services and backends at the moment. */
import type { BackendStatus, MapPressure, ServiceStatus, Status } from "../../../balancer/contract.ts";
import { percent } from "../../../balancer/moved.ts";
import { WirescriptError } from "../../../errors.ts";
import { nearest } from "../../../nearest.ts";
import { age } from "../../age.ts";
import { sayTable } from "../../table.ts";
import { oneLine, paint, say, sayJson } from "../../terminal.ts";
import { shortCount } from "./amounts.ts";
import { Api, type ApiOptions } from "./api.ts";

/** As JSON has it. */
type OverHttp<T> = T extends Date ? string : T extends object ? { [K in keyof T]: OverHttp<T[K]> } : T;
export type StatusReport = OverHttp<Status> & { pressure: MapPressure[] };
type Service = OverHttp<ServiceStatus>;
type Backend = OverHttp<BackendStatus>;

export async function status(name: string | undefined, options: ApiOptions): Promise<void> {
  const report = await new Api(options).ask<StatusReport>("GET", "/status");
  const services = name === undefined ? report.services : [serviceOf(report, name)];
  if (options.json === true) return sayJson(name === undefined ? report : services[0]);
  say(headLine(report));
  if (services.length === 0) say("There are no services. Add one: wirescript balancer add web 192.0.2.1:80/tcp");
  else sayServices(services);
  for (const line of troubles(services)) say(line);
  for (const { name: device, reason } of report.missingDevices) {
    say(paint("red", oneLine(`the balancer is not on ${device}: ${reason}`)));
  }
  if (name === undefined) sayRest(report);
}

/** @throws WirescriptError NO_SUCH_SERVICE */
function serviceOf({ services }: StatusReport, name: string): Service {
  const found = services.find((service) => service.name === name);
  if (found !== undefined) return found;
  const names = services.map((service) => service.name);
  const meant = nearest(name, names);
  throw new WirescriptError({
    code: "NO_SUCH_SERVICE",
    what: `The balancer has no service called "${name}".`,
    why:
      names.length === 0 ? "It has none at all." : `It has ${names.slice(0, 10).join(", ")}${names.length > 10 ? ", …" : ""}.`,
    fix: meant === null ? "See all: wirescript balancer status" : `Did you mean ${meant}?`,
  });
}

function headLine({ revision, since, devices }: StatusReport): string {
  const where = devices.map(({ name, mode, driver }) => `${oneLine(name)} (${mode}, ${driver})`).join(", ");
  return `revision ${revision} (${age(Date.now() - Date.parse(since))} old), on ${where || "no device"}`;
}

const HEADINGS = [
  "Service",
  "Backend",
  "Address",
  "Mode",
  "Weight",
  "  Share",
  "Health",
  "For",
  " Packets",
  "   Bytes",
  "  Flows",
];

function sayServices(services: readonly Service[]): void {
  const rows = services.flatMap((service) => [
    serviceRow(service),
    ...service.backends.map((backend) => backendRow(backend, service)),
  ]);
  sayTable(HEADINGS, rows);
}

function serviceRow({ name, address, port, protocol, mode, backends, counters, failOpen }: Service): string[] {
  return [
    name,
    "",
    `${endpoint(address, port)}/${protocol}`,
    mode,
    "",
    "",
    overallHealth({ backends, failOpen }),
    "",
    ...amounts(counters),
  ];
}

/** "2 of 3 up", or a word. */
export function overallHealth({ backends, failOpen }: Pick<Service, "backends" | "failOpen">): string {
  if (failOpen) return "fail-open";
  if (backends.length === 0) return "no backend";
  if (backends.every(({ health }) => health === "unchecked")) return "unchecked";
  return `${backends.filter(({ health }) => health === "up").length} of ${backends.length} up`;
}

function backendRow(backend: Backend, service: Service): string[] {
  const { name, address, port, weight, slots, health, since, draining, drained, counters } = backend;
  const share = service.slots === 0 ? "-" : percent(slots / service.slots);
  const state = draining ? `${health}, draining` : drained ? `${health}, drained` : health;
  const long = health === "unchecked" ? "" : age(Date.now() - Date.parse(since));
  return ["", name, endpoint(address, port), "", `${weight}`, share.padStart(7), state, long, ...amounts(counters)];
}

function amounts({ packets, bytes, flows }: Service["counters"]): string[] {
  return [shortCount(packets).padStart(8), shortCount(bytes).padStart(8), shortCount(flows).padStart(7)];
}

/** Port 0 is the one that the client asked for. */
export function endpoint(address: string, port: number | "all"): string {
  if (port === 0) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What is not as it should be, with its reason. */
function troubles(services: readonly Service[]): string[] {
  return services.flatMap(({ name, failOpen, backends }) => [
    ...(failOpen
      ? [paint("yellow", `${oneLine(name)}: all backends fail their checks, so all of them get connections nevertheless`)]
      : []),
    ...backends
      .filter(({ health, reason }) => health === "down" && reason !== undefined)
      .map((backend) => paint("red", oneLine(`${name}/${backend.name} is down: ${backend.reason}`))),
  ]);
}

function sayRest({ reasons, pressure, devices }: StatusReport): void {
  for (const { name } of devices.filter(({ mode }) => mode === "generic")) {
    say(
      paint(
        "yellow",
        `${oneLine(name)} runs the program in generic mode, which is slow: its driver has no XDP, or the state asks for it`,
      ),
    );
  }
  const counted = Object.entries(reasons).filter(([, { packets }]) => packets > 0);
  if (counted.length > 0) {
    say();
    sayTable(
      ["Reason", " Packets", "   Bytes"],
      counted.map(([reason, { packets, bytes }]) => [reason, shortCount(packets).padStart(8), shortCount(bytes).padStart(8)]),
    );
  }
  for (const { name, entries, capacity } of pressure.filter((each) => each.entries > 0.8 * each.capacity)) {
    say(paint("yellow", `the map ${oneLine(name)} is ${percent(entries / capacity)} full (${entries} of ${capacity})`));
  }
}

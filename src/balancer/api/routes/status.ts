/** What the balancer does at the moment: as a whole, and in the parts that are asked for often. */
import Type from "typebox";
import type { BackendStatus, Status as ReportedStatus, ServiceStatus } from "../../contract.ts";
import { notFound } from "../problem.ts";
import { NoQuery } from "../queries.ts";
import { Readings } from "../readings.ts";
import {
  answers,
  BackendHealth,
  Counters,
  MissingDevices,
  Pressure,
  Reasons,
  ServiceParameter,
  ServiceStatus as ServiceSchema,
  Status,
} from "../schemas.ts";
import type { ApiParts } from "../server.ts";

const HealthReport = Type.Object({
  status: Type.Enum(["ok", "degraded", "failing"], {
    description:
      "degraded: a backend is down, or a device of the state is missing. failing: a service has no backend that is up, or there is none of the devices.",
  }),
  missingDevices: MissingDevices,
  services: Type.Array(
    Type.Object({ name: Type.String(), failOpen: Type.Boolean(), up: Type.Integer(), backends: Type.Array(BackendHealth) }),
  ),
});
const CounterReport = Type.Object({
  services: Type.Array(
    Type.Object({
      name: Type.String(),
      drops: Type.Integer(),
      counters: Counters,
      backends: Type.Array(Type.Object({ name: Type.String(), counters: Counters })),
    }),
  ),
  reasons: Reasons,
  pressure: Pressure,
});

export function statusRoutes({ app, balancer }: ApiParts): void {
  const tags = ["status"];
  const readings = new Readings(balancer);
  const querystring = NoQuery;
  app.addHook("onSend", async (_request, reply) => {
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
  });

  app.get(
    "/status",
    {
      schema: {
        tags,
        summary: "Everything: devices, services, backends, counters, reasons, maps",
        querystring,
        response: answers({ 200: Status }),
      },
    },
    async () => {
      const [status, pressure] = await Promise.all([readings.status(), balancer.pressure()]);
      return { ...status, pressure };
    },
  );

  app.get(
    "/services/:service/status",
    {
      schema: {
        tags,
        summary: "A service: its backends, their health, counters and shares",
        params: ServiceParameter,
        querystring,
        response: answers({ 200: ServiceSchema }),
      },
    },
    async (request) => {
      const { services } = await readings.status();
      const found = services.find(({ name }) => name === request.params.service);
      if (found !== undefined) return found;
      throw notFound(
        "service",
        request.params.service,
        services.map(({ name }) => name),
      );
    },
  );

  app.get(
    "/health",
    {
      schema: {
        tags,
        summary: "Which backends are up, and why others are not",
        querystring,
        response: answers({ 200: HealthReport }),
      },
    },
    async () => {
      const status = await readings.status();
      const { missingDevices, services } = status;
      return { status: overall(status), missingDevices, services: services.map(healthOf) };
    },
  );

  app.get(
    "/counters",
    {
      schema: {
        tags,
        summary: "Packets and bytes, by service, backend and reason",
        querystring,
        response: answers({ 200: CounterReport }),
      },
    },
    async () => {
      const [{ services, reasons }, pressure] = await Promise.all([readings.status(), balancer.pressure()]);
      const byService = services.map(({ name, drops, counters, backends }) => {
        return {
          name,
          drops,
          counters,
          backends: backends.map((backend) => ({ name: backend.name, counters: backend.counters })),
        };
      });
      return { services: byService, reasons, pressure };
    },
  );
}

function healthOf({ name, failOpen, backends }: ServiceStatus) {
  return {
    name,
    failOpen,
    up: backends.filter(isUp).length,
    backends: backends.map(({ name, address, port, health, reason, since, draining, drained }) => {
      return { name, address, port, health, ...(reason !== undefined && { reason }), since, draining, drained };
    }),
  };
}

/** Not known to be down: without a check nobody knows better, and it gets connections. */
function isUp({ health }: BackendStatus): boolean {
  return health !== "down";
}

function overall({ services, devices, missingDevices }: ReportedStatus): "ok" | "degraded" | "failing" {
  if (missingDevices.length > 0 && devices.length === 0) return "failing";
  if (services.some(({ backends }) => backends.length > 0 && !backends.some(isUp))) return "failing";
  return missingDevices.length > 0 || services.some(({ backends }) => !backends.every(isUp)) ? "degraded" : "ok";
}

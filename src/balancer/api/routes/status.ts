/** What the balancer does at the moment. */
import { NoQuery } from "../queries.ts";
import { answers, Status } from "../schemas.ts";
import type { ApiParts } from "../server.ts";

export function statusRoutes({ app, balancer }: ApiParts): void {
  app.get(
    "/status",
    {
      schema: {
        tags: ["status"],
        summary: "Everything at once: devices, services, backends, counters, reasons",
        querystring: NoQuery,
        response: answers({ 200: Status }),
      },
    },
    async (_request, reply) => {
      const [status, pressure] = await Promise.all([balancer.status(), balancer.pressure()]);
      return reply.header("cache-control", "no-store").send({ ...status, pressure });
    },
  );
}

/** /metrics, for Prometheus. */
import { Registry } from "prom-client";
import Type from "typebox";
import { METRICS_TYPE, metricsOf, requestDurations } from "../metrics.ts";
import { answers } from "../schemas.ts";
import type { ApiParts } from "../server.ts";

export function metricsRoute({ app, balancer }: ApiParts, others: readonly Registry[]): void {
  const own = new Registry();
  const durations = requestDurations(own);
  app.addHook("onResponse", async ({ method, routeOptions }, reply) => {
    // Streams last as long as their clients like.
    if (routeOptions.url === undefined || routeOptions.url === "/events") return;
    durations.observe({ method, route: routeOptions.url, status: `${reply.statusCode}` }, reply.elapsedTime / 1000);
  });

  app.get(
    "/metrics",
    {
      schema: {
        tags: ["status"],
        summary: "Everything that is counted, for Prometheus",
        // Prometheus may be told to send parameters; they change nothing.
        produces: ["text/plain"],
        response: answers({ 200: Type.String({ description: "Prometheus text format 0.0.4" }) }),
      },
    },
    async (_request, reply) => {
      const text = await metricsOf(balancer, [own, ...others]);
      return reply
        .header("content-type", METRICS_TYPE)
        .serializer((payload) => String(payload))
        .send(text);
    },
  );
}

/** The end of the service, when whoever runs it lets itself be told so. */
import Type from "typebox";
import { complete } from "../parts.ts";
import { NoQuery } from "../queries.ts";
import { answers } from "../schemas.ts";
import type { ApiParts } from "../server.ts";

const Stop = Type.Object(
  {
    detach: Type.Boolean({
      default: false,
      description: "Take the programs off the devices too; else packets are forwarded as before.",
    }),
  },
  { additionalProperties: false },
);
type Stop = Type.Static<typeof Stop>;

export function stopRoute({ app }: Pick<ApiParts, "app">, onStop: (detach: boolean) => void): void {
  app.post(
    "/stop",
    {
      schema: {
        tags: ["status"],
        summary: "End the service",
        querystring: NoQuery,
        body: Stop,
        response: answers({ 202: Type.Object({ stopping: Type.Boolean(), detach: Type.Boolean() }) }),
      },
    },
    (request, reply) => {
      const { detach } = complete<Stop>(Stop, request.body);
      // Whoever asked hears of it first.
      reply.raw.once("close", () => onStop(detach));
      return reply.code(202).send({ stopping: true, detach });
    },
  );
}

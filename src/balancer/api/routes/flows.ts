/** Where a connection's packets go, and why. */
import { isIP } from "node:net";
import Type from "typebox";
import { type FieldProblem, invalid } from "../problem.ts";
import { answers, Flow } from "../schemas.ts";
import type { ApiParts } from "../server.ts";

const Address = (description: string) => Type.String({ minLength: 2, maxLength: 45, description });
const Port = Type.Integer({ minimum: 0, maximum: 65_535 });
const Question = Type.Object(
  {
    protocol: Type.Enum(["tcp", "udp"]),
    client: Address("The client's address."),
    clientPort: Port,
    address: Address("The address that it sends to: the service's."),
    port: Port,
  },
  { additionalProperties: false },
);

export function flowRoutes({ app, balancer }: ApiParts): void {
  app.get(
    "/flows",
    {
      schema: {
        tags: ["status"],
        summary: "Where a connection's packets go, and why",
        description: "It need not exist: then the answer is where it would go.",
        querystring: Question,
        response: answers({ 200: Flow }),
      },
    },
    async (request, reply) => {
      mustBeAddresses(request.query);
      return reply.header("cache-control", "no-store").send(await balancer.explain(request.query));
    },
  );
}

/** @throws Refusal 422 */
function mustBeAddresses({ client, address }: { client: string; address: string }): void {
  const problems = Object.entries({ client, address })
    .filter(([, value]) => isIP(value) === 0 || value.includes("%"))
    .map(([field, value]): FieldProblem => {
      return { field, reason: `${JSON.stringify(value)} is no IP address.`, fix: "Write it like 192.0.2.1 or 2001:db8::1." };
    });
  if (problems.length === 0 && isIP(client) !== isIP(address)) {
    problems.push({ field: "client", reason: "It is of the other IP version than address.", fix: "Give two of the same." });
  }
  if (problems.length > 0) throw invalid(problems);
}

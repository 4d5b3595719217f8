/** The whole desired state at once: what `wirescript balancer apply` and `diff` use. */

import { completeState } from "../../document.ts";
import { State } from "../../state.ts";
import { LIMIT } from "../bodies.ts";
import type { Edit } from "../edits.ts";
import { mergePatch } from "../merge-patch.ts";
import { objectIn } from "../parts.ts";
import { sendDesired } from "../preconditions.ts";
import { DryRun, NoQuery } from "../queries.ts";
import { answers, Changed, PATCH_TYPES, patchOf } from "../schemas.ts";
import type { ApiParts } from "../server.ts";

export function stateRoutes({ app, balancer, changes }: ApiParts): void {
  const tags = ["state"];
  /** Complete, and as a body: every problem's place is one in it. */
  const whole = (value: unknown): Edit => ({ state: completeState(value), at: "", created: false });

  app.get(
    "/state",
    {
      schema: {
        tags,
        summary: "The desired state, with all defaults",
        querystring: NoQuery,
        response: answers({ 200: State }),
      },
    },
    (request, reply) => sendDesired(request, reply, balancer.revision, balancer.state),
  );

  app.put(
    "/state",
    {
      bodyLimit: LIMIT.state,
      schema: {
        tags,
        summary: "Replace the desired state",
        description:
          "What the body does not name goes. Only what differs is changed; connections of everything else stay where they are.",
        querystring: DryRun,
        body: State,
        response: answers({ 200: Changed }),
      },
    },
    (request, reply) => {
      const wish = whole(objectIn(request.body));
      return changes.answer(request, reply, { dryRun: request.query.dryRun, exists: () => true, edit: () => wish });
    },
  );

  app.patch(
    "/state",
    {
      bodyLimit: LIMIT.state,
      schema: {
        tags,
        summary: "Change fields of the desired state",
        description: "A JSON merge patch (RFC 7396). Lists, such as services, are replaced as a whole.",
        querystring: DryRun,
        consumes: PATCH_TYPES,
        body: patchOf(State),
        response: answers({ 200: Changed }),
      },
    },
    (request, reply) => {
      const patch = objectIn(request.body);
      return changes.answer(request, reply, {
        dryRun: request.query.dryRun,
        exists: () => true,
        edit: (state) => whole(mergePatch(state, patch)),
      });
    },
  );
}

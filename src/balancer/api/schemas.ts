/** What requests and answers look like, beside the state itself: the types of `contract.ts` as schemas, for OpenAPI. */
import Type, { type TSchema } from "typebox";
import { Backend, MODES, Service } from "../state.ts";
import { ProblemDetails } from "./problem.ts";

export const ServiceParameter = Type.Object({ service: Type.String({ description: "The service's name." }) });
export const BackendParameters = Type.Object({
  service: Type.String({ description: "The service's name." }),
  backend: Type.String({ description: "The backend's name, or its address, or ADDRESS:PORT, as lists show it." }),
});

export const ServiceBody = Type.Evaluate(
  Type.Intersect([Type.Omit(Service, ["name"]), Type.Partial(Type.Pick(Service, ["name"]))]),
);
export { Backend as BackendBody };

const Count = Type.Integer({ minimum: 0 });
const Time = Type.String({ format: "date-time" });

export const Change = Type.Object({
  action: Type.Enum(["add", "remove", "set", "replace"]),
  subject: Type.Enum(["service", "backend", "device", "balancer"]),
  service: Type.Optional(Type.String()),
  backend: Type.Optional(Type.String()),
  fields: Type.Record(Type.String(), Type.Array(Type.Unknown(), { minItems: 2, maxItems: 2 }), {
    description: "By field: before and after.",
  }),
});
const Moved = Type.Object({ service: Type.String(), slots: Count, of: Count });

export const Changed = Type.Object(
  {
    revision: Count,
    dryRun: Type.Boolean(),
    summary: Type.String({ description: 'How much it moves: "moves 3.1 % of slots".' }),
    changes: Type.Array(Change),
    moved: Type.Array(Moved, { description: "By service: how many slots of its table change hands." }),
    ends: Type.Array(Type.String(), {
      description:
        "Services that lose all of their connections, whoever has the slots: those in mode nat or redirect when an address changes that backends see, and those whose mode becomes, or was, one of these.",
    }),
  },
  { description: "What a change did, or would do." },
);

export const Counters = Type.Object(
  { packets: Count, bytes: Count, replies: Count, replyBytes: Count, flows: Count },
  { description: "Since the maps were made; restarts and changes leave them alone. Bytes of whole frames." },
);
const Health = Type.Enum(["up", "down", "unknown", "unchecked"]);

export const BackendStatus = Type.Object({
  service: Type.String(),
  name: Type.String(),
  address: Type.String(),
  port: Count,
  weight: Count,
  health: Health,
  reason: Type.Optional(Type.String()),
  since: Time,
  draining: Type.Boolean({ description: "It keeps its connections, and gets no new ones." }),
  drained: Type.Boolean({ description: "The time that it had to drain is over: its connections went to others." }),
  slots: Count,
  mac: Type.Optional(Type.String()),
  device: Type.Optional(Type.String()),
  counters: Counters,
});
export const ServiceStatus = Type.Object({
  name: Type.String(),
  address: Type.String(),
  port: Type.Union([Count, Type.Literal("all")]),
  protocol: Type.Enum(["tcp", "udp"]),
  mode: Type.Enum(MODES),
  failOpen: Type.Boolean(),
  slots: Count,
  drops: Count,
  counters: Counters,
  backends: Type.Array(BackendStatus),
});
export const Reasons = Type.Record(Type.String(), Type.Object({ packets: Count, bytes: Count }), {
  description: "What else happened to packets, by reason.",
});
export const Pressure = Type.Array(Type.Object({ name: Type.String(), entries: Count, capacity: Count }), {
  description: "How full the maps are.",
});
export const MissingDevices = Type.Array(Type.Object({ name: Type.String(), reason: Type.String() }), {
  description: "Devices of the state that the datapath is not on.",
});
export const Status = Type.Object({
  revision: Count,
  since: Time,
  devices: Type.Array(
    Type.Object({
      name: Type.String(),
      ifindex: Count,
      mode: Type.Enum(["native", "generic"]),
      driver: Type.String(),
      program: Count,
    }),
  ),
  missingDevices: MissingDevices,
  services: Type.Array(ServiceStatus),
  reasons: Reasons,
  pressure: Pressure,
});

export const BackendHealth = Type.Pick(BackendStatus, [
  "name",
  "address",
  "port",
  "health",
  "reason",
  "since",
  "draining",
  "drained",
]);

export const Flow = Type.Object({
  service: Type.Union([Type.String(), Type.Null()], { description: "Null: no service takes it." }),
  backend: Type.Union([Type.String(), Type.Null()]),
  by: Type.Enum(["flow", "table", "none"], {
    description: "flow: the connection is in the flow table; table: its slot of the service's table says so.",
  }),
  slot: Type.Optional(Count),
  hash: Type.Optional(Count),
  natPort: Type.Optional(Count),
  idleSeconds: Type.Optional(Type.Number({ minimum: 0 })),
  steps: Type.Array(Type.String(), { description: "In sentences, one for each step." }),
});

/** What a merge patch of such an object may have: some of its fields, and null for those that are to have their defaults. */
export function patchOf({ properties }: { properties: Record<string, TSchema> }) {
  const fields = Object.entries(properties).map(
    ([name, field]) => [name, Type.Optional(Type.Union([field, Type.Null()]))] as const,
  );
  return Type.Object(Object.fromEntries(fields), { additionalProperties: false });
}

/** Both say JSON; the second says more. */
export const PATCH_TYPES = ["application/merge-patch+json", "application/json"];

/** Answers of a route, with the errors that every route has. */
export function answers<T extends Record<number, TSchema>>(good: T) {
  return {
    ...good,
    "4xx": Type.Unsafe<unknown>({
      description: "Refused.",
      content: { "application/problem+json": { schema: ProblemDetails } },
    }),
    "5xx": Type.Unsafe<unknown>({
      description: "Failed.",
      content: { "application/problem+json": { schema: ProblemDetails } },
    }),
  };
}

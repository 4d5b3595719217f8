/**
 * What a balancer is asked to be: its desired state, as a document has it and the API takes it. One schema (TypeBox) is validation, types and
 * OpenAPI. What a schema cannot say (a name used twice, a tunnel without an outer source) is for `checks.ts`.
 *
 * Everything is optional that has a sensible value; `Type.…({ default })` is the only place that knows it.
 */
import Type from "typebox";

/** The names of services and backends appear in URLs, metrics and logs. */
const Name = Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$", description: "Letters, digits, and ._:- within." });
/** As a service's, and `::1` or `[2001:db8::1]:80`, which backends without a name are called. */
const BackendName = Type.String({
  pattern: "^[A-Za-z0-9:[][A-Za-z0-9._:\\[\\]-]{0,62}$",
  description: "Usual: its address and port.",
});
const Address = Type.String({ minLength: 2, maxLength: 45, description: "An IPv4 or IPv6 address." });
const Prefix = Type.String({
  minLength: 2,
  maxLength: 49,
  description: "An IPv4 or IPv6 address, or a prefix of addresses such as 192.0.2.0/24.",
});
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Seconds = (usual: number, options: { minimum: number; maximum: number }) =>
  Type.Number({ default: usual, ...options, description: "In seconds." });

export const MODES = ["nat", "direct", "ipip", "gue", "redirect"] as const;
export type ModeName = (typeof MODES)[number];
const ModeSchema = Type.Enum(MODES, {
  default: "nat",
  description:
    "How packets reach the backends: nat rewrites addresses and ports both ways; direct changes MAC addresses only (same link); ipip and gue tunnel; redirect rewrites and sends out, without a way back.",
});

const Strict = { additionalProperties: false } as const;

const CheckTimes = {
  interval: Seconds(2, { minimum: 0.1, maximum: 3600 }),
  timeout: Seconds(1, { minimum: 0.05, maximum: 600 }),
  rise: Type.Integer({ default: 2, minimum: 1, maximum: 100, description: "Successes in a row until a backend is up." }),
  fall: Type.Integer({ default: 3, minimum: 1, maximum: 100, description: "Failures in a row until it is down." }),
  port: Type.Optional(Port),
};
const HttpCheck = {
  path: Type.String({
    default: "/",
    pattern: "^/[!-~]*$",
    maxLength: 2048,
    description: "It begins with /, and a space in it is written %20.",
  }),
  host: Type.Optional(
    Type.String({ minLength: 1, maxLength: 255, description: "The Host header, and the name that TLS asks for." }),
  ),
  status: Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), { default: [200], minItems: 1, maxItems: 32 }),
};
export const Check = Type.Union([
  Type.Object({ type: Type.Literal("tcp"), ...CheckTimes }, Strict),
  Type.Object({ type: Type.Literal("http"), ...CheckTimes, ...HttpCheck }, Strict),
  Type.Object(
    {
      type: Type.Literal("https"),
      ...CheckTimes,
      ...HttpCheck,
      verify: Type.Boolean({ default: false, description: "Whether the certificate must be valid." }),
    },
    Strict,
  ),
  Type.Object(
    {
      type: Type.Literal("udp"),
      ...CheckTimes,
      send: Type.String({ default: "", maxLength: 1024 }),
      expect: Type.Optional(
        Type.String({ maxLength: 1024, description: "What the answer starts with; any answer will do without it." }),
      ),
    },
    Strict,
  ),
  Type.Object({ type: Type.Literal("icmp"), ...CheckTimes }, Strict),
]);
export type Check = Type.Static<typeof Check>;

export const Backend = Type.Object(
  {
    name: Type.Optional(BackendName),
    address: Address,
    port: Type.Optional(Port),
    weight: Type.Integer({
      default: 100,
      minimum: 0,
      maximum: 65_535,
      description: "Its share of new connections, beside the others'.",
    }),
    drain: Type.Boolean({ default: false, description: "Keeps its connections, and gets no new ones." }),
    drainSeconds: Type.Optional(
      Type.Number({ minimum: 0, maximum: 86_400, description: "When draining: after so long its connections end too." }),
    ),
    mac: Type.Optional(
      Type.String({ pattern: "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", description: "Instead of asking the network for it." }),
    ),
    device: Type.Optional(
      Type.String({ minLength: 1, maxLength: 15, description: "The device that it is behind, with `mac`." }),
    ),
    source: Type.Optional(Type.String({ ...Address, description: "For redirect: the source address that its packets get." })),
  },
  Strict,
);
export type Backend = Type.Static<typeof Backend>;

export const Service = Type.Object(
  {
    name: Name,
    address: Prefix,
    port: Type.Union([Port, Type.Literal("all")], { description: "A port, or all of them." }),
    protocol: Type.Enum(["tcp", "udp"]),
    mode: ModeSchema,
    affinity: Type.Enum(["connection", "source"], {
      default: "connection",
      description: "What stays with a backend: a connection, or all of a client.",
    }),
    tableSize: Type.Optional(Type.Integer({ minimum: 7, maximum: 65_537, description: "Slots of its Maglev table: a prime." })),
    idleSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 86_400,
        description: "A connection that rests for longer is forgotten (TCP: 3600, UDP: 60).",
      }),
    ),
    check: Type.Optional(Check),
    minimumUp: Type.Number({
      default: 0.5,
      minimum: 0,
      maximum: 1,
      description: "Checks take no more backends away than leave this share.",
    }),
    backends: Type.Array(Backend, { default: [], maxItems: 4096 }),
  },
  Strict,
);
export type Service = Type.Static<typeof Service>;

export const Device = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 15 }),
    mode: Type.Enum(["auto", "native", "generic"], { default: "auto" }),
  },
  Strict,
);

export type Device = Type.Static<typeof Device>;

export const State = Type.Object(
  {
    version: Type.Literal(1, { default: 1 }),
    devices: Type.Array(Device, { default: [], maxItems: 64, description: "Where packets come in and go out." }),
    source4: Type.Optional(
      Type.String({
        ...Address,
        description:
          "The IPv4 address that NAT and tunnels send from. Usual: the one that the first device has had for longest.",
      }),
    ),
    source6: Type.Optional(Type.String({ ...Address, description: "The same for IPv6." })),
    tableSize: Type.Integer({
      default: 65_537,
      minimum: 7,
      maximum: 65_537,
      description: "Slots of a service's Maglev table: a prime.",
    }),
    natPorts: Type.Object(
      {
        first: Type.Integer({ default: 1024, minimum: 1, maximum: 65_535 }),
        count: Type.Integer({ default: 64_512, minimum: 1, maximum: 65_535 }),
      },
      { ...Strict, default: {} },
    ),
    newFlowsPerSecond: Type.Integer({
      default: 125_000,
      minimum: 1,
      maximum: 10_000_000,
      description: "The most that are remembered, per CPU.",
    }),
    mtu: Type.Integer({
      default: 1500,
      minimum: 576,
      maximum: 9000,
      description: "The largest packet that goes into the network with its outer headers, in bytes.",
    }),
    services: Type.Array(Service, { default: [], maxItems: 16_000 }),
  },
  Strict,
);
export type State = Type.Static<typeof State>;

/** What the API, the metrics and the command line may ask of a running balancer. `balancer.ts` is what answers. */
import type { Backend, Device, ModeName, Service, State } from "./state.ts";

export type Family = 4 | 6;
export type Protocol = "tcp" | "udp";

/** One step of a plan, in the words of `wirescript balancer diff`. */
export interface Change {
  /** `replace`: what cannot be changed under a service, such as its address. */
  action: "add" | "remove" | "set" | "replace";
  subject: "service" | "backend" | "device" | "balancer";
  service?: string;
  backend?: string;
  /** What it says before and after, by field: `{ weight: [100, 50] }`. */
  fields: Record<string, [before: unknown, after: unknown]>;
}

/** What a change would do, or did. */
export interface Plan {
  changes: Change[];
  /** By service: how many of its slots change hands. */
  moved: { service: string; slots: number; of: number }[];
  /** Services that lose all of their connections, whoever has the slots: backends see them come from elsewhere, or in another mode. */
  ends: string[];
}

export interface Applied extends Plan {
  /** Of the state that is now accepted; grows by one with every change. */
  revision: number;
}

export type Health = "up" | "down" | "unknown" | "unchecked";

export interface BackendStatus {
  service: string;
  name: string;
  address: string;
  port: number;
  weight: number;
  health: Health;
  /** Why it is down, in words. */
  reason?: string;
  /** When its health last changed. */
  since: Date;
  /** It keeps its connections, and gets no new ones. */
  draining: boolean;
  /** The time that it had to drain is over: its connections went to others. */
  drained: boolean;
  /** Slots of the service's table that are its. */
  slots: number;
  /** The next hop's, once known. */
  mac?: string;
  device?: string;
  counters: Counters;
}

export interface ServiceStatus {
  name: string;
  address: string;
  port: number | "all";
  protocol: Protocol;
  mode: ModeName;
  /** True when all backends fail their checks and all of them get connections nevertheless. */
  failOpen: boolean;
  slots: number;
  drops: number;
  counters: Counters;
  backends: BackendStatus[];
}

/** Since the maps were made; restarts and changes leave them alone. Bytes of whole frames. */
export interface Counters {
  packets: number;
  bytes: number;
  replies: number;
  replyBytes: number;
  flows: number;
}

export interface MapPressure {
  name: string;
  entries: number;
  capacity: number;
}

export interface DeviceStatus {
  name: string;
  ifindex: number;
  mode: "native" | "generic";
  driver: string;
  program: number;
}

/** A device that the state names, and that the datapath is not on. */
export interface MissingDevice {
  name: string;
  /** In a sentence. */
  reason: string;
}

export interface Status {
  revision: number;
  since: Date;
  devices: DeviceStatus[];
  missingDevices: MissingDevice[];
  services: ServiceStatus[];
  /** By the names of `Reason`, in lower case. */
  reasons: Record<string, { packets: number; bytes: number }>;
}

export interface FlowQuestion {
  protocol: Protocol;
  client: string;
  clientPort: number;
  address: string;
  port: number;
}

/** Where a connection's packets go, and why. */
export interface FlowAnswer {
  /** Null: no service takes it. */
  service: string | null;
  backend: string | null;
  /** `flow`: it is in the flow table; `table`: its slot says so. */
  by: "flow" | "table" | "none";
  slot?: number;
  hash?: number;
  natPort?: number;
  /** How long ago its last packet came, in seconds. */
  idleSeconds?: number;
  /** In sentences, one for each step. */
  steps: string[];
}

export type BalancerEvent =
  | { at: Date; type: "applied"; revision: number; changes: Change[]; moved: Plan["moved"]; ends: Plan["ends"] }
  | {
      at: Date;
      type: "health";
      service: string;
      backend: string;
      from: Health;
      to: Health;
      reason?: string;
      moved: number;
      of: number;
    }
  | { at: Date; type: "fail-open"; service: string; open: boolean }
  | { at: Date; type: "drained"; service: string; backend: string }
  | { at: Date; type: "neighbour"; address: string; mac: string | null; device: string | null }
  | { at: Date; type: "device"; device: string; attached: boolean; reason?: string };

export interface Balancer {
  /** The accepted desired state, with all defaults filled in. Do not change it. */
  readonly state: State;
  readonly revision: number;
  /** What `next` would change; throws what `apply` would throw for it. */
  plan(next: State): Plan;
  /**
   * Makes `next` the desired state: checked, then written to disk, then to the maps. Changes queue up. With `ifRevision`, a ConflictError when
   * another change came first. An `InvalidState` (all problems, by JSON pointer) leaves everything as it was.
   */
  apply(next: State, options?: { ifRevision?: number }): Promise<Applied>;
  status(): Promise<Status>;
  pressure(): Promise<MapPressure[]>;
  explain(question: FlowQuestion): Promise<FlowAnswer>;
  /** Events from now on, until the returned function is called. Late listeners get what is in `recent`. */
  subscribe(listener: (event: BalancerEvent) => void): () => void;
  /** The latest events, oldest first. */
  readonly recent: readonly BalancerEvent[];
  /** Ends the service and leaves the datapath forwarding; with `detach`, that ends too and its pins go. */
  close(options?: { detach?: boolean }): Promise<void>;
}

/** A problem of a desired state. `path` is a JSON pointer (RFC 6901), such as `/services/0/backends/2/port`. */
export interface Problem {
  path: string;
  what: string;
  fix?: string;
  /** Where it is in the document, from 1; only when there is one. */
  line?: number;
  column?: number;
}

export type { Backend, Device, Service, State };

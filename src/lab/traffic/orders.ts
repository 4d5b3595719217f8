/** What `client.ts` can be asked to do, and what it answers. Times in milliseconds. */
export type Order = Requests | Volleys | Hold | { do: "release"; holding: number };

/** HTTP requests, each over a new connection. */
export interface Requests {
  do: "request";
  url: string;
  count: number;
  /** How many at a time. */
  atOnce: number;
  timeoutMs: number;
}

/** Datagrams: one from each of `flows` sockets, `rounds` times. */
export interface Volleys {
  do: "volley";
  address: string;
  port: number;
  flows: number;
  rounds: number;
  intervalMs: number;
  timeoutMs: number;
}

/** HTTP connections that stay open, each with a request every `intervalMs`, until they are released by their number. */
export interface Hold {
  do: "hold";
  holding: number;
  url: string;
  connections: number;
  intervalMs: number;
  timeoutMs: number;
}

export interface Tally {
  /** By the server's name. */
  answers: Record<string, number>;
  /** By the address that the server saw. */
  clients: Record<string, number>;
  /** By what went wrong; for held connections by server and what. */
  errors: Record<string, number>;
  /** How many the client opened; a connection that broke while it rested is opened once more. */
  connections: number;
}

export interface Outcome {
  tally?: Tally;
  /** Flows or connections that were answered by more than one server. */
  moved?: number;
  /** The order could not be carried out. */
  failure?: string;
}

/**
 * Fixtures for the balancer's programs: a configuration, packets, and what must become of them. They are described in fixtures/*.py, and scapy
 * makes their bytes, so nothing of ours computes what is expected.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { PYTHON } from "../net/scapy.ts";

export interface BackendFixture {
  number: number;
  family: 4 | 6;
  address: string;
  port: number;
  mac: string;
  /** Of the device that leads there. */
  sourceMac: string;
  /** Or a device of the test. */
  ifindex: number | "out" | "unknown";
  generation: number;
  state: "UP" | "NONE";
  /** For redirect. */
  source: string | null;
}

export interface ServiceFixture {
  number: number;
  mode: "NAT" | "DIRECT" | "IPIP" | "GUE" | "REDIRECT";
  family: 4 | 6;
  address: string;
  prefix: number;
  port: number;
  protocol: number;
  affinity: boolean;
  timeout: number;
  backends: BackendFixture[];
  /** Backends' numbers by slot. */
  ring: number[];
}

/** Counters that a packet adds to; those that are not named stay. */
export interface Counts {
  services: Record<string, Record<string, number>>;
  backends: Record<string, Record<string, number>>;
  /** Packets and bytes by the reason's name. */
  reasons: Record<string, [packets: number, bytes: number]>;
}

export interface Outcome {
  /** Null: whatever they count. */
  services: Counts["services"] | null;
  backends: Counts["backends"] | null;
  reasons: Record<string, [packets: number, bytes: number | null]>;
  /** As hexadecimal digits; null where nobody sees it any more. */
  packet: string | null;
}

export interface Send {
  do: "send";
  packet: string;
  verdict: string;
  /** One of these. */
  expected: Outcome[];
  /** Steps of one group choose alike ("same…"), use all that there is ("spread…"), or never the same twice ("distinct…"). */
  group?: string;
  /** Bits that are up to the program, as a tunnel's source port: where four bytes are, and which bits of them. */
  free?: [at: number, mask: number][];
  /** Those bits are alike in all steps of this name. */
  steady?: string;
}

export type Step =
  | Send
  | { do: "configure"; services: ServiceFixture[] }
  | { do: "age"; seconds: number }
  | { do: "mtus"; mtus: Record<string, number> }
  | { do: "move-clients"; device: string }
  | { do: "begin-second" };

export interface Fixture {
  name: string;
  settings: Record<string, string | number>;
  steps: Step[];
}

/** For the backends' end of tunnels. */
export interface DecapFixture {
  name: string;
  settings: Record<string, string>;
  steps: { packet: string; verdict: string; expected: string | null; fate: string }[];
}

/** All of the balancer's, from one run of Python: scapy takes longer to start than to make them. */
export function fixtures(): Fixture[] {
  return printed();
}

export function decapFixtures(): DecapFixture[] {
  return printed("decap");
}

function printed<T>(...options: string[]): T[] {
  const folder = fileURLToPath(new URL("fixtures", import.meta.url));
  const { status, stdout, stderr } = spawnSync(PYTHON, ["-B", folder, ...options], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    env: { ...process.env, HOME: "/nonexistent" },
  });
  if (status !== 0) throw new Error(`scapy: ${stderr}`);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

/** The programs that are measured: a module of ours each, and a C file that says the same. */
import { fileURLToPath } from "node:url";

/** The program's name in each file. */
export const PROGRAM_NAMES = {
  pass: "pass",
  drop: "drop",
  aborted: "aborted",
  echo: "echo",
  redirect: "xdp_redirect_func",
  "redirect-map": "xdp_redirect_map_func",
  router: "xdp_router_func",
  "patch-ports": "xdp_patch_ports_func",
  "vlan-swap": "xdp_vlan_swap_func",
  tcpfilter: "tcpfilter",
  portfilter: "portfilter",
  "flow-counters": "rx",
  "flow-counters-tx": "tx",
  "metadata-xdp": "xdp_mark",
  "metadata-tc": "tc_mark",
  "protocol-counter": "xdp_prog1",
  firewall: "firewall",
  balancer: "balancer",
} as const;

export type ProgramName = keyof typeof PROGRAM_NAMES;
export const PROGRAMS = Object.keys(PROGRAM_NAMES) as ProgramName[];

/** Programs that share their file with another. */
const FILES: Partial<Record<ProgramName, string>> = {
  "flow-counters-tx": "flow-counters",
  "metadata-xdp": "metadata",
  "metadata-tc": "metadata",
};

/** The program's file in bench/c/, and, but for the balancer, in src/programs/, without its ending. */
export function fileOf(program: ProgramName): string {
  return FILES[program] ?? program;
}

export function sourceOf(program: ProgramName): string {
  const path = program === "balancer" ? "small-balancer" : `../src/programs/${fileOf(program)}`;
  return fileURLToPath(new URL(`${path}.bpf.ts`, import.meta.url));
}

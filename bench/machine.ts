/** Where the figures come from: without it they cannot be compared with anybody else's. */
import { readFileSync } from "node:fs";
import { arch, cpus, loadavg, release } from "node:os";
import type { Clang } from "./clang.ts";

export interface Host {
  date: string;
  kernel: string;
  architecture: string;
  cpu: string;
  cpus: number;
  /** /proc/sys/net/core/bpf_jit_enable: 0 interprets, 1 compiles to machine code. */
  jit: string;
  node: string;
  /** Processes that wanted a CPU, on average of the last minute: more than there are CPUs, and the clock measures them too. */
  load: number;
}

export interface Machine extends Host {
  clang: string;
}

export function describeMachine(clang: Clang): Machine {
  return { ...describeHost(), clang: clang.version };
}

export function describeHost(): Host {
  return {
    date: new Date().toISOString(),
    kernel: release(),
    architecture: arch(),
    cpu: cpus()[0]?.model ?? "unknown",
    cpus: cpus().length,
    jit: readFileSync("/proc/sys/net/core/bpf_jit_enable", "utf8").trim(),
    node: process.version,
    load: loadavg()[0] ?? 0,
  };
}

/** What this kernel can do for packet programs, found out by trying. */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { BPF, Fd, programInfo } from "../../sys/bpf.ts";
import { bpffsMounts } from "../../sys/mount.ts";
import { type InstructionSet, newestInstructionSet } from "../instruction-set.ts";
import { type Attaching, probeAttaching } from "./attaching.ts";
import { probeBatches, probeMapTypes, probeMmap } from "./maps.ts";
import { offer, probeHelpers, probeProgramTypes } from "./programs.ts";

export interface KernelFeatures {
  release: string;
  architecture: string;
  /** The newest instruction set, as clang's -mcpu: 1 to 4. */
  instructionSet: InstructionSet;
  /** Whether programs become machine code; else they are interpreted. */
  jit: boolean;
  /** 0 to 2: hides constants of programs, and their machine code; null when the kernel does not tell. */
  jitHardening: number | null;
  /** 0: everybody may load some programs; 1, 2: only with CAP_BPF. */
  unprivilegedDisabled: number | null;
  /** Whether the kernel has its types with it (BTF), as CO-RE needs them. */
  btf: boolean;
  /** Where BPF file systems are mounted. */
  bpffs: string[];
  attaching: Attaching;
  batches: boolean;
  mmap: boolean;
  mapTypes: Record<string, boolean>;
  programTypes: Record<string, boolean>;
  /** Without "bpf_"; those for tracing are not asked for. */
  helpers: { xdp: string[]; tc: string[] };
}

/** Needs root; takes about a fifth of a second. @throws WirescriptError NO_PRIVILEGES */
export function kernelFeatures(): KernelFeatures {
  return {
    release: release(),
    architecture: process.arch,
    instructionSet: newestInstructionSet(),
    jit: probeJit(),
    jitHardening: setting("/proc/sys/net/core/bpf_jit_harden"),
    unprivilegedDisabled: setting("/proc/sys/kernel/unprivileged_bpf_disabled"),
    btf: existsSync("/sys/kernel/btf/vmlinux"),
    bpffs: [...new Set(bpffsMounts())],
    attaching: probeAttaching(),
    batches: probeBatches(),
    mmap: probeMmap(),
    mapTypes: probeMapTypes(),
    programTypes: probeProgramTypes(),
    helpers: { xdp: probeHelpers("xdp"), tc: probeHelpers("sched_cls") },
  };
}

/** Asked of a program: the setting is hidden in network namespaces. */
function probeJit(): boolean {
  const program = offer({ type: BPF.BPF_PROG_TYPE_XDP });
  if (!(program instanceof Fd)) return false;
  using opened = program;
  return programInfo(opened).jitedBytes > 0;
}

function setting(path: string): number | null {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    // In a network namespace of its own some are hidden.
    return null;
  }
}

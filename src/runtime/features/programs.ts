/** Which types of programs, and for XDP and TC which helper functions, this kernel takes: found out by offering it some. */

import { encode } from "../../object/encoding.ts";
import { HELPER_NAMES } from "../../object/helper-names.ts";
import type { Instruction } from "../../object/instruction.ts";
import { ALU, CLASS, OPCODE, SOURCE } from "../../object/opcodes.ts";
import { BPF, Fd, type ProgramFd, programLoad } from "../../sys/bpf.ts";
import { PROGRAM_TYPES } from "../program-types.ts";

const instruction = (opcode: number, imm = 0): Instruction => ({ opcode, dst: 0, src: 0, offset: 0, imm });

const RETURN_0 = [instruction(CLASS.ALU64 | ALU.MOV | SOURCE.K), instruction(OPCODE.EXIT)];

export interface Probe {
  type: number;
  expectedAttachType?: number;
  flags?: number;
  instructions?: Instruction[];
}

/** The program if the kernel takes it, to be closed by the caller; else its log. */
export function offer({
  type,
  expectedAttachType = 0,
  flags = 0,
  instructions = RETURN_0,
}: Probe): ProgramFd | { errno: number; log: string } {
  return programLoad({ name: "probe", type, expectedAttachType, flags, license: "GPL", instructions: encode(instructions) });
}

export function takes(probe: Probe): boolean {
  const result = offer(probe);
  if (!(result instanceof Fd)) return false;
  result.close();
  return true;
}

/** What some types want to be told, of `enum bpf_attach_type`. */
const EXPECTED: Partial<Record<string, number>> = {
  cgroup_sock_addr: 10,
  lirc_mode2: 16,
  cgroup_sockopt: 21,
  sk_lookup: 36,
  netfilter: 45,
};

const BPF_F_SLEEPABLE = 1 << 4;

/** These need a function of the kernel to attach to before they can be loaded at all. */
const NEEDS_TARGET = new Set(["unspec", "tracing", "struct_ops", "ext", "lsm"]);

/** By name, as bpftool calls them. Types that attach to functions of the kernel are left out. */
export function probeProgramTypes(): Record<string, boolean> {
  return Object.fromEntries(
    PROGRAM_TYPES.flatMap((name, type) => {
      if (NEEDS_TARGET.has(name)) return [];
      const flags = name === "syscall" ? BPF_F_SLEEPABLE : 0;
      return [[name, takes({ type, flags, expectedAttachType: EXPECTED[name] ?? 0 })]];
    }),
  );
}

/** Offering these makes the kernel write warnings into its log. */
const NOT_OFFERED = new Set(["trace_printk", "trace_vprintk", "probe_write_user"]);

/** Helpers that programs of the type may call, without "bpf_". Those for tracing are not asked for: the kernel warns of them. */
export function probeHelpers(type: "xdp" | "sched_cls"): string[] {
  const number = type === "xdp" ? BPF.BPF_PROG_TYPE_XDP : BPF.BPF_PROG_TYPE_SCHED_CLS;
  return HELPER_NAMES.filter((name, index) => {
    if (NOT_OFFERED.has(name)) return false;
    const result = offer({ type: number, instructions: [instruction(OPCODE.CALL, index + 1), ...RETURN_0] });
    if (!(result instanceof Fd)) {
      // Without a word of the verifier it was not looked at. Any other complaint is about arguments, which this call has none of.
      return result.log !== "" && !/invalid func |unknown func |cannot use helper/.test(result.log);
    }
    result.close();
    return true;
  });
}

/**
 * Which eBPF instructions this kernel takes, found out by offering it a program of each kind. What is compiled to be loaded at once is
 * compiled for the newest of them; an object that travels is built for v3 (`wirescript build --cpu`).
 */
import { encode } from "../object/encoding.ts";
import type { Instruction } from "../object/instruction.ts";
import { ALU, CLASS, JMP, OPCODE, SOURCE } from "../object/opcodes.ts";
import { BPF, Fd, programLoad } from "../sys/bpf.ts";

/** As clang's `-mcpu`: v1 to v4. */
export type InstructionSet = 1 | 2 | 3 | 4;

/** What is compiled for where the kernel could not be asked: Linux 5.1 and newer. */
const USUAL: InstructionSet = 3;

const instruction = (opcode: number, offset = 0): Instruction => ({ opcode, dst: 0, src: 0, offset, imm: 0 });

const ZERO = instruction(CLASS.ALU64 | ALU.MOV | SOURCE.K);
const EXIT = instruction(OPCODE.EXIT);

/** What each set has that the one before does not; `null` for what every kernel has. */
const ADDED: Record<InstructionSet, Instruction | null> = {
  1: null,
  /** `if r0 < 0 goto +0` (Linux 4.14) */
  2: instruction(CLASS.JMP | JMP.JLT | SOURCE.K),
  /** `if w0 == 0 goto +0` (Linux 5.1) */
  3: instruction(CLASS.JMP32 | JMP.JEQ | SOURCE.K),
  /** `r0 = (s8)r0` (Linux 6.6) */
  4: instruction(CLASS.ALU64 | ALU.MOV | SOURCE.X, 8),
};

const NEWEST_FIRST: readonly InstructionSet[] = [4, 3, 2, 1];

/** The newest set of which `accepts` takes a program. `null` when it takes none: the reason is not in the instructions. */
export function newestOf(accepts: (program: Instruction[]) => boolean): InstructionSet | null {
  return (
    NEWEST_FIRST.find((set) => {
      const added = ADDED[set];
      return accepts(added === null ? [ZERO, EXIT] : [ZERO, added, EXIT]);
    }) ?? null
  );
}

/** The newest instruction set of this kernel; v3 when it takes no program from this process at all, which loading will then explain. */
export function newestInstructionSet(): InstructionSet {
  return newestOf(isAccepted) ?? USUAL;
}

function isAccepted(program: Instruction[]): boolean {
  const result = programLoad({
    name: "which_cpu",
    type: BPF.BPF_PROG_TYPE_XDP,
    expectedAttachType: BPF.BPF_XDP,
    flags: 0,
    license: "GPL",
    instructions: encode(program),
  });
  if (!(result instanceof Fd)) return false;
  result.close();
  return true;
}

/**
 * The verifier's complaint about a call that stands where the program wanted something that the running kernel does not have.
 */
import { WirescriptError } from "../errors.ts";
import type { AdaptedObject } from "../object/core/apply.ts";
import { countSlots } from "../object/encoding.ts";
import type { ProgramSpec } from "../object/spec.ts";
import { readVerifierLog } from "./verifier-log.ts";

/** The error to throw for a verifier's log, or `null` when it complains of something else. */
export function missingInKernel(program: ProgramSpec, missing: AdaptedObject["missing"], log: string): WirescriptError | null {
  const [, hidden] = HIDDEN.exec(log) ?? [];
  if (hidden !== undefined) return hiddenVariable(program.name, hidden);
  if (missing.size === 0) return null;
  const { slot } = readVerifierLog(log);
  if (slot === null) return null;
  let start = 0;
  for (const fn of program.functions) {
    const end = start + countSlots(fn.instructions);
    if (slot < end) {
      const found = missing.get(fn)?.get(slot - start);
      if (found === undefined) return null;
      const line = fn.lines.findLast((each) => each.slot <= slot - start);
      return new WirescriptError({
        code: "KERNEL",
        what: `The program "${program.name}" needs ${found.what}, which the running kernel does not have${place(line)}.`,
        why: found.why,
        fix: found.fix ?? GUARD,
      });
    }
    start = end;
  }
  return null;
}

/** The kernel looks for a variable's address in its own list of symbols, which has variables only when it was built so. */
const HIDDEN = /failed to find the address for kernel symbol '(\S+)'/;

function hiddenVariable(program: string, variable: string): WirescriptError {
  return new WirescriptError({
    code: "KERNEL",
    what: `The program "${program}" needs the variable ${variable} of the running kernel, and the kernel does not find its address.`,
    why: "It knows the variable's type. Its list of symbols lacks variables: it was built without CONFIG_KALLSYMS_ALL.",
    fix: "Use a kernel with CONFIG_KALLSYMS_ALL=y (those of all distributions are), or do without the variable.",
  });
}

const GUARD =
  "Ask first, with bpf_core_field_exists(), bpf_core_type_exists() or bpf_core_enum_value_exists(): what is not reached need not be there. Or use another kernel.";

function place(line: { file: string; line: number; column: number } | undefined): string {
  return line === undefined ? "" : ` (${line.file}:${line.line}:${line.column})`;
}

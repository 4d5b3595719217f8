/** Licenses of programs, as the kernel reads them: some of its helper functions are only for programs that say they are compatible with the GPL. */

import { HELPER } from "./helpers.ts";
import { slots } from "./instruction.ts";
import { CALL, OPCODE } from "./opcodes.ts";
import type { FunctionSpec, LineSpec } from "./spec.ts";

/** What the kernel takes for compatible. Source: license_is_gpl_compatible of linux/license.h. */
export const GPL_COMPATIBLE: readonly string[] = [
  "GPL",
  "GPL v2",
  "GPL and additional rights",
  "Dual BSD/GPL",
  "Dual MIT/GPL",
  "Dual MPL/GPL",
];

/** What modules are compiled as unless they are told otherwise: every helper is theirs. */
export const DEFAULT_LICENSE = "Dual MIT/GPL";

/** What the kernel keeps of a license, with its final zero. */
export const LONGEST_LICENSE = 127;

export function isGplCompatible(license: string): boolean {
  return GPL_COMPATIBLE.includes(license);
}

/** The helpers for compatible programs that the kernel language has, by number (`gpl_only` of the kernel's bpf_func_proto). */
const RESTRICTED: ReadonlySet<number> = new Set([HELPER.trace_printk, HELPER.fib_lookup, HELPER.probe_read_kernel]);

/** The first call of such a helper in a function: its number, and where it stands when the object knows its lines. */
export function restrictedCall({ instructions, lines }: FunctionSpec): { helper: number; line: LineSpec | undefined } | null {
  let slot = 0;
  for (const instruction of instructions) {
    const helper = Number(instruction.imm);
    if (instruction.opcode === OPCODE.CALL && instruction.src === CALL.HELPER && RESTRICTED.has(helper)) {
      const at = slot;
      return { helper, line: lines.findLast((each) => each.slot <= at) };
    }
    slot += slots(instruction);
  }
  return null;
}

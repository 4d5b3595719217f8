/** Whether the module may be compiled under a license: the kernel would refuse some helpers later, without saying where they are called. */
import { WirescriptError } from "../errors.ts";
import { helperName } from "../object/helper-names.ts";
import { GPL_COMPATIBLE, isGplCompatible, LONGEST_LICENSE, restrictedCall } from "../object/license.ts";
import type { ProgramSpec } from "../object/spec.ts";

/** @throws WirescriptError USAGE for a text that is no license, COMPILE for a call that such a program may not make. */
export function checkLicense(license: string, programs: readonly ProgramSpec[]): void {
  if (license === "" || Buffer.byteLength(license) > LONGEST_LICENSE || license.includes("\0")) {
    throw new WirescriptError({
      code: "USAGE",
      what: "That is no license for a program.",
      why: `The kernel takes a text of 1 to ${LONGEST_LICENSE} bytes.`,
      fix: 'For example "MIT", or leave it out for "Dual MIT/GPL".',
    });
  }
  if (isGplCompatible(license)) return;
  for (const program of programs) {
    for (const fn of program.functions) {
      const call = restrictedCall(fn);
      if (call === null) continue;
      const { helper, line } = call;
      const place = line === undefined ? "" : ` (${line.file}:${line.line}:${line.column})`;
      throw new WirescriptError({
        code: "COMPILE",
        what: `The program "${program.name}" calls the helper function ${helperName(helper)}${place}, and its license is "${license}".`,
        why: "The kernel lets only programs call it whose license is compatible with the GPL.",
        fix: `Leave the license at "Dual MIT/GPL", choose another one that the kernel knows as compatible (${GPL_COMPATIBLE.join(", ")}), or do without this function.`,
      });
    }
  }
}

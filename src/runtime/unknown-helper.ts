/** The verifier's complaint about a helper function that the running kernel does not have, in words that help. */
import { WirescriptError } from "../errors.ts";
import { helperName } from "../object/helper-names.ts";

/** "unknown func bpf_loop#181", and "invalid func unknown#181" from kernels that do not know its name either. */
const COMPLAINT = /(?:unknown|invalid) func \S+?#(\d+)/;

/** Since when helpers exist that the compiler uses without being asked, and what for. */
const SINCE: Readonly<Record<string, { version: string; use: string; fix: string }>> = {
  bpf_loop: {
    version: "5.17",
    use: "Long loops, and loops with many branches, are calls of it.",
    fix: "Use Linux 5.17 or newer, or fewer rounds and fewer branches in the program's loops.",
  },
};

/** The error to throw for a verifier's log, or `null` when it complains of something else. */
export function unknownHelper(program: string, log: string): WirescriptError | null {
  const number = COMPLAINT.exec(log)?.[1];
  if (number === undefined) return null;
  const name = helperName(Number(number)) ?? `number ${number}`;
  const known = SINCE[name];
  const since = known === undefined ? "" : `; it came with Linux ${known.version}`;
  return new WirescriptError({
    code: "KERNEL",
    what: `The running kernel does not let the program "${program}" call the helper function ${name}.`,
    why: `It does not have it, or not for programs of this type${since}. ${known?.use ?? ""}`.trim(),
    fix: known?.fix ?? "Use a newer kernel, or do without this function.",
  });
}

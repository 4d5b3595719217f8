/** The verifier's complaint about a helper or kernel function that only programs with a license compatible with the GPL may call. */
import { WirescriptError } from "../errors.ts";
import { GPL_COMPATIBLE } from "../object/license.ts";

/** The call that is complained of stands before the complaint: "3: (85) call bpf_trace_printk#6". */
const COMPLAINT = /cannot call (?:GPL-restricted function|kernel function) from non-GPL compatible program/;
const CALL = /: \(85\) call ([\w.]+)#/g;
/** "; bpf_trace_printk(…) @ file.c:12", as kernels since 6.9 have it. */
const LINE = /^; .* @ (\S+:\d+)/gm;

/** The error to throw for a verifier's log, or `null` when it complains of something else. */
export function gplOnly(program: string, license: string, log: string): WirescriptError | null {
  const complaint = COMPLAINT.exec(log);
  if (complaint === null) return null;
  const before = log.slice(0, complaint.index);
  const name = [...before.matchAll(CALL)].at(-1)?.[1];
  const line = [...before.matchAll(LINE)].at(-1)?.[1];
  return new WirescriptError({
    code: "KERNEL",
    what: `The program "${program}" may not call ${name === undefined ? "a function" : `the helper function ${name}`}${line === undefined ? "" : ` (${line})`}: ${license === "" ? "its object names no license" : `its license is "${license}"`}.`,
    why: "The kernel lets only programs call it whose license is compatible with the GPL.",
    fix: `Give the object such a license: in C, char _license[] SEC("license") = "GPL"; modules in TypeScript have "Dual MIT/GPL" unless they are built with --license. The kernel knows ${GPL_COMPATIBLE.join(", ")}. Or do without this function.`,
  });
}

/** The file that a command is given: a kernel module in TypeScript, or an eBPF object. */

import { WirescriptError } from "../errors.ts";
import { countSlots } from "../object/encoding.ts";
import type { ObjectSpec, ProgramSpec } from "../object/spec.ts";
import { directionOf } from "../runtime/links/tc.ts";
import { type Origin, readSource } from "../runtime/source.ts";
import type { Direction } from "../sys/bpf.ts";

export interface ProgramFile {
  spec: ObjectSpec;
  origin: Origin;
  /** What that took. */
  milliseconds: number;
}

/** @throws WirescriptError BAD_FILE, COMPILE. */
export async function openProgramFile(path: string): Promise<ProgramFile> {
  const begin = performance.now();
  return { ...(await readSource(path)), milliseconds: performance.now() - begin };
}

export interface Choice {
  /** The program's name. */
  prog?: string;
  /** The ELF section that it is in. */
  section?: string;
  /** A program for TC. */
  tc?: boolean;
  /** A program for TC that may be for this direction. */
  direction?: Direction;
}

/**
 * The program that was asked for; without a choice the only one. Where programs for TC stand beside those for XDP, it is one for XDP that
 * is meant, unless the choice says otherwise.
 *
 * @throws WirescriptError NO_SUCH_PROGRAM with the names that there are; USAGE when the choice is missing or not one program.
 */
export function chooseProgram({ programs }: ObjectSpec, file: string, { prog, section, tc, direction }: Choice): ProgramSpec {
  const there = programs.map(({ name, section }) => `${name} (section "${section}")`).join(", ");
  const isForTc = tc === true || direction !== undefined;
  const asked = programs.filter(
    (each) =>
      (prog === undefined || each.name === prog) &&
      (section === undefined || each.section === section) &&
      (!isForTc ||
        (each.type === "sched_cls" &&
          (direction === undefined || (each.direction ?? directionOf(each.section) ?? direction) === direction))),
  );
  const forXdp = asked.filter(({ type }) => type === "xdp");
  const fits = forXdp.length > 0 ? forXdp : asked;
  const [only] = fits;
  if (only !== undefined && fits.length === 1) return only;
  const choice = [
    prog === undefined ? "" : ` "${prog}"`,
    section === undefined ? "" : ` in a section "${section}"`,
    isForTc ? ` for TC${direction === undefined ? "" : ` ${direction}`}` : "",
  ].join("");
  if (only === undefined) {
    throw new WirescriptError({
      code: "NO_SUCH_PROGRAM",
      what: `${file} has no program${choice}.`,
      why: programs.length === 0 ? "There is no program in it." : `It has ${there}.`,
      fix: programs.length === 0 ? "Export one: export const NAME = xdp((ctx) => …)" : "Name one of these.",
    });
  }
  throw new WirescriptError({
    code: "USAGE",
    what: `${file} has several programs${choice}, and one must be chosen.`,
    why: `It has ${there}.`,
    fix: `Choose with --prog, for example --prog ${only.name}`,
  });
}

/** The program's size as the kernel counts it when it loads it: a wide load takes two. */
export function instructionCount(program: ProgramSpec): number {
  return program.functions.reduce((sum, { instructions }) => sum + countSlots(instructions), 0);
}

/** "2 programs: pass (8 instructions), drop (8 instructions)" */
export function describePrograms({ programs }: ObjectSpec): string {
  const each = programs.map((program) => `${program.name} (${instructionCount(program)} instructions)`);
  if (each.length === 0) return "It has no program.";
  return `${each.length === 1 ? "1 program" : `${each.length} programs`}: ${each.join(", ")}`;
}

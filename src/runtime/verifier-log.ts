/**
 * From the verifier's log to one sentence at one source line. The log prints every instruction that it walks over, and its complaint
 * comes last; the instruction before the complaint is the one at fault, and line info tells where that came from.
 */
import { WirescriptError } from "../errors.ts";
import { countSlots } from "../object/encoding.ts";
import type { LineSpec, ProgramSpec } from "../object/spec.ts";
import { storyOf } from "./verifier-story.ts";

/** The kernel's verifier rejected a program. */
export class VerifierError extends WirescriptError {
  override readonly name = "VerifierError";
  readonly program: string;
  /** The last meaningful lines of the log. */
  readonly reason: string;
  /** Where the rejected instruction comes from; null without line info. */
  readonly location: LineSpec | null;
  /** Slot of the rejected instruction in the whole program; null when the log does not say. */
  readonly slot: number | null;
  /** The whole log. */
  readonly log: string;

  constructor(program: ProgramSpec, log: string) {
    const { reason, slot, lines } = readVerifierLog(log);
    const location = slot === null ? null : locate(program, slot);
    const omitted = lines - reason.length;
    const where = location === null ? "" : ` at ${location.file}:${location.line}:${location.column}`;
    const message = [`The kernel's verifier rejected the program "${program.name}"${where}: ${reason.join("; ")}`];
    if (location !== null) message.push(`  ${location.line} | ${location.text}`);
    if (omitted > 0) message.push(`(${omitted} ${omitted === 1 ? "line" : "lines"} omitted; --verbose prints the whole log)`);
    super({ code: "VERIFIER", what: message.join("\n"), ...advice(log, reason.join("; "), location) });
    this.program = program.name;
    this.reason = reason.join("; ");
    this.location = location;
    this.slot = slot;
    this.log = log;
  }
}

/** The verifier gave up: it found nothing wrong, and had not come to the end. */
const GAVE_UP = /BPF program is too large|The sequence of \d+ jumps is too complex/;

function advice(log: string, reason: string, location: LineSpec | null): { why: string; fix: string } {
  const story = storyOf(log, reason);
  if (GAVE_UP.test(reason)) {
    return {
      why: `${story} It walks at most a million instructions, counted on every path: each decision whose outcome is needed later makes it walk what follows once more.`,
      fix: "Move a part of the program into a function that is called, `noinline((…) => …)`, or into a program of its own behind a `tailCall`; use fewer decisions, and fewer rounds of loops, in front of accesses to the packet and to maps.",
    };
  }
  const change = location === null ? "" : " Otherwise change the line above.";
  return {
    why: `${story}${story === "" ? "" : " "}The verifier runs only what it can prove to be safe: bounded, and within the memory that it may touch.`,
    fix: `What Wirescript's compiler accepts, the verifier should accept too: if it compiled this program, that is a defect of Wirescript. \`wirescript report FILE\` collects what is needed to mend it.${change}`,
  };
}

/** "12: (61) r1 = *(u32 *)(r0 +4) ; R1_w=…" */
const INSTRUCTION = /^(\d+): \([0-9a-f]{2}\) /;
/** What the verifier prints besides instructions and complaints: states, source lines, precision tracking, statistics. */
const NOISE = [
  /^\s*$/,
  /^;/,
  /^\s*\d+: /,
  /^from \d+ to \d+: /,
  /^R\d+(_w)?=/,
  /^mark_precise: /,
  /^(parent|last)_?(state|idx|didn't)? /,
  /^regs=/,
  /^frame\d+: /,
  /^func#\d+ @\d+/,
  /^Live regs before insn:/,
  /^(propagating|arg#\d+ reference)/,
  /^(processed|verification time|stack depth|insns processed) /,
  /^(caller|callee|returning from callee|to caller at|from callee)/,
];
/** "unreachable insn 3", "jump out of range from insn 3 to 9": complaints made before any instruction is walked over. */
const NAMED_SLOT = /\binsn (\d+)/;
const REASON_LINES = 2;

export interface VerifierVerdict {
  /** The complaint, at most two lines. */
  reason: string[];
  slot: number | null;
  /** How many lines the log has. */
  lines: number;
}

export function readVerifierLog(log: string): VerifierVerdict {
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const lastInstruction = lines.findLastIndex((line) => INSTRUCTION.test(line));
  const complaints = (from: number) =>
    lines.slice(from).filter((line) => !NOISE.some((pattern) => pattern.test(line)) && !INSTRUCTION.test(line));
  const after = complaints(lastInstruction + 1);
  const reason = (after.length > 0 ? after : complaints(0)).slice(-REASON_LINES);
  const named = reason.map((line) => NAMED_SLOT.exec(line)?.[1]).find((slot) => slot !== undefined);
  const walked = INSTRUCTION.exec(lines[lastInstruction] ?? "")?.[1];
  const slot = named ?? walked;
  return {
    reason: reason.length > 0 ? reason : [lines.at(-1) ?? "no reason given"],
    slot: slot === undefined ? null : Number(slot),
    lines: lines.length,
  };
}

/** The source line of a slot of the whole program: the last one that starts at or before it in the same function. */
function locate(program: ProgramSpec, slot: number): LineSpec | null {
  let start = 0;
  for (const fn of program.functions) {
    const end = start + countSlots(fn.instructions);
    if (slot < end) return fn.lines.findLast((line) => start + line.slot <= slot) ?? null;
    start = end;
  }
  return null;
}

/**
 * Why a change is not made. All leave everything as it was. They stand apart from `balancer.ts` because the API and the command line answer them
 * without having a balancer of their own.
 */
import { WirescriptError } from "../errors.ts";
import type { Problem } from "./contract.ts";

/** The state asks for what cannot be: all problems at once, by JSON pointer. */
export class InvalidState extends WirescriptError {
  override readonly name = "InvalidState";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], what = "This is no state that a balancer can be in.") {
    super({
      code: "INVALID_STATE",
      what,
      why: problems.map(problemText).join("\n"),
      fix: "Mend what is named, and try again. Nothing was changed.",
    });
    this.problems = problems;
  }
}

/** "12:5 /services/0/port: …" in one line. */
export function problemText({ path, what, fix, line, column }: Problem): string {
  const place = line === undefined ? "" : `${line}:${column ?? 1} `;
  return `${place}${path === "" ? "/" : path}: ${what}${fix === undefined ? "" : ` ${fix}`}`;
}

/** The disk does not take the state: it is full, or cannot be written. */
export class StateNotSaved extends WirescriptError {
  override readonly name = "StateNotSaved";

  constructor(directory: string, cause: unknown) {
    super({
      code: "KERNEL",
      what: `The balancer's state could not be saved in ${directory}.`,
      why: (cause as Error).message,
      fix: `Make room on its disk, or make it writable (df ${directory}), and make the change again: what was before it holds.`,
      cause,
    });
  }
}

/** Another change came first. */
export class ConflictError extends WirescriptError {
  override readonly name = "ConflictError";
  readonly expected: number;
  readonly revision: number;

  /** `revision`: the one that is accepted now. */
  constructor(expected: number, revision: number) {
    super({
      code: "CONFLICT",
      what: `The change is for revision ${expected}, and the balancer is at revision ${revision}.`,
      why: "Another change came first.",
      fix: "Read the state again, and make the change to what it is now.",
    });
    this.expected = expected;
    this.revision = revision;
  }
}

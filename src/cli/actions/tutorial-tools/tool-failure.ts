/**
 * The failure of a tool that a lesson calls: its first line is the one that the lesson's own tool prints, and its exit status is that tool's;
 * why and fix follow as everywhere else.
 */
import { WirescriptError } from "../../../errors.ts";

/** Exit statuses of the XDP tutorial's tools. */
export const STATUS = { OK: 0, FAIL: 1, OPTION: 2, XDP: 30, BPF: 40 } as const;

export interface ToolProblem {
  status: number;
  /** In the words of the lesson's tool. */
  what: string;
  why?: string;
  fix?: string;
  cause?: unknown;
}

export class ToolFailure extends Error {
  readonly status: number;
  readonly why: string | undefined;
  readonly fix: string | undefined;

  constructor({ status, what, why, fix, cause }: ToolProblem) {
    super(what, cause === undefined ? undefined : { cause });
    this.status = status;
    this.why = why;
    this.fix = fix;
  }

  lines(): string[] {
    const rest = [
      ["why", this.why],
      ["fix", this.fix],
    ].flatMap(([label, text]) => (text === undefined ? [] : [`  ${label}: ${text.replaceAll("\n", "\n       ")}`]));
    return [this.message, ...rest];
  }
}

/** What `work` gives; a failure of ours becomes one of the tool, with `what` in its words, and a remedy that the lesson has, if it has one. */
export async function told<Result>(
  status: number,
  what: string | ((error: WirescriptError) => string),
  work: () => Result | Promise<Result>,
  remedy: (error: WirescriptError) => string | undefined = ({ fix }) => fix,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof WirescriptError)) throw error;
    const { why } = error;
    const first = typeof what === "string" ? what : what(error);
    // What the compiler or the verifier says spans several lines, and is said whole, but not twice.
    const said = [error.message, why].filter((text) => text !== undefined && text !== first).join("\n");
    throw new ToolFailure({ status, what: first, why: said === "" ? undefined : said, fix: remedy(error), cause: error });
  }
}

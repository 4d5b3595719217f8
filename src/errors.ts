/**
 * The one error family. Every failure that a user can meet says what happened (`message`), why (`why`) and how to mend it
 * (`fix`), and belongs to a class of failures (`code`) that decides the exit status of the command line.
 */

/** Classes of failures with the exit status that the `wirescript` command gives each of them. `wirescript --help` prints this table. */
export const EXIT_STATUS = {
  INTERNAL: 1,
  USAGE: 2,
  NO_PRIVILEGES: 3,
  UNSUPPORTED_SYSTEM: 4,
  NO_SUCH_DEVICE: 5,
  NO_SUCH_PROGRAM: 6,
  DEVICE_BUSY: 7,
  MODE_UNSUPPORTED: 8,
  BAD_FILE: 9,
  COMPILE: 10,
  VERIFIER: 11,
  MAP: 12,
  LAB: 13,
  KERNEL: 14,
  NOTHING_ATTACHED: 15,
  NO_SUCH_NAMESPACE: 16,
  INVALID_STATE: 17,
  CONFLICT: 18,
  NO_SUCH_SERVICE: 19,
  NO_ANSWER: 20,
  INTERRUPTED: 130,
} as const;

export type ErrorCode = keyof typeof EXIT_STATUS;

/** What each class means, in one line, for `--help` and the documentation. */
export const EXIT_MEANING: Record<ErrorCode, string> = {
  INTERNAL: "a defect of Wirescript itself",
  USAGE: "the command line is wrong",
  NO_PRIVILEGES: "root or a capability is missing",
  UNSUPPORTED_SYSTEM: "this system or kernel lacks what is needed",
  NO_SUCH_DEVICE: "there is no such network device",
  NO_SUCH_PROGRAM: "the file holds no such program or section",
  DEVICE_BUSY: "another program is attached to the device",
  MODE_UNSUPPORTED: "the device's driver lacks the asked XDP mode",
  BAD_FILE: "the file is missing, or neither TypeScript nor an eBPF object",
  COMPILE: "the program does not compile",
  VERIFIER: "the kernel's verifier rejected the program",
  MAP: "a map operation failed (full, missing, wrong type)",
  LAB: "a lab could not be made, found or removed",
  KERNEL: "the kernel refused a system call",
  NOTHING_ATTACHED: "there was nothing to unload, or no statistics to show",
  NO_SUCH_NAMESPACE: "there is no such network namespace",
  INVALID_STATE: "the desired state of a balancer is wrong",
  CONFLICT: "another change came first, or another process has it",
  NO_SUCH_SERVICE: "the balancer has no such service or backend",
  NO_ANSWER: "the balancer's service cannot be reached, or is too busy",
  INTERRUPTED: "stopped by Ctrl-C",
};

export interface Failure {
  code: ErrorCode;
  /** What happened, with the names of the things involved. */
  what: string;
  /** Why it happened. */
  why?: string;
  /** What the user can do about it. */
  fix?: string;
  cause?: unknown;
}

export class WirescriptError extends Error {
  override readonly name: string = "WirescriptError";
  readonly code: ErrorCode;
  readonly why: string | undefined;
  readonly fix: string | undefined;

  constructor(failure: Failure) {
    super(failure.what, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.code = failure.code;
    this.why = failure.why;
    this.fix = failure.fix;
  }
}

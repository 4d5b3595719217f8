/** Errors of system calls, with the kernel's own names. */
import { constants } from "node:os";
import { WirescriptError } from "../errors.ts";

/** A system call that failed. Layers above translate the errno into what the user did and can do. */
export class SyscallError extends WirescriptError {
  override readonly name = "SyscallError";
  /** The system call's name, e.g. "bpf". */
  readonly call: string;
  /** Positive, as in errno(3). */
  readonly errno: number;
  /** E.g. "EPERM"; "E524" for a number that has no name outside the kernel. */
  readonly errnoName: string;

  /** `detail` names the things involved; `why` is the kernel's own explanation where there is one. */
  constructor(call: string, errno: number, detail?: string, why?: string) {
    const name = errnoName(errno);
    super({ code: "KERNEL", what: `${call}${detail === undefined ? "" : `(${detail})`} failed: ${name}.`, why });
    this.call = call;
    this.errno = errno;
    this.errnoName = name;
  }
}

/** The aliases of EAGAIN and EOPNOTSUPP give way to the names that the kernel's documentation uses. */
const ALIASES = ["EWOULDBLOCK", "ENOTSUP"];

/** Node's own table for libuv lacks many of Linux's errors, and calls EOPNOTSUPP by its POSIX alias. */
const NAMES = new Map(
  Object.entries(constants.errno).flatMap(([name, number]) => (ALIASES.includes(name) ? [] : [[number, name] as const])),
);

export function errnoName(errno: number): string {
  if (errno === 524) return "ENOTSUPP";
  return NAMES.get(errno) ?? `E${errno}`;
}

export function isErrno(error: unknown, ...names: string[]): error is SyscallError {
  return error instanceof SyscallError && names.includes(error.errnoName);
}

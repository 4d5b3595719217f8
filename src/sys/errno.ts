/** Errors of system calls, with the kernel's own names. */
import { constants } from "node:os";
import { WirescriptError } from "../errors.ts";

/** Errnos that say the same whatever the call: a limit is reached. */
export const LIMITS: Readonly<Record<string, { why: string; fix: string }>> = {
  EMFILE: {
    why: "This process has as many files open as it may; maps, programs and links count too.",
    fix: "Close what is not needed any more, or raise the limit before starting: ulimit -n",
  },
  ENFILE: {
    why: "All processes together have as many files open as the kernel allows.",
    fix: "Raise the limit: sysctl fs.file-max",
  },
  ENOMEM: {
    why: "The kernel, or the cgroup of this process, has no memory left.",
    fix: "Free memory, or raise the limit of the cgroup.",
  },
};

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
    const usual = LIMITS[name];
    const what = `${call}${detail === undefined ? "" : `(${detail})`} failed: ${name}.`;
    super({ code: "KERNEL", what, why: why ?? usual?.why, fix: usual?.fix });
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

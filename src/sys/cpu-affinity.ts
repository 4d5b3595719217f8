/** Doing something on a CPU of one's choice: programs that the kernel runs for a system call run where the calling thread is. */
import { syscall } from "./ffi.ts";

/** Room for 8,192 CPUs, more than the kernel can be built for. */
const MASK_BYTES = 1024;

/**
 * Runs `work`, which must be synchronous, with the calling thread on that CPU, and lets it go where it could before.
 *
 * @throws SyscallError EINVAL when there is no such CPU, when it is offline, or not among those that this process may use (its cpuset).
 */
export function onCpu<Result>(cpu: number, work: () => Result): Result {
  const before = new Uint8Array(MASK_BYTES);
  const length = syscall("sched_getaffinity", 0, before.length, before);
  const wanted = new Uint8Array(MASK_BYTES);
  wanted[cpu >> 3] = 1 << (cpu & 7);
  syscall("sched_setaffinity", 0, wanted.length, wanted);
  try {
    return work();
  } finally {
    syscall("sched_setaffinity", 0, length, before);
  }
}

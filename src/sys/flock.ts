/** Locks on files and directories that are open (flock(2)): one on a directory leaves no file behind, and all end with their holder, however that ends. */
import { fstatSync, statSync } from "node:fs";
import { isErrno } from "./errno.ts";
import { syscall } from "./ffi.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/** False when somebody else has it. @throws SyscallError */
export function tryFlock(fd: number): boolean {
  try {
    syscall("flock", fd, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    if (isErrno(error, "EAGAIN", "EINTR")) return false;
    throw error;
  }
}

/** Waits, with the thread, until it is there to be had. @throws SyscallError */
export function flock(fd: number): void {
  syscall("flock", fd, LOCK_EX);
}

/** Between opening and locking, its last user may have removed it: then the lock is on one that nobody finds any more. */
export function isStillAt(path: string, fd: number): boolean {
  const now = statSync(path, { throwIfNoEntry: false });
  const locked = fstatSync(fd);
  return now !== undefined && now.ino === locked.ino && now.dev === locked.dev;
}

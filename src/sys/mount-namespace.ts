/**
 * A private view of the file system for processes in a network namespace, as `ip netns exec` gives them: /sys shows the devices of
 * the namespace that it was mounted from, so they need a /sys of their own.
 */
import { closeSync, constants, openSync } from "node:fs";
import { cString } from "./c-string.ts";
import { syscall } from "./ffi.ts";
import { BPFFS_PATH } from "./mount.ts";

const CLONE_NEWNS = 0x20000;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SLAVE = 0x80000;
/** `O_PATH` of asm-generic/fcntl.h, which Node.js does not name: a place in the file system, without the right to read it. */
const O_PATH = 0o10000000;

/**
 * Runs `work` with the calling thread in a copy of the mount namespace, in which /sys is mounted anew from the thread's network
 * namespace and /sys/fs/bpf is the directory `bpffs` of the mounts outside; then comes back. Processes spawned inside keep the copy.
 * `work` must be synchronous.
 *
 * From the first call on, the thread has its working directory and umask for itself: `process.chdir` and `process.umask` no longer
 * reach the thread pool that serves asynchronous file operations with relative paths. The kernel offers no way back.
 *
 * @throws SyscallError EPERM without CAP_SYS_ADMIN.
 */
export function inPrivateMounts<Result>(bpffs: string, work: () => Result): Result {
  const opened: number[] = [];
  const open = (path: string, flags: number): number => {
    const fd = openSync(path, flags);
    opened.push(fd);
    return fd;
  };
  try {
    const home = open("/proc/thread-self/ns/mnt", constants.O_RDONLY);
    const root = open("/", O_PATH);
    const workingDirectory = open(".", O_PATH);
    syscall("unshare", CLONE_NEWNS);
    try {
      // What is mounted in here must not appear outside; what is mounted outside may appear in here.
      syscall("mount", cString("none"), cString("/"), cString("none"), MS_SLAVE | MS_REC, null);
      // Opened before the new /sys hides it, and in this mount namespace, because only its own mounts can be bound.
      const pins = open(bpffs, O_PATH);
      syscall("mount", cString("sysfs"), cString("/sys"), cString("sysfs"), 0, null);
      syscall("mount", cString(`/proc/thread-self/fd/${pins}`), cString(BPFFS_PATH), cString("none"), MS_BIND, null);
      return work();
    } finally {
      syscall("setns", home, CLONE_NEWNS);
      // Entering a mount namespace leads to its root; back to where the thread was, also in a chroot.
      syscall("fchdir", root);
      syscall("chroot", cString("."));
      syscall("fchdir", workingDirectory);
    }
  } finally {
    opened.forEach(closeSync);
  }
}

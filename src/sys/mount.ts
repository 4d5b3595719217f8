/**
 * bpffs, the file system whose files keep BPF objects alive. Systemd mounts it at /sys/fs/bpf, containers and small systems often
 * do not; then it is mounted when the first pin needs it, and the caller can say so.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { WirescriptError } from "../errors.ts";
import { BPF_FS_MAGIC } from "./bpf-constants.ts";
import { cString } from "./c-string.ts";
import { isErrno, SyscallError } from "./errno.ts";
import { syscall, syscallResult } from "./ffi.ts";

/** Where the whole world expects bpffs. */
export const BPFFS_PATH = "/sys/fs/bpf";

/** `struct statfs` takes 120 bytes on both architectures and begins with f_type. */
const STATFS_BYTES = 120;
const ENOENT = 2;
const ENOTDIR = 20;
const MNT_DETACH = 2;

/** Is `path` inside a bpffs? For a path that does not exist, the nearest existing directory above it decides. */
export function onBpffs(path: string): boolean {
  for (let at = resolve(path); ; at = dirname(at)) {
    const buffer = new Uint8Array(STATFS_BYTES);
    const result = syscallResult("statfs", cString(at), buffer);
    if (result === 0) return new DataView(buffer.buffer).getUint32(0, true) === BPF_FS_MAGIC;
    if ((result !== -ENOENT && result !== -ENOTDIR) || at === "/") {
      throw new SyscallError("statfs", -result, at);
    }
  }
}

/**
 * Mounts a bpffs at `path` unless there is one. `mounted` says whether this call mounted it: then `unmount(path)` takes it back.
 *
 * @throws WirescriptError NO_PRIVILEGES without CAP_SYS_ADMIN, KERNEL otherwise.
 */
export function ensureBpffs(path: string = BPFFS_PATH): { mounted: boolean } {
  try {
    mkdirSync(path, { recursive: true });
    if (onBpffs(path)) return { mounted: false };
    syscall("mount", cString("bpf"), cString(path), cString("bpf"), 0, cString("mode=0700"));
    return { mounted: true };
  } catch (cause) {
    const denied = isErrno(cause, "EPERM", "EACCES") || (cause as NodeJS.ErrnoException).code === "EACCES";
    throw new WirescriptError({
      code: denied ? "NO_PRIVILEGES" : "KERNEL",
      what: `The BPF file system cannot be mounted at ${path}.`,
      why: denied ? "Mounting needs root (CAP_SYS_ADMIN)." : (cause as Error).message,
      fix: denied
        ? `Run as root, or let root mount it once: mount -t bpf bpf ${path}`
        : "Check that the kernel has CONFIG_BPF_SYSCALL and that the directory exists.",
      cause,
    });
  }
}

/** Takes a mount away; files that are still open in it stay usable. @throws SyscallError */
export function unmount(path: string): void {
  syscall("umount2", cString(path), MNT_DETACH);
}

/** The iterators that the kernel itself puts into a bpffs (CONFIG_BPF_PRELOAD). */
const PRELOADED = new Set(["maps.debug", "progs.debug"]);

/** Takes a mount away unless somebody has put something into it; tells whether it did. @throws SyscallError */
export function unmountUnlessUsed(path: string): boolean {
  if (!readdirSync(path).every((name) => PRELOADED.has(name))) return false;
  unmount(path);
  return true;
}

/** Is something mounted at exactly this path? */
export function isMountPoint(path: string): boolean {
  return mounts().some((mount) => mount.path === path);
}

/** Where BPF file systems are mounted; one that is mounted in several places is named once. */
export function bpffsMounts(): string[] {
  const byDevice = new Map<string, string>();
  for (const { device, type, path } of mounts()) {
    if (type === "bpf" && !byDevice.has(device) && onBpffs(path)) byDevice.set(device, path);
  }
  return [...byDevice.values()];
}

/** proc_pid_mountinfo(5): id, parent, device, root, mount point, options, optional fields, "-", type. */
function mounts(): { device: string; path: string; type: string }[] {
  const lines = readFileSync("/proc/thread-self/mountinfo", "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const [, , device = "", , path = "", ...more] = line.split(" ");
    const unescaped = path.replaceAll(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));
    return { device, path: unescaped, type: more[more.indexOf("-") + 1] ?? "" };
  });
}

/** tracefs, the file system in which the kernel hands out its trace: found where it is mounted, or mounted where everybody expects it. */
import { existsSync, mkdirSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { cString } from "./c-string.ts";
import { isErrno } from "./errno.ts";
import { syscall } from "./ffi.ts";

export const TRACEFS_PATH = "/sys/kernel/tracing";

/** The second is where debugfs shows it. */
const PLACES = [TRACEFS_PATH, "/sys/kernel/debug/tracing"];

/**
 * Where tracefs is. `mounted` says whether this call mounted it: then `unmount(path)` takes it back.
 *
 * @throws WirescriptError NO_PRIVILEGES without CAP_SYS_ADMIN, UNSUPPORTED_SYSTEM when the kernel has no tracing.
 */
export function ensureTracefs(): { path: string; mounted: boolean } {
  const there = PLACES.find((path) => existsSync(`${path}/trace_pipe`));
  if (there !== undefined) return { path: there, mounted: false };
  try {
    mkdirSync(TRACEFS_PATH, { recursive: true });
    syscall("mount", cString("tracefs"), cString(TRACEFS_PATH), cString("tracefs"), 0, null);
    return { path: TRACEFS_PATH, mounted: true };
  } catch (cause) {
    const denied = isErrno(cause, "EPERM", "EACCES");
    throw new WirescriptError({
      code: denied ? "NO_PRIVILEGES" : "UNSUPPORTED_SYSTEM",
      what: `tracefs cannot be mounted at ${TRACEFS_PATH}.`,
      why: denied
        ? "Mounting needs root (CAP_SYS_ADMIN), and a container may not allow it even then."
        : (cause as Error).message,
      fix: denied
        ? `Run as root outside of containers, or mount it from the host: mount -t tracefs tracefs ${TRACEFS_PATH}`
        : "The kernel needs CONFIG_FTRACE and CONFIG_BPF_EVENTS for programs to trace.",
      cause,
    });
  }
}

/**
 * Network namespaces, as iproute2 keeps them: the name is a file under /run/netns on which the namespace is bind-mounted, and
 * /run/netns itself is a shared mount so that the names reach other mount namespaces. `ip netns` sees ours and we see its.
 *
 * A namespace belongs to a thread. `setns` on the calling thread and back is all it takes to work in another one, as long as
 * nothing asynchronous happens in between: see `inNamespace`.
 */
import { closeSync, constants, mkdirSync, openSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import { cString } from "./c-string.ts";
import { isErrno } from "./errno.ts";
import { syscall } from "./ffi.ts";

/** Where names of network namespaces live. */
export const NETNS_DIRECTORY = "/run/netns";

const CLONE_NEWNET = 0x40000000;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 0x100000;
const MNT_DETACH = 2;
/** Of the calling thread; /proc/self is the main thread's. */
const OWN_NAMESPACE = "/proc/thread-self/ns/net";

/** The names under /run/netns, sorted. */
export function listNamespaces(): string[] {
  try {
    return readdirSync(NETNS_DIRECTORY).sort();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

export function namespaceExists(name: string): boolean {
  return listNamespaces().includes(name);
}

/**
 * Makes an empty network namespace (only a loopback device, down) and names it.
 *
 * @throws WirescriptError USAGE for a name that is no file name, LAB when the name is taken, NO_PRIVILEGES without CAP_SYS_ADMIN.
 */
export function createNamespace(name: string): void {
  const path = pathOf(name);
  privileged(`make the network namespace "${name}"`, () => {
    shareDirectory();
    claim(path, name);
    try {
      const home = openSync(OWN_NAMESPACE, "r");
      try {
        syscall("unshare", CLONE_NEWNET);
        try {
          syscall("mount", cString(OWN_NAMESPACE), cString(path), cString("none"), MS_BIND, null);
        } finally {
          syscall("setns", home, CLONE_NEWNET);
        }
      } finally {
        closeSync(home);
      }
    } catch (error) {
      unlinkSync(path);
      throw error;
    }
  });
}

/** Makes /run/netns a shared mount point, so that a namespace can be deleted although another mount namespace holds a copy of its mount. */
function shareDirectory(): void {
  mkdirSync(NETNS_DIRECTORY, { recursive: true, mode: 0o755 });
  const directory = cString(NETNS_DIRECTORY);
  const share = (): unknown => syscall("mount", cString(""), directory, cString("none"), MS_SHARED | MS_REC, null);
  try {
    share();
  } catch (error) {
    // EINVAL: it is no mount point yet.
    if (!isErrno(error, "EINVAL")) throw error;
    syscall("mount", directory, directory, cString("none"), MS_BIND | MS_REC, null);
    share();
  }
}

function claim(path: string, name: string): void {
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT | constants.O_EXCL, 0));
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") throw cause;
    throw new WirescriptError({
      code: "LAB",
      what: `There is already a network namespace "${name}".`,
      why: `${path} exists.`,
      fix: `Choose another name, or remove that one with \`ip netns delete ${name}\`.`,
      cause,
    });
  }
}

/**
 * Takes a namespace's name away. The namespace ends, its veth devices with it, when no process and no open file uses it any more.
 *
 * @returns false when there was none of that name.
 */
export function deleteNamespace(name: string): boolean {
  const path = pathOf(name);
  if (!namespaceExists(name)) return false;
  privileged(`delete the network namespace "${name}"`, () => {
    try {
      syscall("umount2", cString(path), MNT_DETACH);
    } catch (error) {
      // EINVAL: a file without a namespace, left by a creation that was killed half-way.
      if (!isErrno(error, "EINVAL")) throw error;
    }
    unlinkSync(path);
  });
  return true;
}

/** Opens a named namespace; the caller closes the descriptor. @throws WirescriptError LAB when there is none of that name. */
export function openNamespace(name: string): number {
  const path = pathOf(name);
  try {
    return openSync(path, "r");
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause;
    const names = listNamespaces();
    throw new WirescriptError({
      code: "LAB",
      what: `There is no network namespace "${name}".`,
      why: names.length === 0 ? `${NETNS_DIRECTORY} has none.` : `${NETNS_DIRECTORY} has ${names.join(", ")}.`,
      fix: "Name one of these, or make it first.",
      cause,
    });
  }
}

/**
 * Runs `work` with the calling thread in another network namespace and comes back, also after an exception. Sockets opened and
 * processes spawned inside stay there, because both take the namespace of the thread that makes them; /proc/sys/net, too, shows the
 * reading thread's namespace. `work` must be synchronous: what runs after an `await` runs at home again. The file system functions
 * whose name ends in Sync run on this thread, those that return promises do not.
 *
 * @param target a name under /run/netns, or an open descriptor of a namespace, which stays open.
 * @throws WirescriptError LAB when there is no such namespace, NO_PRIVILEGES without CAP_SYS_ADMIN, INTERNAL when `work` returned a promise.
 */
export function inNamespace<Result>(target: string | number, work: () => Result): Result {
  const home = openSync(OWN_NAMESPACE, "r");
  try {
    const fd = typeof target === "string" ? openNamespace(target) : target;
    try {
      privileged("enter a network namespace", () => syscall("setns", fd, CLONE_NEWNET));
    } finally {
      if (typeof target === "string") closeSync(fd);
    }
    try {
      return synchronous(work());
    } finally {
      syscall("setns", home, CLONE_NEWNET);
    }
  } finally {
    closeSync(home);
  }
}

/** Moves the calling thread into a namespace that is open as `fd`, for good. @throws WirescriptError NO_PRIVILEGES */
export function enterNamespace(fd: number): void {
  privileged("enter a network namespace", () => syscall("setns", fd, CLONE_NEWNET));
}

/**
 * Runs `work` with the calling thread in a new network namespace that nobody else knows, and that ends with it: for finding out
 * what the kernel can do, without touching anything. `work` must be synchronous.
 *
 * @throws WirescriptError NO_PRIVILEGES without CAP_SYS_ADMIN.
 */
export function inPassingNamespace<Result>(work: () => Result): Result {
  const home = openSync(OWN_NAMESPACE, "r");
  try {
    privileged("make a network namespace", () => syscall("unshare", CLONE_NEWNET));
    try {
      return synchronous(work());
    } finally {
      syscall("setns", home, CLONE_NEWNET);
    }
  } finally {
    closeSync(home);
  }
}

function synchronous<Result>(result: Result): Result {
  if (typeof (result as { then?: unknown } | null | undefined)?.then !== "function") return result;
  throw new WirescriptError({
    code: "INTERNAL",
    what: "An asynchronous function was run inside a network namespace.",
    why: "Whatever it does after its first await happens in the namespace that the process started in.",
    fix: "Open the sockets and start the processes synchronously; await them outside.",
  });
}

function pathOf(name: string): string {
  if (name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255) {
    return join(NETNS_DIRECTORY, name);
  }
  throw new WirescriptError({
    code: "USAGE",
    what: `"${name}" cannot be a network namespace's name.`,
    why: `Names are files in ${NETNS_DIRECTORY}.`,
    fix: "Choose a name without a slash.",
  });
}

function privileged<Result>(purpose: string, work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    if (isErrno(cause, "ENOSPC") && cause.call === "unshare") {
      throw new WirescriptError({
        code: "KERNEL",
        what: `This process could not ${purpose}.`,
        why: "There are as many network namespaces as may be, for this user or in this user namespace.",
        fix: "Delete some (ip netns list shows those with a name), or raise the limit: sysctl user.max_net_namespaces",
        cause,
      });
    }
    if (!isErrno(cause, "EPERM", "EACCES") && codeOf(cause) !== "EACCES" && codeOf(cause) !== "EPERM") throw cause;
    throw new WirescriptError({
      code: "NO_PRIVILEGES",
      what: `This process may not ${purpose}.`,
      why: "That needs root (CAP_SYS_ADMIN).",
      fix: "Run it as root, e.g. with sudo.",
      cause,
    });
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}

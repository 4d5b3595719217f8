/** Doing something in the network namespace that a user named: by its name, by a process in it, or by a path. */

import { closeSync, openSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";
import { isErrno } from "../../sys/errno.ts";
import { inNamespace, listNamespaces, NETNS_DIRECTORY, namespaceExists } from "../../sys/namespaces.ts";
import { wrongArgument } from "../arguments.ts";

/** A name as `ip netns` has it, the id of a process in the namespace, or a path such as "/proc/self/ns/net" (anything with a slash). */
export type NetworkNamespace = string | number;

/**
 * Runs the synchronous `work` in the namespace and comes back; without one, where the calling thread is.
 *
 * @throws WirescriptError NO_SUCH_NAMESPACE, NO_PRIVILEGES.
 */
export function inNetwork<Result>(namespace: NetworkNamespace | undefined, work: () => Result): Result {
  if (namespace === undefined) return work();
  const fd = openNetwork(namespace);
  try {
    enterable(namespace, fd);
    return inNamespace(fd, work);
  } finally {
    closeSync(fd);
  }
}

/** Opens the namespace, or with `undefined` the calling thread's; the caller closes the descriptor. @throws WirescriptError NO_SUCH_NAMESPACE */
export function openNetwork(namespace: NetworkNamespace | undefined): number {
  const path = pathOf(namespace);
  if (path.includes("\0")) throw missing(namespace);
  try {
    return openSync(path, "r");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "ESRCH") throw cause;
    throw missing(namespace, cause);
  }
}

function pathOf(namespace: NetworkNamespace | undefined): string {
  if (namespace === undefined) return "/proc/thread-self/ns/net";
  if (typeof namespace !== "string" && typeof namespace !== "number") {
    throw wrongArgument(
      "No network namespace was entered.",
      namespace,
      "A network namespace is a name, the id of a process, or a path",
      "Give a name that `ip netns list` shows, or leave it out to stay in this one.",
    );
  }
  if (typeof namespace === "number") return `/proc/${namespace}/ns/net`;
  if (namespace.includes("/")) return namespace;
  if (!namespaceExists(namespace)) throw missing(namespace);
  return `${NETNS_DIRECTORY}/${namespace}`;
}

/** A name that was left without its namespace, or a path to something else. */
function enterable(namespace: NetworkNamespace, fd: number): void {
  try {
    inNamespace(fd, () => {});
  } catch (cause) {
    if (!isErrno(cause, "EINVAL")) throw cause;
    throw new WirescriptError({
      code: "NO_SUCH_NAMESPACE",
      what: `${describe(namespace)} is no network namespace.`,
      why: "The file is there, but no namespace is behind it.",
      fix: "Give a name that `ip netns list` shows, the id of a process, or a path like /proc/PID/ns/net.",
      cause,
    });
  }
}

function missing(namespace: NetworkNamespace | undefined, cause?: unknown): WirescriptError {
  const names = listNamespaces();
  return new WirescriptError({
    code: "NO_SUCH_NAMESPACE",
    what:
      typeof namespace === "number"
        ? `There is no process ${namespace}.`
        : `There is no network namespace ${describe(namespace)}.`,
    why:
      typeof namespace === "number"
        ? "It ended, and its network namespace with it unless somebody else is in it."
        : names.length === 0
          ? `${NETNS_DIRECTORY} has none.`
          : `${NETNS_DIRECTORY} has ${names.join(", ")}.`,
    fix: "Give a name that `ip netns list` shows, the id of a process, or a path like /proc/PID/ns/net.",
    cause,
  });
}

function describe(namespace: NetworkNamespace | undefined): string {
  return typeof namespace === "number" ? `of process ${namespace}` : `"${namespace}"`;
}

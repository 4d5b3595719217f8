/** The network namespace that a command works in, and what is one command's business at a time there. */
import { closeSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { WirescriptError } from "../errors.ts";
import { openNetwork } from "../runtime/links/network-namespace.ts";
import { tryFlock } from "../sys/flock.ts";
import { enterNamespace, listNamespaces, NETNS_DIRECTORY, namespaceExists } from "../sys/namespaces.ts";
import { rememberNetwork } from "./same-network.ts";

/**
 * Enters the namespace that `--netns` names, for good: a name, a process's id, or a path. What tells it apart from others in paths comes back; null
 * when the command stays where it was.
 *
 * @throws WirescriptError NO_SUCH_NAMESPACE, NO_PRIVILEGES.
 */
export function enterNetwork(netns: string | undefined): string | null {
  if (netns === undefined) return null;
  const fd = openNetwork(/^\d+$/.test(netns) && !namespaceExists(netns) ? Number(netns) : netns);
  try {
    const home = numberOf("/proc/thread-self/ns/net");
    enterNamespace(fd);
    rememberNetwork(netns);
    const there = numberOf("/proc/thread-self/ns/net");
    return there === home ? null : (nameOf(there) ?? `${there}`);
  } finally {
    closeSync(fd);
  }
}

/** A namespace's inode, which no other namespace has while this one lives. */
function numberOf(path: string): number {
  return statSync(path).ino;
}

/** The first of the names that it has, so that it is called the same whichever way it was named. */
function nameOf(number: number): string | null {
  const names = listNamespaces();
  return names.find((name) => statSync(`${NETNS_DIRECTORY}/${name}`, { throwIfNoEntry: false })?.ino === number) ?? null;
}

const RETRY_MS = 10;
const PATIENCE_MS = 30_000;

/**
 * Runs `work` while no other command attaches or detaches in this network namespace, so that two that are started at once see each other's result
 * and do not take back each other's pins. The lock is on the namespace itself: it leaves no file, and ends with its holder however that ends.
 *
 * @param netns The namespace, where that is not the one that the command works in.
 * @throws WirescriptError DEVICE_BUSY when another command does not come to an end.
 */
export async function whileAlone<Result>(work: () => Promise<Result> | Result, netns?: string): Promise<Result> {
  const fd = openNetwork(netns);
  try {
    const deadline = performance.now() + PATIENCE_MS;
    while (!tryFlock(fd)) {
      if (performance.now() > deadline) throw tooLong();
      await sleep(RETRY_MS);
    }
    return await work();
  } finally {
    closeSync(fd);
  }
}

function tooLong(): WirescriptError {
  return new WirescriptError({
    code: "DEVICE_BUSY",
    what: "Another wirescript command has been attaching or detaching in this network namespace for 30 seconds.",
    why: "It holds the lock on the namespace, so that two commands do not undo each other's work.",
    fix: "Find it (ps -C node -f), end it if it hangs, and try again.",
  });
}

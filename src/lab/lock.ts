/**
 * One change to the labs at a time, across processes. The lock is on the state directory itself (flock(2)): it needs no file of its
 * own that could be left behind, and the kernel releases it when its holder dies, however it dies.
 */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { WirescriptError } from "../errors.ts";
import { flock, isStillAt, tryFlock } from "../sys/flock.ts";
import { NETNS_DIRECTORY } from "../sys/namespaces.ts";
import { openStateDirectory, removeIfUnused } from "./state.ts";

const RETRY_MS = 20;
const PATIENCE_MS = 30_000;

/**
 * Runs `work` while no other process changes labs. The state directory is made before and removed afterwards when no lab is left.
 *
 * @throws WirescriptError LAB when another process holds the lock for more than 30 seconds.
 */
export async function withLock<Result>(directory: string, work: () => Promise<Result> | Result): Promise<Result> {
  const deadline = performance.now() + PATIENCE_MS;
  let fd = tryLock(directory);
  while (fd === null) {
    if (performance.now() > deadline) throw tooLong(directory);
    await sleep(RETRY_MS);
    fd = tryLock(directory);
  }
  try {
    return await work();
  } finally {
    // While still holding it: nobody else can be about to use the directory.
    removeIfUnused(directory);
    closeSync(fd);
  }
}

/** The descriptor that holds the lock; null when somebody else does. */
function tryLock(directory: string): number | null {
  openStateDirectory(directory);
  let fd: number;
  try {
    fd = openSync(directory, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  let isHeld = false;
  try {
    isHeld = tryFlock(fd) && isStillAt(directory, fd);
  } finally {
    if (!isHeld) closeSync(fd);
  }
  return isHeld ? fd : null;
}

/**
 * Runs the synchronous `work` while no other process makes the devices of a lab, whatever its state directory: between the search
 * for free addresses and their use, nobody else may take them. Others wait, with their threads, for the milliseconds that it takes.
 */
export function whileDevicesAreMade<Result>(work: () => Result): Result {
  mkdirSync(NETNS_DIRECTORY, { recursive: true, mode: 0o755 });
  const fd = openSync(NETNS_DIRECTORY, "r");
  try {
    flock(fd);
    return work();
  } finally {
    closeSync(fd);
  }
}

function tooLong(directory: string): WirescriptError {
  return new WirescriptError({
    code: "LAB",
    what: "Another process has been changing labs for 30 seconds.",
    why: `It holds the lock on ${directory}.`,
    fix: `Find it with \`fuser ${directory}\`, and try again when it has ended.`,
  });
}

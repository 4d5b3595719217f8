/**
 * One process at a time steers an instance, wherever it keeps its state: what two wrote into the same maps would agree with neither. The lock is on the
 * directory of the pins (flock(2)), so it is seen from every network namespace that has this bpffs, and ends with its process, however that ends.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { ensurePinDirectory } from "../runtime/pin.ts";
import { isStillAt, tryFlock } from "../sys/flock.ts";
import { pinDirectoryOf } from "./datapath/datapath.ts";

export class InstanceLock {
  readonly #fd: number;
  readonly #undo: () => void;
  #open = true;

  /** @throws WirescriptError CONFLICT when another process steers the instance; USAGE, NO_PRIVILEGES. */
  constructor(instance: string) {
    const directory = pinDirectoryOf(instance);
    for (;;) {
      const { undo } = ensurePinDirectory(directory);
      const fd = opened(directory);
      if (fd === null) continue;
      if (!tryFlock(fd)) {
        const holder = holderOf(fd);
        closeSync(fd);
        throw heldBy(holder, instance, directory);
      }
      this.#fd = fd;
      this.#undo = undo;
      if (isStillAt(directory, fd)) return;
      closeSync(fd);
    }
  }

  /** Lets others steer it. Does nothing the second time. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }

  /** As `close`; the directory goes too if it was made here and nothing came into it. */
  undo(): void {
    this.close();
    this.#undo();
  }
}

/** Null when who had it before takes it away at this moment, with the datapath. */
function opened(directory: string): number | null {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** The process that has the lock, as /proc/locks tells it ("1: FLOCK  ADVISORY  WRITE 4711 00:1b:42 0 EOF"); null when it is in none of ours. */
function holderOf(fd: number): number | null {
  const { dev, ino } = fstatSync(fd);
  // File systems without a disk have the major number 0, and their minor one in two parts.
  const minor = ((dev & 0xff) | ((dev >> 12) & ~0xff)).toString(16).padStart(2, "0");
  const line = new RegExp(`FLOCK .* (\\d+) 00:${minor}:${ino} `);
  const pid = Number(line.exec(readFileSync("/proc/locks", "utf8"))?.[1]);
  return pid > 0 ? pid : null;
}

function heldBy(pid: number | null, instance: string, directory: string): WirescriptError {
  return new WirescriptError({
    code: "CONFLICT",
    what: `Another process steers the balancer "${instance}".`,
    why: `${pid === null ? "A process of another container" : `Process ${pid}`} holds the lock on ${directory}, whatever directory its state is in.`,
    fix: "Talk to its API, or end it first; or name another instance: --instance NAME",
  });
}

/**
 * Ctrl-C as something that commands can answer, instead of a sudden death: while an Interruption lives, a signal only sets its
 * `signal`, and the command stops at its next checkpoint and takes back what it did. SIGTERM, SIGHUP and a reader that closed the
 * pipe (`wirescript stats eth0 | head`) count the same.
 */
import { setImmediate as nextTurn, setTimeout as timer } from "node:timers/promises";
import { WirescriptError } from "../errors.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #interrupt = (): void => this.#controller.abort();
  #readerIsGone = false;
  readonly #seenEnough = (): void => {
    this.#readerIsGone = true;
    this.#interrupt();
  };

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#interrupt);
    process.stdout.on("error", this.#seenEnough);
  }

  /** Aborted when the user wants to stop: for timers, sockets and child processes. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * The pause of a command that only watches. False when the reader of its output has gone, as `| head -1` does: then it has seen enough, and the
   * command has done its work.
   *
   * @throws WirescriptError INTERRUPTED when the user wants to stop; `left` says what stays behind.
   */
  async pause(seconds: number, left: string): Promise<boolean> {
    await timer(seconds * 1000, undefined, { signal: this.signal }).catch(() => {});
    return !this.isOver(left);
  }

  /** Whether the reader has gone; for loops that wait by other means than `pause`. @throws WirescriptError INTERRUPTED as `pause` does. */
  isOver(left: string): boolean {
    if (this.signal.aborted && !this.#readerIsGone) throw stopped(left);
    return this.signal.aborted;
  }

  /** A checkpoint. @throws WirescriptError INTERRUPTED when the user wants to stop; `undone` says what became of the work. */
  async checkpoint(undone: string): Promise<void> {
    // Signals that came during synchronous work are delivered when the event loop polls, which two turns are sure to contain.
    await nextTurn();
    await nextTurn();
    if (this.signal.aborted) throw interrupted(undone);
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#interrupt);
    process.stdout.off("error", this.#seenEnough);
  }
}

/** Of a command that goes on until it is stopped: the status tells that it was, and there is nothing to explain or to mend. */
function stopped(left: string): WirescriptError {
  return new WirescriptError({ code: "INTERRUPTED", what: `Stopped. ${left}` });
}

export function interrupted(undone: string): WirescriptError {
  return new WirescriptError({
    code: "INTERRUPTED",
    what: "Stopped by Ctrl-C, or by another signal that asks to stop.",
    why: undone,
    fix: "Run the same command again when you want it finished.",
  });
}

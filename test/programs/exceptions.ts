/** The tracepoint xdp:xdp_exception, by which the kernel tells of packets that a program aborted on: what administrators look at. */
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cString } from "../../src/sys/c-string.ts";
import { SyscallError } from "../../src/sys/errno.ts";
import { syscall } from "../../src/sys/ffi.ts";
import { unmount } from "../../src/sys/mount.ts";

/** Records exceptions of one program, in a trace buffer of its own, so that nobody else's tracing is disturbed. */
export class ExceptionTrace implements Disposable {
  readonly #mountPoint: string;
  readonly #instance: string;

  /** @throws SyscallError or an fs error when the kernel has no tracefs, or not this tracepoint; `why` says it for a skipped test. */
  constructor(programId: number) {
    // Mounted where nobody looks: this machine may have no tracefs where others expect it, and shall have none afterwards.
    this.#mountPoint = mkdtempSync(join(tmpdir(), "wirescript-tracefs-"));
    try {
      syscall("mount", cString("tracefs"), cString(this.#mountPoint), cString("tracefs"), 0, null);
    } catch (error) {
      rmdirSync(this.#mountPoint);
      throw error;
    }
    this.#instance = join(this.#mountPoint, "instances", `wirescript-${process.pid}`);
    try {
      mkdirSync(this.#instance);
      const event = join(this.#instance, "events/xdp/xdp_exception");
      writeFileSync(join(event, "filter"), `prog_id == ${programId}`);
      writeFileSync(join(event, "enable"), "1");
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** The action of each exception so far, as the kernel names it: "ABORTED". */
  actions(): string[] {
    const lines = readFileSync(join(this.#instance, "trace"), "utf8").split("\n");
    return lines.flatMap((line) => /xdp_exception: prog_id=\d+ action=(\w+)/.exec(line)?.[1] ?? []);
  }

  [Symbol.dispose](): void {
    try {
      rmdirSync(this.#instance);
    } catch (error) {
      // It could not be made.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    } finally {
      unmount(this.#mountPoint);
      rmdirSync(this.#mountPoint);
    }
  }
}

/** Why exceptions cannot be traced here; null when they can. */
export function tracingMissing(): string | null {
  try {
    new ExceptionTrace(0)[Symbol.dispose]();
    return null;
  } catch (error) {
    return error instanceof SyscallError ? `no tracefs: ${error.errnoName}` : `no tracing: ${(error as Error).message}`;
  }
}

/**
 * A file descriptor with one owner. Closing is idempotent and a closed descriptor can no longer be used, because the kernel hands
 * a freed number to the next open(2): a second close or a late use would hit somebody else's file.
 *
 * `Kind` is a brand that exists for the type checker only: a map's descriptor does not fit where a program's is wanted.
 */
import { WirescriptError } from "../errors.ts";
import { syscall } from "./ffi.ts";

export type FdKind = "map" | "program" | "link" | "btf" | "file" | "socket";

export class Fd<Kind extends FdKind = FdKind> implements Disposable {
  readonly kind: Kind;
  #number: number;

  /** Takes ownership of `number`. */
  constructor(kind: Kind, number: number) {
    this.kind = kind;
    this.#number = number;
  }

  /** @throws WirescriptError (USAGE) when the descriptor is closed. */
  get number(): number {
    if (this.#number < 0) {
      throw new WirescriptError({
        code: "USAGE",
        what: `This ${this.kind} is closed.`,
        why: "It was closed, or the object that owned it was disposed of.",
        fix:
          this.kind === "socket"
            ? "Open another one, or close it later."
            : "Keep the loaded object open (`await using`) for as long as its programs and maps are used.",
      });
    }
    return this.#number;
  }

  get closed(): boolean {
    return this.#number < 0;
  }

  close(): void {
    if (this.#number < 0) return;
    const number = this.#number;
    // Forgotten first: Linux frees the number even when close(2) reports an error.
    this.#number = -1;
    syscall("close", number);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export type MapFd = Fd<"map">;
export type ProgramFd = Fd<"program">;
export type LinkFd = Fd<"link">;
export type BtfFd = Fd<"btf">;

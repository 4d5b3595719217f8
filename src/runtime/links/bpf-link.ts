/** What all links have in common: they can be given another program, pinned, and detached. */
import { unlinkSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";
import {
  type KernelLinkInfo,
  type LinkFd,
  linkDetach,
  linkInfo,
  linkUpdate,
  type ProgramFd,
  programById,
  programInfo,
  unlessGone,
} from "../../sys/bpf.ts";
import { isErrno } from "../../sys/errno.ts";
import { pinObject } from "../pin.ts";
import { denied } from "../privileges.ts";

/** A program as far as links need it. */
export interface Attachable {
  readonly name: string;
  readonly fd: ProgramFd;
}

export interface BpfLinkParts {
  fd: LinkFd;
  dev: string;
  ifindex: number;
  /** The program that it holds. */
  programId: number;
  /** Whether others brought it into being, and go on holding it perhaps: then it is not detached when this object is disposed of. */
  adopted?: boolean;
}

export abstract class BpfLink implements Disposable, AsyncDisposable {
  /** The device's name when it was attached. */
  readonly dev: string;
  readonly ifindex: number;
  /** The descriptor, for system calls that this class does not wrap. */
  readonly fd: LinkFd;
  readonly #adopted: boolean;
  readonly #pins = new Set<string>();
  #programId: number;

  constructor({ fd, dev, ifindex, programId, adopted = false }: BpfLinkParts) {
    this.fd = fd;
    this.dev = dev;
    this.ifindex = ifindex;
    this.#programId = programId;
    this.#adopted = adopted;
  }

  /** False once it was detached or closed by this object. */
  get attached(): boolean {
    return !this.fd.closed;
  }

  /**
   * Puts another program in place of the present one; every packet meets one of the two. Only the program that this object knows to be
   * there is replaced; with `force`, whatever is.
   *
   * @throws WirescriptError DEVICE_BUSY when somebody else has put another program on the link; NO_SUCH_DEVICE when the device is gone, or the
   * link was detached; USAGE for a program of another type.
   */
  update(program: Attachable, options: { force?: boolean } = {}): void {
    try {
      if (options.force === true) linkUpdate(this.fd, program.fd);
      else this.#replaceKnown(program);
    } catch (error) {
      throw this.#updateFailure(error, program);
    }
    this.#programId = programInfo(program.fd).id;
  }

  #replaceKnown(program: Attachable): void {
    const known = unlessGone(() => programById(this.#programId));
    // Nobody holds it any more, so the link does not either.
    if (known === null) throw this.#replacedByOthers();
    using expected = known;
    linkUpdate(this.fd, program.fd, expected);
  }

  #updateFailure(error: unknown, program: Attachable): unknown {
    if (isErrno(error, "ENOLINK") || this.#isDetached()) {
      return new WirescriptError({
        code: "NO_SUCH_DEVICE",
        what: `The link on ${this.dev} holds no program any more, and takes none.`,
        why: `${this.dev} was removed, or the link was detached by force.`,
        fix: "Attach the program anew; `follow` does it whenever the device comes back.",
        cause: error,
      });
    }
    if (isErrno(error, "EPERM")) {
      if (linkInfo(this.fd).programId !== this.#programId) return this.#replacedByOthers(error);
      return denied(`The program on ${this.dev} may not be replaced.`, error);
    }
    if (!isErrno(error, "EINVAL")) return error;
    return new WirescriptError({
      code: "USAGE",
      what: `The link on ${this.dev} does not take the program "${program.name}".`,
      why: "A link keeps its hook: only a program of the same type, with the same support for frags, fits.",
      fix: "Detach the link, and attach the program anew.",
      cause: error,
    });
  }

  #isDetached(): boolean {
    return !this.fd.closed && linkInfo(this.fd).ifindex === 0;
  }

  #replacedByOthers(cause?: unknown): WirescriptError {
    const { programId } = linkInfo(this.fd);
    return new WirescriptError({
      code: "DEVICE_BUSY",
      what: `The link on ${this.dev} holds program ${programId} by now, which was not replaced.`,
      why: `This object had put program ${this.#programId} there; somebody else has put another one in its place.`,
      fix: "Look what it is (wirescript status), and replace it with { force: true } if that is meant.",
      cause,
    });
  }

  /** What the kernel says; `ifindex` is 0 when the device is gone or the link was detached. */
  info(): KernelLinkInfo {
    return linkInfo(this.fd);
  }

  /** Makes the attachment stay after this process, until the file is removed or `detach` is called. @throws WirescriptError */
  pin(path: string): void {
    pinObject(this.fd, path, `the link on ${this.dev}`);
    this.#pins.add(path);
  }

  /** Removes the pins that this object made: the attachment ends with this object again. */
  unpin(): void {
    for (const path of this.#pins) removeIfThere(path);
    this.#pins.clear();
  }

  /** Takes the program off the device, pinned or not, whoever else holds the link. Does nothing the second time. */
  detach(): void {
    if (this.fd.closed) return;
    try {
      linkDetach(this.fd);
      this.unpin();
    } finally {
      this.fd.close();
    }
  }

  /** Detaches, unless the link was pinned in order to stay, or was adopted: then only this object's hold on it ends. */
  [Symbol.dispose](): void {
    if (this.#pins.size === 0 && !this.#adopted) this.detach();
    else this.fd.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

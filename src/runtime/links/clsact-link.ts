/**
 * A filter of clsact that goes with the object that attached it: what `attach` gives for TC programs where the kernel has no TCX. Unlike a
 * bpf_link, the kernel does not take it off when the process dies.
 */
import { closeSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";
import { type Direction, programInfo } from "../../sys/bpf.ts";
import { inNamespace } from "../../sys/namespaces.ts";
import { findLink, type Link } from "../../sys/netlink/index.ts";
import type { Attachable } from "./bpf-link.ts";
import { type AddFilter, addFilter, exchangeFilter, type Filter, filterAt, removeFilter } from "./clsact.ts";
import { openNetwork } from "./network-namespace.ts";

export class ClsactLink implements Disposable, AsyncDisposable {
  readonly via = "clsact";
  /** The device's name when it was attached. */
  readonly dev: string;
  readonly ifindex: number;
  readonly direction: Direction;
  /** Filters run from the lowest on. */
  readonly priority: number;
  readonly handle: number;
  #programId: number;
  /** Of the network namespace, which stays for as long as this object holds it. */
  #namespace: number | null;

  constructor(device: Link, filter: Filter, namespace: number) {
    this.dev = device.name;
    this.ifindex = device.ifindex;
    this.direction = filter.direction;
    this.priority = filter.priority;
    this.handle = filter.handle;
    this.#programId = filter.programId;
    this.#namespace = namespace;
  }

  /** False once it was detached by this object. */
  get attached(): boolean {
    return this.#namespace !== null;
  }

  /**
   * Puts another program in place of the present one; every packet meets one of the two.
   *
   * @throws WirescriptError DEVICE_BUSY when somebody else's program is there; NO_SUCH_DEVICE when the device or the filter is gone.
   */
  update(program: Attachable, options: { force?: boolean } = {}): void {
    this.#there((device) => {
      const present = device === null ? null : filterAt(device.ifindex, this);
      if (device === null || present === null) throw this.#gone();
      if (present.programId !== this.#programId && options.force !== true) throw this.#replacedByOthers(present.programId);
      exchangeFilter(program, device, { ...this.#filter() });
      this.#programId = programInfo(program.fd).id;
    });
  }

  /** What is there now; `programId` is null, and `ifindex` 0, when the device or the filter is gone. */
  info(): { dev: string; direction: Direction; ifindex: number; programId: number | null } {
    return this.#there((device) => {
      const present = device === null ? null : filterAt(device.ifindex, this);
      const { dev, direction } = this;
      return { dev, direction, ifindex: present === null ? 0 : this.ifindex, programId: present?.programId ?? null };
    });
  }

  /** Takes the filter off, unless somebody else's program is there by now. Does nothing the second time. */
  detach(): void {
    const namespace = this.#namespace;
    if (namespace === null) return;
    try {
      this.#there((device) => {
        if (device === null || filterAt(device.ifindex, this)?.programId !== this.#programId) return;
        removeFilter(device.ifindex, this);
      });
    } finally {
      this.#namespace = null;
      closeSync(namespace);
    }
  }

  [Symbol.dispose](): void {
    this.detach();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.detach();
  }

  #filter(): Filter {
    const { direction, priority, handle } = this;
    return { direction, priority, handle, programId: this.#programId };
  }

  #there<Result>(work: (device: Link | null) => Result): Result {
    if (this.#namespace === null) throw this.#gone();
    return inNamespace(this.#namespace, () => work(findLink(this.ifindex)));
  }

  #gone(): WirescriptError {
    return new WirescriptError({
      code: "NO_SUCH_DEVICE",
      what: `The filter on the ${this.direction} of ${this.dev} is gone.`,
      why: `${this.dev} was removed, or somebody took the filter off.`,
      fix: "Attach the program anew.",
    });
  }

  #replacedByOthers(id: number): WirescriptError {
    return new WirescriptError({
      code: "DEVICE_BUSY",
      what: `The filter on the ${this.direction} of ${this.dev} has program ${id} by now, which was not replaced.`,
      why: `This object had put program ${this.#programId} there; somebody else has put another one in its place.`,
      fix: "Look what it is (wirescript status), and replace it with { force: true } if that is meant.",
    });
  }
}

/** In the calling thread's network namespace. @throws WirescriptError */
export function attachClsactLink(program: Attachable, options: AddFilter): ClsactLink {
  const namespace = openNetwork(undefined);
  try {
    return new ClsactLink(options.device, addFilter(program, options), namespace);
  } catch (error) {
    closeSync(namespace);
    throw error;
  }
}

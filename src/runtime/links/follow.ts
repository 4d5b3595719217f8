/**
 * Keeping a program on a device that comes and goes: unplugged and plugged in again, deleted and made anew by whoever manages the network,
 * renamed, moved between namespaces. The kernel tells what happens; what it told is only the occasion to look, because what is there counts.
 *
 * The name decides which device is meant. A device that is renamed keeps the program until another one has its old name: taking a filter off
 * because of a name would open what it closes.
 */

import { closeSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";
import type { Direction } from "../../sys/bpf.ts";
import { inNamespace } from "../../sys/namespaces.ts";
import { findLink, type Link, LinkEvents, type XdpMode } from "../../sys/netlink/index.ts";
import { Readiness } from "../../sys/readiness.ts";
import type { LoadedProgram } from "../program.ts";
import { checkAttachOptions } from "./attach-options.ts";
import { checkDeviceName } from "./device-name.ts";
import { type NetworkNamespace, openNetwork } from "./network-namespace.ts";
import { attachedTcTo } from "./tc-attached.ts";

export interface FollowOptions {
  /** The device's name. It need not be there yet. */
  dev: string;
  /** The network namespace that it is looked for in. Default: the calling thread's. */
  netns?: NetworkNamespace;
  /** Of an XDP program. Default "auto". */
  mode?: XdpMode | "auto";
  /** Of a program for TC, where it does not know it itself. */
  direction?: Direction;
  /** Replace another program that a device has. Without it that device is left alone, and `onEvent` is told "refused". */
  force?: boolean;
  /** Attach so that the program stays on the device when the following ends. Default: it goes with the following. */
  persistent?: boolean;
  /** Ends the following. */
  signal?: AbortSignal;
  onEvent?: (event: FollowEvent) => void;
}

export type FollowEvent =
  /** The program is on the device now. `again`: it had been on it already, which was away meanwhile. */
  | { kind: "attached"; dev: string; ifindex: number; mode: XdpMode | null; again: boolean }
  /** There is no device of that name: now it is waited for. */
  | { kind: "waiting"; dev: string }
  /** The device was removed, or moved to another namespace. */
  | { kind: "gone"; dev: string; ifindex: number }
  /** The device has another name; the program stays on it. */
  | { kind: "renamed"; dev: string; from: string; ifindex: number }
  /** The name belongs to another device now, to which the program moves. */
  | { kind: "moved"; dev: string; from: string; ifindex: number }
  /** Somebody took the program off, or replaced it. It is not attached again before the device has been away. */
  | { kind: "taken"; dev: string; ifindex: number }
  /** It could not be attached. It is tried again when the device changes. */
  | { kind: "refused"; dev: string; ifindex: number; error: WirescriptError };

/** What keeps the program on one device. */
interface Hold {
  mode: XdpMode | null;
  holds(device: Link): boolean;
  release(): void;
}

interface Place {
  ifindex: number;
  name: string;
  /** Null when somebody took the program off. */
  hold: Hold | null;
}

export class Following implements Disposable, AsyncDisposable {
  readonly #program: LoadedProgram;
  readonly #options: FollowOptions;
  readonly #namespace: number;
  readonly #events: LinkEvents;
  readonly #readiness: Readiness;
  #place: Place | null = null;
  /** What a device was like when it refused the program: as long as it is the same, so will be its answer. */
  #refusedBy = "";
  #open = true;
  readonly #end = (): void => this.close();

  constructor(program: LoadedProgram, options: FollowOptions) {
    checkAttachOptions(program.name, options);
    checkDeviceName(options.dev, `The program "${program.name}" does not follow a device.`);
    this.#program = program;
    this.#options = options;
    this.#namespace = openNetwork(options.netns);
    try {
      // Listening before looking, so that nothing happens in between.
      this.#events = inNamespace(this.#namespace, () => new LinkEvents());
    } catch (error) {
      closeSync(this.#namespace);
      throw error;
    }
    this.#readiness = new Readiness([this.#events.fd]);
    try {
      this.#start();
    } catch (error) {
      this.close();
      throw error;
    }
    options.signal?.addEventListener("abort", this.#end);
    if (options.signal?.aborted === true) this.close();
    else this.#readiness.wait(this.#look);
  }

  /** The device that has the program now; null while it is waited for. */
  get device(): { name: string; ifindex: number } | null {
    return this.#place?.hold == null ? null : { name: this.#place.name, ifindex: this.#place.ifindex };
  }

  get closed(): boolean {
    return !this.#open;
  }

  /** Ends the following. Unless it is persistent, the program is taken off its device. Does nothing the second time. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#options.signal?.removeEventListener("abort", this.#end);
    this.#readiness.close();
    this.#events.close();
    try {
      this.#place?.hold?.release();
    } finally {
      this.#place = null;
      closeSync(this.#namespace);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Lets the process end although this is waiting for the device. */
  unref(): void {
    this.#readiness.unref();
  }

  #start(): void {
    inNamespace(this.#namespace, () => {
      const device = findLink(this.#options.dev);
      if (device === null) this.#tell({ kind: "waiting", dev: this.#options.dev });
      else this.#attach(device);
    });
  }

  readonly #look = (): void => {
    const events = this.#events.read();
    const absent = new Set(events?.flatMap(({ kind, ifindex }) => (kind === "absent" ? [ifindex] : [])));
    inNamespace(this.#namespace, () => {
      this.#checkPlace(absent);
      this.#checkName();
    });
    // What `onEvent` did may have ended it.
    if (this.#open) this.#readiness.wait(this.#look);
  };

  /** `absent`: devices that went, and perhaps another with the same number came. */
  #checkPlace(absent: ReadonlySet<number>): void {
    const place = this.#place;
    if (place === null) return;
    const { ifindex, name: dev } = place;
    const device = absent.has(ifindex) ? null : findLink(ifindex);
    if (device === null) {
      this.#place = null;
      place.hold?.release();
      this.#tell({ kind: "gone", dev, ifindex });
      return;
    }
    if (device.name !== dev) {
      place.name = device.name;
      this.#tell({ kind: "renamed", dev: device.name, from: dev, ifindex });
    }
    if (place.hold !== null && !place.hold.holds(device)) {
      place.hold.release();
      place.hold = null;
      this.#tell({ kind: "taken", dev: device.name, ifindex });
    }
  }

  #checkName(): void {
    if (!this.#open) return;
    const device = findLink(this.#options.dev);
    if (device === null || device.ifindex === this.#place?.ifindex) return;
    const state = JSON.stringify([device.ifindex, device.xdp, device.mtu, device.up]);
    if (state === this.#refusedBy) return;
    const before = this.#place;
    try {
      this.#attach(device);
      this.#refusedBy = "";
      if (before === null) return;
      before.hold?.release();
      this.#tell({ kind: "moved", dev: device.name, from: before.name, ifindex: device.ifindex });
    } catch (error) {
      this.#refusedBy = state;
      if (!(error instanceof WirescriptError)) throw error;
      // It went while it was looked at: its event will come.
      if (error.code === "NO_SUCH_DEVICE") return;
      this.#tell({ kind: "refused", dev: device.name, ifindex: device.ifindex, error });
    }
  }

  #attach(device: Link): void {
    const { ifindex, name } = device;
    const hold = this.#options.persistent === true ? this.#leave(device) : this.#hold(ifindex);
    this.#place = { ifindex, name, hold };
    this.#tell({ kind: "attached", dev: name, ifindex, mode: hold.mode, again: "again" in hold });
  }

  #hold(ifindex: number): Hold {
    const { mode, direction, force } = this.#options;
    // What the program is decides which of the options count; for TC the result is another kind of link with the same methods.
    const where = direction === undefined ? { dev: ifindex, mode, force } : { dev: ifindex, direction };
    const link = this.#program.attach(where as { dev: number });
    return {
      mode: this.#program.type === "xdp" ? link.mode : null,
      holds: (device) => link.attached && link.info().ifindex === device.ifindex,
      release: () => link[Symbol.dispose](),
    };
  }

  /** Attaches to stay, unless the device, which may have been in another namespace meanwhile, still has the program. */
  #leave(device: Link): Hold {
    const { mode, direction, force } = this.#options;
    const { id } = this.#program.info();
    const release = () => {};
    if (this.#program.type === "xdp") {
      const holds = ({ xdp }: Link) => xdp.some(({ programId }) => programId === id);
      const present = device.xdp.find(({ programId }) => programId === id);
      if (present !== undefined) return Object.assign({ mode: present.mode, holds, release }, { again: true });
      const made = this.#program.attachPersistently({ dev: device.ifindex, mode, force });
      return { mode: made.mode, holds, release };
    }
    const to = direction ?? this.#program.direction;
    const holds = ({ ifindex }: Link) =>
      (["ingress", "egress"] as const).some(
        (each) => to === each && attachedTcTo(ifindex, each).some((there) => there.id === id),
      );
    if (holds(device)) return Object.assign({ mode: null, holds, release }, { again: true });
    this.#program.attachPersistently({ dev: device.ifindex, force, ...(direction && { direction }) });
    return { mode: null, holds, release };
  }

  #tell(event: FollowEvent): void {
    this.#options.onEvent?.(event);
  }
}

/**
 * Attaches the program to the device of that name now, or when it comes, and again whenever it comes back: its maps, and what is counted in them,
 * stay the same. Keeps the process alive until it is closed, unless `unref` is called.
 *
 * @throws WirescriptError as `attach` does, when the device is there and refuses the program; NO_SUCH_NAMESPACE. Later failures are events.
 */
export function follow(program: LoadedProgram, options: FollowOptions): Following {
  return new Following(program, options);
}

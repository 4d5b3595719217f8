/** A program in the kernel: attach it, run it on a packet of your own, look at it, pin it. */

import { WirescriptError } from "../errors.ts";
import type { ProgramType } from "../object/spec.ts";
import { type Direction, type KernelProgramInfo, type ProgramFd, programInfo } from "../sys/bpf.ts";
import { checkOptionNames, wrongArgument } from "./arguments.ts";
import { bootTime } from "./boot-time.ts";
import { checkAttachOptions } from "./links/attach-options.ts";
import {
  attachTc,
  attachTcPersistently,
  directionOf,
  type PersistentTcAttachment,
  type TcAttachOptions,
  type TcFilterOptions,
  type TcLink,
  type TcLinkOf,
} from "./links/tc.ts";
import { attachXdpLink, type XdpAttachOptions, type XdpLink } from "./links/xdp-link.ts";
import { attachPersistently, type PersistentAttachment } from "./links/xdp-netlink.ts";
import type { LoadedMap } from "./maps/open.ts";
import { openMapById } from "./maps/open-existing.ts";
import { pinObject } from "./pin.ts";
import { type LiveRunOptions, type LiveRunResult, liveRun, type RunOptions, type RunResult, testRun } from "./test-run.ts";

export interface ProgramInfo extends Omit<KernelProgramInfo, "loadTime"> {
  /** When it was loaded. */
  loadedAt: Date;
}

const RUN_OPTIONS: Record<keyof RunOptions | keyof LiveRunOptions, true> = {
  ...{ repeat: true, context: true, cpu: true, checksum: true, live: true, batchSize: true },
};

/** The hook that a program was written for, as the type of its module's export says it; `string` where that is not known. */
type TcHook = "tc.ingress" | "tc.egress";

export interface ProgramParts {
  name: string;
  section: string;
  type: ProgramType;
  direction?: Direction | null;
  fd: ProgramFd;
}

/** `Hook` is "xdp", "tc.ingress" or "tc.egress" for a program of a module whose type is known. */
export class LoadedProgram<out Hook extends string = string> implements Disposable {
  /** For the type checker only. */
  declare readonly hook?: Hook;

  /** The program's name in the object; the kernel keeps 15 bytes of it. */
  readonly name: string;
  readonly section: string;
  readonly type: ProgramType;
  /** Of a program for TC, where its module or its section tells; else null. */
  readonly direction: Direction | null;
  /** The descriptor, for system calls that this class does not wrap. */
  readonly fd: ProgramFd;
  readonly #owned: (link: Disposable) => void;

  /** `owned` is told of each link, so that its object can dispose of them. */
  constructor(parts: ProgramParts, owned: (link: Disposable) => void) {
    this.name = parts.name;
    this.section = parts.section;
    this.type = parts.type;
    this.direction = parts.type === "sched_cls" ? (parts.direction ?? directionOf(parts.section)) : null;
    this.fd = parts.fd;
    this.#owned = owned;
  }

  /**
   * Attaches the program to a device for as long as the link lives: it is detached when the link or the loaded object is disposed of,
   * and when this process ends. Synchronous, so that it also works inside `inNamespace`; `await` does no harm.
   *
   * A program for TC of an object file needs the option `direction`, because its section does not tell it.
   *
   * @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE, DEVICE_BUSY, MODE_UNSUPPORTED, NO_PRIVILEGES, USAGE.
   */
  attach<Via extends TcAttachOptions["via"] = undefined>(
    this: LoadedProgram<TcHook>,
    options: TcAttachOptions & { via?: Via },
  ): TcLinkOf<Via>;
  attach<Via extends TcAttachOptions["via"] = undefined>(
    options: TcAttachOptions & { via?: Via; direction: Direction },
  ): TcLinkOf<Via>;
  attach(this: Hook extends TcHook ? never : LoadedProgram<Hook>, options: XdpAttachOptions): XdpLink;
  attach(options: XdpAttachOptions | TcAttachOptions): XdpLink | TcLink {
    checkAttachOptions(this.name, options);
    const link = this.type === "xdp" ? attachXdpLink(this, this.#forXdp(options)) : attachTc(this, this.#forTc(options));
    this.#owned(link);
    return link;
  }

  /** Attaches the program so that it stays when this process ends. See `attachPersistently` and `attachTcPersistently`. */
  attachPersistently(this: LoadedProgram<TcHook>, options: TcFilterOptions): PersistentTcAttachment;
  attachPersistently(options: TcFilterOptions & { direction: Direction }): PersistentTcAttachment;
  attachPersistently(this: Hook extends TcHook ? never : LoadedProgram<Hook>, options: XdpAttachOptions): PersistentAttachment;
  attachPersistently(options: XdpAttachOptions | TcFilterOptions): PersistentAttachment | PersistentTcAttachment {
    checkAttachOptions(this.name, options);
    if (this.type === "xdp") return attachPersistently(this, this.#forXdp(options));
    return attachTcPersistently(this, this.#forTc(options));
  }

  #forXdp<Options extends object>(options: Options): Options & XdpAttachOptions {
    if (!("direction" in options) || options.direction === undefined) return options as Options & XdpAttachOptions;
    throw new WirescriptError({
      code: "USAGE",
      what: `The program "${this.name}" cannot be attached to a direction.`,
      why: `It is an XDP program (section "${this.section}"), which sees what comes in, and has no direction.`,
      fix: "Leave out `direction`, or attach a program for TC.",
    });
  }

  /** Actions stand in filters of other people's, which decide when they run. */
  #mustNotBeAction(): void {
    if (this.type !== "sched_act") return;
    throw new WirescriptError({
      code: "USAGE",
      what: `The program "${this.name}" cannot be attached to a device.`,
      why: `It is an action of traffic control (section "${this.section}"), which runs as part of a filter.`,
      fix: "Make it a classifier (section tc), or attach it with tc: tc filter add … action bpf object-pinned PATH",
    });
  }

  #forTc<Options extends XdpAttachOptions | TcAttachOptions | TcFilterOptions>(
    options: Options,
  ): Options & { direction: Direction } {
    this.#mustNotBeAction();
    const direction = ("direction" in options ? options.direction : undefined) ?? this.direction;
    if (direction !== null) return { ...options, direction };
    throw new WirescriptError({
      code: "USAGE",
      what: `It is not known to which direction the program "${this.name}" is to be attached.`,
      why: `It is a program for TC, and ${this.section === "" ? "the kernel does not keep" : `its section "${this.section}" does not say`} whether it is for ingress or egress.`,
      fix: 'Say it: attach({ dev, direction: "ingress" }), or --ingress or --egress on the command line.',
    });
  }

  /**
   * Runs the program on a packet, without any device (BPF_PROG_TEST_RUN); with `live: true` on packets that go where it sends them. Maps
   * are changed as in a real run.
   *
   * @throws WirescriptError USAGE when the kernel does not run it on this packet: it wants 14 bytes, an Ethernet header, at least; when
   * the context has fields that programs of this type do not see, or names a device that does not exist; when the CPU is offline.
   */
  run(packet: Uint8Array, options?: RunOptions): RunResult;
  run(packet: Uint8Array, options: LiveRunOptions): LiveRunResult;
  run(packet: Uint8Array, options: RunOptions | LiveRunOptions = {}): RunResult | LiveRunResult {
    if (!(packet instanceof Uint8Array)) {
      throw wrongArgument(
        `The program "${this.name}" cannot be run.`,
        packet,
        "A packet is bytes, a Uint8Array",
        'Give the bytes of the whole frame: Buffer.from(hex, "hex") makes them from text.',
      );
    }
    checkOptionNames(`The program "${this.name}" cannot be run.`, options, RUN_OPTIONS);
    return "live" in options ? liveRun(this, packet, options) : testRun(this, packet, options);
  }

  /** What the kernel knows about the program. */
  info(): ProgramInfo {
    return describeProgram(this.fd);
  }

  /** Opens the maps that the program uses, by their names in the kernel, which keeps 15 bytes of each. The caller closes them. */
  openMaps(): Map<string, LoadedMap> {
    const maps = this.info().mapIds.map((id) => openMapById(id));
    return new Map(maps.map((map) => [map.name, map]));
  }

  /** Keeps the program alive after this process, under `path` in a bpffs. @throws WirescriptError */
  pin(path: string): void {
    pinObject(this.fd, path, `the program "${this.name}"`);
  }

  /** Lets go of the program; where it is attached it stays. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export function describeProgram(fd: ProgramFd): ProgramInfo {
  const { loadTime, ...info } = programInfo(fd);
  return { ...info, loadedAt: new Date(bootTime() + Number(loadTime / 1_000_000n)) };
}

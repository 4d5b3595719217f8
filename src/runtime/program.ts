/** A program in the kernel: attach it, run it on a packet of your own, look at it, pin it. */
import { WirescriptError } from "../errors.ts";
import type { ProgramType } from "../object/spec.ts";
import { type KernelProgramInfo, type ProgramFd, programInfo, programTestRun } from "../sys/bpf.ts";
import { isErrno } from "../sys/errno.ts";
import { bootTime } from "./boot-time.ts";
import { attachXdpLink, type XdpAttachOptions, type XdpLink } from "./links/xdp-link.ts";
import { attachPersistently, type PersistentAttachment } from "./links/xdp-netlink.ts";
import { pinObject } from "./pin.ts";
import { decodeContext, encodeContext, type TestContext, unknownFields } from "./test-context.ts";

export interface ProgramInfo extends Omit<KernelProgramInfo, "loadTime"> {
  /** When it was loaded. */
  loadedAt: Date;
}

export interface RunOptions {
  /** How often to run, for measuring; the packet is not restored in between. Default 1. */
  repeat?: number;
  /** What the program sees in its context besides the packet: fields of `struct xdp_md`, or of `struct __sk_buff` for a TC program. */
  context?: TestContext;
}

export interface RunResult {
  /** What the program returned: an action such as XDP_PASS or TC_ACT_OK. */
  action: number;
  /** The packet as the program left it. */
  packet: Uint8Array;
  /** Nanoseconds per run, as the kernel measured it: an average when `repeat` is large. */
  duration: number;
  /** When a context was given: its fields as the program left them. */
  context?: TestContext;
}

export class LoadedProgram implements Disposable {
  /** The program's name in the object; the kernel keeps 15 bytes of it. */
  readonly name: string;
  readonly section: string;
  readonly type: ProgramType;
  /** The descriptor, for system calls that this class does not wrap. */
  readonly fd: ProgramFd;
  readonly #owned: (link: XdpLink) => void;

  /** `owned` is told of each link, so that its object can dispose of them. */
  constructor(parts: { name: string; section: string; type: ProgramType; fd: ProgramFd }, owned: (link: XdpLink) => void) {
    this.name = parts.name;
    this.section = parts.section;
    this.type = parts.type;
    this.fd = parts.fd;
    this.#owned = owned;
  }

  /**
   * Attaches the program to a device for as long as the link lives: it is detached when the link or the loaded object is disposed of,
   * and when this process ends. Synchronous, so that it also works inside `inNamespace`; `await` does no harm.
   *
   * @throws WirescriptError NO_SUCH_DEVICE, DEVICE_BUSY, MODE_UNSUPPORTED, NO_PRIVILEGES.
   */
  attach(options: XdpAttachOptions): XdpLink {
    this.#mustBeXdp("attached to a device");
    const link = attachXdpLink(this, options);
    this.#owned(link);
    return link;
  }

  /** Attaches the program so that it stays when this process ends. See `attachPersistently` and `detachXdp`. */
  attachPersistently(options: XdpAttachOptions): PersistentAttachment {
    this.#mustBeXdp("attached to a device");
    return attachPersistently(this, options);
  }

  #mustBeXdp(what: string): void {
    if (this.type === "xdp") return;
    throw new WirescriptError({
      code: "USAGE",
      what: `The program "${this.name}" cannot be ${what} as an XDP program.`,
      why: `It is a ${this.type} program (section "${this.section}").`,
      fix: "Attach it by tc: wirescript build writes an object that `tc filter add … bpf direct-action` takes.",
    });
  }

  /**
   * Runs the program on a packet, without any device (BPF_PROG_TEST_RUN). Maps are changed as in a real run.
   *
   * @throws WirescriptError USAGE when the kernel does not take the packet: it wants 14 bytes, an Ethernet header, at least; or the
   * context has fields that programs of this type do not see.
   */
  run(packet: Uint8Array, options: RunOptions = {}): RunResult {
    const context = options.context && this.#context(packet.length, options.context);
    try {
      const result = programTestRun({ program: this.fd, packet, repeat: options.repeat ?? 1, context });
      // TC_ACT_UNSPEC is -1.
      const action = this.type === "sched_cls" ? result.value | 0 : result.value;
      const after = context && { context: decodeContext(this.type, result.context) };
      return { action, packet: result.packet, duration: result.duration, ...after };
    } catch (error) {
      if (!isErrno(error, "EINVAL", "E2BIG", "ENOMEM", "ENODEV", "ENXIO")) throw error;
      throw new WirescriptError({
        code: "USAGE",
        what: `The kernel does not run the program "${this.name}" on this packet of ${packet.length} bytes: ${error.errnoName}.`,
        why:
          packet.length < ETHERNET_HEADER || (this.type === "sched_cls" && packet.length === ETHERNET_HEADER)
            ? "A packet begins with an Ethernet header of 14 bytes; a TC program wants more behind it."
            : "It may be too long for one frame, or (for a TC program) an IP header may be cut off, or the context names a device or receive queue that does not exist.",
        fix: "Pad the packet to 15 bytes or more; frames up to about 3,500 bytes always work.",
        cause: error,
      });
    }
  }

  #context(length: number, context: TestContext): Uint8Array {
    const [unknown] = unknownFields(this.type, context);
    if (unknown === undefined) return encodeContext(this.type, length, context);
    throw new WirescriptError({
      code: "USAGE",
      what: `The program "${this.name}" cannot be run with this context: it has no field "${unknown}".`,
      why: `It is a ${this.type} program.`,
      fix: "Give only fields that its context has.",
    });
  }

  /** What the kernel knows about the program. */
  info(): ProgramInfo {
    return describeProgram(this.fd);
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

const ETHERNET_HEADER = 14;

export function describeProgram(fd: ProgramFd): ProgramInfo {
  const { loadTime, ...info } = programInfo(fd);
  return { ...info, loadedAt: new Date(bootTime() + Number(loadTime / 1_000_000n)) };
}

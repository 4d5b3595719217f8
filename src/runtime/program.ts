/** A program in the kernel: attach it, run it on a packet of your own, look at it, pin it. */
import { WirescriptError } from "../errors.ts";
import type { ProgramType } from "../object/spec.ts";
import { type KernelProgramInfo, type ProgramFd, programInfo } from "../sys/bpf.ts";
import { bootTime } from "./boot-time.ts";
import { attachXdpLink, type XdpAttachOptions, type XdpLink } from "./links/xdp-link.ts";
import { attachPersistently, type PersistentAttachment } from "./links/xdp-netlink.ts";
import { pinObject } from "./pin.ts";
import { type LiveRunOptions, type LiveRunResult, liveRun, type RunOptions, type RunResult, testRun } from "./test-run.ts";

export interface ProgramInfo extends Omit<KernelProgramInfo, "loadTime"> {
  /** When it was loaded. */
  loadedAt: Date;
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
   * Runs the program on a packet, without any device (BPF_PROG_TEST_RUN); with `live: true` on packets that go where it sends them. Maps
   * are changed as in a real run.
   *
   * @throws WirescriptError USAGE when the kernel does not run it on this packet: it wants 14 bytes, an Ethernet header, at least; when
   * the context has fields that programs of this type do not see, or names a device that does not exist; when the CPU is offline.
   */
  run(packet: Uint8Array, options?: RunOptions): RunResult;
  run(packet: Uint8Array, options: LiveRunOptions): LiveRunResult;
  run(packet: Uint8Array, options: RunOptions | LiveRunOptions = {}): RunResult | LiveRunResult {
    return "live" in options ? liveRun(this, packet, options) : testRun(this, packet, options);
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

export function describeProgram(fd: ProgramFd): ProgramInfo {
  const { loadTime, ...info } = programInfo(fd);
  return { ...info, loadedAt: new Date(bootTime() + Number(loadTime / 1_000_000n)) };
}

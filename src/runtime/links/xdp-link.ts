/**
 * XDP by bpf_link (Linux 5.9): the attachment belongs to whoever holds the link, and goes when the last holder goes, even by a crash.
 * Other tools see it but cannot remove it by accident. `xdp-netlink.ts` is the other way, for programs that outlive their loader.
 *
 * Everything here is synchronous, so that it also works inside `inNamespace`.
 */
import { unlinkSync } from "node:fs";
import {
  type KernelLinkInfo,
  type LinkFd,
  linkCreateXdp,
  linkDetach,
  linkInfo,
  linkUpdate,
  type ProgramFd,
  XDP_FLAGS,
} from "../../sys/bpf.ts";
import { getLink, type Link } from "../../sys/netlink/index.ts";
import { pinObject } from "../pin.ts";
import { attachedTo } from "./device.ts";
import { deviceBusy, modeRefused, xdpFailure } from "./xdp-failure.ts";
import { removeAttached } from "./xdp-removal.ts";

export interface XdpAttachOptions {
  /** The device's name or index, in the calling thread's network namespace. */
  dev: string | number;
  /** "native": in the driver; "skb": after it, on every device; "auto" (default): native, or else skb. */
  mode?: "native" | "skb" | "auto";
  /** Remove another program that is there. Without it a busy device is an error. */
  force?: boolean;
}

/** A program as far as links need it. */
export interface Attachable {
  readonly name: string;
  readonly fd: ProgramFd;
}

export interface XdpLinkInfo extends KernelLinkInfo {
  dev: string;
  mode: "native" | "skb";
}

const MODE_FLAG = { native: XDP_FLAGS.XDP_FLAGS_DRV_MODE, skb: XDP_FLAGS.XDP_FLAGS_SKB_MODE } as const;

export class XdpLink implements Disposable, AsyncDisposable {
  readonly dev: string;
  readonly ifindex: number;
  /** The mode that it got. */
  readonly mode: "native" | "skb";
  /** Why "auto" came to skb: the driver's refusal of native mode; null when nothing was refused. */
  readonly fallback: string | null;
  readonly #fd: LinkFd;
  #pinnedAt: string | null = null;

  constructor(fd: LinkFd, device: Link, mode: "native" | "skb", fallback: string | null) {
    this.#fd = fd;
    this.dev = device.name;
    this.ifindex = device.ifindex;
    this.mode = mode;
    this.fallback = fallback;
  }

  /** False once it was detached or closed by this object. */
  get attached(): boolean {
    return !this.#fd.closed;
  }

  /** Puts another program in place of the present one; every packet meets one of the two. @throws SyscallError */
  update(program: Attachable): void {
    linkUpdate(this.#fd, program.fd);
  }

  /** What the kernel says; `ifindex` is 0 when the device is gone. */
  info(): XdpLinkInfo {
    return { ...linkInfo(this.#fd), dev: this.dev, mode: this.mode };
  }

  /** Makes the attachment stay after this process, until the file is removed or `detach` is called. @throws WirescriptError */
  pin(path: string): void {
    pinObject(this.#fd, path, `the link on ${this.dev}`);
    this.#pinnedAt = path;
  }

  /** Takes the program off the device, pinned or not. Does nothing the second time. */
  detach(): void {
    if (this.#fd.closed) return;
    try {
      linkDetach(this.#fd);
      if (this.#pinnedAt !== null) unlinkSync(this.#pinnedAt);
    } finally {
      this.#fd.close();
    }
  }

  /** Detaches, unless the link was pinned in order to stay. */
  [Symbol.dispose](): void {
    if (this.#pinnedAt === null) this.detach();
    else this.#fd.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
  }
}

/**
 * Attaches a program and gives the link that holds it.
 *
 * With `force`, a program that was attached by netlink is removed first and put back if attaching fails; one that another link holds
 * has its link detached for good. Packets in between meet no program: the kernel cannot replace either by a link at once.
 *
 * @throws WirescriptError NO_SUCH_DEVICE, DEVICE_BUSY, MODE_UNSUPPORTED, NO_PRIVILEGES.
 */
export function attachXdpLink(program: Attachable, options: XdpAttachOptions): XdpLink {
  const device = getLink(options.dev);
  const present = attachedTo(device);
  if (present.length > 0 && options.force !== true) throw deviceBusy(device, present);
  const removed = present.map((attached) => removeAttached(device, attached));
  try {
    return attach(program, device, options.mode ?? "auto");
  } catch (error) {
    for (const { restore } of removed) restore();
    throw error;
  } finally {
    for (const { release } of removed) release();
  }
}

function attach(program: Attachable, device: Link, mode: "native" | "skb" | "auto"): XdpLink {
  if (mode !== "auto") return attachIn(program, device, mode, null);
  try {
    return new XdpLink(linkCreateXdp(program.fd, device.ifindex, MODE_FLAG.native), device, "native", null);
  } catch (error) {
    if (!modeRefused(error)) throw xdpFailure(error, device, "native", program.name);
    return attachIn(program, device, "skb", error.why ?? `${device.name}'s driver refused native mode: ${error.errnoName}.`);
  }
}

function attachIn(program: Attachable, device: Link, mode: "native" | "skb", fallback: string | null): XdpLink {
  try {
    return new XdpLink(linkCreateXdp(program.fd, device.ifindex, MODE_FLAG[mode]), device, mode, fallback);
  } catch (error) {
    throw xdpFailure(error, device, mode, program.name);
  }
}

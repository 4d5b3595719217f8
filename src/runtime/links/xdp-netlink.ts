/**
 * XDP by netlink, as `ip link set dev … xdp` and `xdp-loader` attach it: the device itself holds the program, which stays when this
 * process ends, and every tool can see, replace and remove it. The command line attaches this way.
 *
 * Everything here is synchronous, so that it also works inside `inNamespace`.
 */
import { WirescriptError } from "../../errors.ts";
import { programById } from "../../sys/bpf.ts";
import { isErrno } from "../../sys/errno.ts";
import { getLink, type Link, setXdp, type XdpMode } from "../../sys/netlink/index.ts";
import type { Attachable } from "./bpf-link.ts";
import { type AttachedProgram, attachedTo } from "./device.ts";
import { describeHolders, describeLettingGo, holdersOfLink } from "./holders.ts";
import { inNetwork, type NetworkNamespace } from "./network-namespace.ts";
import { modeRefused, xdpFailure } from "./xdp-failure.ts";
import { mayReplace, type XdpAttachOptions } from "./xdp-link.ts";
import { removeAttached } from "./xdp-removal.ts";

export interface PersistentAttachment {
  dev: string;
  ifindex: number;
  /** The mode that it got. */
  mode: XdpMode;
  /** Why "auto" came to skb: the driver's refusal of native mode; null when nothing was refused. */
  fallback: string | null;
  /** What was there before and gave way (`force`). */
  replaced: AttachedProgram[];
  /** Whether the replacement was atomic, so that every packet met one of the two programs. True when nothing was replaced. */
  atomic: boolean;
}

/**
 * Attaches a program so that it survives this process; `detachXdp` or any other tool takes it off.
 *
 * With `force` or `replace`, a program that was attached by netlink in the same mode is replaced atomically, and only if it is still the one
 * that was seen; "auto" then keeps that mode. A change of mode, and a program that a bpf_link holds, cannot be replaced at once: it is
 * removed first, and (unless a link held it) put back when attaching fails.
 *
 * @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE, DEVICE_BUSY, MODE_UNSUPPORTED, NO_PRIVILEGES.
 */
export function attachPersistently(program: Attachable, options: XdpAttachOptions): PersistentAttachment {
  return inNetwork(options.netns, () => attachHere(program, options));
}

function attachHere(program: Attachable, options: XdpAttachOptions): PersistentAttachment {
  const device = getLink(options.dev);
  const present = attachedTo(device);
  mayReplace(device, present, options);
  const result = { dev: device.name, ifindex: device.ifindex, replaced: present };
  const wanted = options.mode ?? "auto";

  const [only] = present;
  if (present.length === 1 && only !== undefined && only.linkId === null && (only.mode !== "hw" || wanted === "hw")) {
    if (wanted === "auto" || wanted === only.mode) {
      using old = programById(only.id);
      change(program, device, only.mode, old.number);
      return { ...result, mode: only.mode, fallback: null, atomic: true };
    }
  }
  // A program on the card and one in the host go together.
  const inTheWay = present.filter(({ mode }) => (mode === "hw") === (wanted === "hw"));
  const removed = inTheWay.map((attached) => removeAttached(device, attached));
  try {
    return { ...result, ...attachFresh(program, device, wanted), atomic: removed.length === 0 };
  } catch (error) {
    for (const { restore } of removed) restore();
    throw error;
  } finally {
    for (const { release } of removed) release();
  }
}

function attachFresh(program: Attachable, device: Link, mode: XdpMode | "auto") {
  if (mode !== "auto") {
    change(program, device, mode, null);
    return { mode, fallback: null };
  }
  try {
    setXdp({ ifindex: device.ifindex, fd: program.fd.number, mode: "native", replace: false });
    return { mode: "native" as const, fallback: null };
  } catch (error) {
    if (!modeRefused(error)) throw xdpFailure(error, device, "native", program.name);
    change(program, device, "skb", null);
    const fallback = error.why ?? `${device.name}'s driver refused native mode: ${error.errnoName}.`;
    return { mode: "skb" as const, fallback };
  }
}

/** `old`: descriptor of the program to replace; null when there must be none. */
function change(program: Attachable, device: Link, mode: XdpMode, old: number | null): void {
  const { ifindex } = device;
  const fd = program.fd.number;
  try {
    if (old === null) setXdp({ ifindex, fd, mode, replace: false });
    else setXdp({ ifindex, fd, mode, expectedFd: old });
  } catch (error) {
    throw xdpFailure(error, device, mode, program.name);
  }
}

/**
 * Takes all XDP programs off a device and tells which they were; empty when there was none.
 *
 * @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE; DEVICE_BUSY when a bpf_link holds a program and `force` is not set: its owner still runs.
 */
export function detachXdp(dev: string | number, options: DetachXdpOptions = {}): AttachedProgram[] {
  return inNetwork(options.netns, () => detachHere(dev, options));
}

export interface DetachXdpOptions {
  /** The network namespace that the device is in. Default: the calling thread's. */
  netns?: NetworkNamespace;
  /** Also what a bpf_link holds. */
  force?: boolean;
  /** Only what is attached in this mode. */
  mode?: XdpMode;
}

function detachHere(dev: string | number, options: DetachXdpOptions): AttachedProgram[] {
  const device = getLink(dev);
  const present = attachedTo(device).filter(({ mode }) => options.mode === undefined || mode === options.mode);
  const held = present.find(({ linkId }) => linkId !== null);
  if (held !== undefined && held.linkId !== null && options.force !== true) {
    const holders = holdersOfLink(held.linkId);
    throw new WirescriptError({
      code: "DEVICE_BUSY",
      what: `The program "${held.name}" (id ${held.id}) was not taken off ${device.name}.`,
      why: `It is on bpf_link ${held.linkId}, ${describeHolders(holders)}.`,
      fix: `${describeLettingGo(holders, device.name)}, or detach its link: { force: true }, --force.`,
    });
  }
  for (const attached of present) {
    try {
      removeAttached(device, attached).release();
    } catch (error) {
      // Gone between looking and removing: then it is what was asked for.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
  return present;
}

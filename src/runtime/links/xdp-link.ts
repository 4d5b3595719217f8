/**
 * XDP by bpf_link (Linux 5.9): the attachment belongs to whoever holds the link, and goes when the last holder goes, even by a crash.
 * Other tools see it but cannot remove it by accident. `xdp-netlink.ts` is the other way, for programs that outlive their loader.
 *
 * Everything here is synchronous, so that it also works inside `inNamespace`.
 */
import { type KernelLinkInfo, type LinkFd, linkCreateXdp, programInfo, XDP_FLAGS } from "../../sys/bpf.ts";
import { getLink, type Link, setXdp, type XdpMode } from "../../sys/netlink/index.ts";
import { type Attachable, BpfLink } from "./bpf-link.ts";
import { attachedTo } from "./device.ts";
import { inNetwork, type NetworkNamespace } from "./network-namespace.ts";
import { deviceBusy, modeRefused, notTheExpected, xdpFailure } from "./xdp-failure.ts";
import { removeAttached } from "./xdp-removal.ts";

export interface XdpAttachOptions {
  /** The device's name or index. */
  dev: string | number;
  /** The network namespace that the device is in. Default: the calling thread's. */
  netns?: NetworkNamespace;
  /**
   * "native": in the driver; "skb": after it, on every device; "hw": on the card, for programs loaded for it; "auto" (default): native, or
   * else skb.
   */
  mode?: XdpMode | "auto";
  /** Remove another program that is there. Without it a busy device is an error. */
  force?: boolean;
  /** Take the place of the program with this id, and of no other: if another one is there, or none, it is an error. */
  replace?: number;
}

export interface XdpLinkInfo extends KernelLinkInfo {
  dev: string;
  mode: XdpMode;
}

const MODE_FLAG = {
  native: XDP_FLAGS.XDP_FLAGS_DRV_MODE,
  skb: XDP_FLAGS.XDP_FLAGS_SKB_MODE,
  hw: XDP_FLAGS.XDP_FLAGS_HW_MODE,
} as const;

export class XdpLink extends BpfLink {
  /** The mode that it got. */
  readonly mode: XdpMode;
  /** Why "auto" came to skb: the driver's refusal of native mode; null when nothing was refused. */
  readonly fallback: string | null;

  constructor(parts: {
    fd: LinkFd;
    device: Link;
    mode: XdpMode;
    fallback: string | null;
    programId: number;
    adopted?: boolean;
  }) {
    const { name: dev, ifindex } = parts.device;
    super({ ...parts, dev, ifindex });
    this.mode = parts.mode;
    this.fallback = parts.fallback;
  }

  /** What the kernel says; `ifindex` is 0 when the device is gone. */
  override info(): XdpLinkInfo {
    return { ...super.info(), dev: this.dev, mode: this.mode };
  }
}

/**
 * Attaches a program and gives the link that holds it.
 *
 * With `force` or `replace`, a program that was attached by netlink is removed first and put back if attaching fails; one that another link
 * holds has its link detached for good. Packets in between meet no program: the kernel cannot replace either by a link at once. (A link's
 * own program is exchanged without a gap by its `update`.)
 *
 * @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE, DEVICE_BUSY, MODE_UNSUPPORTED, NO_PRIVILEGES.
 */
export function attachXdpLink(program: Attachable, options: XdpAttachOptions): XdpLink {
  return inNetwork(options.netns, () => {
    const device = getLink(options.dev);
    const present = attachedTo(device);
    mayReplace(device, present, options);
    const removed = present.map((attached) => removeAttached(device, attached));
    try {
      return attach(program, device, options.mode ?? "auto");
    } catch (error) {
      for (const { restore } of removed) restore();
      throw error;
    } finally {
      for (const { release } of removed) release();
    }
  });
}

/** @throws WirescriptError DEVICE_BUSY unless the options allow to replace what is there. */
export function mayReplace(device: Link, present: ReturnType<typeof attachedTo>, { force, replace }: XdpAttachOptions): void {
  if (replace === undefined) {
    if (present.length > 0 && force !== true) throw deviceBusy(device, present);
    return;
  }
  if (present.length === 1 && present[0]?.id === replace) return;
  throw notTheExpected(device, present, replace);
}

function attach(program: Attachable, device: Link, mode: XdpMode | "auto"): XdpLink {
  if (mode !== "auto") return attachIn(program, device, mode, null);
  try {
    return create(program, device, "native", null);
  } catch (refusal) {
    const error = explained(refusal, program, device, "native");
    if (!modeRefused(error)) throw xdpFailure(error, device, "native", program.name);
    return attachIn(program, device, "skb", error.why ?? `${device.name}'s driver refused native mode: ${error.errnoName}.`);
  }
}

function attachIn(program: Attachable, device: Link, mode: XdpMode, fallback: string | null): XdpLink {
  try {
    return create(program, device, mode, fallback);
  } catch (error) {
    throw xdpFailure(explained(error, program, device, mode), device, mode, program.name);
  }
}

/**
 * The driver's reason. A link that is refused comes without it, while netlink passes it on; so the driver is asked again that way. Should it agree
 * now, the program is taken off at once, and the first refusal stands.
 */
function explained(error: unknown, program: Attachable, { ifindex }: Link, mode: XdpMode): unknown {
  if (!modeRefused(error) || error.why !== undefined) return error;
  const { number: fd } = program.fd;
  try {
    setXdp({ ifindex, fd, mode, replace: false });
  } catch (again) {
    return again;
  }
  setXdp({ ifindex, fd: -1, mode, expectedFd: fd });
  return error;
}

function create(program: Attachable, device: Link, mode: XdpMode, fallback: string | null): XdpLink {
  const programId = programInfo(program.fd).id;
  const fd = linkCreateXdp(program.fd, device.ifindex, MODE_FLAG[mode]);
  return new XdpLink({ fd, device, mode, fallback, programId });
}

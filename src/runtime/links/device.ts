/** What XDP programs a device has, and by which links they are held there. */
import { BPF, ids, linkById, linkInfo, programById, programInfo, unlessGone } from "../../sys/bpf.ts";
import { getLink, type Link, type XdpMode } from "../../sys/netlink/index.ts";
import { inNetwork, type NetworkNamespace } from "./network-namespace.ts";

export interface AttachedProgram {
  /** The program's id. */
  id: number;
  /** The program's name in the kernel, at most 15 bytes. */
  name: string;
  /** Hash of its instructions, 16 hex digits. */
  tag: string;
  mode: XdpMode;
  /** The bpf_link that holds it; null when it was attached by netlink, as `ip` does. */
  linkId: number | null;
}

/**
 * The XDP programs on a device: none, one, or one in each of several modes. `openProgram` opens one of them, `adoptLink` its link.
 *
 * @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE.
 */
export function attachedXdp(device: string | number, options: { netns?: NetworkNamespace } = {}): AttachedProgram[] {
  return attachedTo(inNetwork(options.netns, () => getLink(device)));
}

export function attachedTo(link: Link): AttachedProgram[] {
  return link.xdp.flatMap(({ mode, programId }) => {
    const fd = unlessGone(() => programById(programId));
    if (fd === null) return [];
    using program = fd;
    const { name, tag } = programInfo(program);
    return [{ id: programId, name, tag, mode, linkId: holdingLink(link.ifindex, programId) }];
  });
}

/**
 * The bpf_link that holds the program on the device. The kernel tells a link's ifindex but not its network namespace, so two links
 * that hold one program on devices with the same index in two namespaces cannot be told apart; then the first is given.
 */
function holdingLink(ifindex: number, programId: number): number | null {
  return linksThatMayHold(ifindex, programId)[0] ?? null;
}

/** All links that may be the one which holds the program on the device with that index. */
export function linksThatMayHold(ifindex: number, programId: number): number[] {
  return [...ids("LINK")].filter((id) => {
    const fd = unlessGone(() => linkById(id));
    if (fd === null) return false;
    using link = fd;
    const info = linkInfo(link);
    return info.type === BPF.BPF_LINK_TYPE_XDP && info.ifindex === ifindex && info.programId === programId;
  });
}

/** What XDP program a device has, and by whom it is held there. */
import { BPF, ids, linkById, linkInfo, type ProgramFd, programById, programInfo, unlessGone } from "../../sys/bpf.ts";
import { getLink, type Link, type XdpMode } from "../../sys/netlink/index.ts";

export interface AttachedProgram {
  /** The program's id. */
  id: number;
  /** The program's name in the kernel, at most 15 bytes. */
  name: string;
  mode: XdpMode;
  /** The bpf_link that holds it; null when it was attached by netlink, as `ip` does. */
  linkId: number | null;
}

/**
 * The XDP programs on a device: none, one, or one in each of several modes.
 *
 * @throws WirescriptError NO_SUCH_DEVICE.
 */
export function attachedXdp(device: string | number): AttachedProgram[] {
  return attachedTo(getLink(device));
}

export function attachedTo(link: Link): AttachedProgram[] {
  return link.xdp.flatMap(({ mode, programId }) => {
    const fd: ProgramFd | null = unlessGone(() => programById(programId));
    if (fd === null) return [];
    using program = fd;
    return [{ id: programId, name: programInfo(program).name, mode, linkId: holdingLink(link.ifindex, programId) }];
  });
}

/**
 * The bpf_link that holds the program on the device. The kernel tells a link's ifindex but not its network namespace, so two links
 * that hold one program on devices with the same index in two namespaces cannot be told apart; then the first is given.
 */
function holdingLink(ifindex: number, programId: number): number | null {
  for (const id of ids("LINK")) {
    const fd = unlessGone(() => linkById(id));
    if (fd === null) continue;
    using link = fd;
    const info = linkInfo(link);
    if (info.type === BPF.BPF_LINK_TYPE_XDP && info.ifindex === ifindex && info.programId === programId) return id;
  }
  return null;
}

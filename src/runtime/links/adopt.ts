/**
 * Taking over links that somebody else made: by id, while their holder still runs, or by pin. From then on this object holds the link too, so the
 * attachment stays when the other holder goes.
 */

import { WirescriptError } from "../../errors.ts";
import { BPF, directionOfTcx, type LinkFd, linkById, linkInfo, TCX } from "../../sys/bpf.ts";
import { isErrno } from "../../sys/errno.ts";
import { findLink } from "../../sys/netlink/index.ts";
import { checkId } from "../arguments.ts";
import { openPin } from "../open-pin.ts";
import { denied } from "../privileges.ts";
import { inNetwork, type NetworkNamespace } from "./network-namespace.ts";
import { TcxLink } from "./tcx-link.ts";
import { XdpLink } from "./xdp-link.ts";

export interface AdoptOptions {
  /** The network namespace that the link's device is in. Default: the calling thread's. */
  netns?: NetworkNamespace;
}

/**
 * The link with that id. Disposing of it ends this object's hold only; `detach` takes the program off the device whoever holds the link.
 *
 * @throws WirescriptError NOTHING_ATTACHED when there is no such link, or its device is gone; NO_SUCH_DEVICE when its device is not in this network
 * namespace; USAGE for a link of another type, and for what can be no id; NO_PRIVILEGES.
 */
export function adoptLink(id: number, options: AdoptOptions = {}): XdpLink | TcxLink {
  checkId("link", id);
  try {
    return adopt(linkById(id), `bpf_link ${id}`, options);
  } catch (error) {
    if (isErrno(error, "EPERM")) throw denied(`The kernel does not let this process open bpf_link ${id}.`, error);
    if (!isErrno(error, "ENOENT")) throw error;
    throw new WirescriptError({
      code: "NOTHING_ATTACHED",
      what: `There is no bpf_link ${id}.`,
      why: "Its last holder went, or it was never there: ids are not used again.",
      fix: "List what there is: listBpfLinks(), wirescript links",
      cause: error,
    });
  }
}

/** As `adoptLink`, by the path of a pin. @throws WirescriptError NOTHING_ATTACHED when there is no link at that path, and as `adoptLink`. */
export function openPinnedLink(path: string, options: AdoptOptions = {}): XdpLink | TcxLink {
  return adopt(openPin(path, "link"), `the link at ${path}`, options);
}

function adopt(fd: LinkFd, what: string, { netns }: AdoptOptions): XdpLink | TcxLink {
  try {
    const { type, programId, ifindex, attachType } = linkInfo(fd);
    if (type !== BPF.BPF_LINK_TYPE_XDP && type !== TCX.BPF_LINK_TYPE_TCX) throw ofAnotherType(what, type);
    if (ifindex === null || ifindex === 0) throw deviceGone(what);
    const device = inNetwork(netns, () => findLink(ifindex));
    if (type === TCX.BPF_LINK_TYPE_TCX) {
      if (device === null) throw elsewhere(what, ifindex);
      return new TcxLink({ fd, device, direction: directionOfTcx(attachType ?? 0), programId, adopted: true });
    }
    const attachment = device?.xdp.find((each) => each.programId === programId);
    if (device === null || attachment === undefined) throw elsewhere(what, ifindex);
    return new XdpLink({ fd, device, mode: attachment.mode, fallback: null, programId, adopted: true });
  } catch (error) {
    fd.close();
    throw error;
  }
}

function ofAnotherType(what: string, type: number): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `${capital(what)} holds no packet program on a device.`,
    why: `Its type has the number ${type} in the kernel; Wirescript knows those of XDP and TCX.`,
    fix: "See which link it is: listBpfLinks(), wirescript links",
  });
}

function deviceGone(what: string): WirescriptError {
  return new WirescriptError({
    code: "NOTHING_ATTACHED",
    what: `${capital(what)} holds its program nowhere any more.`,
    why: "Its device was removed, or it was detached by force; it only waits for its last holder to go.",
    fix: "Attach the program anew, and remove the link's pin if it has one: unpin(path), wirescript unpin PATH",
  });
}

function elsewhere(what: string, ifindex: number): WirescriptError {
  return new WirescriptError({
    code: "NO_SUCH_DEVICE",
    what: `The device of ${what}, number ${ifindex}, is not in this network namespace.`,
    why: "The kernel tells a link's device by its number, which counts within a network namespace.",
    fix: "Say which namespace it is, by its name, a process's id, or a path: { netns }, --netns.",
  });
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

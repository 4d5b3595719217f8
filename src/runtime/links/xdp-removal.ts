/** Taking a program off a device in a way that never hits another program, and putting it back when what follows fails. */
import { WirescriptError } from "../../errors.ts";
import { linkById, linkDetach, programById } from "../../sys/bpf.ts";
import { type Link, setXdp } from "../../sys/netlink/index.ts";
import { type AttachedProgram, linksThatMayHold } from "./device.ts";
import { xdpFailure } from "./xdp-failure.ts";

export interface Removal {
  /** Attaches it again. A program that a bpf_link held stays off: a detached link cannot be revived. */
  restore(): void;
  /** Lets go of the program for good. */
  release(): void;
}

/** @throws WirescriptError DEVICE_BUSY when the device has another program by now, NO_PRIVILEGES. */
export function removeAttached(device: Link, attached: AttachedProgram): Removal {
  const { ifindex } = device;
  if (attached.linkId !== null) {
    const candidates = linksThatMayHold(ifindex, attached.id);
    if (candidates.length > 1) throw ambiguous(device, attached, candidates);
    using link = linkById(attached.linkId);
    linkDetach(link);
    return { restore: () => {}, release: () => {} };
  }
  const program = programById(attached.id);
  try {
    setXdp({ ifindex, fd: -1, mode: attached.mode, expectedFd: program.number });
  } catch (error) {
    program.close();
    throw xdpFailure(error, device, attached.mode, attached.name);
  }
  return {
    restore: () => setXdp({ ifindex, fd: program.number, mode: attached.mode, replace: false }),
    release: () => program.close(),
  };
}

/** Detaching the wrong one would take a program off somebody else's device. */
function ambiguous(device: Link, { name, id }: AttachedProgram, links: readonly number[]): WirescriptError {
  return new WirescriptError({
    code: "DEVICE_BUSY",
    what: `The program "${name}" (id ${id}) was not taken off ${device.name}.`,
    why: `One of the bpf_links ${links.join(", ")} holds it there; the others hold it on devices with the same number in other network namespaces, and the kernel does not tell which is which.`,
    fix: "End the process that holds it here, or remove its pin.",
  });
}

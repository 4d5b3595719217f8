/**
 * What makes native XDP_TX work on a lab. Linux (up to 6.18, the newest that was tried) puts the frames that a program sends back
 * with XDP_TX into the queue of the veth's other end, but wakes that end only when it has an XDP program itself; until then they
 * wait, and are lost. GRO is enough for XDP_REDIRECT, not for this. So the end inside needs a program, and the shortest one will do.
 */
import { WirescriptError } from "../errors.ts";
import { programLoad } from "../sys/bpf-programs.ts";
import { SyscallError } from "../sys/errno.ts";
import { Fd } from "../sys/fd.ts";
import { inNamespace } from "../sys/namespaces.ts";
import { findLink, getLink } from "../sys/netlink/link.ts";
import { setXdp } from "../sys/netlink/xdp.ts";
import { INSIDE_DEVICE } from "./plan.ts";
import type { Lab } from "./setup.ts";

const BPF_PROG_TYPE_XDP = 6;
const BPF_XDP = 37;
const PLACEHOLDER = "xdp_pass";
/** `r0 = 2 (XDP_PASS); exit` */
const PASS = Uint8Array.of(0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

/**
 * Gives the device inside a program that passes every packet, in native mode, unless it has one. It goes when the lab goes, can be
 * replaced like any other, and is called "xdp_pass" where programs are listed.
 *
 * @returns whether it was attached; false: there was one.
 * @throws WirescriptError KERNEL
 */
export function wakePeer(lab: Lab): boolean {
  return inNamespace(lab.name, () => wakeDevice(INSIDE_DEVICE));
}

/** As `wakePeer`, for a device in the calling thread's network namespace. */
export function wakeDevice(device: string): boolean {
  const { ifindex, xdp } = getLink(device);
  if (xdp.length > 0) return false;
  using program = loadPass();
  setXdp({ ifindex, fd: program.number, mode: "native", replace: false });
  return true;
}

/** Takes the program of `wakeDevice` away again; the device is in the calling thread's network namespace. */
export function freeDevice(device: string): void {
  setXdp({ ifindex: getLink(device).ifindex, fd: -1, mode: "native" });
}

/** Whether it is the program that `wakePeer` attaches, which anybody may replace. */
export function isPlaceholder({ name, xlatedBytes }: { name: string; xlatedBytes: number }): boolean {
  return name === PLACEHOLDER && xlatedBytes === PASS.length;
}

/** Whether a program on the lab's device may lose what it sends back, because the device inside has none. */
export function needsWaking(lab: Lab): boolean {
  const outside = findLink(lab.name);
  if (outside === null || !outside.xdp.some(({ mode }) => mode === "native")) return false;
  return inNamespace(lab.name, () => findLink(INSIDE_DEVICE)?.xdp.length === 0);
}

function loadPass(): Fd<"program"> {
  const program = programLoad({
    name: PLACEHOLDER,
    type: BPF_PROG_TYPE_XDP,
    expectedAttachType: BPF_XDP,
    flags: 0,
    license: "Dual MIT/GPL",
    instructions: PASS,
  });
  if (program instanceof Fd) return program;
  throw new WirescriptError({
    code: "KERNEL",
    what: "A device could not be given a program that passes all packets.",
    why: program.log === "" ? "The kernel refused to load it." : program.log,
    fix: "Check that this kernel has BPF, and that nothing forbids bpf(2).",
    cause: new SyscallError("bpf", program.errno, "PROG_LOAD xdp_pass"),
  });
}

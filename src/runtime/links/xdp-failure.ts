/** Why a program could not be attached to a device. */
import { WirescriptError } from "../../errors.ts";
import { isErrno, type SyscallError } from "../../sys/errno.ts";
import { findLink, type Link, noSuchDevice, type XdpMode } from "../../sys/netlink/index.ts";
import { denied } from "../privileges.ts";
import { type AttachedProgram, attachedTo } from "./device.ts";
import { describeHolders, describeLettingGo, holdersOfLink } from "./holders.ts";
import { dispatchedBy, isDispatcher } from "./libxdp.ts";

/** Does the failure say that this mode does not work here, so that another one may? */
export function modeRefused(error: unknown): error is SyscallError {
  return isErrno(error, "EOPNOTSUPP", "ENOTSUPP", "EINVAL", "ERANGE", "E2BIG", "ENOMEM");
}

/** Looks at the device again where that tells more, so it belongs where the device is: into the network namespace. */
export function xdpFailure(error: unknown, device: Link, mode: XdpMode, program: string): unknown {
  if (isErrno(error, "ENODEV")) return noSuchDevice(device.name, error);
  if (isErrno(error, "EPERM", "EACCES"))
    return denied(`The program "${program}" may not be attached to ${device.name}.`, error);
  if (isErrno(error, "EBUSY", "EEXIST")) return overtaken(error, device);
  if (modeRefused(error)) {
    const { errnoName } = error;
    const lacks = isErrno(error, "EOPNOTSUPP", "ENOTSUPP");
    return new WirescriptError({
      code: "MODE_UNSUPPORTED",
      what: `${device.name} does not take the program "${program}" in ${mode} mode.`,
      why: `${lacks ? `The driver${device.kind === null ? "" : ` (${device.kind})`} has no ${mode} XDP.` : `The driver refused (${errnoName}).`}${error.why === undefined ? "" : ` ${error.why}`}`,
      fix: fixFor(mode, device, lacks),
      cause: error,
    });
  }
  return error;
}

function fixFor(mode: XdpMode, { mtu }: Link, lacks: boolean): string {
  if (mode === "hw")
    return 'Use mode "native": only a card that runs eBPF itself takes programs, and only such as were loaded for it: load(source, { device, offload: true }).';
  if (mode === "skb") return "Check the device's settings: MTU, offloads, an upper device with a program of its own.";
  const settings = `, or change the device's settings (its MTU is ${mtu}; many drivers want 3498 or less, or a program with frags: true)`;
  return `Use mode "skb" or "auto"${lacks ? "" : settings}.`;
}

/** Somebody else was quicker, or the kernel minds something that could not be seen. */
function overtaken(error: SyscallError, device: Link): WirescriptError {
  const now = findLink(device.ifindex);
  if (now === null) return noSuchDevice(device.name, error);
  const present = attachedTo(now);
  if (present.length > 0) return deviceBusy(now, present, error);
  return new WirescriptError({
    code: "DEVICE_BUSY",
    what: `${device.name} got another XDP program at the same moment, or lost the one that was to be replaced.`,
    why: error.why ?? "Somebody else changed it between looking and attaching.",
    fix: "Look what is there now (attachedXdp, wirescript status), then try again.",
    cause: error,
  });
}

/** Says whose the program is that a device has, and what can be done. `present` is not empty. */
export function deviceBusy(device: Link, present: readonly AttachedProgram[], cause?: unknown): WirescriptError {
  return new WirescriptError({
    code: "DEVICE_BUSY",
    what: `${device.name} already has the XDP program ${present.map((each) => describeAttached(each)).join(" and ")}.`,
    ...remedy(device, present),
    cause,
  });
}

/** `"echo" (id 12, tag 5b0…, native mode, held by bpf_link 3: held by process 42 (node))` */
export function describeAttached({ name, id, tag, mode, linkId }: AttachedProgram): string {
  const holder = linkId === null ? "" : `, bpf_link ${linkId} ${describeHolders(holdersOfLink(linkId))}`;
  return `"${name}" (id ${id}, tag ${tag}, ${mode} mode${holder})`;
}

function remedy(device: Link, present: readonly AttachedProgram[]): { why: string; fix: string } {
  const dispatcher = present.find(isDispatcher);
  if (dispatcher !== undefined) return dispatcherRemedy(device, dispatcher);
  const unload = `wirescript unload ${device.name}`;
  const held = present.find(({ linkId }) => linkId !== null);
  if (held !== undefined && held.linkId !== null) {
    const letGo = describeLettingGo(holdersOfLink(held.linkId), device.name);
    return {
      why: "A device runs one XDP program, and this one belongs to whoever holds its link.",
      fix: `${letGo}, or take its program off by force: detachXdp("${device.name}", { force: true }), ${unload} --force`,
    };
  }
  return {
    why: "A device runs one XDP program, and this one is not replaced unless you say so.",
    fix: `Detach it first (detachXdp, ${unload}), or replace it: { force: true }, --force.`,
  };
}

function dispatcherRemedy(device: Link, dispatcher: AttachedProgram): { why: string; fix: string } {
  const parts = dispatchedBy(dispatcher, device.ifindex).map(({ name, id }) => `"${name}" (id ${id})`);
  const calls =
    parts.length === 0 ? "its programs are not pinned where this process can see them" : `it runs ${parts.join(", then ")}`;
  return {
    why: `It is libxdp's dispatcher, which runs several programs on one device: ${calls}.`,
    fix: `Let xdp-loader run yours beside them (wirescript build FILE -o program.o, then xdp-loader load ${device.name} program.o), take all of them off (xdp-loader unload ${device.name} --all), or replace them: { force: true }, --force.`,
  };
}

/** The program that was to be replaced is not the one that is there. */
export function notTheExpected(device: Link, present: readonly AttachedProgram[], expected: number): WirescriptError {
  return new WirescriptError({
    code: "DEVICE_BUSY",
    what: `The program ${expected}, which was to be replaced, is not on ${device.name}.`,
    why:
      present.length === 0
        ? "There is no XDP program on it."
        : `It has ${present.map((each) => describeAttached(each)).join(" and ")}, put there by somebody else or at another time.`,
    fix: "Look what is there now (attachedXdp, wirescript status), and decide anew.",
  });
}

/** Why a program could not be attached to a device. */
import { WirescriptError } from "../../errors.ts";
import { isErrno, type SyscallError } from "../../sys/errno.ts";
import { type Link, noSuchDevice, type XdpMode } from "../../sys/netlink/index.ts";
import { denied } from "../privileges.ts";
import type { AttachedProgram } from "./device.ts";

/** Does the failure say that this mode does not work here, so that another one may? */
export function modeRefused(error: unknown): error is SyscallError {
  return isErrno(error, "EOPNOTSUPP", "ENOTSUPP", "EINVAL", "ERANGE", "E2BIG", "ENOMEM");
}

export function xdpFailure(error: unknown, device: Link, mode: XdpMode, program: string): unknown {
  if (isErrno(error, "ENODEV")) return noSuchDevice(device.name, error);
  if (isErrno(error, "EPERM", "EACCES"))
    return denied(`The program "${program}" may not be attached to ${device.name}.`, error);
  if (isErrno(error, "EBUSY", "EEXIST")) {
    return new WirescriptError({
      code: "DEVICE_BUSY",
      what: `${device.name} got another XDP program at the same moment.`,
      why: error.why ?? "Somebody else attached or replaced one between looking and attaching.",
      fix: "Look what is there now (wirescript status), then try again.",
      cause: error,
    });
  }
  if (modeRefused(error)) {
    const { errnoName } = error;
    const lacks = isErrno(error, "EOPNOTSUPP", "ENOTSUPP");
    return new WirescriptError({
      code: "MODE_UNSUPPORTED",
      what: `${device.name} does not take the program "${program}" in ${mode} mode.`,
      why: `${lacks ? `The driver${device.kind === null ? "" : ` (${device.kind})`} has no ${mode} XDP.` : `The driver refused (${errnoName}).`}${error.why === undefined ? "" : ` ${error.why}`}`,
      fix:
        mode === "native"
          ? `Use mode "skb" or "auto"${lacks ? "" : `, or change the device's settings (its MTU is ${device.mtu}; many drivers want 3498 or less, or a program with frags: true)`}.`
          : "Check the device's settings: MTU, offloads, an upper device with a program of its own.",
      cause: error,
    });
  }
  return error;
}

export function deviceBusy(device: Link, [first]: readonly AttachedProgram[]): WirescriptError {
  const holder = first?.linkId == null ? "" : `, held by bpf_link ${first.linkId}`;
  return new WirescriptError({
    code: "DEVICE_BUSY",
    what: `${device.name} already has the XDP program "${first?.name}" (id ${first?.id}, ${first?.mode} mode${holder}).`,
    why: "A device runs one XDP program, and this one is not replaced unless you say so.",
    fix: `Detach it first (wirescript unload ${device.name}), or replace it with force (--force).`,
  });
}

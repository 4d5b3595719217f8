/** Why a TC program could not be attached to a device. */
import { WirescriptError } from "../../errors.ts";
import type { Direction } from "../../sys/bpf.ts";
import { isErrno } from "../../sys/errno.ts";
import { type Link, noSuchDevice } from "../../sys/netlink/index.ts";
import { denied } from "../privileges.ts";
import { attachedTcTo } from "./tc-attached.ts";

export function tcFailure(error: unknown, device: Link, direction: Direction, program: string): unknown {
  const refused = (code: "DEVICE_BUSY" | "USAGE" | "UNSUPPORTED_SYSTEM", why: string, fix: string) =>
    new WirescriptError({
      code,
      what: `The program "${program}" was not attached to the ${direction} of ${device.name}.`,
      why,
      fix,
      cause: error,
    });
  if (isErrno(error, "ENODEV")) return noSuchDevice(device.name, error);
  if (isErrno(error, "EPERM", "EACCES"))
    return denied(`The program "${program}" may not be attached to ${device.name}.`, error);
  if (isErrno(error, "EEXIST")) {
    return refused(
      "DEVICE_BUSY",
      `It is in that list already: ${listed(device, direction)}.`,
      "A program stands in a list once. Detach it first, or update the link that holds it.",
    );
  }
  if (isErrno(error, "ERANGE")) {
    return refused(
      "DEVICE_BUSY",
      "The list is full: the kernel takes 63 programs.",
      "Detach others first, or put programs together with chain().",
    );
  }
  if (isErrno(error, "ENOENT", "EBADF")) {
    return refused(
      "USAGE",
      `What it was to stand next to is not in the list: ${listed(device, direction)}.`,
      "Name a program or link of the same device and direction.",
    );
  }
  if (isErrno(error, "ESTALE")) {
    return refused(
      "DEVICE_BUSY",
      `Somebody changed the list since its revision was asked for; it now is ${listed(device, direction)}.`,
      "Look at it again, and decide anew.",
    );
  }
  if (isErrno(error, "EOPNOTSUPP", "ENOTSUPP") || (isErrno(error, "EINVAL") && error.call === "rtnetlink")) {
    return refused(
      "UNSUPPORTED_SYSTEM",
      `The kernel refused (${error.errnoName}).${error.why === undefined ? "" : ` ${error.why}`}`,
      "Check that it has CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF, and that the priority does not belong to filters of another kind: tc filter show.",
    );
  }
  return error;
}

export function noTcx(program: string): WirescriptError {
  return new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: `The program "${program}" cannot be attached by TCX.`,
    why: "This kernel has no TCX, which came with Linux 6.6.",
    fix: 'Leave out `via`, or say via: "clsact".',
  });
}

function listed(device: Link, direction: Direction): string {
  const programs = attachedTcTo(device.ifindex, direction).filter(({ via }) => via === "tcx");
  return programs.length === 0 ? "nothing" : programs.map(({ name, id }) => `"${name}" (id ${id})`).join(", ");
}

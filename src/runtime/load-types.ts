/**
 * The object's types into the kernel: as they are, and where a kernel does not know all their kinds, as older kernels have
 * them.
 */
import { WirescriptError } from "../errors.ts";
import { type EncodedBtf, encodeBtf } from "../object/btf/encode.ts";
import { lineStrings } from "../object/btf/ext.ts";
import { forOlderKernels } from "../object/btf/older-kernels.ts";
import type { Btf } from "../object/btf/types.ts";
import type { ProgramSpec } from "../object/spec.ts";
import { type BtfFd, btfLoad, Fd } from "../sys/bpf.ts";
import { errnoName, LIMITS, SyscallError } from "../sys/errno.ts";
import { denied } from "./privileges.ts";

export interface LoadedTypes {
  fd: BtfFd;
  encoded: EncodedBtf;
}

/** Null for an object without types. @throws WirescriptError NO_PRIVILEGES, KERNEL with the kernel's reason. */
export function loadTypes(btf: Btf | null, programs: readonly ProgramSpec[]): LoadedTypes | null {
  if (btf === null) return null;
  const strings = programs.flatMap(({ functions }) => [...lineStrings(functions)]);
  const encoded = encodeBtf(btf, strings);
  const fd = btfLoad(encoded.bytes);
  if (fd instanceof Fd) return { fd, encoded };
  const name = errnoName(fd.errno);
  if (name === "EPERM") throw denied("The kernel does not let this process load types (BTF).");
  const limit = LIMITS[name];
  if (limit !== undefined) {
    const cause = new SyscallError("bpf", fd.errno, "BPF_BTF_LOAD");
    throw new WirescriptError({
      code: "KERNEL",
      what: `The kernel did not take the object's types (BTF): ${name}.`,
      ...limit,
      cause,
    });
  }
  const older = encodeBtf(forOlderKernels(btf), strings);
  const second = btfLoad(older.bytes);
  if (second instanceof Fd) return { fd: second, encoded: older };
  throw new WirescriptError({
    code: "KERNEL",
    what: `The kernel refused the object's types (BTF): ${name}.`,
    why: fd.log.trimEnd().split("\n").at(-1) || "It gave no reason.",
    fix: "If Wirescript compiled the object, please report this. Otherwise the object was built for a newer kernel.",
    cause: new SyscallError("bpf", fd.errno, "BPF_BTF_LOAD"),
  });
}

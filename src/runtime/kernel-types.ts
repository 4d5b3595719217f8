/** The running kernel's own types, read when somebody asks for them, and kept as long as memory is not needed otherwise. */
import { readFileSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { KernelTypes } from "../object/btf/kernel-types.ts";

const PATH = "/sys/kernel/btf/vmlinux";

let known: WeakRef<KernelTypes> | undefined;

/**
 * Linux 5.4, built with CONFIG_DEBUG_INFO_BTF. `purpose`: what they are wanted for, as a sentence without its full stop.
 *
 * @throws WirescriptError UNSUPPORTED_SYSTEM when the kernel has none.
 */
export function kernelTypes(purpose = "The object adapts itself to them"): KernelTypes {
  let types = known?.deref();
  if (types === undefined) {
    types = new KernelTypes(read(purpose), PATH);
    known = new WeakRef(types);
  }
  return types;
}

function read(purpose: string): Uint8Array {
  try {
    return readFileSync(PATH);
  } catch (cause) {
    throw new WirescriptError({
      code: "UNSUPPORTED_SYSTEM",
      what: "The running kernel does not tell its types.",
      why: `${purpose}, and ${PATH} cannot be read: ${(cause as Error).message}.`,
      fix: "Use a kernel that was built with CONFIG_DEBUG_INFO_BTF=y (those of all distributions since 2021 are), and mount sysfs.",
      cause,
    });
  }
}

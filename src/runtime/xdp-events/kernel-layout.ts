/** Where the running kernel has what is read of its devices, programs and namespaces, by its own types. */
import { WirescriptError } from "../../errors.ts";
import type { KernelTypes } from "../../object/btf/kernel-types.ts";
import { underlying } from "../../object/btf/layout.ts";

/** Offsets in bytes. */
export type KernelLayout = ReturnType<typeof kernelLayout>;

/** @throws WirescriptError UNSUPPORTED_SYSTEM when the kernel is built otherwise. */
export function kernelLayout(types: KernelTypes) {
  return {
    device: {
      name: offsetOf(types, "net_device", "name"),
      ifindex: offsetOf(types, "net_device", "ifindex"),
      net: offsetOf(types, "net_device", "nd_net", "net"),
    },
    net: { inum: offsetOf(types, "net", "ns", "inum") },
    program: { aux: offsetOf(types, "bpf_prog", "aux") },
    programAux: { id: offsetOf(types, "bpf_prog_aux", "id") },
    /** An entry of a device map. */
    devmapEntry: { dev: offsetOf(types, "bpf_dtab_netdev", "dev") },
    cpumapStats: {
      redirect: offsetOf(types, "xdp_cpumap_stats", "redirect"),
      pass: offsetOf(types, "xdp_cpumap_stats", "pass"),
      drop: offsetOf(types, "xdp_cpumap_stats", "drop"),
    },
  };
}

function offsetOf(types: KernelTypes, struct: string, ...path: readonly string[]): number {
  let type = types
    .named(struct)
    .map((id) => types.type(id))
    .find((each) => each?.kind === "struct");
  let bits = 0;
  for (const name of path) {
    const member =
      type?.kind === "struct" || type?.kind === "union" ? type.members.find((each) => each.name === name) : undefined;
    if (member === undefined) throw unknownMember(`${struct}.${path.join(".")}`);
    bits += member.bitOffset;
    type = underlying(types, member.type);
  }
  return bits / 8;
}

function unknownMember(name: string): WirescriptError {
  return new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: "The kernel's XDP events cannot be counted.",
    why: `This kernel has no ${name}, which tells where an event happened.`,
    fix: "Use a kernel with CONFIG_NET_NS and CONFIG_BPF_SYSCALL, 5.15 or newer; if it is one, report this with its version.",
  });
}

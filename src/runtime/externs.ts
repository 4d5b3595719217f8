/** What an object asks of the running kernel by name: how it was built, its variables and its functions. */
import { WirescriptError } from "../errors.ts";
import { typeAt } from "../object/btf/layout.ts";
import type { Btf } from "../object/btf/types.ts";
import { typesCompatible } from "../object/core/compatible.ts";
import { essentialName } from "../object/core/flavour.ts";
import { KCONFIG_SECTION } from "../object/elf/format.ts";
import { kconfigSection } from "../object/externs/kconfig.ts";
import { type ResolvedExtern, usedExterns } from "../object/externs/link.ts";
import type { DataSpec, ExternSpec, ObjectSpec, ProgramSpec } from "../object/spec.ts";
import { kernelSymbol } from "./kallsyms.ts";
import { kernelFacts } from "./kernel-config.ts";
import { kernelTypes } from "./kernel-types.ts";

export interface ResolvedExterns {
  /** Of all that the programs use. */
  externs: ReadonlyMap<string, ResolvedExtern>;
  /** The variables of `.kconfig`; null when there are none. */
  kconfig: DataSpec | null;
}

/** @throws WirescriptError KERNEL, BAD_FILE, UNSUPPORTED_SYSTEM naming what the kernel does not have, and why. */
export function resolveExterns(spec: ObjectSpec, programs: readonly ProgramSpec[]): ResolvedExterns {
  const resolved = new Map<string, ResolvedExtern>();
  const needed = usedExterns(programs);
  if (needed.size === 0 || spec.btf === null) return { externs: resolved, kconfig: null };
  const externs = (spec.externs ?? []).filter(({ name }) => needed.has(name));
  const hasKconfig = externs.some(({ section }) => section === KCONFIG_SECTION);
  const kconfig = hasKconfig ? kconfigSection(spec.externs ?? [], spec.btf, needed, kernelFacts) : null;
  for (const extern of externs) {
    const variable = kconfig?.variables.find(({ name }) => name === extern.name);
    if (extern.section === KCONFIG_SECTION)
      resolved.set(extern.name, { kind: "data", section: KCONFIG_SECTION, offset: variable?.offset ?? 0 });
    else resolved.set(extern.name, symbolOf(extern, spec.btf));
  }
  return { externs: resolved, kconfig };
}

/** A variable with a type, or a function, is in the kernel's BTF; a variable without one is an address. */
function symbolOf(extern: ExternSpec, btf: Btf): ResolvedExtern {
  const { name, kind, typeId } = extern;
  if (kind === "variable" && typeId === 0) {
    const address = kernelSymbol(name);
    return address === null ? absent(extern, "/proc/kallsyms does not list it.") : { kind: "address", address };
  }
  const types = kernelTypes();
  const wanted = kind === "function" ? "func" : "var";
  const real = essentialName(name);
  const id = types.named(real).find((each) => {
    const type = types.type(each);
    return type?.kind === wanted && type.name === real;
  });
  if (id === undefined) {
    return absent(extern, "Its own BTF does not have it (modules are not searched): another version, or built without it.");
  }
  const there = typeAt(types, id);
  if (there === undefined || !("type" in there) || !typesCompatible(btf, typeId, types, there.type)) {
    throw new WirescriptError({
      code: "KERNEL",
      what: `The ${kind} ${name} of the running kernel has another type than the object says.`,
      why: kind === "function" ? "The number or kinds of its parameters differ." : "A value of one is none of the other.",
      fix: "Declare it as this kernel has it: bpftool btf dump file /sys/kernel/btf/vmlinux format c",
    });
  }
  return { kind: "type", id };
}

/** A weak one is allowed to be missing. */
function absent({ name, kind, weak }: ExternSpec, why: string): ResolvedExtern {
  const what = `the ${kind} ${name}`;
  const fix =
    kind === "function"
      ? "Ask first: if (bpf_ksym_exists(…)) or if (function) …; what is not reached need not be there. Or use another kernel."
      : "Declare it __weak and compare its address with 0.";
  if (weak) return { kind: "missing", missing: { what, why: `It is weak, and the kernel does not have it. ${why}`, fix } };
  throw new WirescriptError({
    code: "KERNEL",
    what: `The object needs ${what} of the running kernel (__ksym), which it does not have.`,
    why,
    fix: "Declare it __weak and ask whether it is there, or use another kernel.",
  });
}

/**
 * What the object declares and the running kernel has to define: the DATASECs `.kconfig` and `.ksyms`, beside undefined
 * symbols.
 */
import { typeAt, underlying } from "../btf/layout.ts";
import type { Btf } from "../btf/types.ts";
import type { ExternSpec } from "../spec.ts";
import type { ElfFile } from "./file.ts";
import { KCONFIG_SECTION, KSYMS_SECTION, SHN, STB } from "./format.ts";

/** In the order of BTF. Only those that are undefined symbols too: the others are not used. */
export function readExterns(file: ElfFile, btf: Btf | null): ExternSpec[] {
  if (btf === null) return [];
  const undefinedSymbols = new Map(
    file.symbols.filter(({ sectionIndex, name }) => sectionIndex === SHN.UNDEF && name !== "").map((each) => [each.name, each]),
  );
  const externs = new Map<string, ExternSpec>();
  for (const section of btf.types) {
    if (section.kind !== "datasec" || (section.name !== KCONFIG_SECTION && section.name !== KSYMS_SECTION)) continue;
    for (const { type: id } of section.variables) {
      const type = typeAt(btf, id);
      if (type?.kind !== "var" && type?.kind !== "func") continue;
      const symbol = undefinedSymbols.get(type.name);
      if (symbol === undefined || externs.has(type.name)) continue;
      const isFunction = type.kind === "func";
      externs.set(type.name, {
        name: type.name,
        section: section.name,
        kind: isFunction ? "function" : "variable",
        typeId: isFunction || underlying(btf, type.type) !== undefined ? type.type : 0,
        weak: symbol.binding === STB.WEAK,
      });
    }
  }
  return [...externs.values()];
}

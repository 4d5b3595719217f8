/** Global data in the kernel is a map of one value whose type is a section: a list of variables. For who reads it, that is a struct of them. */
import { typeAt } from "../../object/btf/layout.ts";
import type { Btf } from "../../object/btf/types.ts";

/** The types with one more, when `id` is a section, and its id; else both as they are. */
export function withSectionAsStruct(btf: Btf, id: number): { btf: Btf; id: number } {
  const type = typeAt(btf, id);
  if (type?.kind !== "datasec") return { btf, id };
  const members = type.variables.flatMap(({ type: variable, offset }) => {
    const each = typeAt(btf, variable);
    return each?.kind === "var" ? [{ name: each.name, type: each.type, bitOffset: offset * 8, bitSize: 0 }] : [];
  });
  const types = [...btf.types, { kind: "struct" as const, name: type.name, size: type.size, members }];
  return { btf: { types }, id: types.length };
}

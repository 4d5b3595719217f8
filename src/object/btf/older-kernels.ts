/**
 * Types for kernels that do not know all kinds: a kernel refuses BTF as a whole for one kind that it has never heard of, and
 * with it line numbers, callbacks and typed maps. Each newer kind becomes an older one of the same size, so that all ids and
 * layouts stay. What is lost is what the newer kind said.
 *
 * | kind | since Linux | becomes |
 * |---|---|---|
 * | float | 5.13 | a struct without members |
 * | decl_tag | 5.16 | an int that nothing refers to |
 * | type_tag | 5.17 | const |
 * | enum64, enum with a sign | 6.0 | a union without members, enum |
 */
import type { Btf, BtfType } from "./types.ts";

/** What Linux 5.2 and newer take. */
export function forOlderKernels(btf: Btf): Btf {
  return { types: btf.types.map(older) };
}

function older(type: BtfType): BtfType {
  switch (type.kind) {
    case "float":
      return { kind: "struct", name: type.name.replace(/\W/g, "_"), size: type.size, members: [] };
    case "decl_tag":
      return { kind: "int", name: "decl_tag", size: 1, bits: 8, encoding: "unsigned" };
    case "type_tag":
      return { kind: "const", type: type.type };
    case "enum64":
      return { kind: "union", name: type.name, size: type.size, members: [] };
    case "enum":
      return { ...type, signed: false };
    default:
      return type;
  }
}

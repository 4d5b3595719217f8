/**
 * CO-RE relocations ("compile once, run everywhere"): requests that the loader writes into an instruction what the running
 * kernel's types say, such as the place of a field. An object lists them in `.BTF.ext`. Source: `struct bpf_core_relo` of
 * linux/bpf.h, Documentation/bpf/llvm_reloc.rst.
 */

/** By number, as `enum bpf_core_relo_kind` counts them. */
export const CORE_KINDS = [
  "field_byte_offset",
  "field_byte_size",
  "field_exists",
  "field_signed",
  "field_lshift_u64",
  "field_rshift_u64",
  "type_id_local",
  "type_id_target",
  "type_exists",
  "type_size",
  "enumval_exists",
  "enumval_value",
  "type_matches",
] as const;

export type CoreKind = (typeof CORE_KINDS)[number];

export interface CoreRelocation {
  /** The instruction that it changes, counted in slots from the function's start. */
  slot: number;
  kind: CoreKind;
  /** BTF id in the object: the type from which the path begins. */
  typeId: number;
  /**
   * Of fields: indexes of members and elements, the first of them an element of an array of the type, e.g. [0, 1, 2]. Of
   * enumerators: their index. Of types: [0].
   */
  path: number[];
}

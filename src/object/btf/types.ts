/**
 * BTF, the kernel's type format, as plain values. The type with id N is `types[N - 1]`; id 0 is void. Binary form in
 * `encode.ts` and `decode.ts`. Source: Documentation/bpf/btf.rst of Linux 6.18.
 */
export interface Btf {
  types: BtfType[];
}

/** Types by id, wherever they are: a kernel's are decoded only when they are asked for (`kernel-types.ts`). */
export interface TypeLookup {
  /** The type with this id; `undefined` when there is none. */
  type(id: number): BtfType | undefined;
  /** How many there are. */
  readonly count: number;
}

export type BtfType =
  | { kind: "int"; name: string; size: number; bits: number; encoding: "unsigned" | "signed" | "char" | "bool" }
  | { kind: "ptr"; type: number }
  | { kind: "array"; type: number; indexType: number; length: number }
  | { kind: "struct" | "union"; name: string; size: number; members: BtfMember[] }
  | { kind: "enum"; name: string; size: number; signed: boolean; values: { name: string; value: number }[] }
  | { kind: "enum64"; name: string; size: number; signed: boolean; values: { name: string; value: bigint }[] }
  | { kind: "fwd"; name: string; union: boolean }
  | { kind: "typedef"; name: string; type: number }
  | { kind: "volatile" | "const" | "restrict"; type: number }
  /** `attribute`: any attribute of C, and not one that is called a tag (Linux 6.15). */
  | { kind: "type_tag"; name: string; type: number; attribute?: true }
  | { kind: "func"; name: string; type: number; linkage: "static" | "global" | "extern" }
  | { kind: "func_proto"; returnType: number; parameters: { name: string; type: number }[] }
  | { kind: "var"; name: string; type: number; linkage: "static" | "global" | "extern" }
  | { kind: "datasec"; name: string; size: number; variables: { type: number; offset: number; size: number }[] }
  | { kind: "float"; name: string; size: number }
  | { kind: "decl_tag"; name: string; type: number; componentIndex: number; attribute?: true };

export interface BtfMember {
  name: string;
  type: number;
  /** From the start of the struct, in bits. */
  bitOffset: number;
  /** 0 unless the member is a bit field. */
  bitSize: number;
}

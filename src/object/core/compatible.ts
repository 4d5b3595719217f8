/**
 * Is a type of the kernel what a type of an object stands for? Three questions, from mild to strict: whether a field can be
 * read as another, whether a type is of the same shape on its surface, and whether all that the object's type says is true of
 * the kernel's. Names of flavours count as equal. Source: the descriptions in linux/bpf.h and libbpf's bpf_core_read.h
 * (`bpf_core_type_exists`, `bpf_core_type_matches`).
 */
import { typeAt, underlying } from "../btf/layout.ts";
import type { Btf, BtfMember, BtfType, TypeLookup } from "../btf/types.ts";
import { essentialName } from "./flavour.ts";

type Types = Btf | TypeLookup;

/** Deeper nesting than any compiler makes; what contains itself ends here. */
const DEPTH_LIMIT = 32;

type Kinds<K extends BtfType["kind"]> = Extract<BtfType, { kind: K }>;

export function isCompound(type: BtfType | undefined): type is Kinds<"struct" | "union"> {
  return type?.kind === "struct" || type?.kind === "union";
}

export function isEnum(type: BtfType | undefined): type is Kinds<"enum" | "enum64"> {
  return type?.kind === "enum" || type?.kind === "enum64";
}

/** Whether both are called the same, or one of them nothing. */
function sameName(a: string, b: string): boolean {
  return a === "" || b === "" || essentialName(a) === essentialName(b);
}

/** Fields may change their width and signedness, and what they point to; a struct stays a struct. */
export function fieldsCompatible(local: Types, localId: number, target: Types, targetId: number, depth = 0): boolean {
  const a = underlying(local, localId);
  const b = underlying(target, targetId);
  if (a === undefined || b === undefined || depth > DEPTH_LIMIT) return false;
  if (isCompound(a) && isCompound(b)) return true;
  if (isEnum(a) && isEnum(b)) return sameName(a.name, b.name);
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case "ptr":
    case "float":
    case "int":
      return true;
    case "fwd":
      return b.kind === "fwd" && sameName(a.name, b.name);
    case "array":
      return b.kind === "array" && fieldsCompatible(local, a.type, target, b.type, depth + 1);
    default:
      return false;
  }
}

/** The kinds agree, down through pointers, arrays and parameters; names and members do not count. */
export function typesCompatible(local: Types, localId: number, target: Types, targetId: number, depth = 0): boolean {
  if (depth > DEPTH_LIMIT) return false;
  const a = underlying(local, localId);
  const b = underlying(target, targetId);
  if (a === undefined || b === undefined) return a === b;
  if (isEnum(a) && isEnum(b)) return true;
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case "struct":
    case "union":
    case "fwd":
    case "int":
      return true;
    case "ptr":
    case "array":
      return "type" in b && typesCompatible(local, a.type, target, b.type, depth + 1);
    case "func_proto": {
      if (b.kind !== "func_proto" || a.parameters.length !== b.parameters.length) return false;
      const pairs = a.parameters.map(({ type }, index) => [type, b.parameters[index]?.type ?? 0] as const);
      return [...pairs, [a.returnType, b.returnType] as const].every(([left, right]) =>
        typesCompatible(local, left, target, right, depth + 1),
      );
    }
    default:
      return false;
  }
}

/**
 * All that the object's type says: members of these names and types, enumerators of these names, integers of this width and
 * sign.
 */
export function typesMatch(local: Types, localId: number, target: Types, targetId: number): boolean {
  return matches({ local, target }, localId, targetId, false, 0);
}

interface Pair {
  local: Types;
  target: Types;
}

/** `behind`: behind a pointer, where names and kinds are enough for structs. */
function matches(pair: Pair, localId: number, targetId: number, behind: boolean, depth: number): boolean {
  if (depth > DEPTH_LIMIT) return false;
  const a = underlying(pair.local, localId);
  const b = underlying(pair.target, targetId);
  if (a === undefined || b === undefined) return a === b;
  if (depth > 0 && !sameGivenName(a, b)) return false;
  if (isEnum(a) && isEnum(b)) return a.size === b.size && enumeratorsMatch(a, b);
  if (behind && (a.kind === "fwd" || b.kind === "fwd")) return isUnion(a) === isUnion(b) && isUnion(a) !== null;
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case "struct":
    case "union":
      return isCompound(b) && (behind || membersMatch(pair, a, b, depth));
    case "fwd":
      return b.kind === "fwd" && a.union === b.union;
    case "int":
      return b.kind === "int" && a.size === b.size && (a.encoding === "signed") === (b.encoding === "signed");
    case "float":
      return b.kind === "float" && a.size === b.size;
    case "ptr":
      return b.kind === "ptr" && matches(pair, a.type, b.type, true, depth + 1);
    case "array":
      return b.kind === "array" && a.length === b.length && matches(pair, a.type, b.type, behind, depth + 1);
    case "func_proto": {
      if (b.kind !== "func_proto" || a.parameters.length !== b.parameters.length) return false;
      const pairs = a.parameters.map(({ type }, index) => [type, b.parameters[index]?.type ?? 0] as const);
      return [...pairs, [a.returnType, b.returnType] as const].every(([left, right]) =>
        matches(pair, left, right, behind, depth + 1),
      );
    }
    default:
      return false;
  }
}

function sameGivenName(a: BtfType, b: BtfType): boolean {
  const named = (type: BtfType) => (isCompound(type) || isEnum(type) || type.kind === "fwd" ? type.name : "");
  return essentialName(named(a)) === essentialName(named(b));
}

function isUnion(type: BtfType): boolean | null {
  if (type.kind === "fwd") return type.union;
  return isCompound(type) ? type.kind === "union" : null;
}

function enumeratorsMatch(a: Kinds<"enum" | "enum64">, b: Kinds<"enum" | "enum64">): boolean {
  const names = new Set(b.values.map(({ name }) => essentialName(name)));
  return a.values.every(({ name }) => names.has(essentialName(name)));
}

function membersMatch(pair: Pair, a: Kinds<"struct" | "union">, b: Kinds<"struct" | "union">, depth: number): boolean {
  const byName = new Map<string, BtfMember>();
  for (const member of flattened(pair.target, b.members)) if (!byName.has(member.name)) byName.set(member.name, member);
  return flattened(pair.local, a.members).every((member) => {
    const other = byName.get(member.name);
    return other !== undefined && matches(pair, member.type, other.type, false, depth + 1);
  });
}

/** No type of a kernel has so many, and a type that has them twice over at each level might never end. */
const MEMBER_LIMIT = 1 << 14;

/** Members of unnamed structs and unions count as the outer's. */
function flattened(types: Types, members: readonly BtfMember[]): BtfMember[] {
  const result: BtfMember[] = [];
  let walked = 0;
  const walk = (list: readonly BtfMember[], depth: number): void => {
    for (const member of list) {
      if (++walked > MEMBER_LIMIT) return;
      if (member.name !== "") {
        result.push(member);
        continue;
      }
      const inner = typeAt(types, member.type);
      if (isCompound(inner) && depth < DEPTH_LIMIT) walk(inner.members, depth + 1);
    }
  };
  walk(members, 0);
  return result;
}

/**
 * Do two BTF types say the same about the same bytes? Names of types and typedefs may differ (`__u64`, `u64`), since that is a
 * matter of language; names, places and widths of fields and the byte order may not.
 */
import { underlying } from "../object/btf/layout.ts";
import type { Btf, BtfType } from "../object/btf/types.ts";
import { wireBits } from "../object/btf/wire-bits.ts";

export function sameLayout(left: Btf, leftId: number, right: Btf, rightId: number, known = new Set<string>()): boolean {
  // A pair that was met before is the same, or the answer is "no" anyway: what contains itself ends, and what is met often is
  // looked at once.
  const pair = `${leftId} ${rightId}`;
  if (known.has(pair)) return true;
  known.add(pair);
  if (networkOrder(left, leftId) !== networkOrder(right, rightId)) return false;
  const [bits, others] = [wireBits(left, leftId), wireBits(right, rightId)];
  if (bits?.position !== others?.position || bits?.bits !== others?.bits) return false;
  const a = underlying(left, leftId);
  const b = underlying(right, rightId);
  if (a === undefined || b === undefined) return a === b;
  if (isNumber(a) && isNumber(b)) return a.size === b.size && isSigned(a) === isSigned(b) && isBool(a) === isBool(b);
  if (a.kind === "array" && b.kind === "array") {
    return a.length === b.length && sameLayout(left, a.type, right, b.type, known);
  }
  if ((a.kind === "struct" || a.kind === "union") && a.kind === b.kind) {
    return (
      a.size === b.size &&
      a.members.length === b.members.length &&
      a.members.every((member, index) => {
        const other = b.members[index];
        return (
          other !== undefined &&
          member.name === other.name &&
          member.bitOffset === other.bitOffset &&
          member.bitSize === other.bitSize &&
          sameLayout(left, member.type, right, other.type, known)
        );
      })
    );
  }
  return a.kind === b.kind && !("size" in a && "size" in b && a.size !== b.size);
}

type NumberType = Extract<BtfType, { kind: "int" | "enum" | "enum64" }>;

function isNumber(type: BtfType): type is NumberType {
  return type.kind === "int" || type.kind === "enum" || type.kind === "enum64";
}

function isSigned(type: NumberType): boolean {
  return type.kind === "int" ? type.encoding === "signed" : type.signed;
}

function isBool(type: NumberType): boolean {
  return type.kind === "int" && type.encoding === "bool";
}

const TRANSPARENT = new Set(["typedef", "const", "volatile", "restrict", "type_tag"]);

function networkOrder(btf: Btf, id: number): boolean {
  let type = btf.types[id - 1];
  for (let depth = 0; depth < 32 && type !== undefined && "type" in type && TRANSPARENT.has(type.kind); depth++) {
    if (type.kind === "typedef" && /^__be(16|32|64)$/.test(type.name)) return true;
    type = btf.types[type.type - 1];
  }
  return false;
}

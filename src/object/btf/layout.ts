/** Sizes of types, and what is under typedefs and qualifiers. Types may come from a hostile file, so loops and sizes have bounds. */
import { withArticle } from "../../article.ts";
import { malformed } from "../malformed.ts";
import type { Btf, BtfType, TypeLookup } from "./types.ts";

/** Deeper nesting than any compiler makes; a senseless cycle ends here. The kernel's own limit is 32 (`MAX_RESOLVE_DEPTH`). */
const DEPTH_LIMIT = 64;

/** The type with this id; `undefined` for void (0). Throws WirescriptError (BAD_FILE) when there is none. */
export function typeAt(btf: Btf | TypeLookup, id: number): BtfType | undefined {
  if (id === 0) return undefined;
  const [type, count] = "types" in btf ? [btf.types[id - 1], btf.types.length] : [btf.type(id), btf.count];
  if (type === undefined) throw malformed(`There is no BTF type ${id}.`, `There are types 1 to ${count}.`);
  return type;
}

/** The type under typedefs, const, volatile, restrict and type tags; `undefined` for void. */
export function underlying(btf: Btf | TypeLookup, id: number): BtfType | undefined {
  let type = typeAt(btf, id);
  for (let depth = 0; depth < DEPTH_LIMIT; depth++) {
    if (type === undefined) return undefined;
    switch (type.kind) {
      case "typedef":
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
        type = typeAt(btf, type.type);
        break;
      default:
        return type;
    }
  }
  throw malformed(`BTF type ${id} never ends.`, "It is a chain of typedefs or qualifiers that leads to itself.");
}

/** Size in bytes of a value of this type. Throws WirescriptError (BAD_FILE) for what has no size: void, functions, forward declarations. */
export function sizeOf(btf: Btf | TypeLookup, id: number): number {
  let factor = 1;
  for (let depth = 0, at = id; depth < DEPTH_LIMIT; depth++) {
    const type = underlying(btf, at);
    switch (type?.kind) {
      case "int":
      case "struct":
      case "union":
      case "enum":
      case "enum64":
      case "float":
      case "datasec":
        return checkedSize(factor * type.size, id);
      case "ptr":
        return checkedSize(factor * 8, id);
      case "array":
        factor = checkedSize(factor * type.length, id);
        at = type.type;
        break;
      case "var":
        at = type.type;
        break;
      default:
        throw malformed(`BTF type ${id} has no size.`, `It is ${type === undefined ? "void" : withArticle(type.kind)}.`);
    }
  }
  throw malformed(`BTF type ${id} never ends.`, "It is an array of itself.");
}

function checkedSize(size: number, id: number): number {
  if (size > 0xffff_ffff) throw malformed(`BTF type ${id} is too large.`, `It takes ${size} bytes; BTF sizes have 32 bits.`);
  return size;
}

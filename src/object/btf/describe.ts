/** A type in one line, much as C writes it, for messages: `struct datarec { u64 rx_packets; u64 rx_bytes; }`. */
import type { Btf, BtfType } from "./types.ts";

const DEPTH_LIMIT = 8;
/** Unnamed structs within structs are written out up to here. */
const BODY_DEPTH_LIMIT = 2;
const MEMBER_LIMIT = 16;

/** Never throws: what is senseless or too deep prints as `…`, missing types as `?`. */
export function describe(btf: Btf, typeId: number): string {
  const type = btf.types[typeId - 1];
  if (type?.kind === "typedef") {
    const target = btf.types[type.type - 1];
    if (target?.kind === "struct" || target?.kind === "union") return `${type.name} ${body(btf, target, 1)}`;
    return type.name;
  }
  if (type?.kind === "struct" || type?.kind === "union")
    return `${[type.kind, type.name].filter(Boolean).join(" ")} ${body(btf, type, 0)}`;
  return declaration(btf, typeId, "", 0);
}

function body(btf: Btf, type: Extract<BtfType, { kind: "struct" | "union" }>, depth: number): string {
  if (depth > BODY_DEPTH_LIMIT) return "{ … }";
  const members = type.members
    .slice(0, MEMBER_LIMIT)
    .map(({ name, type: id, bitSize }) => `${declaration(btf, id, name, depth + 1)}${bitSize === 0 ? "" : ` : ${bitSize}`};`);
  if (type.members.length > MEMBER_LIMIT) members.push("…");
  return members.length === 0 ? "{}" : `{ ${members.join(" ")} }`;
}

/** The declaration of `name`, e.g. `u8 mac[6]`. */
function declaration(btf: Btf, typeId: number, name: string, depth: number): string {
  const spaced = (prefix: string) => (name === "" ? prefix : `${prefix} ${name}`);
  if (depth > DEPTH_LIMIT) return spaced("…");
  if (typeId === 0) return spaced("void");
  const type = btf.types[typeId - 1];
  if (type === undefined) return spaced("?");
  switch (type.kind) {
    case "int":
    case "float":
    case "typedef":
    case "func":
    case "datasec":
      return spaced(type.name);
    case "ptr":
      return declaration(btf, type.type, `*${name}`, depth + 1);
    case "array":
      return declaration(btf, type.type, `${name}[${type.length}]`, depth + 1);
    case "struct":
    case "union":
      return spaced(type.name === "" ? `${type.kind} ${body(btf, type, depth)}` : `${type.kind} ${type.name}`);
    case "fwd":
      return spaced(`${type.union ? "union" : "struct"} ${type.name}`);
    case "enum":
    case "enum64":
      return spaced(type.name === "" ? "enum" : `enum ${type.name}`);
    case "const":
    case "volatile":
    case "restrict":
      return `${type.kind} ${declaration(btf, type.type, name, depth + 1)}`;
    case "func_proto":
      return `${declaration(btf, type.returnType, "", depth + 1)} (${name})(…)`;
    default:
      return declaration(btf, type.type, name, depth + 1);
  }
}

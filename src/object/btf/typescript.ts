/**
 * BTF types as TypeScript: what the codec makes of a value is what these types say, in words of the same table (`codec.ts`).
 * Structs and unions with a name become interfaces, everything else is written out.
 */

import { malformed } from "../malformed.ts";
import { isByte, NETWORK_ORDER } from "./codec.ts";
import { typeAt, underlying } from "./layout.ts";
import type { Btf, BtfMember, BtfType } from "./types.ts";
import { isRunOfBits, wireBits } from "./wire-bits.ts";

type Compound = Extract<BtfType, { kind: "struct" | "union" }>;

const DEPTH_LIMIT = 32;
/** Types without a name are written out wherever they are met: a hostile object could make that a text without end. */
const MEMBER_LIMIT = 1 << 17;
/** Names that declarations use otherwise. */
const TAKEN = [
  "Uint8Array",
  "ObjectMap",
  "ObjectMapOfMaps",
  "ObjectProgram",
  "ObjectRecords",
  "ObjectValues",
  "ObjectVariable",
];

export class TypeScriptTypes {
  readonly #btf: Btf;
  readonly #names = new Map<Compound, string>();
  readonly #taken = new Set(TAKEN);
  readonly #declarations: string[] = [];
  #written = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** The interfaces that types given by `of` name, in the order in which they were met. */
  get declarations(): readonly string[] {
    return this.#declarations;
  }

  /** The type of values of the BTF type `id`. */
  of(id: number, depth = 0, name = ""): string {
    const type = typeAt(this.#btf, id);
    if (depth > DEPTH_LIMIT) return "unknown";
    switch (type?.kind) {
      case "typedef":
        if (NETWORK_ORDER.has(type.name)) return type.name === "__be64" ? "bigint" : "number";
        if (wireBits(this.#btf, id) !== null) return "number";
        return this.of(type.type, depth + 1, name || type.name);
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
      case "var":
        return this.of(type.type, depth + 1, name);
      case "int":
        if (type.encoding === "bool") return "boolean";
        return type.size > 4 ? "bigint" : "number";
      case "enum":
      case "enum64":
        return type.size > 4 ? "bigint" : "number";
      case "float":
        return "number";
      case "ptr":
        return "bigint";
      case "array": {
        if (isByte(underlying(this.#btf, type.type))) return "Uint8Array";
        const element = this.of(type.type, depth + 1);
        return element.includes(" ") ? `(${element})[]` : `${element}[]`;
      }
      case "struct":
      case "union":
        return this.#compound(type, type.name || name, depth);
      default:
        return "unknown";
    }
  }

  #compound(type: Compound, name: string, depth: number): string {
    if (name === "") {
      return `{ ${this.#members(type, depth)
        .map(({ text }) => text)
        .join(" ")} }`;
    }
    const known = this.#names.get(type);
    if (known !== undefined) return known;
    const own = this.#freeName(name);
    this.#names.set(type, own);
    const place = this.#declarations.push("") - 1;
    const lines = this.#members(type, depth).map(({ text, note }) => `  ${text}${note}\n`);
    this.#declarations[place] =
      `/** ${type.kind} ${plain(type.name || name)} */\nexport interface ${own} {\n${lines.join("")}}\n`;
    return own;
  }

  /** `flow_key` becomes `FlowKey`. */
  #freeName(name: string): string {
    const own = plain(name)
      .replace(/(?:^|_+)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase())
      .replace(/^(?=\d|$)/, "_");
    let free = own;
    for (let number = 2; this.#taken.has(free); number++) free = `${own}${number}`;
    this.#taken.add(free);
    return free;
  }

  /** Of a union one member is given and all are read; members without a name give theirs to what is around them. */
  #members(type: Compound, depth: number, optional = type.kind === "union"): { text: string; note: string }[] {
    return type.members.flatMap((member) => {
      if (++this.#written > MEMBER_LIMIT)
        throw malformed("The object's types are too large to be written out.", `They have more than ${MEMBER_LIMIT} members.`);
      if (member.name !== "") {
        const name = /^[A-Za-z_$][\w$]*$/.test(member.name) ? member.name : JSON.stringify(member.name);
        const text = `${name}${optional ? "?" : ""}: ${this.#member(member, depth)};`;
        return [{ text, note: note(this.#btf, member) }];
      }
      const inner = underlying(this.#btf, member.type);
      if ((inner?.kind !== "struct" && inner?.kind !== "union") || depth > DEPTH_LIMIT) return [];
      return this.#members(inner, depth + 1, optional || (inner.kind === "union" && !isRunOfBits(this.#btf, inner)));
    });
  }

  #member(member: BtfMember, depth: number): string {
    if (member.bitSize === 0) return this.of(member.type, depth + 1);
    const type = underlying(this.#btf, member.type);
    return type !== undefined && "size" in type && type.size > 4 ? "bigint" : "number";
  }
}

/** A hostile object's names must not become code. */
function plain(name: string): string {
  return name.replace(/\W/g, "_");
}

/** How C calls the type, where TypeScript's says less: numbers in all their widths. */
function note(btf: Btf, { type: id, bitSize }: BtfMember): string {
  const type = typeAt(btf, id);
  const inWireOrder = wireBits(btf, id);
  if (inWireOrder !== null) return ` // ${inWireOrder.bits} bits`;
  const bits = bitSize === 0 ? "" : ` : ${bitSize}`;
  if (type?.kind === "typedef" || type?.kind === "int") return ` // ${plain(type.name)}${bits}`;
  if ((type?.kind === "enum" || type?.kind === "enum64") && type.name !== "") return ` // enum ${plain(type.name)}${bits}`;
  return "";
}

/**
 * Bytes to BTF, for input that nobody vouches for: every count, offset and type id is checked before it is used, and what is wrong is
 * named. A decoded type graph may still be cyclic in senseless ways (a typedef of itself); `layout.ts` copes with that.
 */
import { ByteReader } from "../byte-reader.ts";
import { malformed, unsupported } from "../malformed.ts";
import { StringTable } from "../string-table.ts";
import { BTF_HEADER_SIZE, BTF_MAGIC, BTF_VERSION, INT_ENCODING, KIND, LINKAGE } from "./kinds.ts";
import { referencedTypes } from "./references.ts";
import type { Btf, BtfMember, BtfType } from "./types.ts";

export interface DecodedBtf extends Btf {
  /** The string table, in which `.BTF.ext` names its texts too. */
  strings: StringTable;
}

/**
 * Decodes little-endian BTF of version 1. Throws WirescriptError (BAD_FILE) naming the type and what is wrong with it. `label` says where the
 * bytes come from, e.g. "section .BTF".
 */
export function decodeBtf(bytes: Uint8Array, label = "BTF"): DecodedBtf {
  const { strings, types: table } = openBtf(bytes, label);
  const reader = new ByteReader(table, `The type table of ${label}`);
  const types: BtfType[] = [];
  if (table.length > LARGEST)
    throw malformed(`${label} is too large.`, `Its types take ${table.length} bytes; the kernel takes 16 MiB.`);
  while (reader.left > 0) types.push(readType(reader, strings, types.length + 1, label));
  types.forEach((type, index) => {
    for (const id of referencedTypes(type)) {
      if (id > types.length) {
        throw malformed(
          `Type ${index + 1} (${type.kind}${nameOf(type)}) of ${label} is damaged.`,
          `It refers to type ${id}, but there are only ${types.length}.`,
        );
      }
    }
  });
  return { types, strings };
}

/** `BTF_MAX_SIZE` of the kernel. */
const LARGEST = 1 << 24;

export interface BtfParts {
  types: Uint8Array;
  stringBytes: Uint8Array;
  strings: StringTable;
}

/** The two tables of BTF as bytes. Throws WirescriptError (BAD_FILE) naming what is wrong with the header. */
export function openBtf(bytes: Uint8Array, label: string): BtfParts {
  const header = new ByteReader(bytes, label);
  const magic = header.u16();
  if (magic === 0x9feb)
    throw unsupported(
      `${label} is big-endian.`,
      "Wirescript runs on little-endian hosts only.",
      "Build it with -target bpfel.",
    );
  if (magic !== BTF_MAGIC) throw malformed(`${label} is not BTF.`, `It starts with 0x${magic.toString(16)}, not with 0xeb9f.`);
  const version = header.u8();
  if (version !== BTF_VERSION)
    throw malformed(`${label} is damaged.`, `It claims BTF version ${version}; there is only version 1.`);
  header.skip(1);
  const headerLength = header.u32();
  if (headerLength < BTF_HEADER_SIZE)
    throw malformed(`${label} is damaged.`, `Its header claims ${headerLength} bytes; 24 are the least.`);
  const [typeOffset, typeLength, stringOffset, stringLength] = [header.u32(), header.u32(), header.u32(), header.u32()];
  const stringBytes = header.slice(headerLength + stringOffset, stringLength);
  const strings = new StringTable(stringBytes, `The string table of ${label}`);
  if (stringLength === 0 || strings.at(0) !== "")
    throw malformed(`${label} is damaged.`, "Its string table does not start with an empty string.");
  return { types: header.slice(headerLength + typeOffset, typeLength), stringBytes, strings };
}

const KIND_NAMES = new Map<number, BtfType["kind"]>(
  Object.entries(KIND).map(([name, number]) => [number, name as BtfType["kind"]]),
);

/** The type at the reader's place; `id` is for messages. */
export function readType(reader: ByteReader, strings: StringTable, id: number, label: string): BtfType {
  const name = strings.at(reader.u32());
  const info = reader.u32();
  const sizeOrType = reader.u32();
  const vlen = info & 0xffff;
  const kindFlag = info >>> 31 === 1;
  const kind = KIND_NAMES.get((info >>> 24) & 0x1f);
  const attribute = kindFlag ? ({ attribute: true } as const) : {};
  const damaged = (why: string) =>
    malformed(`Type ${id} (${kind ?? "unknown kind"}${name && ` ${name}`}) of ${label} is damaged.`, why);
  const linkage = (number: number) => {
    const known = LINKAGE[number];
    if (known === undefined) throw damaged(`Its linkage is ${number}; there are only static (0), global (1) and extern (2).`);
    return known;
  };
  switch (kind) {
    case "int": {
      const word = reader.u32();
      const encoding = INT_ENCODING[(word >>> 24) as keyof typeof INT_ENCODING];
      const bits = word & 0xff;
      if (encoding === undefined)
        throw damaged(`Its encoding is ${word >>> 24}; there are only 0, 1 (signed), 2 (char) and 4 (bool).`);
      if (((word >>> 16) & 0xff) !== 0) throw damaged("It starts within a byte, which no compiler has made for years.");
      if (![1, 2, 4, 8, 16].includes(sizeOrType) || bits === 0 || bits > sizeOrType * 8)
        throw damaged(`It has ${bits} bits in ${sizeOrType} bytes.`);
      return { kind, name, size: sizeOrType, bits, encoding };
    }
    case "ptr":
    case "volatile":
    case "const":
    case "restrict":
      return { kind, type: sizeOrType };
    case "array":
      return { kind, type: reader.u32(), indexType: reader.u32(), length: reader.u32() };
    case "struct":
    case "union": {
      const members: BtfMember[] = [];
      for (let i = 0; i < vlen; i++) {
        const memberName = strings.at(reader.u32());
        const type = reader.u32();
        const place = reader.u32();
        members.push({
          name: memberName,
          type,
          bitOffset: kindFlag ? place & 0xff_ffff : place,
          bitSize: kindFlag ? place >>> 24 : 0,
        });
        const last = members.at(-1);
        if (last && last.bitOffset > sizeOrType * 8) {
          throw damaged(`Its member ${memberName || i} starts at bit ${last.bitOffset}, but it has only ${sizeOrType} bytes.`);
        }
      }
      return { kind, name, size: sizeOrType, members };
    }
    case "enum": {
      const values: { name: string; value: number }[] = [];
      for (let i = 0; i < vlen; i++)
        values.push({ name: strings.at(reader.u32()), value: kindFlag ? reader.i32() : reader.u32() });
      if (![1, 2, 4, 8].includes(sizeOrType)) throw damaged(`Its size is ${sizeOrType} bytes.`);
      return { kind, name, size: sizeOrType, signed: kindFlag, values };
    }
    case "enum64": {
      const values: { name: string; value: bigint }[] = [];
      for (let i = 0; i < vlen; i++)
        values.push({ name: strings.at(reader.u32()), value: kindFlag ? reader.i64() : reader.u64() });
      if (![1, 2, 4, 8].includes(sizeOrType)) throw damaged(`Its size is ${sizeOrType} bytes.`);
      return { kind, name, size: sizeOrType, signed: kindFlag, values };
    }
    case "fwd":
      return { kind, name, union: kindFlag };
    case "typedef":
      return { kind, name, type: sizeOrType };
    case "type_tag":
      return { kind, name, type: sizeOrType, ...attribute };
    case "func":
      return { kind, name, type: sizeOrType, linkage: linkage(vlen) };
    case "func_proto": {
      const parameters: { name: string; type: number }[] = [];
      for (let i = 0; i < vlen; i++) parameters.push({ name: strings.at(reader.u32()), type: reader.u32() });
      return { kind, returnType: sizeOrType, parameters };
    }
    case "var":
      return { kind, name, type: sizeOrType, linkage: linkage(reader.u32()) };
    case "datasec": {
      const variables: { type: number; offset: number; size: number }[] = [];
      for (let i = 0; i < vlen; i++) variables.push({ type: reader.u32(), offset: reader.u32(), size: reader.u32() });
      return { kind, name, size: sizeOrType, variables };
    }
    case "float":
      return { kind, name, size: sizeOrType };
    case "decl_tag":
      return { kind, name, type: sizeOrType, componentIndex: reader.i32(), ...attribute };
    default:
      throw damaged(`Its kind is ${(info >>> 24) & 0x1f}; Wirescript knows the kinds 1 to 19.`);
  }
}

function nameOf(type: BtfType): string {
  return "name" in type && type.name !== "" ? ` ${type.name}` : "";
}

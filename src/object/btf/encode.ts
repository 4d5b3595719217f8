/**
 * BTF to bytes. The kernel wants func_info and line_info to name their texts by offset into the *same* string table, so the encoder takes
 * extra strings and gives back a way to find them. Source: Documentation/bpf/btf.rst.
 */
import { StringTableBuilder } from "../string-table.ts";
import { BTF_HEADER_SIZE, BTF_MAGIC, BTF_VERSION, INT_ENCODING, KIND, LINKAGE } from "./kinds.ts";
import type { Btf, BtfType } from "./types.ts";

export interface EncodedBtf {
  bytes: Uint8Array;
  /** Offset of a name in `btf`, or of one of the extra strings, in the string table. Throws RangeError for any other text. */
  stringOffset(text: string): number;
}

/** Little-endian BTF of version 1. Throws RangeError when a value does not fit its field: a defect of whoever made the types. */
export function encodeBtf(btf: Btf, extraStrings: Iterable<string> = []): EncodedBtf {
  const strings = new StringTableBuilder();
  const words = new WordWriter();
  btf.types.forEach((type, index) => {
    try {
      writeType(words, strings, type);
    } catch (error) {
      throw new RangeError(`BTF type ${index + 1} (${type.kind}) cannot be encoded: ${String(error)}`, { cause: error });
    }
  });
  for (const text of extraStrings) strings.add(text);

  const typeBytes = words.bytes();
  const stringBytes = strings.bytes();
  const bytes = new Uint8Array(BTF_HEADER_SIZE + typeBytes.length + stringBytes.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, BTF_MAGIC, true);
  view.setUint8(2, BTF_VERSION);
  view.setUint32(4, BTF_HEADER_SIZE, true);
  view.setUint32(8, 0, true);
  view.setUint32(12, typeBytes.length, true);
  view.setUint32(16, typeBytes.length, true);
  view.setUint32(20, stringBytes.length, true);
  bytes.set(typeBytes, BTF_HEADER_SIZE);
  bytes.set(stringBytes, BTF_HEADER_SIZE + typeBytes.length);
  return { bytes, stringOffset: (text) => strings.offsetOf(text) };
}

function writeType(out: WordWriter, strings: StringTableBuilder, type: BtfType): void {
  const head = (name: string, sizeOrType: number, vlen = 0, kindFlag = false) => {
    out.word(strings.add(name));
    if (vlen > 0xffff) throw new RangeError(`${vlen} members`);
    out.word((kindFlag ? 0x8000_0000 : 0) + KIND[type.kind] * 0x100_0000 + vlen);
    out.word(sizeOrType);
  };
  switch (type.kind) {
    case "int": {
      head(type.name, type.size);
      const encoding = Object.entries(INT_ENCODING).find(([, name]) => name === type.encoding);
      out.word(Number(encoding?.[0]) * 0x100_0000 + type.bits);
      return;
    }
    case "ptr":
    case "volatile":
    case "const":
    case "restrict":
      head("", type.type);
      return;
    case "array":
      head("", 0);
      out.word(type.type);
      out.word(type.indexType);
      out.word(type.length);
      return;
    case "struct":
    case "union": {
      const bitFields = type.members.some((member) => member.bitSize !== 0);
      head(type.name, type.size, type.members.length, bitFields);
      for (const member of type.members) {
        out.word(strings.add(member.name));
        out.word(member.type);
        if (bitFields && (member.bitOffset > 0xff_ffff || member.bitSize > 0xff)) throw new RangeError(`member ${member.name}`);
        out.word(bitFields ? member.bitSize * 0x100_0000 + member.bitOffset : member.bitOffset);
      }
      return;
    }
    case "enum":
      head(type.name, type.size, type.values.length, type.signed);
      for (const { name, value } of type.values) {
        out.word(strings.add(name));
        out.word(value < 0 ? value + 0x1_0000_0000 : value);
      }
      return;
    case "enum64":
      head(type.name, type.size, type.values.length, type.signed);
      for (const { name, value } of type.values) {
        out.word(strings.add(name));
        out.word(Number(BigInt.asUintN(32, value)));
        out.word(Number(BigInt.asUintN(64, value) >> 32n));
      }
      return;
    case "fwd":
      head(type.name, 0, 0, type.union);
      return;
    case "typedef":
      head(type.name, type.type);
      return;
    case "type_tag":
      head(type.name, type.type, 0, type.attribute);
      return;
    case "func":
      head(type.name, type.type, LINKAGE.indexOf(type.linkage));
      return;
    case "func_proto":
      head("", type.returnType, type.parameters.length);
      for (const parameter of type.parameters) {
        out.word(strings.add(parameter.name));
        out.word(parameter.type);
      }
      return;
    case "var":
      head(type.name, type.type);
      out.word(LINKAGE.indexOf(type.linkage));
      return;
    case "datasec":
      head(type.name, type.size, type.variables.length);
      for (const variable of type.variables) {
        out.word(variable.type);
        out.word(variable.offset);
        out.word(variable.size);
      }
      return;
    case "float":
      head(type.name, type.size);
      return;
    case "decl_tag":
      head(type.name, type.type, 0, type.attribute);
      out.word(type.componentIndex < 0 ? 0xffff_ffff : type.componentIndex);
  }
}

/** A growing array of little-endian 32-bit words. */
class WordWriter {
  readonly #words: number[] = [];

  word(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} is no 32-bit number`);
    this.#words.push(value);
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#words.length * 4);
    const view = new DataView(bytes.buffer);
    this.#words.forEach((word, index) => {
      view.setUint32(index * 4, word, true);
    });
    return bytes;
  }
}

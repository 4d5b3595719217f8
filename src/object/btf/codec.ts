/**
 * Values of map keys, map values and global data as JavaScript sees them, driven by BTF. The type graph is compiled once into closures;
 * decoding a value then touches no types. Hosts are little-endian (x86-64, arm64), and so are bit fields.
 *
 * | BTF | decoded as |
 * |---|---|
 * | integers up to 32 bits, enums | number |
 * | 64-bit integers, enum64, pointers | bigint (encoding takes safe integers too) |
 * | 128-bit integers | bigint |
 * | float, double | number |
 * | bool | boolean |
 * | arrays of u8 or char | Uint8Array (encoding takes number[] too) |
 * | other arrays | array |
 * | struct | object; members without a name are padding, unless they are structs or unions, whose members then count as the outer's |
 * | union | object with every member, all of the same bytes; encoding takes exactly one |
 * | typedefs `__be16 __be32 __be64` | number or bigint in host order; the bytes are in network order |
 * | a union of typedefs `__be_bits_…` (`wire-bits.ts`) | as a struct, of numbers |
 */
import { withArticle } from "../../article.ts";
import { WirescriptError } from "../../errors.ts";
import { arrayPart, byteArrayPart } from "./codec-array.ts";
import { floatPart } from "./codec-float.ts";
import { bitFieldPart, hugeIntegerPart, integerPart, networkOrderPart, wireBitsPart } from "./codec-integer.ts";
import type { Part } from "./codec-part.ts";
import { fastReader, fastWriter } from "./codec-source.ts";
import { compoundPart, fieldNames } from "./codec-struct.ts";
import { describe } from "./describe.ts";
import { sizeOf, typeAt, underlying } from "./layout.ts";
import type { Btf, BtfMember, BtfType } from "./types.ts";
import { isRunOfBits, wireBits } from "./wire-bits.ts";

export interface Codec {
  /** Bytes that a value takes. */
  readonly size: number;
  /** Reads the value at `offset` (0 when left out). Throws WirescriptError (MAP) when fewer than `size` bytes follow. */
  decode(bytes: Uint8Array, offset?: number): unknown;
  /**
   * Writes all `size` bytes at `offset` (0 when left out), padding as zeros. Throws WirescriptError (MAP) naming the path of the field
   * that is missing, unknown, of the wrong type or out of range; the bytes are then undefined.
   */
  encode(value: unknown, into: Uint8Array, offset?: number): void;
}

const DEPTH_LIMIT = 32;
/** No real value holds so many; a hostile type (arrays of empty structs, unions of unions) might. */
const LEAF_LIMIT = 1 << 24;

/**
 * The codec of a BTF type. Throws WirescriptError (MAP) for types that are no values (void, functions, forward declarations) or are not
 * supported (`long double`). `name` is how messages call the value.
 */
export function codec(btf: Btf, typeId: number, name = "value"): Codec {
  const part = partOf(btf, typeId, 0, new Map());
  const { size } = part;
  const read = fastReader(part);
  const write = fastWriter(part);
  return {
    size,
    decode(bytes, offset = 0) {
      return read(viewOf(bytes, offset, size, part.typeName), offset);
    },
    encode(value, into, offset = 0) {
      const view = viewOf(into, offset, size, part.typeName);
      into.fill(0, offset, offset + size);
      if (write(view, offset, value)) return;
      // What the fast way has written before it gave up.
      into.fill(0, offset, offset + size);
      part.write(view, offset, value, name);
    },
  };
}

interface Viewed {
  bytes: Uint8Array;
  view: DataView;
}

let last: Viewed | undefined;
let oneBefore: Viewed | undefined;

/** Callers read and write many values in one buffer, or in two by turns, for keys and values: the views of the last two are kept. */
function viewOf(bytes: Uint8Array, offset: number, size: number, typeName: string): DataView {
  if (offset < 0 || size > bytes.length - offset) {
    throw new WirescriptError({
      code: "MAP",
      what: `A value of type ${typeName} does not fit.`,
      why: `It takes ${size} bytes at offset ${offset}, but the buffer has ${bytes.length}.`,
      fix: `Give a buffer of at least ${offset + size} bytes.`,
    });
  }
  if (last?.bytes === bytes) return last.view;
  const found = oneBefore?.bytes === bytes ? oneBefore : undefined;
  oneBefore = last;
  last = found ?? { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  return last.view;
}

/** `known` holds the parts of types that were met before: types form a graph, not a tree. */
function partOf(btf: Btf, typeId: number, depth: number, known: Map<number, Part>): Part {
  const before = known.get(typeId);
  if (before !== undefined) return before;
  if (depth > DEPTH_LIMIT) throw notAValue(btf, typeId, "It is nested too deeply, or contains itself.");
  const part = makePart(btf, typeId, depth, known);
  if (part.leaves > LEAF_LIMIT) throw notAValue(btf, typeId, `It holds ${part.leaves} values.`);
  known.set(typeId, part);
  return part;
}

function makePart(btf: Btf, typeId: number, depth: number, known: Map<number, Part>): Part {
  const type = typeAt(btf, typeId);
  switch (type?.kind) {
    case "typedef": {
      if (NETWORK_ORDER.has(type.name)) return networkOrderPart(type.name, sizeOf(btf, typeId));
      const bits = wireBits(btf, typeId);
      if (bits !== null) return wireBitsPart(bits);
      return named(partOf(btf, type.type, depth + 1, known), type.name);
    }
    case "const":
    case "volatile":
    case "restrict":
    case "type_tag":
      return partOf(btf, type.type, depth + 1, known);
    case "int":
      if (type.size > 8) return hugeIntegerPart(type.name, type.size, type.encoding === "signed");
      if (type.bits !== type.size * 8 && type.encoding !== "bool") {
        return { ...bitFieldPart(type.name, type.size, 0, type.bits, type.encoding === "signed"), size: type.size };
      }
      return integerPart(type.name, type.size, type.encoding);
    case "enum":
    case "enum64":
      return integerPart(type.name || "enum", type.size, type.signed ? "signed" : "unsigned");
    case "ptr":
      return integerPart("pointer", 8, "unsigned");
    case "array": {
      const element = partOf(btf, type.type, depth + 1, known);
      const size = sizeOf(btf, typeId);
      return isByte(underlying(btf, type.type)) ? byteArrayPart(element, type.length) : arrayPart(element, type.length, size);
    }
    case "struct":
    case "union": {
      const members = type.members.map((member) => ({ member, part: memberPart(btf, member, depth, known) }));
      const names = new Set<string>();
      for (const { member, part } of members) {
        if (Math.floor(member.bitOffset / 8) + part.size > type.size) {
          throw notAValue(btf, typeId, `Its member ${member.name || "(unnamed)"} does not fit into its ${type.size} bytes.`);
        }
        for (const name of member.name === "" ? fieldNames(part) : [member.name]) {
          if (names.has(name)) throw notAValue(btf, typeId, `It has two members ${name}.`);
          names.add(name);
        }
      }
      const isUnion = type.kind === "union" && !isRunOfBits(btf, type);
      return compoundPart(`${type.kind} ${type.name || "(unnamed)"}`, type.size, members, isUnion);
    }
    case "float":
      if (type.size === 4 || type.size === 8) return floatPart(type.name, type.size);
      throw notAValue(btf, typeId, "JavaScript has no floating-point numbers of this size.");
    default:
      throw notAValue(btf, typeId, `It is ${type === undefined ? "void" : withArticle(type.kind)}.`);
  }
}

/** Typedefs whose numbers are in network order, whatever is under them. */
export const NETWORK_ORDER: ReadonlySet<string> = new Set(["__be16", "__be32", "__be64"]);

/** Unsigned bytes, and `char`, which clang calls signed on every architecture. */
export function isByte(type: BtfType | undefined): boolean {
  return (
    type?.kind === "int" &&
    type.size === 1 &&
    type.bits === 8 &&
    type.encoding !== "bool" &&
    (type.encoding !== "signed" || type.name === "char")
  );
}

function named(part: Part, typeName: string): Part {
  return { ...part, typeName };
}

function memberPart(btf: Btf, member: BtfMember, depth: number, known: Map<number, Part>): Part {
  const part = partOf(btf, member.type, depth + 1, known);
  const { bitOffset, bitSize } = member;
  if (bitSize === 0) {
    if (bitOffset % 8 === 0) return part;
    throw notAValue(btf, member.type, `Member ${member.name} starts within a byte but is no bit field.`);
  }
  const type = underlying(btf, member.type);
  const integer = type?.kind === "int" || type?.kind === "enum" || type?.kind === "enum64";
  if (!integer || bitSize > type.size * 8) throw notAValue(btf, member.type, `Bit field ${member.name} has ${bitSize} bits.`);
  const signed = type.kind === "int" ? type.encoding === "signed" : type.signed;
  return bitFieldPart(part.typeName, type.size, bitOffset % 8, bitSize, signed);
}

function notAValue(btf: Btf, typeId: number, why: string): WirescriptError {
  return new WirescriptError({
    code: "MAP",
    what: `Values of type ${describe(btf, typeId)} cannot be read or written.`,
    why,
    fix: "Use the raw bytes.",
  });
}

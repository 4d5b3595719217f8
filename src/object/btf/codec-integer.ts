/** The integers of the codec: plain, in network order, and bit fields. */
import { badValue, type Part, shown } from "./codec-part.ts";
import { plus } from "./codec-source.ts";
import type { BtfType } from "./types.ts";
import type { WireBits } from "./wire-bits.ts";

type Encoding = Extract<BtfType, { kind: "int" }>["encoding"];

export function integerPart(typeName: string, size: number, encoding: Encoding): Part {
  if (encoding === "bool") return booleanPart(typeName, size);
  const signed = encoding === "signed";
  return plainInteger(typeName, size, signed, true);
}

/** `typeName` is one of the kernel's `__be16`, `__be32`, `__be64`. */
export function networkOrderPart(typeName: string, size: number): Part {
  return plainInteger(typeName, size, false, false);
}

function plainInteger(typeName: string, size: number, signed: boolean, little: boolean): Part {
  const range = rangeOf(size * 8, signed);
  // What is none of 1, 2 and 4 is read as 8 below.
  const bits = size === 1 || size === 2 || size === 4 ? size * 8 : 64;
  const accessor = `${bits === 64 ? "Big" : ""}${signed ? "Int" : "Uint"}${bits}`;
  const source = (at: string) => `view.get${accessor}(${at}, ${little})`;
  const sink = (value: string, at: string) => {
    const wrong =
      bits === 64
        ? `typeof ${value} !== "bigint" || BigInt.as${signed ? "Int" : "Uint"}N(64, ${value}) !== ${value}`
        : `!Number.isInteger(${value}) || ${value} < ${range.low} || ${value} > ${range.high}`;
    return `if (${wrong}) return false; view.set${accessor}(${at}, ${value}, ${little});`;
  };
  switch (size) {
    case 1:
      return {
        ...{ size, typeName, leaves: 1, source, sink },
        read: signed ? (view, at) => view.getInt8(at) : (view, at) => view.getUint8(at),
        write: (view, at, value, path) => view.setUint8(at, checkedNumber(value, range, typeName, path)),
      };
    case 2:
      return {
        ...{ size, typeName, leaves: 1, source, sink },
        read: signed ? (view, at) => view.getInt16(at, little) : (view, at) => view.getUint16(at, little),
        write: (view, at, value, path) => view.setUint16(at, checkedNumber(value, range, typeName, path), little),
      };
    case 4:
      return {
        ...{ size, typeName, leaves: 1, source, sink },
        read: signed ? (view, at) => view.getInt32(at, little) : (view, at) => view.getUint32(at, little),
        write: (view, at, value, path) => view.setUint32(at, checkedNumber(value, range, typeName, path), little),
      };
    default:
      return {
        ...{ size: 8, typeName, leaves: 1, source, sink },
        read: signed ? (view, at) => view.getBigInt64(at, little) : (view, at) => view.getBigUint64(at, little),
        write: (view, at, value, path) => view.setBigUint64(at, checkedBigint(value, range, typeName, path), little),
      };
  }
}

function booleanPart(typeName: string, size: number): Part {
  return {
    ...{ size, typeName, leaves: 1 },
    ...(size === 1 && { source: (at: string) => `view.getUint8(${at}) !== 0` }),
    sink: (value, at) => `if (typeof ${value} !== "boolean") return false; view.setUint8(${at}, ${value} ? 1 : 0);`,
    read(view, at) {
      for (let i = 0; i < size; i++) if (view.getUint8(at + i) !== 0) return true;
      return false;
    },
    write(view, at, value, path) {
      if (typeof value !== "boolean")
        badValue(path, `It is ${shown(value)}, but its type is ${typeName}.`, "Give true or false.");
      view.setUint8(at, value ? 1 : 0);
    },
  };
}

/** Integers of 16 bytes. */
export function hugeIntegerPart(typeName: string, size: number, signed: boolean): Part {
  const range = rangeOf(size * 8, signed);
  return {
    ...{ size, typeName, leaves: 1 },
    read: (view, at) => (signed ? BigInt.asIntN(size * 8, gather(view, at, size)) : gather(view, at, size)),
    write(view, at, value, path) {
      const bits = BigInt.asUintN(size * 8, checkedBigint(value, range, typeName, path));
      for (let i = 0; i < size; i++) view.setUint8(at + i, Number((bits >> BigInt(8 * i)) & 0xffn));
    },
  };
}

/**
 * `bits` bits, the lowest of which is bit `bitOffset` (0 to 7) of the first byte. Fields of more than 32 bits are bigints when
 * the declared type has 8 bytes, for the type alone decides what a value is.
 */
export function bitFieldPart(typeName: string, declaredSize: number, bitOffset: number, bits: number, signed: boolean): Part {
  const size = Math.ceil((bitOffset + bits) / 8);
  const range = rangeOf(bits, signed);
  const shift = BigInt(bitOffset);
  const mask = (1n << BigInt(bits)) - 1n;
  const asNumber = declaredSize < 8;
  const name = `${typeName} : ${bits}`;
  // Up to 32 bits in up to four bytes fit into what JavaScript shifts.
  const source = (at: string) => {
    const bytes = Array.from({ length: size }, (_, i) => `view.getUint8(${plus(at, i)})${i === 0 ? "" : ` << ${8 * i}`}`);
    return `((${bytes.join(" | ")}) << ${32 - bitOffset - bits} ${signed ? ">>" : ">>>"} ${32 - bits})`;
  };
  return {
    ...{ size, typeName: name, leaves: 1 },
    ...(size <= 4 && asNumber && bits > 0 && { source }),
    read(view, at) {
      const raw = (gather(view, at, size) >> shift) & mask;
      const value = signed ? BigInt.asIntN(bits, raw) : raw;
      return asNumber ? Number(value) : value;
    },
    write(view, at, value, path) {
      const bitsOfValue = BigInt.asUintN(bits, checkedBigint(value, range, name, path)) << shift;
      const merged = (gather(view, at, size) & ~(mask << shift)) | bitsOfValue;
      for (let i = 0; i < size; i++) view.setUint8(at + i, Number((merged >> BigInt(8 * i)) & 0xffn));
    },
  };
}

/** A bit field in wire order, somewhere in a run of `bytes` bytes. */
export function wireBitsPart({ position, bits, bytes }: WireBits): Part {
  const range = rangeOf(bits, false);
  const first = position >> 3;
  const size = ((position + bits + 7) >> 3) - first;
  const after = (first + size) * 8 - position - bits;
  const shift = BigInt(after);
  const mask = range.high;
  const name = `bits(${bits})`;
  // Up to four bytes fit into what JavaScript shifts.
  const source = (at: string) => {
    const each = Array.from({ length: size }, (_, i) => `view.getUint8(${plus(at, first + i)}) << ${8 * (size - 1 - i)}`);
    return `((${each.join(" | ")}) << ${32 - after - bits} >>> ${32 - bits})`;
  };
  const gathered = (view: DataView, at: number) => {
    let value = 0n;
    for (let i = first; i < first + size; i++) value = (value << 8n) | BigInt(view.getUint8(at + i));
    return value;
  };
  return {
    ...{ size: bytes, typeName: name, leaves: 1 },
    ...(size <= 4 && { source }),
    read: (view, at) => Number((gathered(view, at) >> shift) & mask),
    write(view, at, value, path) {
      const merged = (gathered(view, at) & ~(mask << shift)) | (checkedBigint(value, range, name, path) << shift);
      for (let i = 0; i < size; i++) view.setUint8(at + first + i, Number((merged >> BigInt(8 * (size - 1 - i))) & 0xffn));
    },
  };
}

function gather(view: DataView, at: number, size: number): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(view.getUint8(at + i));
  return value;
}

interface Range {
  low: bigint;
  high: bigint;
  lowNumber: number;
  highNumber: number;
}

function rangeOf(bits: number, signed: boolean): Range {
  const low = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const high = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  return { low, high, lowNumber: Number(low), highNumber: Number(high) };
}

function checkedNumber(value: unknown, range: Range, typeName: string, path: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= range.lowNumber && value <= range.highNumber)
    return value;
  return Number(checkedBigint(value, range, typeName, path));
}

function checkedBigint(value: unknown, range: Range, typeName: string, path: string): bigint {
  if (typeof value !== "bigint" && !Number.isSafeInteger(value)) {
    const fix =
      typeof value === "number" && Number.isInteger(value)
        ? "Write it as a bigint: numbers beyond 2^53 are not exact."
        : "Give an integer.";
    badValue(path, `It is ${shown(value)}, but its type is ${typeName}.`, fix);
  }
  const integer = BigInt(value as number | bigint); // either, as just checked
  if (integer < range.low || integer > range.high) {
    badValue(path, `It is ${integer}, but ${typeName} holds ${range.low} to ${range.high}.`, "Give a value in that range.");
  }
  return integer;
}

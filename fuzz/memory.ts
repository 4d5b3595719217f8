/** How fields lie in memory, said once more and independently of the compiler: bit by bit, byte by byte. */
import { type FieldType, isSigned, type ScalarName, sizeOfScalar } from "./tree.ts";

/** Integers are 64-bit two's complement, as `bigint`s in the signed range. */
export function canonical(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

export interface View {
  bytes: Uint8Array;
  /** Where the view begins. */
  at: number;
}

export function readInt(bytes: Uint8Array, at: number, type: FieldType): bigint {
  if (type.kind === "scalar") return readScalar(bytes, at, type.scalar);
  if (type.kind === "bits") {
    let value = 0n;
    for (let bit = type.position; bit < type.position + type.bits; bit++) {
      value = (value << 1n) | BigInt(((bytes[at + (bit >> 3)] ?? 0) >> (7 - (bit & 7))) & 1);
    }
    return value;
  }
  throw new Error(`a field of kind ${type.kind} is no integer`);
}

export function writeInt(bytes: Uint8Array, at: number, type: FieldType, value: bigint): void {
  if (type.kind === "scalar") return writeScalar(bytes, at, type.scalar, value);
  if (type.kind !== "bits") throw new Error(`a field of kind ${type.kind} is no integer`);
  let rest = value;
  for (let bit = type.position + type.bits - 1; bit >= type.position; bit--) {
    const index = at + (bit >> 3);
    const mask = 0x80 >> (bit & 7);
    bytes[index] = ((bytes[index] ?? 0) & ~mask) | ((rest & 1n) === 1n ? mask : 0);
    rest >>= 1n;
  }
}

function readScalar(bytes: Uint8Array, at: number, scalar: ScalarName): bigint {
  const size = sizeOfScalar(scalar);
  let value = 0n;
  for (let index = 0; index < size; index++) {
    const place = scalar.startsWith("be") ? index : size - 1 - index;
    value = (value << 8n) | BigInt(bytes[at + place] ?? 0);
  }
  return canonical(isSigned(scalar) ? BigInt.asIntN(size * 8, value) : value);
}

function writeScalar(bytes: Uint8Array, at: number, scalar: ScalarName, value: bigint): void {
  const size = sizeOfScalar(scalar);
  let rest = BigInt.asUintN(64, value);
  for (let index = 0; index < size; index++) {
    bytes[at + (scalar.startsWith("be") ? size - 1 - index : index)] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

export function copyOf({ bytes, at }: View, size: number): Uint8Array {
  return bytes.slice(at, at + size);
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

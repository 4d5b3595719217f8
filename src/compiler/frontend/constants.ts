/** Values of the source that are known when it is compiled, as bytes of a data section. */
import type ts from "typescript";
import type { Layout, SizedLayout, StructLayout } from "./layout.ts";
import { checkBitsLiteral, checkLiteral } from "./literals.ts";
import type { Lowering } from "./lowering.ts";
import { givenMember, intTypeOfLayout } from "./memory.ts";
import { readField } from "./places.ts";
import type { IntValue, RecordValue, Value } from "./values.ts";

/** `value` as it lies in memory by `layout`; `null` when it is not all constant, or of another kind. */
export function constantBytesOf(l: Lowering, node: ts.Node, layout: SizedLayout, value: Value): Uint8Array | null {
  const bytes = new Uint8Array(layout.size);
  return put(l, node, layout, value, bytes) ? bytes : null;
}

function put(l: Lowering, node: ts.Node, layout: SizedLayout, value: Value, into: Uint8Array): boolean {
  if (layout.kind === "scalar") {
    const number = value.kind === "int" ? numberOf(value) : null;
    if (number === null) return false;
    checkLiteral(l, node, value, intTypeOfLayout(layout));
    putNumber(into, layout.boolean ? BigInt(number !== 0n) : number);
    if (layout.bigEndian) into.reverse();
    return true;
  }
  if (layout.kind === "bytes") {
    if (value.kind !== "bytes" || value.length !== layout.size) return false;
    for (const { offset, size, ssa } of value.chunks) {
      if (ssa.op !== "const") return false;
      putNumber(into.subarray(offset, offset + size), ssa.value);
    }
    return true;
  }
  if (value.kind !== "record") return false;
  if (layout.kind === "struct") return putFields(l, node, layout, value, into);
  const { element, length } = layout;
  return (
    value.length === length &&
    [...value.fields].every(([name, field]) => {
      const at = Number(name) * element.size;
      return put(l, node, element, readField(l, field), into.subarray(at, at + element.size));
    })
  );
}

function putFields(l: Lowering, node: ts.Node, layout: StructLayout, value: RecordValue, into: Uint8Array): boolean {
  const fields = layout.overlay === true ? [givenMember(l, node, layout, value)] : layout.fields;
  return fields.every((field) => {
    const given = value.fields.get(field.name);
    const part = given === undefined ? null : readField(l, given);
    if (part === null) return false;
    if (field.bit === undefined) {
      return (
        isSized(field.layout) && put(l, node, field.layout, part, into.subarray(field.offset, field.offset + field.layout.size))
      );
    }
    const number = part.kind === "int" ? numberOf(part) : null;
    if (number === null || field.layout.kind !== "bits") return false;
    const { bits } = field.layout;
    checkBitsLiteral(l, node, part, bits);
    const first = field.bit.position;
    for (let bit = 0; bit < bits; bit++) {
      const position = first + bit;
      const isSet = (number >> BigInt(bits - 1 - bit)) & 1n;
      const at = field.offset + (position >> 3);
      into[at] = (into[at] ?? 0) | (Number(isSet) << (7 - (position & 7)));
    }
    return true;
  });
}

function isSized(layout: Layout): layout is SizedLayout {
  return layout.kind !== "bits";
}

function numberOf({ ssa }: IntValue): bigint | null {
  return ssa.op === "const" ? ssa.value : null;
}

/** Little-endian. */
function putNumber(bytes: Uint8Array, value: bigint): void {
  for (let index = 0; index < bytes.length; index++) bytes[index] = Number((value >> BigInt(8 * index)) & 0xffn);
}

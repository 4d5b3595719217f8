/** What can be said of a field's type: how large it is, and which other one it equals. */
import { type FieldType, sizeOfScalar } from "./tree.ts";

/** Bytes; 0 for bit fields, which have none of their own. */
export function sizeOfType(type: FieldType): number {
  switch (type.kind) {
    case "scalar":
      return sizeOfScalar(type.scalar);
    case "bool":
      return 1;
    case "bits":
      return 0;
    case "bytes":
      return type.size;
    case "struct":
      return type.struct.size;
    case "array":
      return type.stride * type.length;
  }
}

export function holdsOverlay(type: FieldType): boolean {
  if (type.kind === "array") return holdsOverlay(type.element);
  return type.kind === "struct" && (type.struct.overlay === true || type.struct.fields.some((each) => holdsOverlay(each.type)));
}

export function isSameType(a: FieldType, b: FieldType): boolean {
  switch (a.kind) {
    case "scalar":
      return b.kind === "scalar" && a.scalar === b.scalar;
    case "bytes":
      return b.kind === "bytes" && a.size === b.size;
    case "struct":
      return b.kind === "struct" && a.struct === b.struct;
    case "array":
      return b.kind === "array" && a.length === b.length && isSameType(a.element, b.element);
    case "bool":
      return b.kind === "bool";
    case "bits":
      return false;
  }
}

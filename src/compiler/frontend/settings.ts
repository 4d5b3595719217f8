/** Settings: constants in `.rodata` that the loader can replace, so that the verifier still sees constants. */
import type ts from "typescript";
import { declarationOf } from "./declarations.ts";
import { lowerExpression } from "./expressions.ts";
import type { Lowering } from "./lowering.ts";
import { loadScalar, viewOf } from "./memory.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import type { Memory, Value } from "./values.ts";

/** `const port = setting(u16, 7999)`: where it is used, its value is read. */
export function declareSetting(l: Lowering, node: ts.CallExpression): Value {
  const declaration = declarationOf(node);
  if (declaration === null) return l.fail(node, "WS3002", { kind: "A setting", call: "setting" });
  const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 0)));
  if (layout.kind === "struct") return l.fail(node, "WS3012");
  const bytes = initialBytes(l, argument(l, node, 1), layout.size, layout.kind === "scalar" && layout.bigEndian);
  const offset = l.module.setting(declaration, declaration.name.getText(), layout, bytes);
  const pointer = l.builder.emit({ op: "data", type: "ptr", args: [], section: ".rodata", offset });
  const memory: Memory = { pointer, offset: 0, region: "data" };
  return layout.kind === "scalar" ? loadScalar(l, memory, layout) : viewOf(memory, layout);
}

function initialBytes(l: Lowering, node: ts.Expression, size: number, bigEndian: boolean): Uint8Array {
  const value = lowerExpression(l, node);
  const bytes = new Uint8Array(size);
  if (value.kind === "int" && value.ssa.op === "const") {
    putNumber(bytes, 0, size, value.ssa.value);
    return bigEndian ? bytes.reverse() : bytes;
  }
  if (value.kind !== "bytes" || value.length !== size) return l.fail(node, "WS3012");
  for (const { offset, size: length, ssa } of value.chunks) {
    if (ssa.op !== "const") return l.fail(node, "WS3012");
    putNumber(bytes, offset, length, ssa.value);
  }
  return bytes;
}

/** Little-endian. */
function putNumber(bytes: Uint8Array, offset: number, size: number, value: bigint): void {
  for (let index = 0; index < size; index++) bytes[offset + index] = Number((value >> BigInt(8 * index)) & 0xffn);
}

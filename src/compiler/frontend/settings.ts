/** Settings: constants in `.rodata` that the loader can replace, so that the verifier still sees constants. */
import type ts from "typescript";
import { constantBytesOf } from "./constants.ts";
import { declarationOf } from "./declarations.ts";
import { lowerExpression, present } from "./expressions.ts";
import type { Lowering } from "./lowering.ts";
import { load } from "./memory.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import type { Value } from "./values.ts";

/** `const port = setting(u16, 7999)`: where it is used, its value is read. */
export function declareSetting(l: Lowering, node: ts.CallExpression): Value {
  const declaration = declarationOf(node);
  if (declaration === null) return l.fail(node, "WS3002", { kind: "A setting", call: "setting" });
  const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 0)));
  const initial = argument(l, node, 1);
  const bytes = constantBytesOf(l, initial, layout, present(lowerExpression(l, initial)));
  if (bytes === null) return l.fail(node, "WS3012");
  const offset = l.module.setting(declaration, declaration.name.getText(), layout, bytes);
  const pointer = l.builder.emit({ op: "data", type: "ptr", args: [], section: ".rodata", offset });
  return load(l, { pointer, offset: 0, region: "data", readonly: true }, layout);
}

/** The context's own fields, read and written: `ctx.mark = 7`. */
import type ts from "typescript";
import type { ContextField } from "./hooks.ts";
import { checkLiteral } from "./literals.ts";
import type { Lowering } from "./lowering.ts";
import { describeValue, type IntValue, U32, U64, type Value } from "./values.ts";

/** `ctx.name`: a number, or a method to be called. */
export function contextProperty(l: Lowering, name: string, context: Value): Value {
  const field = fieldOf(l, name);
  if (field !== undefined) return loadContextField(l, field);
  if (name === "length" && l.hook.frags) {
    return l.wrap({ kind: "int", ssa: l.call("xdp_get_buff_len", [l.context]), type: U64 }, U32);
  }
  if (name === "linearLength" || name === "length") {
    return { kind: "int", ssa: l.binary("sub", l.dataEnd, l.data), type: U32 };
  }
  return { kind: "intrinsic", name, receiver: context };
}

function fieldOf(l: Lowering, name: string): ContextField | undefined {
  return Object.hasOwn(l.hook.fields, name) ? l.hook.fields[name] : undefined;
}

function loadContextField(l: Lowering, { offset, size, type, networkOrder }: ContextField): IntValue {
  const loaded = l.builder.load(size, l.context, offset, "context");
  if (networkOrder) return { kind: "int", ssa: l.builder.emit({ op: "bswap", type: "int", args: [loaded], bits: 16 }), type };
  if (type.bits === 1) return l.bool(l.compare("ne", loaded, l.builder.const(0)));
  return { kind: "int", ssa: loaded, type };
}

/** The value wraps at the field's width. That the field can be written, the types have seen to. */
export function assignContextField(l: Lowering, target: ts.PropertyAccessExpression, value: Value): void {
  const field = fieldOf(l, target.name.text);
  if (field === undefined) return l.fail(target, "WS2008");
  if (value.kind !== "int") return l.fail(target, "WS2014", { target: target.getText(), kind: describeValue(value) });
  checkLiteral(l, target, value, field.type);
  const { ssa } = l.wrap(value, field.type);
  l.builder.store(field.size, l.context, field.offset, "context", ssa);
}

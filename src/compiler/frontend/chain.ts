/**
 * Runs programs inside a program: the one that is compiled, or all those that `chain` puts behind each other. Each part is built in as
 * functions are, and makes its own views of the packet, so it does not matter where an earlier part has moved it.
 */
import type ts from "typescript";
import { buildIn } from "./calls.ts";
import { truth } from "./conditions.ts";
import { lowerExpression } from "./expressions.ts";
import { HOOKS } from "./hooks.ts";
import { Join } from "./join.ts";
import type { Lowering } from "./lowering.ts";
import { readField } from "./places.ts";
import { chainOf, intrinsicName } from "./programs.ts";
import type { Value } from "./values.ts";

/** What the program that `call` declares answers. */
export function runProgram(l: Lowering, call: ts.CallExpression): Value {
  const parts = chainOf(l, call);
  if (parts !== null) return runChain(l, call, parts.programs, parts.options);
  const [body] = call.arguments;
  const name = intrinsicName(l.module.source, call);
  if (body === undefined || name === null || !Object.hasOwn(HOOKS, name)) return l.fail(call, "WS3060");
  const callee = lowerExpression(l, body);
  return callee.kind === "function" ? buildIn(l, call, callee.node, [{ kind: "context" }]) : l.fail(body, "WS2006");
}

function runChain(
  l: Lowering,
  call: ts.CallExpression,
  programs: readonly ts.CallExpression[],
  options: ts.Expression | undefined,
): Value {
  const join = new Join(l);
  programs.forEach((program, index) => {
    if (l.unreachable) return;
    const action = runProgram(l, program);
    if (index < programs.length - 1 && action.kind === "int" && !l.unreachable) {
      const next = l.builder.newBlock();
      const end = l.builder.newBlock();
      l.builder.branch(goesOn(l, call, options, action), next, end);
      l.builder.enter(end);
      if (!l.unreachable) join.add(program, action);
      l.builder.enter(next);
    } else {
      join.add(program, action);
    }
  });
  return join.finish();
}

/** `goOn(action)`, or whether the action is one that lets the packet pass. */
function goesOn(l: Lowering, call: ts.CallExpression, options: ts.Expression | undefined, action: Value & { kind: "int" }) {
  const record = options === undefined ? null : lowerExpression(l, options);
  const field = record?.kind === "record" ? record.fields.get("goOn") : undefined;
  if (options !== undefined && field !== undefined) {
    const goOn = readField(l, field);
    if (goOn.kind !== "function") return l.fail(options, "WS2006");
    return truth(l, options, buildIn(l, call, goOn.node, [action]));
  }
  const tests = l.hook.passing.map((verdict) => l.compare("eq", action.ssa, l.builder.const(verdict)));
  return tests.reduce((either, test) => l.binary("or", either, test));
}

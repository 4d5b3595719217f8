/** Functions are built into their callers: each call lowers the body anew, with the parameters standing for the arguments. */

import { isReassigned } from "./assignments.ts";
import { lowerExpression } from "./expressions.ts";
import { intTypeOf } from "./flavours.ts";
import { Join } from "./join.ts";
import { checkDeclared } from "./literals.ts";
import { countNodes } from "./loops.ts";
import { type FunctionNode, functionName, type Lowering } from "./lowering.ts";
import { settle } from "./places.ts";
import { Abort } from "./reporter.ts";
import { bindPattern, lowerResult, lowerStatements } from "./statements.ts";
import { callSubprogram, canBeSubprogram } from "./subprograms.ts";
import ts from "./typescript.ts";
import type { FunctionValue, Value } from "./values.ts";

export function callFunction(l: Lowering, call: ts.Node, callee: FunctionValue, args: readonly ts.Expression[]): Value {
  const values = l.all<Value[]>(...args.map((argument) => () => settle(l, argument, lowerExpression(l, argument))));
  for (const [index, { name }] of callee.node.parameters.entries()) {
    const [argument, value] = [args[index], values[index]];
    if (argument !== undefined && value !== undefined) checkDeclared(l, argument, value, l.checker.getTypeAtLocation(name));
  }
  if (callee.build === "subprogram") return callSubprogram(l, call, callee.node, values);
  if (callee.build === undefined && isTooMuch(l, callee.node) && canBeSubprogram(l, callee.node, values)) {
    return callSubprogram(l, call, callee.node, values);
  }
  return buildIn(l, call, callee.node, values);
}

/** What is built in from here on makes the program so large that compiling it, and walking through it, takes too long. */
const LARGEST = 3_000;
/** Smaller functions are as large as a call. */
const SMALLEST = 24;

function isTooMuch(l: Lowering, node: FunctionNode): boolean {
  return l.builder.function.nextId > LARGEST && node.body !== undefined && countNodes(node.body) >= SMALLEST;
}

/** Builds `node`'s body in right here. Arguments that are missing take their parameter's default, or are `null`. */
export function buildIn(l: Lowering, call: ts.Node, node: FunctionNode, args: readonly Value[]): Value {
  const { body } = node;
  const name = functionName(node) ?? "the function";
  if (l.module.faults.has(node) || node.parameters.some((parameter) => l.module.faults.has(parameter))) throw new Abort();
  if (body === undefined) return l.fail(call, "WS2003", { name });
  if (l.frames.some((frame) => frame.node === node) || l.callers.includes(node)) return l.fail(call, "WS1020", { name });
  node.parameters.forEach((parameter, index) => {
    const given = args[index];
    const value = given !== undefined && given.kind !== "null" ? given : defaultOf(l, parameter, given);
    const type = l.checker.getTypeAtLocation(parameter);
    if ((type.flags & ts.TypeFlags.Any) !== 0) {
      // Where the source says `any`, that has been reported.
      if (l.module.faults.any) throw new Abort();
      l.fail(parameter, "WS2005");
    }
    bindPattern(l, parameter.name, value, isReassigned(parameter.name, body));
  });
  const returns = new Join(l);
  l.frames.push({ node, call, returns, loops: [] });
  try {
    if (ts.isBlock(body)) {
      lowerStatements(l, body.statements);
      returns.add(body, { kind: "void" });
    } else {
      returns.add(body, lowerResult(l, body));
    }
  } finally {
    l.frames.pop();
  }
  const result = returns.finish();
  if (result.kind !== "int") return result;
  const signature = l.checker.getSignatureFromDeclaration(node);
  const type = signature === undefined ? null : intTypeOf(l.checker, l.checker.getReturnTypeOfSignature(signature));
  return type === null ? result : l.wrap(result, type);
}

function defaultOf(l: Lowering, parameter: ts.ParameterDeclaration, given: Value | undefined): Value {
  if (given !== undefined || parameter.initializer === undefined) return { kind: "null" };
  return settle(l, parameter, lowerExpression(l, parameter.initializer));
}

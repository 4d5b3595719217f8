/** Finds what a piece of source assigns to. */
import ts from "./typescript.ts";

/** Calls `visit` with the target of every assignment below `node`, `++` and `--` included. */
export function forEachAssignment(node: ts.Node, visit: (target: ts.Expression) => void): void {
  const target = assignedTarget(node);
  if (target !== null) visit(target);
  ts.forEachChild(node, (child) => forEachAssignment(child, visit));
}

const assignedIn = new WeakMap<ts.Node, Set<string>>();

/** Whether anything below `scope` assigns to `name`. By name: a namesake in an inner scope costs nothing but a variable. */
export function isReassigned(name: ts.BindingName, scope: ts.Node): boolean {
  let names = assignedIn.get(scope);
  if (names === undefined) {
    const found = new Set<string>();
    forEachAssignment(scope, (target) => {
      if (ts.isIdentifier(target)) found.add(target.text);
    });
    names = found;
    assignedIn.set(scope, names);
  }
  return ts.isIdentifier(name) && names.has(name.text);
}

/** Whether anything below `scope` assigns to an element of `name`, as in `name[0] = 1`. */
export function isWrittenInto(name: ts.BindingName, scope: ts.Node): boolean {
  let found = false;
  forEachAssignment(scope, (target) => {
    if (!ts.isElementAccessExpression(target)) return;
    const array = unwrap(target.expression);
    found ||= ts.isIdentifier(array) && ts.isIdentifier(name) && array.text === name.text;
  });
  return found;
}

function assignedTarget(node: ts.Node): ts.Expression | null {
  if (ts.isBinaryExpression(node)) {
    const kind = node.operatorToken.kind;
    return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment ? unwrap(node.left) : null;
  }
  if (ts.isPostfixUnaryExpression(node)) return unwrap(node.operand);
  if (ts.isPrefixUnaryExpression(node)) {
    const steps = node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken;
    return steps ? unwrap(node.operand) : null;
  }
  return null;
}

function unwrap(node: ts.Expression): ts.Expression {
  return ts.isParenthesizedExpression(node) ? unwrap(node.expression) : node;
}

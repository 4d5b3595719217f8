/**
 * What people write by habit, from other TypeScript: methods of arrays and of `Map`, fields under other names. TypeScript says that there is no
 * such thing; the types at its place say what there is instead.
 */
import { nearest } from "../../nearest.ts";
import ts from "./typescript.ts";
import type { Message } from "./typescript-messages.ts";

/** "Property 'x' does not exist on type", with guesses at a name or at a library that would have it. */
const NO_PROPERTY = new Set([2339, 2550, 2551]);
const CONSTANT_ASSIGNED = 2588;
const IMPLICIT_ANY = new Set([7006, 7031]);

const ARRAY_METHODS = new Set(
  "at concat copyWithin entries every fill filter find findIndex findLast flat flatMap forEach includes indexOf join keys lastIndexOf map pop push reduce reduceRight reverse shift slice some sort splice unshift values".split(
    " ",
  ),
);

/** By what one would call it: the methods of kernel maps that do it, and what is to be known of them. */
const MAP_METHODS: Readonly<Record<string, readonly [method: string, use: string][]>> = {
  get: [
    ["lookup", "lookup(key)`: a view of the value, or `null`"],
    ["pop", "pop()`: a value, or `null`"],
  ],
  has: [["lookup", "lookup(key) !== null`"]],
  set: [["update", "update(key, value)`"]],
  add: [
    ["push", "push(value)`"],
    ["update", "update(key, value)`"],
  ],
  remove: [["delete", "delete(key)`"]],
};

/** What is said instead of TypeScript's message; `null` where that says it well enough. */
export function habitAt({ code, file, start = 0 }: ts.Diagnostic, checker: ts.TypeChecker): Message | null {
  if (file === undefined) return null;
  const node = nodeAt(file, start);
  if (!ts.isIdentifier(node)) return null;
  if (NO_PROPERTY.has(code)) return missingProperty(node, checker);
  if (code === CONSTANT_ASSIGNED) return assignedConstant(node, checker);
  return IMPLICIT_ANY.has(code) ? undirected(node) : null;
}

/** Whether a parameter has no type only because what it is handed to has none, which has been reported among `all`. */
export function followsFromCallee(diagnostic: ts.Diagnostic, all: readonly ts.Diagnostic[], checker: ts.TypeChecker): boolean {
  const { code, file, start = 0 } = diagnostic;
  if (!IMPLICIT_ANY.has(code) || file === undefined) return false;
  for (let node = nodeAt(file, start); !ts.isSourceFile(node); node = node.parent) {
    if (!ts.isCallExpression(node.parent) || node.parent.expression === node) continue;
    const callee = node.parent.expression;
    const isWrong = (other: ts.Diagnostic): boolean =>
      other.start !== undefined && callee.getStart(file) <= other.start && other.start < callee.getEnd();
    if (all.some(isWrong) || isFromNowhere(callee, checker)) return true;
  }
  return false;
}

/** Imported from a module that there is not. */
function isFromNowhere(callee: ts.Expression, checker: ts.TypeChecker): boolean {
  if (ts.isPropertyAccessExpression(callee)) return isFromNowhere(callee.expression, checker);
  const symbol = checker.getSymbolAtLocation(callee);
  if (symbol === undefined || (symbol.flags & ts.SymbolFlags.Alias) === 0) return false;
  return checker.isUnknownSymbol(checker.getAliasedSymbol(symbol));
}

/** The innermost node that begins at `start`, or lies around it. */
export function nodeAt(file: ts.SourceFile, start: number): ts.Node {
  const inner = (node: ts.Node): ts.Node =>
    ts.forEachChild(node, (child) => (child.getStart(file) <= start && start < child.getEnd() ? inner(child) : undefined)) ??
    node;
  return inner(file);
}

function missingProperty(name: ts.Identifier, checker: ts.TypeChecker): Message | null {
  const { parent } = name;
  if (!ts.isPropertyAccessExpression(parent) || parent.name !== name) return null;
  const object = parent.expression.getText().replace(/\s+/g, " ");
  const type = checker.getNonNullableType(checker.getTypeAtLocation(parent.expression));
  if (ARRAY_METHODS.has(name.text) && type.getNumberIndexType() !== undefined) {
    return {
      what: `Arrays have no \`${name.text}\` in kernel code.`,
      why: "They have elements and a length: the kernel must see every access, and how often a loop runs.",
      fix: `Use a loop: \`for (const element of ${object})\`.`,
    };
  }
  const names = checker.getPropertiesOfType(type).flatMap(({ name: each }) => (each.startsWith("__@") ? [] : [each]));
  if (names.length === 0) return null;
  const what = `\`${object}\` has no \`${name.text}\`.`;
  const instead = MAP_METHODS[name.text]?.find(([method]) => names.includes(method));
  if (instead !== undefined) return { what, fix: `Use \`${object}.${instead[1]}.` };
  // Fields have short names, which people write out: `src` is a source.
  const guess = nearest(name.text, names, 0.5);
  if (guess !== null) return { what, fix: `Did you mean \`${guess}\`?` };
  return { what, fix: `It has ${names.map((each) => `\`${each}\``).join(", ")}.` };
}

function assignedConstant(name: ts.Identifier, checker: ts.TypeChecker): Message {
  const what = `Cannot assign to '${name.text}' because it is a constant.`;
  const symbol = checker.getSymbolAtLocation(name);
  const type = symbol === undefined ? null : checker.getNonNullableType(checker.getTypeOfSymbol(symbol));
  if (type?.symbol?.name !== "Ref") return { what, fix: "Declare it with `let`." };
  return {
    what,
    why: `\`${name.text}\` is a place in memory.`,
    fix: `What the place holds is \`${name.text}.value\`: write \`${name.text}.value++\`, \`${name.text}.value = …\`.`,
  };
}

/** `tc((ctx) => …)`: the parameter has no type, since `tc` takes no function. */
function undirected(parameter: ts.Identifier): Message | null {
  const call = parameter.parent.parent.parent;
  if (!ts.isCallExpression(call) || call.expression.getText() !== "tc") return null;
  return {
    what: "`tc` alone declares no program.",
    why: "A program for TC sees the packets that come in, or those that go out.",
    fix: "Write `tc.ingress((ctx) => …)` or `tc.egress((ctx) => …)`.",
  };
}

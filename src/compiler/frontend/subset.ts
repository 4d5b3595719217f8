/**
 * Finds the constructs of TypeScript that kernel code does not have: one walk over each module, before anything is compiled, so
 * that all of them are reported at once, in functions that nobody calls too.
 */

import type { DiagnosticCode } from "../diagnostics/catalogue.ts";
import { BINARY_OPERATORS, type Rejection, treatmentOf } from "./constructs.ts";
import ts from "./typescript.ts";

export type Report = (node: ts.Node, code: DiagnosticCode, details?: Record<string, string | number>) => void;

const K = ts.SyntaxKind;

/** What a module may consist of, besides what is rejected for itself: all else would have to run. */
const MODULE_STATEMENTS = new Set([
  K.ImportDeclaration,
  K.ExportDeclaration,
  K.VariableStatement,
  K.FunctionDeclaration,
  K.EmptyStatement,
  K.InterfaceDeclaration,
  K.TypeAliasDeclaration,
]);

const MODULE_REJECTIONS = new Set([
  K.ClassDeclaration,
  K.EnumDeclaration,
  K.ModuleDeclaration,
  K.ExportAssignment,
  K.NamespaceExportDeclaration,
  K.ImportEqualsDeclaration,
]);

/** Reports every construct in `file` that is outside the subset. */
export function checkSubset(file: ts.SourceFile, report: Report): void {
  for (const statement of file.statements) {
    if (MODULE_STATEMENTS.has(statement.kind) || MODULE_REJECTIONS.has(statement.kind)) visit(statement, report);
    else report(statement, "WS1023");
  }
}

function visit(node: ts.Node, report: Report): void {
  // What is only declared is somebody else's, and cannot be used in kernel code.
  if (hasModifier(node, K.DeclareKeyword)) return;
  const rejection = rejectionOf(node);
  // What is inside is not looked at any more.
  if (rejection !== null) return report(node, ...rejection);
  ts.forEachChild(node, (child) => visit(child, report));
}

function rejectionOf(node: ts.Node): Rejection | null {
  const own = specialRejection(node);
  if (own !== null) return own;
  const treatment = treatmentOf(node.kind);
  if (typeof treatment === "string" || isAllowed(node)) return null;
  const [code, details] = treatment;
  return code === "WS1029" ? [code, { text: textOf(node) }] : [code, details];
}

/** Constructs that exist, but not in this form. */
function specialRejection(node: ts.Node): Rejection | null {
  if (ts.isVariableDeclarationList(node)) {
    const kind = node.flags & ts.NodeFlags.BlockScoped;
    if (kind === ts.NodeFlags.None) return ["WS1016"];
    return kind === ts.NodeFlags.Using || kind === ts.NodeFlags.AwaitUsing ? ["WS1039"] : null;
  }
  if (ts.isVariableDeclaration(node)) return node.exclamationToken === undefined ? null : ["WS1042"];
  if (isFunction(node)) {
    if (node.asteriskToken !== undefined || hasModifier(node, K.AsyncKeyword)) return ["WS1004"];
    return node.body === undefined && ts.isFunctionDeclaration(node) ? ["WS1044"] : null;
  }
  if (ts.isForOfStatement(node)) return node.awaitModifier === undefined ? null : ["WS1004"];
  if (ts.isParameter(node)) {
    if (ts.isIdentifier(node.name) && node.name.text === "this") return ["WS1037", { keyword: "this" }];
    return node.dotDotDotToken === undefined ? null : ["WS1014"];
  }
  if (ts.isBindingElement(node)) {
    if (node.dotDotDotToken !== undefined) return ["WS1014"];
    return node.initializer === undefined ? null : ["WS1034"];
  }
  if (ts.isBreakStatement(node) || ts.isContinueStatement(node)) return node.label === undefined ? null : ["WS1022"];
  if (ts.isNumericLiteral(node)) return Number.isInteger(Number(node.text)) ? null : ["WS1010", { text: node.getText() }];
  if (ts.isBinaryExpression(node)) return operatorRejection(node);
  if (ts.isIdentifier(node)) return node.text === "arguments" && !isName(node) ? ["WS1040"] : null;
  if (ts.isImportDeclaration(node)) return moduleRejection(node.moduleSpecifier);
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) return moduleRejection(node.moduleSpecifier);
  return node.kind === K.AnyKeyword && !isBound(node) ? ["WS2005"] : null;
}

function operatorRejection({ left, operatorToken: { kind } }: ts.BinaryExpression): Rejection | null {
  if (kind === K.EqualsToken)
    return ts.isObjectLiteralExpression(left) || ts.isArrayLiteralExpression(left) ? ["WS1038"] : null;
  // TypeScript's type for a token is wider than what its parser puts there.
  const treatment = BINARY_OPERATORS[kind as ts.BinaryOperator];
  return treatment === "compiled" ? null : treatment;
}

/** Modules that are not TypeScript, such as JSON. */
function moduleRejection(specifier: ts.Expression): Rejection | null {
  if (!ts.isStringLiteral(specifier) || !/\.(json|[cm]?jsx?|wasm|node)$/.test(specifier.text)) return null;
  return ["WS1030", { name: specifier.text }];
}

/** Places where a construct is no kernel code: a program's options, `as const`, the text of `trace`, a map's mode. */
function isAllowed(node: ts.Node): boolean {
  const { parent } = node;
  switch (node.kind) {
    case K.AsExpression:
      return ts.isAsExpression(node) && ts.isTypeReferenceNode(node.type) && node.type.getText() === "const";
    case K.TemplateExpression:
    case K.NoSubstitutionTemplateLiteral:
      return ts.isTaggedTemplateExpression(parent) || ts.isLiteralTypeNode(parent);
    case K.StringLiteral:
      return isAllowedString(node, parent);
    case K.NamespaceImport:
      return ts.isImportClause(parent) && parent.phaseModifier === K.TypeKeyword;
    case K.NamespaceExport:
      return ts.isExportDeclaration(parent) && parent.isTypeOnly;
    case K.ComputedPropertyName:
      return isInType(node);
    // In a class or an object literal the whole is judged, in a type they are erased.
    case K.GetAccessor:
    case K.SetAccessor:
      return isInType(node);
    default:
      return false;
  }
}

function isAllowedString(node: ts.Node, parent: ts.Node): boolean {
  if (ts.isLiteralTypeNode(parent) || isInType(node)) return true;
  if (ts.isImportDeclaration(parent) || ts.isExportDeclaration(parent) || ts.isImportAttribute(parent)) return true;
  // `import { "name" as n }`
  if (ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent)) return true;
  if (ts.isPropertyAssignment(parent)) return parent.name === node || isModuleLevel(parent);
  if (ts.isBindingElement(parent)) return parent.propertyName === node;
  return ts.isCallExpression(parent) && isMode(parent, parent.arguments.indexOf(node as ts.StringLiteral)); // its kind is checked
}

/** Methods that take a word, and as which arguments. */
const MODES: ReadonlyMap<string, readonly number[]> = new Map([
  ["update", [2]],
  ["push", [1]],
  ["submit", [1]],
  ["discard", [1]],
  ["output", [1]],
  ["query", [0]],
  ["adjustRoom", [1]],
]);

function isMode({ expression }: ts.CallExpression, index: number): boolean {
  return ts.isPropertyAccessExpression(expression) && (MODES.get(expression.name.text)?.includes(index) ?? false);
}

function isInType(node: ts.Node): boolean {
  for (let at: ts.Node | undefined = node; at !== undefined; at = at.parent) {
    if (ts.isInterfaceDeclaration(at) || ts.isTypeAliasDeclaration(at)) return true;
    if (ts.isTypeNode(at) && !ts.isExpressionWithTypeArguments(at)) return true;
  }
  return false;
}

/** `any` as the bound of a type parameter or of a conditional type says only "whatever it is". */
function isBound(node: ts.Node): boolean {
  for (let at = node; at.parent !== undefined; at = at.parent) {
    const { parent } = at;
    if (ts.isTypeParameterDeclaration(parent) && parent.constraint === at) return true;
    if (ts.isConditionalTypeNode(parent) && parent.extendsType === at) return true;
  }
  return false;
}

/** Names after a dot, of fields and of what is declared. */
function isName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  return ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) ? parent.name === node : ts.isBindingElement(parent);
}

function isModuleLevel(node: ts.Node): boolean {
  for (let at: ts.Node | undefined = node.parent; at !== undefined; at = at.parent) {
    if (isFunction(at)) return false;
  }
  return true;
}

function isFunction(
  node: ts.Node,
): node is ts.FunctionDeclaration | ts.FunctionExpression | ts.ArrowFunction | ts.MethodDeclaration {
  return (
    ts.isFunctionDeclaration(node) || ts.isFunctionExpression(node) || ts.isArrowFunction(node) || ts.isMethodDeclaration(node)
  );
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false);
}

/** The node's text on one line, cut when it is long. */
function textOf(node: ts.Node): string {
  const text = node.getText().replace(/\s+/g, " ");
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

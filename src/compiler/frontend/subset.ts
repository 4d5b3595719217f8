/**
 * Finds the constructs of TypeScript that kernel code does not have: one walk over each module, before anything is compiled, so
 * that all of them are reported at once, in functions that nobody calls too.
 */
import ts from "typescript";
import type { DiagnosticCode } from "../diagnostics/catalogue.ts";

export type Report = (node: ts.Node, code: DiagnosticCode, details?: Record<string, string | number>) => void;

const K = ts.SyntaxKind;

/** Constructs with a message of their own. What is inside them is not looked at any more. */
const REJECTED = new Map<ts.SyntaxKind, [DiagnosticCode, Record<string, string>?]>([
  [K.WhileStatement, ["WS1001", { keyword: "while" }]],
  [K.DoStatement, ["WS1001", { keyword: "do" }]],
  [K.ForInStatement, ["WS1002"]],
  [K.TryStatement, ["WS1003"]],
  [K.ThrowStatement, ["WS1003"]],
  [K.AwaitExpression, ["WS1004"]],
  [K.YieldExpression, ["WS1004"]],
  [K.ClassDeclaration, ["WS1005"]],
  [K.ClassExpression, ["WS1005"]],
  [K.NewExpression, ["WS1006"]],
  [K.StringLiteral, ["WS1007"]],
  [K.NoSubstitutionTemplateLiteral, ["WS1008"]],
  [K.TemplateExpression, ["WS1008"]],
  [K.RegularExpressionLiteral, ["WS1009"]],
  [K.NonNullExpression, ["WS1011"]],
  [K.AsExpression, ["WS1012"]],
  [K.TypeAssertionExpression, ["WS1012"]],
  [K.SatisfiesExpression, ["WS1012"]],
  [K.TypeOfExpression, ["WS1013", { operator: "typeof" }]],
  [K.DeleteExpression, ["WS1013", { operator: "delete" }]],
  [K.VoidExpression, ["WS1013", { operator: "void" }]],
  [K.SpreadElement, ["WS1014"]],
  [K.SpreadAssignment, ["WS1014"]],
  [K.ArrayBindingPattern, ["WS1015"]],
  [K.EnumDeclaration, ["WS1021"]],
  [K.ModuleDeclaration, ["WS1021"]],
  [K.LabeledStatement, ["WS1022"]],
]);

const STATEMENTS = new Set([
  K.Block,
  K.VariableStatement,
  K.ExpressionStatement,
  K.IfStatement,
  K.ForStatement,
  K.ForOfStatement,
  K.SwitchStatement,
  K.ReturnStatement,
  K.BreakStatement,
  K.ContinueStatement,
  K.EmptyStatement,
  K.FunctionDeclaration,
]);

const MODULE_STATEMENTS = new Set([
  K.ImportDeclaration,
  K.ExportDeclaration,
  K.VariableStatement,
  K.FunctionDeclaration,
  K.EmptyStatement,
  K.InterfaceDeclaration,
  K.TypeAliasDeclaration,
  K.ClassDeclaration,
  K.EnumDeclaration,
  K.ModuleDeclaration,
]);

const EXPRESSIONS = new Set([
  K.Identifier,
  K.NumericLiteral,
  K.BigIntLiteral,
  K.TrueKeyword,
  K.FalseKeyword,
  K.NullKeyword,
  K.ParenthesizedExpression,
  K.PropertyAccessExpression,
  K.ElementAccessExpression,
  K.CallExpression,
  K.TaggedTemplateExpression,
  K.PrefixUnaryExpression,
  K.PostfixUnaryExpression,
  K.BinaryExpression,
  K.ConditionalExpression,
  K.ObjectLiteralExpression,
  K.ArrayLiteralExpression,
  K.ArrowFunction,
  K.FunctionExpression,
]);

const BINARY_OPERATORS: Partial<Record<ts.SyntaxKind, [DiagnosticCode, Record<string, string>?]>> = {
  [K.InKeyword]: ["WS1013", { operator: "in" }],
  [K.InstanceOfKeyword]: ["WS1013", { operator: "instanceof" }],
  [K.CommaToken]: ["WS1018", { kind: "the comma operator" }],
  [K.AsteriskAsteriskToken]: ["WS1018", { kind: "`**`" }],
  [K.AsteriskAsteriskEqualsToken]: ["WS1018", { kind: "`**=`" }],
  [K.BarBarEqualsToken]: ["WS1018", { kind: "`||=`" }],
  [K.AmpersandAmpersandEqualsToken]: ["WS1018", { kind: "`&&=`" }],
  [K.QuestionQuestionEqualsToken]: ["WS1018", { kind: "`??=`" }],
};

/** Reports every construct in `file` that is outside the subset. */
export function checkSubset(file: ts.SourceFile, report: Report): void {
  for (const statement of file.statements) {
    if (MODULE_STATEMENTS.has(statement.kind)) visit(statement, report);
    else if (ts.isExportAssignment(statement)) report(statement, "WS1017", { kind: "export default" });
    else report(statement, "WS1023");
  }
}

function visit(node: ts.Node, report: Report): void {
  if (isTypeOnly(node)) return;
  const rejected = REJECTED.get(node.kind);
  if (rejected !== undefined && !isAllowed(node)) {
    const [code, details] = rejected;
    return report(node, code, details);
  }
  if (ts.isStatement(node) && !ts.isBlock(node) && node.parent !== undefined && !ts.isSourceFile(node.parent)) {
    if (!STATEMENTS.has(node.kind)) return report(node, "WS1017", { kind: nameOf(node) });
  }
  if (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.BlockScoped) === 0) return report(node, "WS1016");
  if (isFunctionLike(node) && (node.asteriskToken !== undefined || hasModifier(node, K.AsyncKeyword)))
    return report(node, "WS1004");
  if (ts.isParameter(node) && node.dotDotDotToken !== undefined) return report(node, "WS1014");
  if (ts.isBindingElement(node) && node.dotDotDotToken !== undefined) return report(node, "WS1014");
  if ((ts.isBreakStatement(node) || ts.isContinueStatement(node)) && node.label !== undefined) return report(node, "WS1022");
  if (ts.isNumericLiteral(node) && !Number.isInteger(Number(node.text)))
    return report(node, "WS1010", { text: node.getText() });
  if (ts.isBinaryExpression(node)) {
    const operator = BINARY_OPERATORS[node.operatorToken.kind];
    if (operator !== undefined) return report(node, operator[0], operator[1]);
  }
  if (isBareExpression(node) && !EXPRESSIONS.has(node.kind) && rejected === undefined) {
    return report(node, "WS1018", { kind: nameOf(node) });
  }
  ts.forEachChild(node, (child) => visit(child, report));
}

function isTypeOnly(node: ts.Node): boolean {
  return (
    ts.isTypeNode(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isTypeParameterDeclaration(node) ||
    ts.isImportDeclaration(node) ||
    ts.isExportDeclaration(node) ||
    hasModifier(node, K.DeclareKeyword)
  );
}

/** Places where a construct is not kernel code: a program's options, `as const`, the text of `trace`, a map's mode. */
function isAllowed(node: ts.Node): boolean {
  if (ts.isAsExpression(node)) {
    return ts.isTypeReferenceNode(node.type) && node.type.getText() === "const";
  }
  if (ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node))
    return ts.isTaggedTemplateExpression(node.parent);
  if (ts.isStringLiteral(node)) {
    const { parent } = node;
    if (ts.isPropertyAssignment(parent)) return parent.name === node || isModuleLevel(parent);
    return ts.isCallExpression(parent) && isMode(parent, parent.arguments.indexOf(node));
  }
  return false;
}

/** Methods that take a word, and as which arguments. */
const MODES: Readonly<Record<string, readonly number[]>> = {
  update: [2],
  push: [1],
  submit: [1],
  discard: [1],
  output: [1],
  query: [0],
  adjustRoom: [1],
};

function isMode({ expression }: ts.CallExpression, index: number): boolean {
  return ts.isPropertyAccessExpression(expression) && (MODES[expression.name.text]?.includes(index) ?? false);
}

function isModuleLevel(node: ts.Node): boolean {
  for (let at: ts.Node | undefined = node.parent; at !== undefined; at = at.parent) {
    if (isFunctionLike(at)) return false;
  }
  return true;
}

function isFunctionLike(
  node: ts.Node,
): node is ts.FunctionDeclaration | ts.FunctionExpression | ts.ArrowFunction | ts.MethodDeclaration {
  return (
    ts.isFunctionDeclaration(node) || ts.isFunctionExpression(node) || ts.isArrowFunction(node) || ts.isMethodDeclaration(node)
  );
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false);
}

/** Expressions in the position of an expression: TypeScript counts parts of others among them. */
function isBareExpression(node: ts.Node): boolean {
  if (!ts.isExpression(node)) return false;
  const { parent } = node;
  if (ts.isIdentifier(node) || ts.isOmittedExpression(node)) return false;
  if (node.kind === K.TemplateExpression || node.kind === K.NoSubstitutionTemplateLiteral) return false;
  if (ts.isPropertyAssignment(parent) && parent.name === node) return false;
  return !ts.isExpressionWithTypeArguments(node);
}

function nameOf(node: ts.Node): string {
  return ts.SyntaxKind[node.kind].replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

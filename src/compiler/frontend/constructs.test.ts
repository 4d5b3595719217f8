/** Every construct of TypeScript, in a module that has it: it compiles, or gives the diagnostic that the table names, where it stands. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check } from "../compile.ts";
import { type Diagnostic, format } from "../diagnostics/diagnostic.ts";
import { BINARY_OPERATORS, CONSTRUCTS, type Construct, KEYWORD_EXPRESSIONS, type Rejection } from "./constructs.ts";
import ts from "./typescript.ts";

const IMPORTS =
  'import { bytes, hash, range, struct, trace, u8, u16, u32, u64, type Infer, type Schema, type View, XDP_DROP, XDP_PASS, type XdpAction, type XdpContext, xdp } from "wirescript/kernel";\nimport { Ethernet } from "wirescript/net";\n';
const PROGRAM = "export const p = xdp(() => XDP_PASS);\n";
/** A module whose program has these statements. */
const body = (text: string) =>
  `export const p = xdp((ctx) => {\n  const n: u32 = ctx.length;\n  ${text}\n  return XDP_PASS;\n});\n`;
/** A module whose program uses this value. */
const value = (text: string) => body(`const x = ${text};\n  if (x) return XDP_DROP;`);
/** A module with this declaration. */
const module = (text: string) => `${text}\n${PROGRAM}`;
/** A module with this type. */
const type = (text: string) => module(`export type T = ${text};`);
/** A module in JSX. */
const jsx = (text: string) => `// jsx\n${value(text)}`;

/** One module for each construct; `null` where none is possible. */
const SAMPLES: Readonly<Record<Construct, string | null>> = {
  NumericLiteral: value("7"),
  BigIntLiteral: value("u64(7n)"),
  StringLiteral: value('"text"'),
  RegularExpressionLiteral: value("/x/"),
  NoSubstitutionTemplateLiteral: value("`text`"),
  TemplateHead: body("trace`n=${n}`;"),
  TemplateMiddle: body("trace`n=${n} m=${n}`;"),
  TemplateTail: body("trace`n=${n}!`;"),
  JsxText: jsx("<a>text</a>"),
  JsxTextAllWhiteSpaces: null,
  Identifier: value("n"),
  PrivateIdentifier: module("class C { #a = 1; }"),
  QualifiedName: type("ts.Node"),
  ComputedPropertyName: value("{ [n]: 1 }"),
  TypeParameter: module("export function f<T extends Schema>(ctx: XdpContext, s: T): View<T> | null { return ctx.at(s); }"),
  Parameter: module("export function f(n: u32, m: u32 = 1, o?: u32): u32 { return o ?? n + m; }"),
  Decorator: module("@f class C {}"),
  PropertySignature: type("{ a: u32 }"),
  PropertyDeclaration: module("class C { a = 1; }"),
  MethodSignature: type("{ f(n: u32): u32 }"),
  MethodDeclaration: value("{ f(): u32 { return 1; } }"),
  ClassStaticBlockDeclaration: module("class C { static { } }"),
  Constructor: module("class C { constructor() { } }"),
  GetAccessor: value("{ get a(): u32 { return 1; } }"),
  SetAccessor: value("{ set a(n: u32) { } }"),
  CallSignature: type("{ (n: u32): u32 }"),
  ConstructSignature: type("{ new (n: u32): u32 }"),
  IndexSignature: type("{ [n: number]: u32 }"),
  TypePredicate: module("export function f(x: View<typeof Ethernet> | null): x is null { return !x; }"),
  TypeReference: type("u32"),
  FunctionType: type("(n: u32) => u32"),
  ConstructorType: type("new (n: u32) => u32"),
  TypeQuery: type("typeof Ethernet"),
  TypeLiteral: type("{ a: u32 }"),
  ArrayType: type("u32[]"),
  TupleType: type("[u32, u32]"),
  OptionalType: type("[u32, u32?]"),
  RestType: type("[u32, ...u32[]]"),
  UnionType: type("u32 | null"),
  IntersectionType: type("{ a: u32 } & { b: u32 }"),
  ConditionalType: type("u32 extends u64 ? 1 : 2"),
  InferType: module("export type E<T> = T extends (infer U)[] ? U : never;"),
  ParenthesizedType: type("(u32 | null)"),
  ThisType: module("export interface I { a: this }"),
  TypeOperator: type("keyof { a: u32 }"),
  IndexedAccessType: type("{ a: u32 }['a']"),
  MappedType: type("{ [K in 'a' | 'b']: u32 }"),
  LiteralType: type("7"),
  NamedTupleMember: type("[first: u32]"),
  TemplateLiteralType: type("`x${number}`"),
  TemplateLiteralTypeSpan: type("`x${number}`"),
  ImportType: type('import("wirescript/kernel").u32'),
  ObjectBindingPattern: body("const { a } = { a: n };\n  if (a) return XDP_DROP;"),
  ArrayBindingPattern: body("const [a] = n;"),
  BindingElement: body("const { a: b } = { a: n };\n  if (b) return XDP_DROP;"),
  ArrayLiteralExpression: body("const a = [1];\n  if (a.length === n) return XDP_DROP;"),
  ObjectLiteralExpression: value("{ a: 1 }"),
  PropertyAccessExpression: value("ctx.length"),
  ElementAccessExpression: value("bytes(2)(1, 2)[1]"),
  CallExpression: value("u8(n)"),
  NewExpression: value("new Object()"),
  TaggedTemplateExpression: body("trace`n=${n}`;"),
  TypeAssertionExpression: value("<u8>n"),
  ParenthesizedExpression: value("(n)"),
  FunctionExpression: value("(function f() { return 1; })()"),
  ArrowFunction: value("(() => 1)()"),
  DeleteExpression: body("delete { a: 1 }.a;"),
  TypeOfExpression: value("typeof n"),
  VoidExpression: body("void n;"),
  AwaitExpression: value("await n"),
  PrefixUnaryExpression: value("-n + +n + ~n"),
  PostfixUnaryExpression: body("let i = n;\n  i++;\n  i--;\n  if (i) return XDP_DROP;"),
  BinaryExpression: value("n + 1"),
  ConditionalExpression: value("n ? 1 : 2"),
  TemplateExpression: value("`n=${n}`"),
  YieldExpression: module("export function* g() { yield 1; }"),
  SpreadElement: body("const a = [...[n]];\n  if (a) return XDP_DROP;"),
  ClassExpression: value("class {}"),
  OmittedExpression: body("const a = [, 1];\n  if (a.length === n) return XDP_DROP;"),
  ExpressionWithTypeArguments: `${body("const f = same<u32>;\n  if (f(n) > 99) return XDP_DROP;")}function same<T>(x: T): T { return x; }\n`,
  AsExpression: value("n as u8"),
  NonNullExpression: value("ctx.at(Ethernet)!"),
  MetaProperty: value("import.meta"),
  SyntheticExpression: null,
  SatisfiesExpression: value("n satisfies u32"),
  TemplateSpan: body("trace`n=${n}`;"),
  SemicolonClassElement: module("class C { ; }"),
  Block: body("{ }"),
  EmptyStatement: body(";"),
  VariableStatement: body("const x = 1;"),
  ExpressionStatement: body("n;"),
  IfStatement: body("if (n) { } else { }"),
  DoStatement: body("do { } while (n);"),
  WhileStatement: body("while (n) { }"),
  ForStatement: body("for (let i = 0; i < 3; i++) { }"),
  ForInStatement: body("for (const k in { a: 1 }) { }"),
  ForOfStatement: body("for (const i of range(3)) { if (i === n) break; }"),
  ContinueStatement: body("for (let i = 0; i < 3; i++) { if (n) continue; }"),
  BreakStatement: body("for (let i = 0; i < 3; i++) { if (n) break; }"),
  ReturnStatement: body("return XDP_DROP;"),
  WithStatement: body("with (n) { }"),
  SwitchStatement: body("switch (n) { case 1: return XDP_DROP; }"),
  LabeledStatement: body("a: { }"),
  ThrowStatement: body("throw n;"),
  TryStatement: body("try { } catch { }"),
  DebuggerStatement: body("debugger;"),
  VariableDeclaration: body("const x = 1;"),
  VariableDeclarationList: body("const x = 1, y = 2;"),
  FunctionDeclaration: body("function f() { return 1; }\n  if (f() === n) return XDP_DROP;"),
  ClassDeclaration: module("class C {}"),
  InterfaceDeclaration: module("export interface I { a: u32 }"),
  TypeAliasDeclaration: type("u32"),
  EnumDeclaration: module("enum E { A }"),
  ModuleDeclaration: module("namespace N { export const a = 1; }"),
  ModuleBlock: module("namespace N { export const a = 1; }"),
  CaseBlock: body("switch (n) { case 1: return XDP_DROP; }"),
  NamespaceExportDeclaration: module("export as namespace N;"),
  ImportEqualsDeclaration: module('import net = require("wirescript/net");'),
  ImportDeclaration: module('import "wirescript/net";'),
  ImportClause: module('import { IPv4 } from "wirescript/net";'),
  NamespaceImport: module('import * as net from "wirescript/net";'),
  NamedImports: module('import { IPv4 } from "wirescript/net";'),
  ImportSpecifier: module('import { IPv4 as V4 } from "wirescript/net";'),
  ExportAssignment: module("export default 1;"),
  ExportDeclaration: module('export { IPv4 } from "wirescript/net";'),
  NamedExports: module('export { IPv4 } from "wirescript/net";'),
  NamespaceExport: module('export * as net from "wirescript/net";'),
  ExportSpecifier: module('export { IPv4 as V4 } from "wirescript/net";'),
  MissingDeclaration: null,
  ExternalModuleReference: module('import net = require("wirescript/net");'),
  ImportAttributes: module('import table from "./table.json" with { type: "json" };'),
  ImportAttribute: module('import table from "./table.json" with { type: "json" };'),
  ImportTypeAssertionContainer: null,
  JsxElement: jsx("<a></a>"),
  JsxSelfClosingElement: jsx("<a />"),
  JsxOpeningElement: jsx("<a></a>"),
  JsxClosingElement: jsx("<a></a>"),
  JsxFragment: jsx("<></>"),
  JsxOpeningFragment: jsx("<></>"),
  JsxClosingFragment: jsx("<></>"),
  JsxAttribute: jsx("<a b={1} />"),
  JsxAttributes: jsx("<a b={1} />"),
  JsxSpreadAttribute: jsx("<a {...n} />"),
  JsxExpression: jsx("<a b={1} />"),
  JsxNamespacedName: jsx("<a:b />"),
  CaseClause: body("switch (n) { case 1: return XDP_DROP; }"),
  DefaultClause: body("switch (n) { default: return XDP_DROP; }"),
  HeritageClause: module("export interface I extends Schema { a: u32 }"),
  CatchClause: body("try { } catch { }"),
  PropertyAssignment: value("{ a: 1 }"),
  ShorthandPropertyAssignment: value("{ n }"),
  SpreadAssignment: value("{ ...{ a: 1 } }"),
  EnumMember: module("enum E { A }"),
  SourceFile: PROGRAM,
  Bundle: null,
  SyntaxList: null,
  NotEmittedStatement: null,
  NotEmittedTypeElement: null,
  PartiallyEmittedExpression: null,
  CommaListExpression: null,
  SyntheticReferenceExpression: null,
};

function diagnose(sample: string): { diagnostics: Diagnostic[]; file: ts.SourceFile } {
  const file = resolve(sample.startsWith("// jsx") ? "construct.tsx" : "construct.bpf.ts");
  const text = IMPORTS + sample;
  return {
    diagnostics: check(file, { overlay: new Map([[file, text]]) }),
    file: ts.createSourceFile(file, text, { languageVersion: ts.ScriptTarget.ES2022 }, true),
  };
}

/** The last node of that kind: the imports above every sample have some, too. */
function nodeOf(file: ts.SourceFile, kind: ts.SyntaxKind): ts.Node | null {
  let found: ts.Node | null = null;
  const visit = (node: ts.Node): void => {
    if (node.kind === kind) found = node;
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function expectRejected({ diagnostics, file }: ReturnType<typeof diagnose>, [code]: Rejection, node: ts.Node | null): void {
  const shown = diagnostics.map(format).join("\n");
  expect(node, "the sample has the construct").not.toBeNull();
  if (node === null) return;
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
  expect(
    diagnostics.filter((each) => each.code === code && each.line === line + 1),
    shown,
  ).not.toEqual([]);
}

function expectUnderstood({ diagnostics }: ReturnType<typeof diagnose>): void {
  expect(diagnostics.filter(({ code }) => code === "WS9001")).toEqual([]);
  expect(
    diagnostics.filter(({ what }) => /\b(First|Last)[A-Z]|[a-z](Expression|Statement|Declaration|Keyword|Token)\b/.test(what)),
  ).toEqual([]);
}

describe("every construct compiles or has a diagnostic of its own", () => {
  test.each(Object.entries(CONSTRUCTS) as [Construct, (typeof CONSTRUCTS)[Construct]][])("%s", (name, treatment) => {
    const sample = SAMPLES[name];
    if (sample === null) return expect(["never", "type", "part"]).toContain(treatment);
    const outcome = diagnose(sample);
    const node = nodeOf(outcome.file, ts.SyntaxKind[name]);
    expectUnderstood(outcome);
    if (typeof treatment !== "string") return expectRejected(outcome, treatment, node);
    expect(node, "the sample has the construct").not.toBeNull();
    if (treatment === "compiled" || (treatment === "type" && name !== "QualifiedName"))
      expect(outcome.diagnostics.map(format)).toEqual([]);
    // A part of what is rejected is rejected with it.
    else if (outcome.diagnostics.length > 0) expect(outcome.diagnostics.some(({ code }) => /^(WS1|TS)/.test(code))).toBe(true);
  });
});

describe("every binary operator compiles or has a diagnostic of its own", () => {
  const operators = Object.entries(BINARY_OPERATORS).map(
    ([kind, treatment]) => [ts.tokenToString(Number(kind)) ?? "", treatment] as const,
  );
  test.each(operators)("%s", (operator, treatment) => {
    const assigns = /^[^=!<>]*=$|<<=|>>=/.test(operator);
    const statement = assigns ? `let m = n & 1;\n  m ${operator} n;` : `const m = (n ${operator} n);`;
    const outcome = diagnose(body(`${statement}\n  if (m) return XDP_DROP;`));
    expectUnderstood(outcome);
    if (treatment !== "compiled")
      return expectRejected(outcome, treatment, nodeOf(outcome.file, ts.SyntaxKind.BinaryExpression));
    // TypeScript does not let integers be joined by these: they have tests of their own.
    const codes = outcome.diagnostics.map(({ code }) => code);
    expect(codes.filter((code) => code !== "WS2011" && code !== "TS2869")).toEqual([]);
  });
});

test.each([
  ["this", "WS1037", "function f(this: u32): u32 { return 1; }"],
  ["super", "WS1037", "export const f = () => super.x;"],
  ["import(…)", "WS1029", 'export const f = () => import("wirescript/net");'],
])("the keyword %s", (_, code, text) => {
  expect(diagnose(module(text)).diagnostics.map((each) => each.code)).toContain(code);
  expect([...KEYWORD_EXPRESSIONS.values()].flat()).toContain(code);
});

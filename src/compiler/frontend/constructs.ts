/**
 * Every construct of TypeScript, and what becomes of it: it is compiled, or has a diagnostic of its own. The tables are typed by
 * TypeScript's own lists, so that a construct that a later TypeScript adds does not compile here until somebody has decided.
 */

import type { DiagnosticCode } from "../diagnostics/catalogue.ts";
import ts from "./typescript.ts";

export type Rejection = readonly [DiagnosticCode, Record<string, string>?];

/**
 * "compiled"; "part": belongs to the construct around it, which is judged; "type": erased; "never": does not occur in what is read from a
 * file without syntax errors, or in comments only.
 */
export type Treatment = "compiled" | "part" | "type" | "never" | Rejection;

type Name = keyof typeof ts.SyntaxKind;
/** Tokens are judged with the construct that they stand in; First…, Last… and Assert… are second names. */
type Token = Extract<Name, `${string}Token` | `${string}Keyword` | `${string}Trivia` | `First${string}` | `Last${string}`>;
export type Construct = Exclude<Name, Token | `JSDoc${string}` | "AssertClause" | "AssertEntry" | "Unknown" | "Count">;

export const CONSTRUCTS: Readonly<Record<Construct, Treatment>> = {
  // literals
  NumericLiteral: "compiled",
  BigIntLiteral: "compiled",
  StringLiteral: ["WS1007"],
  RegularExpressionLiteral: ["WS1009"],
  NoSubstitutionTemplateLiteral: ["WS1008"],
  TemplateHead: "part",
  TemplateMiddle: "part",
  TemplateTail: "part",
  JsxText: "part",
  JsxTextAllWhiteSpaces: "part",

  // names
  Identifier: "compiled",
  PrivateIdentifier: "part",
  QualifiedName: "type",
  ComputedPropertyName: ["WS1035"],

  // declarations
  TypeParameter: "type",
  Parameter: "compiled",
  Decorator: "part",
  PropertySignature: "type",
  PropertyDeclaration: "part",
  MethodSignature: "type",
  MethodDeclaration: ["WS1036"],
  ClassStaticBlockDeclaration: "part",
  Constructor: "part",
  GetAccessor: ["WS1036"],
  SetAccessor: ["WS1036"],
  CallSignature: "type",
  ConstructSignature: "type",
  IndexSignature: "type",

  // types
  TypePredicate: ["WS1041"],
  TypeReference: "type",
  FunctionType: "type",
  ConstructorType: "type",
  TypeQuery: "type",
  TypeLiteral: "type",
  ArrayType: "type",
  TupleType: "type",
  OptionalType: "type",
  RestType: "type",
  UnionType: "type",
  IntersectionType: "type",
  ConditionalType: "type",
  InferType: "type",
  ParenthesizedType: "type",
  ThisType: "type",
  TypeOperator: "type",
  IndexedAccessType: "type",
  MappedType: "type",
  LiteralType: "type",
  NamedTupleMember: "type",
  TemplateLiteralType: "type",
  TemplateLiteralTypeSpan: "type",
  ImportType: "type",

  // patterns
  ObjectBindingPattern: "compiled",
  ArrayBindingPattern: ["WS1015"],
  BindingElement: "compiled",

  // expressions
  ArrayLiteralExpression: "compiled",
  ObjectLiteralExpression: "compiled",
  PropertyAccessExpression: "compiled",
  ElementAccessExpression: "compiled",
  CallExpression: "compiled",
  NewExpression: ["WS1006"],
  TaggedTemplateExpression: "compiled",
  TypeAssertionExpression: ["WS1012"],
  ParenthesizedExpression: "compiled",
  FunctionExpression: "compiled",
  ArrowFunction: "compiled",
  DeleteExpression: ["WS1013", { operator: "delete" }],
  TypeOfExpression: ["WS1013", { operator: "typeof" }],
  VoidExpression: ["WS1013", { operator: "void" }],
  AwaitExpression: ["WS1004"],
  PrefixUnaryExpression: "compiled",
  PostfixUnaryExpression: "compiled",
  BinaryExpression: "compiled",
  ConditionalExpression: "compiled",
  TemplateExpression: ["WS1008"],
  YieldExpression: ["WS1004"],
  SpreadElement: ["WS1014"],
  ClassExpression: ["WS1005"],
  OmittedExpression: ["WS1045"],
  ExpressionWithTypeArguments: "compiled",
  AsExpression: ["WS1012"],
  NonNullExpression: ["WS1011"],
  MetaProperty: ["WS1029"],
  SyntheticExpression: "never",
  SatisfiesExpression: "compiled",
  TemplateSpan: "part",
  SemicolonClassElement: "part",

  // statements
  Block: "compiled",
  EmptyStatement: "compiled",
  VariableStatement: "compiled",
  ExpressionStatement: "compiled",
  IfStatement: "compiled",
  DoStatement: ["WS1001", { keyword: "do" }],
  WhileStatement: ["WS1001", { keyword: "while" }],
  ForStatement: "compiled",
  ForInStatement: ["WS1002"],
  ForOfStatement: "compiled",
  ContinueStatement: "compiled",
  BreakStatement: "compiled",
  ReturnStatement: "compiled",
  WithStatement: ["WS1025"],
  SwitchStatement: "compiled",
  LabeledStatement: ["WS1022"],
  ThrowStatement: ["WS1003"],
  TryStatement: ["WS1003"],
  DebuggerStatement: ["WS1024"],
  VariableDeclaration: "compiled",
  VariableDeclarationList: "compiled",
  FunctionDeclaration: "compiled",
  ClassDeclaration: ["WS1005"],
  InterfaceDeclaration: "type",
  TypeAliasDeclaration: "type",
  EnumDeclaration: ["WS1021"],
  ModuleDeclaration: ["WS1021"],
  ModuleBlock: "part",
  CaseBlock: "part",

  // imports and exports
  NamespaceExportDeclaration: ["WS1028"],
  ImportEqualsDeclaration: ["WS1028"],
  ImportDeclaration: "compiled",
  ImportClause: "part",
  NamespaceImport: ["WS1027"],
  NamedImports: "part",
  ImportSpecifier: "part",
  ExportAssignment: ["WS1026"],
  ExportDeclaration: "compiled",
  NamedExports: "part",
  NamespaceExport: ["WS1027"],
  ExportSpecifier: "part",
  MissingDeclaration: "never",
  ExternalModuleReference: "part",
  ImportAttributes: "part",
  ImportAttribute: "part",
  ImportTypeAssertionContainer: "type",

  JsxElement: ["WS1043"],
  JsxSelfClosingElement: ["WS1043"],
  JsxOpeningElement: "part",
  JsxClosingElement: "part",
  JsxFragment: ["WS1043"],
  JsxOpeningFragment: "part",
  JsxClosingFragment: "part",
  JsxAttribute: "part",
  JsxAttributes: "part",
  JsxSpreadAttribute: "part",
  JsxExpression: "part",
  JsxNamespacedName: "part",

  // parts of others
  CaseClause: "part",
  DefaultClause: "part",
  HeritageClause: "part",
  CatchClause: "part",
  PropertyAssignment: "compiled",
  ShorthandPropertyAssignment: "compiled",
  SpreadAssignment: ["WS1014"],
  EnumMember: "part",

  SourceFile: "part",
  Bundle: "never",
  SyntaxList: "never",
  NotEmittedStatement: "never",
  NotEmittedTypeElement: "never",
  PartiallyEmittedExpression: "never",
  CommaListExpression: "never",
  SyntheticReferenceExpression: "never",
};

const RAISED: Rejection = ["WS1032"];
const LOGICAL_ASSIGNMENT = (operator: string): Rejection => ["WS1033", { operator }];
const K = ts.SyntaxKind;

export const BINARY_OPERATORS: Readonly<Record<ts.BinaryOperator, "compiled" | Rejection>> = {
  [K.PlusToken]: "compiled",
  [K.MinusToken]: "compiled",
  [K.AsteriskToken]: "compiled",
  [K.SlashToken]: "compiled",
  [K.PercentToken]: "compiled",
  [K.AsteriskAsteriskToken]: RAISED,
  [K.LessThanLessThanToken]: "compiled",
  [K.GreaterThanGreaterThanToken]: "compiled",
  [K.GreaterThanGreaterThanGreaterThanToken]: "compiled",
  [K.LessThanToken]: "compiled",
  [K.LessThanEqualsToken]: "compiled",
  [K.GreaterThanToken]: "compiled",
  [K.GreaterThanEqualsToken]: "compiled",
  [K.InstanceOfKeyword]: ["WS1013", { operator: "instanceof" }],
  [K.InKeyword]: ["WS1013", { operator: "in" }],
  [K.EqualsEqualsToken]: "compiled",
  [K.EqualsEqualsEqualsToken]: "compiled",
  [K.ExclamationEqualsToken]: "compiled",
  [K.ExclamationEqualsEqualsToken]: "compiled",
  [K.AmpersandToken]: "compiled",
  [K.BarToken]: "compiled",
  [K.CaretToken]: "compiled",
  [K.AmpersandAmpersandToken]: "compiled",
  [K.BarBarToken]: "compiled",
  [K.QuestionQuestionToken]: "compiled",
  [K.CommaToken]: ["WS1031"],
  [K.EqualsToken]: "compiled",
  [K.PlusEqualsToken]: "compiled",
  [K.MinusEqualsToken]: "compiled",
  [K.AsteriskEqualsToken]: "compiled",
  [K.AsteriskAsteriskEqualsToken]: RAISED,
  [K.SlashEqualsToken]: "compiled",
  [K.PercentEqualsToken]: "compiled",
  [K.AmpersandEqualsToken]: "compiled",
  [K.BarEqualsToken]: "compiled",
  [K.CaretEqualsToken]: "compiled",
  [K.LessThanLessThanEqualsToken]: "compiled",
  [K.GreaterThanGreaterThanEqualsToken]: "compiled",
  [K.GreaterThanGreaterThanGreaterThanEqualsToken]: "compiled",
  [K.BarBarEqualsToken]: LOGICAL_ASSIGNMENT("||="),
  [K.AmpersandAmpersandEqualsToken]: LOGICAL_ASSIGNMENT("&&="),
  [K.QuestionQuestionEqualsToken]: LOGICAL_ASSIGNMENT("??="),
};

/** Keywords that are expressions. */
export const KEYWORD_EXPRESSIONS: ReadonlyMap<ts.SyntaxKind, "compiled" | Rejection> = new Map<
  ts.SyntaxKind,
  "compiled" | Rejection
>([
  [K.NullKeyword, "compiled"],
  [K.TrueKeyword, "compiled"],
  [K.FalseKeyword, "compiled"],
  [K.ThisKeyword, ["WS1037", { keyword: "this" }]],
  [K.SuperKeyword, ["WS1037", { keyword: "super" }]],
  [K.ImportKeyword, ["WS1029"]],
]);

const treatments = new Map<ts.SyntaxKind, Treatment>(
  (Object.entries(CONSTRUCTS) as [Construct, Treatment][]).map(([name, treatment]) => [ts.SyntaxKind[name], treatment]),
);

export function treatmentOf(kind: ts.SyntaxKind): Treatment {
  return treatments.get(kind) ?? KEYWORD_EXPRESSIONS.get(kind) ?? "part";
}

/**
 * TypeScript's API, as what imports it at run time sees it. It is required, not imported: of a CommonJS module that is imported, Node.js first
 * finds out that it is one, and what it exports, and that reads TypeScript's nine megabytes three times over.
 */
import { createRequire } from "node:module";
import type typescript from "typescript";

declare namespace ts {
  type ArrayLiteralExpression = typescript.ArrayLiteralExpression;
  type ArrowFunction = typescript.ArrowFunction;
  type BinaryExpression = typescript.BinaryExpression;
  type BinaryOperator = typescript.BinaryOperator;
  type BindingName = typescript.BindingName;
  type CallExpression = typescript.CallExpression;
  type CaseClause = typescript.CaseClause;
  type CompilerHost = typescript.CompilerHost;
  type CompilerOptions = typescript.CompilerOptions;
  type ConditionalExpression = typescript.ConditionalExpression;
  type Declaration = typescript.Declaration;
  type Diagnostic = typescript.Diagnostic;
  type ElementAccessExpression = typescript.ElementAccessExpression;
  type Expression = typescript.Expression;
  type ForInitializer = typescript.ForInitializer;
  type ForOfStatement = typescript.ForOfStatement;
  type ForStatement = typescript.ForStatement;
  type FunctionDeclaration = typescript.FunctionDeclaration;
  type FunctionExpression = typescript.FunctionExpression;
  type Identifier = typescript.Identifier;
  type IfStatement = typescript.IfStatement;
  type MemberName = typescript.MemberName;
  type MethodDeclaration = typescript.MethodDeclaration;
  type Node = typescript.Node;
  type NumericLiteral = typescript.NumericLiteral;
  type ObjectLiteralExpression = typescript.ObjectLiteralExpression;
  type ParameterDeclaration = typescript.ParameterDeclaration;
  type PrefixUnaryExpression = typescript.PrefixUnaryExpression;
  type Program = typescript.Program;
  type PropertyAccessExpression = typescript.PropertyAccessExpression;
  type ResolvedModuleWithFailedLookupLocations = typescript.ResolvedModuleWithFailedLookupLocations;
  type SourceFile = typescript.SourceFile;
  type Statement = typescript.Statement;
  type StringLiteral = typescript.StringLiteral;
  type StringLiteralLike = typescript.StringLiteralLike;
  type SwitchStatement = typescript.SwitchStatement;
  type Symbol = typescript.Symbol;
  type SyntaxKind = typescript.SyntaxKind;
  type TaggedTemplateExpression = typescript.TaggedTemplateExpression;
  type Type = typescript.Type;
  type TypeChecker = typescript.TypeChecker;
  type VariableDeclaration = typescript.VariableDeclaration;
  type VariableDeclarationList = typescript.VariableDeclarationList;
}

const ts = createRequire(import.meta.url)("typescript") as typeof typescript;

export default ts;

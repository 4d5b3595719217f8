/** Which of a module's exports are programs, for which hook, and under which names they go into the object. */
import ts from "typescript";
import { lowerExpression } from "./expressions.ts";
import { HOOKS, type Hook } from "./hooks.ts";
import type { Lowering } from "./lowering.ts";
import type { Source } from "./source.ts";
import type { RecordValue } from "./values.ts";

export interface DeclaredProgram {
  exportName: string;
  hook: Hook;
  call: ts.CallExpression;
}

/** What the entry exports with the value `xdp(…)` or `tc.ingress(…)`, here or in a module that it re-exports. */
export function exportedPrograms(source: Source): DeclaredProgram[] {
  return exportedConstants(source).flatMap(({ symbol, initializer }) => {
    if (!ts.isCallExpression(initializer)) return [];
    const hook = hookOf(source, initializer);
    return hook === null ? [] : [{ exportName: symbol.name, hook, call: initializer }];
  });
}

/** The hook of the program that `call` declares; `null` when it declares none. */
export function hookOf(source: Source, { expression }: ts.CallExpression): Hook | null {
  const name = ts.isPropertyAccessExpression(expression) ? expression.expression : expression;
  if (!ts.isIdentifier(name)) return null;
  const callee = resolve(source.checker, source.checker.getSymbolAtLocation(name));
  if (callee?.valueDeclaration === undefined || !source.isIntrinsic(callee.valueDeclaration)) return null;
  const path = ts.isPropertyAccessExpression(expression) ? `${callee.name}.${expression.name.text}` : callee.name;
  return Object.hasOwn(HOOKS, path) ? (HOOKS[path] ?? null) : null;
}

export function exportedConstants({
  checker,
  entry,
}: Source): { symbol: ts.Symbol; declaration: ts.VariableDeclaration; initializer: ts.Expression }[] {
  const module = checker.getSymbolAtLocation(entry);
  if (module === undefined) return [];
  return checker.getExportsOfModule(module).flatMap((symbol) => {
    const declaration = resolve(checker, symbol)?.valueDeclaration;
    if (declaration === undefined || !ts.isVariableDeclaration(declaration) || declaration.initializer === undefined) return [];
    return [{ symbol, declaration, initializer: declaration.initializer }];
  });
}

/** The symbol itself, seen through imports and re-exports. */
export function resolve(checker: ts.TypeChecker, symbol: ts.Symbol | undefined): ts.Symbol | undefined {
  return symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol;
}

/** The ELF symbol and section of a program. */
export function optionsOf(
  l: Lowering,
  { exportName, hook }: DeclaredProgram,
  node: ts.Expression | undefined,
): { name: string; section: string } {
  if (node === undefined) return { name: exportName, section: hook.section };
  const options = lowerExpression(l, node);
  if (options.kind !== "record") return l.fail(node, "WS3007");
  const name = text(l, node, options, "name") ?? exportName;
  const section = text(l, node, options, "section") ?? hook.section;
  if (!/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name)) l.fail(node, "WS3009", { name, reason: "it is not a symbol name" });
  if (!hook.accepts(section)) l.fail(node, "WS3008", { hook: hook.title });
  return { name, section };
}

function text(l: Lowering, node: ts.Node, options: RecordValue, key: string): string | null {
  const field = options.fields.get(key);
  if (field === undefined) return null;
  return field.value.kind === "string" ? field.value.text : l.fail(node, "WS3007");
}

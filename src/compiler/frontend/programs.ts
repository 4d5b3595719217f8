/** Which of a module's exports are programs, for which hook, and under which names they go into the object. */

import { TEXT_SECTION } from "../../object/elf/format.ts";
import { isFragsSection } from "../../object/elf/program-type.ts";
import type { ProgramSpec } from "../../object/spec.ts";
import { lowerExpression } from "./expressions.ts";
import { HOOKS, type Hook, XDP_FRAGS } from "./hooks.ts";
import type { Lowering } from "./lowering.ts";
import { unusableName } from "./names.ts";
import type { Source } from "./source.ts";
import ts from "./typescript.ts";
import type { RecordValue, Value } from "./values.ts";

export interface DeclaredProgram {
  exportName: string;
  hook: Hook;
  /** Of a program for TC. */
  direction?: ProgramSpec["direction"];
  call: ts.CallExpression;
}

/** What the entry exports with the value `xdp(…)` or `tc.ingress(…)`, here or in a module that it re-exports. */
export function exportedPrograms(source: Source): DeclaredProgram[] {
  return exportedConstants(source).flatMap(({ symbol, initializer: given }) => {
    const initializer = behindNames(source, given);
    if (!ts.isCallExpression(initializer)) return [];
    const type = typeOf(source, initializer);
    const hook = type === null ? undefined : HOOKS[type];
    if (type === null || hook === undefined) return [];
    const direction = DIRECTIONS[type];
    return [{ exportName: symbol.name, hook, ...(direction && { direction }), call: initializer }];
  });
}

/** What a constant is that is only another one's name: `export const drop = base`. */
function behindNames({ checker }: Source, given: ts.Expression): ts.Expression {
  const seen = new Set<ts.Node>();
  let node = given;
  while (ts.isIdentifier(node) && !seen.has(node)) {
    seen.add(node);
    const declaration = resolve(checker, checker.getSymbolAtLocation(node))?.valueDeclaration;
    if (declaration === undefined || !ts.isVariableDeclaration(declaration)) break;
    node = declaration.initializer ?? node;
  }
  return node;
}

const DIRECTIONS: Readonly<Record<string, ProgramSpec["direction"]>> = { "tc.ingress": "ingress", "tc.egress": "egress" };

/** A key of `HOOKS`: that of the program that `call` gives, as its type says; `null` when it gives none. */
function typeOf({ checker, isIntrinsic }: Source, call: ts.CallExpression): string | null {
  const property = checker.getTypeAtLocation(call).getProperty("type");
  if (property?.valueDeclaration === undefined || !isIntrinsic(property.valueDeclaration)) return null;
  const type = checker.getTypeOfSymbol(property);
  return type.isStringLiteral() && Object.hasOwn(HOOKS, type.value) ? type.value : null;
}

/** `xdp`, `tc.ingress`: the function of wirescript/kernel that is called; `null` when it is none. */
export function intrinsicName({ checker, isIntrinsic }: Source, { expression }: ts.CallExpression): string | null {
  const name = ts.isPropertyAccessExpression(expression) ? expression.expression : expression;
  if (!ts.isIdentifier(name)) return null;
  const callee = resolve(checker, checker.getSymbolAtLocation(name));
  if (callee?.valueDeclaration === undefined || !isIntrinsic(callee.valueDeclaration)) return null;
  return ts.isPropertyAccessExpression(expression) ? `${callee.name}.${expression.name.text}` : callee.name;
}

/** `xdp(…)` as a value. What a function made would depend on that function's variables, which a chain's program does not see. */
export function declareProgram(l: Lowering, call: ts.CallExpression): Value {
  for (let node: ts.Node = call; !ts.isSourceFile(node); node = node.parent) {
    if (ts.isFunctionLike(node)) return l.fail(call, "WS3060");
  }
  return { kind: "program", call };
}

/** The programs of a chain, and its options; `null` for a program that is none. */
export function chainOf(
  l: Lowering,
  call: ts.CallExpression,
): { programs: ts.CallExpression[]; options: ts.Expression | undefined } | null {
  if (intrinsicName(l.module.source, call) !== "chain") return null;
  const programs: ts.CallExpression[] = [];
  let options: ts.Expression | undefined;
  for (const argument of call.arguments) {
    const value = lowerExpression(l, argument);
    if (value.kind === "program") programs.push(value.call);
    else if (value.kind === "record") options = argument;
    else l.fail(argument, "WS3060");
  }
  return { programs, options };
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

/** The ELF symbol and section of a program, and its hook: the options may ask for a special one. */
export function optionsOf(
  l: Lowering,
  { exportName, hook, call }: DeclaredProgram,
): { name: string; section: string; hook: Hook } {
  const chain = chainOf(l, call);
  const node = chain === null ? call.arguments[1] : chain.options;
  if (node === undefined) return { name: usable(l, call, exportName), section: hook.section, hook };
  const options = lowerExpression(l, node);
  if (options.kind !== "record") return l.fail(node, "WS3007");
  const name = text(l, node, options, "name") ?? exportName;
  const frags =
    hook.type === "xdp" && (isTrue(l, node, options, "frags") || isFragsSection(text(l, node, options, "section") ?? ""));
  const chosen = frags ? XDP_FRAGS : hook;
  const section = text(l, node, options, "section") ?? chosen.section;
  usable(l, node, name);
  if (!fits(l, chosen, section)) l.fail(node, "WS3008", { hook: chosen.title });
  return { name, section, hook: chosen };
}

/** In `.text` is the code that programs call; loaders take it for a program when there is no other. */
function fits(l: Lowering, hook: Hook, section: string): boolean {
  if (section === TEXT_SECTION) return hook.type === "xdp" && exportedPrograms(l.module.source).length === 1;
  return hook.accepts(section);
}

function usable(l: Lowering, node: ts.Node, name: string): string {
  const reason = unusableName(name);
  return reason === null ? name : l.fail(node, "WS3009", { name, reason });
}

function text(l: Lowering, node: ts.Node, options: RecordValue, key: string): string | null {
  const field = options.fields.get(key);
  if (field === undefined) return null;
  return field.value.kind === "string" ? field.value.text : l.fail(node, "WS3007");
}

function isTrue(l: Lowering, node: ts.Node, options: RecordValue, key: string): boolean {
  const field = options.fields.get(key);
  if (field === undefined) return false;
  const { value } = field;
  return value.kind === "int" && value.ssa.op === "const" ? value.ssa.value !== 0n : l.fail(node, "WS3007");
}

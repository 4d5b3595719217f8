/** From a read module to IR: finds the programs that it exports, and lowers each. */
import ts from "typescript";
import { isXdpSection } from "../../object/elf/program-type.ts";
import type { Diagnostic, SourceRange } from "../diagnostics/diagnostic.ts";
import { describe } from "../diagnostics/diagnostic.ts";
import type { Function } from "../ir/ir.ts";
import { buildIn } from "./calls.ts";
import { constantOf } from "./declarations.ts";
import { lowerExpression, symbolOf } from "./expressions.ts";
import { Lowering } from "./lowering.ts";
import { ModuleState } from "./module.ts";
import { Abort } from "./reporter.ts";
import { placeOf, rangeOf, type Source, typeScriptDiagnostics } from "./source.ts";
import { checkSubset } from "./subset.ts";
import type { MapDeclaration, RecordValue } from "./values.ts";

export interface LoweredProgram {
  name: string;
  section: string;
  function: Function;
  /** Where the program is declared, for messages about all of it. */
  place: SourceRange;
}

export interface LoweredModule {
  programs: LoweredProgram[];
  maps: MapDeclaration[];
  readonlyData: Uint8Array;
  settings: ModuleState["settings"];
  diagnostics: Diagnostic[];
}

interface Declared {
  exportName: string;
  call: ts.CallExpression;
}

export function lowerModule(source: Source): LoweredModule {
  const state = new ModuleState(source);
  for (const file of source.modules) checkSubset(file, (node, code, details) => state.reporter.report(node, code, details));
  const rejected = new Set(state.reporter.diagnostics.map(({ file, line }) => `${file}:${line}`));
  // A construct that the language does not have often confuses the checker too: one message a line is enough.
  const checked = typeScriptDiagnostics(source).filter(({ file, line }) => !rejected.has(`${file}:${line}`));
  const found = (): Diagnostic[] => [...state.reporter.diagnostics, ...checked].sort(byPlace);
  const empty = { programs: [], maps: [], readonlyData: new Uint8Array(), settings: [] };
  if (found().length > 0) return { ...empty, diagnostics: found() };

  const declared = exportedPrograms(source);
  if (declared.length === 0) {
    const place = placeOf(source.entry, 0, 1);
    return { ...empty, diagnostics: [{ code: "WS3001", ...place, line: 0, ...describe("WS3001") }] };
  }
  const programs: LoweredProgram[] = [];
  const calls = new Map<string, ts.Node>();
  for (const { exportName, call } of declared) {
    const lowered = lowerProgram(state, exportName, call);
    if (lowered === null) continue;
    const earlier = calls.get(lowered.name);
    if (earlier !== undefined) {
      const notes = [{ node: earlier, what: "the other program of that name" }];
      state.reporter.report(call, "WS3006", { kind: "program", name: lowered.name }, notes);
    }
    calls.set(lowered.name, call);
    programs.push(lowered);
  }
  addExportedMaps(state);
  checkMapNames(state);
  const { readonlyData, settings } = state;
  return { programs, maps: [...state.maps.values()], readonlyData, settings, diagnostics: found() };
}

function byPlace(left: Diagnostic, right: Diagnostic): number {
  return left.file.localeCompare(right.file) || left.line - right.line || left.column - right.column;
}

/** What the entry exports with the value `xdp(…)`, here or in a module that it re-exports. */
function exportedPrograms(source: Source): Declared[] {
  const result: Declared[] = [];
  for (const { symbol, initializer } of exportedConstants(source)) {
    if (!ts.isCallExpression(initializer) || !ts.isIdentifier(initializer.expression)) continue;
    const callee = resolve(source.checker, source.checker.getSymbolAtLocation(initializer.expression));
    const declaration = callee?.valueDeclaration;
    if (declaration !== undefined && source.isIntrinsic(declaration) && callee?.name === "xdp") {
      result.push({ exportName: symbol.name, call: initializer });
    }
  }
  return result;
}

function exportedConstants({
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

function resolve(checker: ts.TypeChecker, symbol: ts.Symbol | undefined): ts.Symbol | undefined {
  return symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol;
}

function lowerProgram(state: ModuleState, exportName: string, call: ts.CallExpression): LoweredProgram | null {
  const reported = state.reporter.diagnostics.length;
  try {
    const l = new Lowering(state, exportName);
    const { name, section } = optionsOf(l, exportName, call);
    const [body] = call.arguments;
    if (body === undefined) return null;
    const callee = lowerExpression(l, body);
    if (callee.kind !== "function") return l.fail(body, "WS2006");
    const action = buildIn(l, call, callee.node, [{ kind: "context" }]);
    if (action.kind === "int") l.builder.return(action.ssa);
    if (state.reporter.diagnostics.length > reported) return null;
    l.builder.function.name = name;
    return { name, section, function: l.builder.finish(), place: rangeOf(call) };
  } catch (error) {
    if (error instanceof Abort) return null;
    // After a statement was left out, what follows may make no sense; its reason is reported already.
    if (state.reporter.diagnostics.length > reported) return null;
    state.reporter.report(call, "WS9001", { detail: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

function optionsOf(l: Lowering, exportName: string, call: ts.CallExpression): { name: string; section: string } {
  const node = call.arguments[1];
  if (node === undefined) return { name: exportName, section: "xdp" };
  const options = lowerExpression(l, node);
  if (options.kind !== "record") return l.fail(node, "WS3007");
  const name = text(l, node, options, "name") ?? exportName;
  const section = text(l, node, options, "section") ?? "xdp";
  if (!/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name)) l.fail(node, "WS3009", { name, reason: "it is not a symbol name" });
  if (!isXdpSection(section)) l.fail(node, "WS3008");
  return { name, section };
}

function text(l: Lowering, node: ts.Node, options: RecordValue, key: string): string | null {
  const field = options.fields.get(key);
  if (field === undefined) return null;
  return field.value.kind === "string" ? field.value.text : l.fail(node, "WS3007");
}

/** Maps that the module exports are part of the object even when no program uses them yet. */
function addExportedMaps(state: ModuleState): void {
  const l = new Lowering(state, "");
  for (const { symbol, declaration, initializer } of exportedConstants(state.source)) {
    if (!ts.isCallExpression(initializer) || !ts.isIdentifier(initializer.expression)) continue;
    const callee = symbolOf(l, initializer.expression)?.valueDeclaration;
    if (callee === undefined || !state.source.isIntrinsic(callee) || !ts.isIdentifier(declaration.name)) continue;
    try {
      const value = constantOf(l, declaration.name, resolve(l.checker, symbol) ?? symbol);
      if (value.kind !== "map") continue;
      state.maps.set(declaration, value.map);
      // User space finds maps by the name of their constant, and types them by the name of the export.
      if (symbol.name !== value.map.name)
        state.reporter.report(declaration, "WS3010", { name: value.map.name, alias: symbol.name });
    } catch (error) {
      if (!(error instanceof Abort)) throw error;
    }
  }
}

/** The kernel keeps 15 characters of a map's name, and pins and tools find maps by them. */
function checkMapNames(state: ModuleState): void {
  const names = new Map<string, ts.Node>();
  for (const { name, node } of state.maps.values()) {
    if (name.length > 15) state.reporter.report(node, "WS3009", { name, reason: "it is longer than 15 characters" });
    if (!/^[A-Za-z0-9_.]+$/.test(name)) state.reporter.report(node, "WS3009", { name, reason: "it has other characters" });
    const earlier = names.get(name);
    if (earlier !== undefined) {
      state.reporter.report(node, "WS3006", { kind: "map", name }, [{ node: earlier, what: "the other map of that name" }]);
    }
    names.set(name, node);
  }
}

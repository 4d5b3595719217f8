/** From a read module to IR: finds the programs that it exports, and lowers each. */

import type { ProgramSpec, ProgramType } from "../../object/spec.ts";
import type { Diagnostic, SourceRange } from "../diagnostics/diagnostic.ts";
import { byPlace, describe } from "../diagnostics/diagnostic.ts";
import type { Function } from "../ir/ir.ts";
import { checkAtomics } from "./atomics.ts";
import { runProgram } from "./chain.ts";
import { constantOf } from "./declarations.ts";
import { symbolOf } from "./expressions.ts";
import { globalPlace } from "./globals.ts";
import { isOwn } from "./imports.ts";
import { Lowering } from "./lowering.ts";
import { type GlobalVariable, ModuleState } from "./module.ts";
import { unusableName } from "./names.ts";
import { type DeclaredProgram, exportedConstants, exportedPrograms, optionsOf, resolve } from "./programs.ts";
import { checkRecords } from "./records.ts";
import { Abort, isStackExhausted } from "./reporter.ts";
import { placeOf, rangeOf, type Source, syntaxErrors, typeErrors } from "./source.ts";
import type { Subprogram } from "./subprograms.ts";
import { checkSubset } from "./subset.ts";
import ts from "./typescript.ts";
import type { MapDeclaration } from "./values.ts";

export interface LoweredProgram {
  name: string;
  section: string;
  type: ProgramType;
  direction?: ProgramSpec["direction"];
  function: Function;
  /** Where the program is declared, for messages about all of it. */
  place: SourceRange;
}

export interface LoweredModule {
  programs: LoweredProgram[];
  /** Every function that some program calls as such, directly or not. */
  subprograms: readonly Subprogram[];
  maps: MapDeclaration[];
  readonlyData: Uint8Array;
  settings: ModuleState["settings"];
  globals: GlobalVariable[];
  diagnostics: Diagnostic[];
}

export function lowerModule(source: Source): LoweredModule {
  const state = new ModuleState(source);
  const { unparsed, checked } = checkSource(state);
  const found = (): Diagnostic[] => [...state.reporter.diagnostics, ...checked].sort(byPlace);
  const empty = { programs: [], subprograms: [], maps: [], readonlyData: new Uint8Array(), settings: [], globals: [] };
  if (unparsed) return { ...empty, diagnostics: found() };

  const declared = exportedPrograms(source);
  if (declared.length === 0 && found().length === 0) {
    const place = placeOf(source.entry, 0, 1);
    return { ...empty, diagnostics: [{ code: "WS3001", ...place, line: 0, ...describe("WS3001") }] };
  }
  const programs: LoweredProgram[] = [];
  const calls = new Map<string, ts.Node>();
  reserveSymbols(state, declared);
  for (const program of declared) {
    const { call } = program;
    const lowered = lowerProgram(state, program);
    if (lowered === null) continue;
    const earlier = calls.get(lowered.name);
    if (earlier !== undefined) {
      const notes = [{ node: earlier, what: "the other program of that name" }];
      state.reporter.report(call, "WS3006", { kind: "program", name: lowered.name }, notes);
    }
    calls.set(lowered.name, call);
    programs.push(lowered);
  }
  addExportedData(state);
  checkMapNames(state);
  checkDataNames(state);
  const { readonlyData, settings, subprograms } = state;
  const [maps, globals] = [[...state.maps.values()], [...state.globals.values()]];
  return { programs, subprograms, maps, readonlyData, settings, globals, diagnostics: found() };
}

/** Programs have their names for certain; subprograms take others. Texts among the options are names or do no harm. */
function reserveSymbols(state: ModuleState, declared: readonly DeclaredProgram[]): void {
  const reserve = (node: ts.Node): void => {
    if (ts.isStringLiteral(node)) state.symbols.add(node.text);
    ts.forEachChild(node, reserve);
  };
  for (const { exportName, call } of declared) {
    state.symbols.add(exportName);
    for (const options of call.arguments.slice(1)) reserve(options);
  }
}

/**
 * Looks at the source before it is lowered: constructs outside the subset go to the reporter, TypeScript's messages are the result.
 * `unparsed` when there is no syntax tree to go on with.
 */
function checkSource({ source, reporter, faults }: ModuleState): { unparsed: boolean; checked: Diagnostic[] } {
  // This package's own modules are right.
  const foreign = source.modules.filter((file) => file === source.entry || !isOwn(file.fileName));
  const syntax = foreign.map((file) => ({ file, found: syntaxErrors(source, file) }));
  const right = syntax.filter(({ found }) => found.length === 0).map(({ file }) => file);
  for (const file of right) {
    checkSubset(file, (node, code, details) => {
      reporter.report(node, code, details);
      faults.add(node);
    });
  }
  for (const { specifier, via } of source.userSpaceImports) {
    const notes = via === undefined ? [] : [{ node: via, what: "the module is imported here" }];
    reporter.report(specifier, "WS1046", { name: specifier.text }, notes);
    faults.add(specifier);
  }
  const rejected = new Set(reporter.diagnostics.map(({ file, line }) => `${file}:${line}`));
  // A construct that the language does not have often confuses the checker too: one message a line is enough.
  const types = right
    .flatMap((file) => typeErrors(source, file))
    .filter(({ diagnostic }) => !rejected.has(`${diagnostic.file}:${diagnostic.line}`));
  for (const { file, start, length } of types) faults.addMistyped(file, start, length);
  const all = [...syntax.flatMap(({ found }) => found), ...types];
  return { unparsed: right.length < syntax.length, checked: all.map(({ diagnostic }) => diagnostic) };
}

function lowerProgram(state: ModuleState, declared: DeclaredProgram): LoweredProgram | null {
  const { exportName, call, direction } = declared;
  const reported = state.reporter.diagnostics.length;
  try {
    const { name, section, hook } = optionsOf(new Lowering(state, exportName, declared.hook), declared);
    const l = new Lowering(state, exportName, hook);
    const action = runProgram(l, call);
    if (action.kind === "int") l.builder.return(action.ssa);
    if (l.leftOut || state.reporter.diagnostics.length > reported) return null;
    l.builder.function.name = name;
    const fn = l.builder.finish();
    checkRecords(l, fn);
    checkAtomics(l, fn);
    if (state.reporter.diagnostics.length > reported) return null;
    return { name, section, type: hook.type, ...(direction && { direction }), function: fn, place: rangeOf(call) };
  } catch (error) {
    if (error instanceof Abort) return null;
    // After something was left out, what follows may make no sense; its reason is reported already.
    if (state.reporter.diagnostics.length > 0 || state.faults.any) return null;
    if (isStackExhausted(error)) {
      state.reporter.report(call, "WS4005");
      return null;
    }
    state.reporter.report(call, "WS9001", { detail: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

/** Maps and variables that the module exports are part of the object even when no program uses them yet. */
function addExportedData(state: ModuleState): void {
  const l = new Lowering(state, "");
  for (const { symbol, declaration, initializer } of exportedConstants(state.source)) {
    if ((declaration.parent.flags & ts.NodeFlags.Const) === 0) l.attempt(() => globalPlace(l, declaration, declaration));
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

/** Tools and user space tell settings and variables apart by their names alone, whichever module they are from. */
function checkDataNames(state: ModuleState): void {
  const names = new Map<string, ts.Node>();
  const variables = [...state.globals].map(([node, { name }]) => ({ node, name }));
  for (const { name, node } of [...state.settings, ...variables]) {
    const earlier = names.get(name);
    if (earlier === undefined) names.set(name, node);
    else state.reporter.report(node, "WS3006", { kind: "variable", name }, [{ node: earlier, what: "the other one" }]);
  }
}

/** The kernel keeps 15 characters of a map's name, and pins and tools find maps by them. */
function checkMapNames(state: ModuleState): void {
  const names = new Map<string, ts.Node>();
  for (const { name, node } of state.maps.values()) {
    if (name.length > 15) state.reporter.report(node, "WS3009", { name, reason: "it is longer than 15 characters" });
    const reason = unusableName(name);
    if (reason !== null) state.reporter.report(node, "WS3009", { name, reason });
    const earlier = names.get(name);
    if (earlier !== undefined) {
      state.reporter.report(node, "WS3006", { kind: "map", name }, [{ node: earlier, what: "the other map of that name" }]);
    }
    names.set(name, node);
  }
}

/** Which of this package's kernel modules exports a name: for messages about what was not imported. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { OWN_MODULES } from "./imports.ts";
import ts from "./typescript.ts";

/** The modules by what they export: read when it is first asked for, since they do not change while this runs. */
let modules: ReadonlyMap<string, string> | null = null;

/** `wirescript/kernel` for `xdp`; `null` when none has it. */
export function ownModuleOf(name: string): string | null {
  modules ??= new Map(
    Object.entries(OWN_MODULES).flatMap(([module, file]) => exportedNames(file).map((each) => [each, module])),
  );
  return modules.get(name) ?? null;
}

/** What the module exports, types included, read off its text: it need not be part of what is being compiled. */
function exportedNames(fileName: string): string[] {
  const file = ts.createSourceFile(fileName, readFileSync(fileName, "utf8"), ts.ScriptTarget.ES2022);
  return file.statements.flatMap((statement): string[] => {
    if (ts.isExportDeclaration(statement)) {
      const { exportClause, moduleSpecifier } = statement;
      if (exportClause !== undefined) return ts.isNamedExports(exportClause) ? exportClause.elements.map(nameOf) : [];
      const isLocal = moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier);
      return isLocal ? exportedNames(resolve(dirname(fileName), moduleSpecifier.text)) : [];
    }
    const isExported = ts.canHaveModifiers(statement) && ts.getModifiers(statement)?.some(isExport);
    if (isExported !== true) return [];
    return ts.isVariableStatement(statement) ? statement.declarationList.declarations.map(nameOf) : [nameOf(statement)];
  });
}

function nameOf(node: ts.Node): string {
  const name = ts.getNameOfDeclaration(node as ts.Declaration); // every exported statement declares something
  return name !== undefined && ts.isIdentifier(name) ? name.text : "";
}

function isExport({ kind }: ts.Node): boolean {
  return kind === ts.SyntaxKind.ExportKeyword;
}

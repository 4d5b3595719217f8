/** `wirescript report`: everything that is needed to mend a program that compiles and that the kernel refuses, in one file. */
import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import { resolve } from "node:path";
import { compile } from "../../compiler/compile.ts";
import { CompileError } from "../../compiler/diagnostics/diagnostic.ts";
import { printFunction } from "../../compiler/ir/print.ts";
import { WirescriptError } from "../../errors.ts";
import { disassemble } from "../../object/disassemble.ts";
import type { ObjectSpec } from "../../object/spec.ts";
import { packageFile, version } from "../../package.ts";
import { writeOutput } from "../output-file.ts";
import { say } from "../terminal.ts";

export async function report(file: string, output: string): Promise<void> {
  const sections: [string, string][] = [["versions", versions()]];
  try {
    const { spec, functions, files } = compile(file);
    for (const name of files.filter((each) => !each.startsWith(packageFile("src/")) || each === resolve(file))) {
      sections.push([name, readFileSync(name, "utf8")]);
    }
    sections.push(["verdict", await verdict(spec)]);
    sections.push(["intermediate form", functions.map((fn) => printFunction(fn, { places: true })).join("\n")]);
    sections.push(["instructions", instructions(spec)]);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    sections.push([file, readFileSync(file, "utf8")], ["diagnostics", error.message]);
  }
  const text = sections.map(([title, content]) => `==== ${title}\n\n${content.trimEnd()}\n`).join("\n");
  writeOutput(output, text);
  if (output !== "-") say(`Wrote ${output}. It holds your module's source: look it through before you send it.`);
}

function versions(): string {
  return `wirescript ${version()}, Node.js ${process.version}, ${process.platform} ${release()} ${arch()}`;
}

/** What the kernel says, with its whole log; without the right to ask it, that. */
async function verdict(spec: ObjectSpec): Promise<string> {
  const { loadSpec } = await import("../../runtime/load.ts");
  const { VerifierError } = await import("../../runtime/verifier-log.ts");
  const verdicts = spec.programs.map(({ name }) => {
    try {
      using _object = loadSpec(spec, { programs: [name] });
      return `${name}: the kernel takes it.`;
    } catch (error) {
      if (error instanceof VerifierError) return `${error.message}\n${error.why ?? ""}\n\n${error.log}`;
      if (error instanceof WirescriptError) return `${name}: ${error.message} ${error.why ?? ""}`;
      throw error;
    }
  });
  return verdicts.join("\n\n");
}

function instructions(spec: ObjectSpec): string {
  const functions = spec.programs.flatMap((program) => program.functions);
  return [...new Set(functions)].map((fn) => `${fn.name}:\n${disassemble(fn.instructions).join("\n")}\n`).join("\n");
}

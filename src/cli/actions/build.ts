/** `wirescript build`: a kernel module becomes an eBPF object that every loader takes, or text for people who want to see what comes out. */
import { basename } from "node:path";
import { compile } from "../../compiler/compile.ts";
import { printFunction } from "../../compiler/ir/print.ts";
import { disassemble } from "../../object/disassemble.ts";
import { writeElf } from "../../object/elf/write.ts";
import type { ObjectSpec } from "../../object/spec.ts";
import { writeOutput } from "../output-file.ts";
import { describePrograms, instructionCount } from "../program-file.ts";
import { say } from "../terminal.ts";

export interface BuildOptions {
  output?: string;
  emit?: "ir" | "asm";
  cpu: 1 | 2 | 3 | 4;
  license?: string;
}

export function build(file: string, options: BuildOptions): void {
  const { spec, functions } = compile(file, { cpu: options.cpu, license: options.license });
  if (options.emit === "ir") {
    writeOutput(options.output ?? "-", functions.map((fn) => printFunction(fn, { places: true })).join("\n"));
  } else if (options.emit === "asm") {
    writeOutput(options.output ?? "-", assembly(spec));
  } else {
    const output = options.output ?? `${basename(file).replace(/(\.bpf)?\.ts$/, "")}.o`;
    const bytes = writeElf(spec);
    writeOutput(output, bytes);
    if (output !== "-") say(`Wrote ${output} (${bytes.length} bytes). ${describePrograms(spec)}`);
  }
}

function assembly(spec: ObjectSpec): string {
  return spec.programs
    .map((program) => {
      const title = `; ${program.name}: section "${program.section}", ${instructionCount(program)} instructions`;
      const functions = program.functions.map((fn) => `${fn.name}:\n${disassemble(fn.instructions).join("\n")}\n`);
      return [title, ...functions].join("\n");
    })
    .join("\n");
}

/** `wirescript build`: a kernel module becomes an eBPF object that every loader takes, or text for people who want to see what comes out. */
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { compile } from "../../compiler/compile.ts";
import { printFunction } from "../../compiler/ir/print.ts";
import { WirescriptError } from "../../errors.ts";
import { disassemble } from "../../object/disassemble.ts";
import { writeElf } from "../../object/elf/write.ts";
import type { ObjectSpec } from "../../object/spec.ts";
import { describePrograms, instructionCount } from "../program-file.ts";
import { say } from "../terminal.ts";

export interface BuildOptions {
  output?: string;
  emit?: "ir" | "asm";
  cpu: 1 | 2 | 3 | 4;
}

export function build(file: string, options: BuildOptions): void {
  const { spec, functions } = compile(file, { cpu: options.cpu });
  if (options.emit === "ir") {
    put(options.output ?? "-", functions.map((fn) => printFunction(fn, { places: true })).join("\n"));
  } else if (options.emit === "asm") {
    put(options.output ?? "-", assembly(spec));
  } else {
    const output = options.output ?? `${basename(file).replace(/(\.bpf)?\.ts$/, "")}.o`;
    const bytes = writeElf(spec);
    put(output, bytes);
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

/** A regular file appears whole or not at all. */
function put(output: string, content: string | Uint8Array): void {
  if (output === "-") {
    process.stdout.write(content);
    return;
  }
  const special = statSync(output, { throwIfNoEntry: false })?.isFile() === false;
  const temporary = special ? output : `${output}.${process.pid}.part`;
  try {
    writeFileSync(temporary, content);
    if (!special) renameSync(temporary, output);
  } catch (cause) {
    if (!special) rmSync(temporary, { force: true });
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `${output} cannot be written.`,
      why: (cause as Error).message,
      fix: "Give a path in a directory that exists and that you may write to: -o FILE",
      cause,
    });
  }
}

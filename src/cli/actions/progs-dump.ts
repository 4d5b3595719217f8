/** `wirescript progs dump`: a program's code as the kernel runs it, with its source lines. */
import { basename } from "node:path";
import { WirescriptError } from "../../errors.ts";
import { machineCode } from "../../runtime/dump/machine-code.ts";
import { type SourceLine, sourcesOf } from "../../runtime/dump/source-lines.ts";
import { xlatedLines } from "../../runtime/dump/xlated.ts";
import { openProgram } from "../../runtime/kernel-objects.ts";
import { parseSelector } from "../../runtime/selector.ts";
import { programDump, programInfo } from "../../sys/bpf.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { paint, say, sayJson } from "../terminal.ts";

export interface DumpOptions {
  jit?: boolean;
  source: boolean;
  json?: boolean;
}

interface Line {
  place: string;
  text: string;
  function?: string;
  source?: SourceLine;
}

export async function dumpProgram(words: readonly string[], { jit, source, json }: DumpOptions): Promise<void> {
  await mustBeAbleTo("look at programs");
  using fd = openProgram(parseSelector(words, "program"));
  const { id, name, btfId, jitedBytes } = programInfo(fd);
  const dump = programDump(fd);
  const sources = sourcesOf(dump, source ? btfId : 0);
  if (jit !== true) {
    if (dump.xlated.length === 0) throw hidden(`The instructions of "${name}" (id ${id}) are not shown.`);
    const lines = xlatedLines(dump, sources);
    if (json === true) return sayJson(lines);
    const width = `${lines.at(-1)?.slot ?? 0}`.length;
    return print(lines.map((line) => ({ ...line, place: `${line.slot}`.padStart(width) })));
  }
  if (jitedBytes === 0) {
    throw new WirescriptError({
      code: "UNSUPPORTED_SYSTEM",
      what: `The program "${name}" (id ${id}) has no machine code.`,
      why: "The kernel interprets it: its JIT compiler was off when the program was loaded.",
      fix: "Turn it on for programs that are loaded from then on: sysctl net.core.bpf_jit_enable=1",
    });
  }
  if (dump.jited.length === 0) throw hidden(`The machine code of "${name}" (id ${id}) is not shown.`);
  const code = machineCode(dump, sources);
  if (json === true) return sayJson(code.lines);
  if (code.disassembler === null) {
    process.stderr.write("Neither llvm-objdump nor objdump is installed, so these are bytes. (apt install binutils)\n");
  }
  print(code.lines.map((line) => ({ ...line, place: line.offset.toString(16).padStart(4) })));
}

function print(lines: readonly Line[]): void {
  let last = "";
  for (const { place, text, function: name, source } of lines) {
    if (name !== undefined) say(`${paint("bold", name)}:`);
    // Several instructions of one line may have places of their own in it.
    const heading = source === undefined ? last : `; ${basename(source.file)}:${source.line}  ${source.text}`;
    if (heading !== last) say(paint("cyan", heading));
    last = heading;
    say(`${paint("dim", `${place}:`)} ${text}`);
  }
}

function hidden(what: string): WirescriptError {
  return new WirescriptError({
    code: "NO_PRIVILEGES",
    what,
    why: "The kernel hides code and addresses: kernel.kptr_restrict is 2, net.core.bpf_jit_harden is 2, or this process lacks CAP_SYSLOG.",
    fix: "Run as root, with: sysctl kernel.kptr_restrict=1",
  });
}

/**
 * A program's machine code as text. Instructions of real processors are objdump's or llvm-objdump's business: the code is handed to them
 * as an ELF file. Where neither is installed, the bytes are what there is, with the source lines that they come from.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProgramDump } from "../../sys/bpf.ts";
import { KernelSymbols } from "./kernel-symbols.ts";
import type { SourceLine, Sources } from "./source-lines.ts";

export interface MachineLine {
  /** Bytes from the start of its function. */
  offset: number;
  /** The instruction; bytes in hexadecimal where there is no disassembler. */
  text: string;
  function?: string;
  source?: SourceLine;
}

export interface MachineCode {
  /** The program that told the instructions; null when there is none, and the text is bytes. */
  disassembler: string | null;
  lines: MachineLine[];
}

const DISASSEMBLERS = [
  "llvm-objdump",
  ...[21, 20, 19, 18, 17, 16, 15, 14].map((version) => `llvm-objdump-${version}`),
  "objdump",
];
/** e_machine of elf.h. */
const MACHINE: Partial<Record<string, number>> = { x64: 62, arm64: 183 };

export function machineCode(dump: ProgramDump, sources: Sources): MachineCode {
  // Without function lengths it is one function.
  const functions = dump.jitedFunctions.length > 0 ? dump.jitedFunctions : [{ address: 0n, length: dump.jited.length }];
  const names = [...sources.functions.values()];
  const symbols = new KernelSymbols();
  let disassembler: string | null = null;
  let start = 0;
  const lines = functions.flatMap(({ address, length }, index) => {
    const code = dump.jited.subarray(start, start + length);
    start += length;
    const found = disassemble(code, address, symbols) ?? { by: null, lines: inBytes(code, breaksOf(dump, address, length)) };
    disassembler = found.by;
    const marks = new Map<number, SourceLine>();
    for (const [line, at] of dump.jitedLines.entries()) {
      const source = sources.lines[line];
      if (source !== undefined && address !== 0n && at >= address && at < address + BigInt(length))
        marks.set(Number(at - address), source);
    }
    return withSources(found.lines, marks, names[index]);
  });
  return { disassembler, lines };
}

/** A source line may begin where no instruction does, when a disassembler has lost its way; then it stands at the next. */
function withSources(lines: MachineLine[], marks: ReadonlyMap<number, SourceLine>, name: string | undefined): MachineLine[] {
  const waiting = [...marks].sort(([left], [right]) => left - right);
  return lines.map((line, index) => {
    let source: SourceLine | undefined;
    while (waiting[0] !== undefined && waiting[0][0] <= line.offset) {
      const mark = waiting.shift()?.[1];
      if (mark !== undefined) source = { file: mark.file, line: mark.line, column: mark.column, text: mark.text };
    }
    return { ...line, ...(index === 0 && name !== undefined && { function: name }), ...(source && { source }) };
  });
}

function breaksOf(dump: ProgramDump, address: bigint, length: number): number[] {
  return dump.jitedLines
    .filter((at) => address !== 0n && at >= address && at < address + BigInt(length))
    .map((at) => Number(at - address));
}

/** Rows of up to 16 bytes, a new one at each source line. */
function inBytes(code: Uint8Array, breaks: readonly number[]): MachineLine[] {
  const starts = [...new Set([0, ...breaks])].sort((left, right) => left - right);
  return starts.flatMap((from, index) => {
    const to = starts[index + 1] ?? code.length;
    return Array.from({ length: Math.ceil((to - from) / 16) }, (_, row) => {
      const offset = from + row * 16;
      const bytes = code.subarray(offset, Math.min(to, offset + 16));
      return { offset, text: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ") };
    });
  });
}

/** The code is shown to stand where the kernel has it, so that what it calls has its right address, and a name. */
function disassemble(code: Uint8Array, address: bigint, symbols: KernelSymbols): { by: string; lines: MachineLine[] } | null {
  const machine = MACHINE[process.arch];
  if (machine === undefined) return null;
  const nameOf = (target: bigint): string | undefined =>
    target >= address && target < address + BigInt(code.length)
      ? `0x${(target - address).toString(16)}`
      : symbols.named(target);
  const directory = mkdtempSync(join(tmpdir(), "wirescript-jit-"));
  try {
    const file = join(directory, "code");
    writeFileSync(file, elfAround(code, address, machine));
    for (const by of DISASSEMBLERS) {
      const { status, stdout } = spawnSync(by, ["--disassemble-all", "--section=.text", "--no-show-raw-insn", file], {
        encoding: "utf8",
        maxBuffer: 1 << 28,
      });
      if (status !== 0) continue;
      const lines = [...stdout.matchAll(/^\s*([0-9a-f]+):\s+(\S.*?)\s*$/gm)].map((match) => ({
        offset: Number(BigInt(`0x${match[1]}`) - address),
        text: (match[2] ?? "")
          .replaceAll("\t", " ")
          .replace(/\s*<[^>]*>/g, "")
          .replace(/\b(?:0x)?([0-9a-f]{9,16})\b/g, (text, digits: string) => nameOf(BigInt(`0x${digits}`)) ?? text),
      }));
      if (lines.length > 0) return { by, lines };
    }
    return null;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The least ELF file that a disassembler reads: a header, `.text`, section names, three section headers. */
function elfAround(code: Uint8Array, address: bigint, machine: number): Uint8Array {
  const names = new TextEncoder().encode("\0.text\0.shstrtab\0");
  const namesAt = 64 + code.length;
  const headersAt = Math.ceil((namesAt + names.length) / 8) * 8;
  const bytes = new Uint8Array(headersAt + 3 * 64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(headersAt), true);
  view.setUint16(52, 64, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, 3, true);
  view.setUint16(62, 2, true);
  bytes.set(code, 64);
  bytes.set(names, namesAt);
  const section = (index: number, name: number, type: number, flags: number, at: number, length: number, place = 0n): void => {
    const header = headersAt + index * 64;
    view.setUint32(header, name, true);
    view.setUint32(header + 4, type, true);
    view.setBigUint64(header + 8, BigInt(flags), true);
    view.setBigUint64(header + 16, place, true);
    view.setBigUint64(header + 24, BigInt(at), true);
    view.setBigUint64(header + 32, BigInt(length), true);
    view.setBigUint64(header + 48, 1n, true);
  };
  section(1, 1, 1, 6, 64, code.length, address); // SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR
  section(2, 7, 3, 0, namesAt, names.length); // SHT_STRTAB
  return bytes;
}

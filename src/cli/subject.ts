/** The program that a command is to work on: one of a file, which is loaded for it, or one that is in the kernel. */
import { existsSync, statSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import type { ProgramType } from "../object/spec.ts";
import { openProgram } from "../runtime/kernel-objects.ts";
import { loadSpec } from "../runtime/load.ts";
import { parseSelector } from "../runtime/selector.ts";
import type { Runnable } from "../runtime/test-run.ts";
import { BPF, type ProgramFd, programInfo } from "../sys/bpf.ts";
import { onBpffs } from "../sys/mount.ts";
import { type Choice, chooseProgram, openProgramFile } from "./program-file.ts";

export interface Subject extends Runnable, Disposable {
  readonly fd: ProgramFd;
  readonly id: number;
  readonly mapIds: number[];
}

const PROGRAM_TYPES: ReadonlyMap<number, ProgramType> = new Map([
  [BPF.BPF_PROG_TYPE_XDP, "xdp"],
  [BPF.BPF_PROG_TYPE_SCHED_CLS, "sched_cls"],
]);

/** @throws WirescriptError for a file that is none, a program that is not there, or one that is neither XDP nor TC. */
export async function openSubject(
  words: readonly string[],
  choice: Choice & { set?: Record<string, unknown> },
): Promise<Subject> {
  const [only = ""] = words;
  if (words.length === 1 && isFile(only)) {
    const { spec } = await openProgramFile(only);
    const { name } = chooseProgram(spec, only, choice);
    const object = loadSpec(spec, { programs: [name], settings: choice.set ?? {} });
    try {
      const program = object.program(name);
      const { id, mapIds } = program.info();
      return { name, type: program.type, fd: program.fd, id, mapIds, [Symbol.dispose]: () => object.close() };
    } catch (error) {
      object.close();
      throw error;
    }
  }
  const fd = openProgram(parseSelector(words, "program"));
  const info = programInfo(fd);
  const type = PROGRAM_TYPES.get(info.type);
  if (type !== undefined) return { ...info, type, fd, [Symbol.dispose]: () => fd.close() };
  fd.close();
  throw new WirescriptError({
    code: "USAGE",
    what: `The program ${info.id} ("${info.name}") cannot be run on a packet.`,
    why: "It is neither an XDP nor a TC program.",
    fix: "Name one of those: wirescript progs",
  });
}

/** What looks like a file is one, so that a wrong path is not looked for among the kernel's names. */
function isFile(path: string): boolean {
  if (/\.(ts|o)$/.test(path)) return true;
  return existsSync(path) && path.includes("/") && !onBpffs(path) && statSync(path).isFile();
}

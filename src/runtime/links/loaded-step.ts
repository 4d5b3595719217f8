/** A program in the kernel that can stand in a chain: `chain-step.ts` says what is around it, `chain.ts` puts such programs in an order. */
import { WirescriptError } from "../../errors.ts";
import type { ProgramSpec } from "../../object/spec.ts";
import { type MapFd, mapDelete, mapUpdate } from "../../sys/bpf.ts";
import { errnoName, SyscallError } from "../../sys/errno.ts";
import { type LoadOptions, loadSpec } from "../load.ts";
import { type LoadedObject, noSuchProgram } from "../loaded-object.ts";
import type { LoadedMap } from "../maps/open.ts";
import type { LoadedProgram } from "../program.ts";
import { readSource, type Source } from "../source.ts";
import { asStep, type Bank, copiesOf, GOES_ON, NEXT } from "./chain-step.ts";

export interface StepOptions extends Omit<LoadOptions, "programs"> {
  /** Which program of the object, by name; needed when it has several. */
  program?: string;
  /** Verdicts after which the next program runs. Default: XDP_PASS; for TC TC_ACT_OK, TC_ACT_UNSPEC and TC_ACT_PIPE. */
  goesOn?: readonly number[];
}

export interface ChainStepParts<M> {
  name: string;
  copies: readonly [LoadedProgram, LoadedProgram];
  next: MapFd;
  /** Null when the step was opened by its pins. */
  object: LoadedObject<M> | null;
}

/** A program that can stand in a chain, in one at a time. */
export class ChainStep<M = unknown> implements Disposable {
  /** The program's name in its object. */
  readonly name: string;
  /** The map of its successors; for chains only. */
  readonly next: MapFd;
  /** The chain that it stands in; for chains only. */
  owner: object | null = null;
  readonly #object: LoadedObject<M> | null;
  readonly #copies: readonly [LoadedProgram, LoadedProgram];

  constructor({ name, copies, next, object }: ChainStepParts<M>) {
    this.name = name;
    this.next = next;
    this.#copies = copies;
    this.#object = object;
  }

  /** For its maps and globals, which both copies of the program share. @throws WirescriptError USAGE for a step of `openChain`. */
  get object(): LoadedObject<M> {
    if (this.#object !== null) return this.#object;
    throw new WirescriptError({
      code: "USAGE",
      what: `The object of the step "${this.name}" is not known.`,
      why: "The step was opened by its pins, and the kernel keeps programs and maps, not their object.",
      fix: "Take its maps from openMaps().",
    });
  }

  /** Opens the maps that the program uses, by their names in the kernel, which keeps 15 bytes of each. The caller closes them. */
  openMaps(): Map<string, LoadedMap> {
    const maps = this.#copies[0].openMaps();
    maps.get(NEXT)?.close();
    maps.delete(NEXT);
    return maps;
  }

  /** The copy that belongs to a bank. */
  copy(bank: Bank): LoadedProgram {
    return this.#copies[bank];
  }

  /** Lets the copy of that bank go on to that of `next`; to none with null. */
  goOnTo(next: ChainStep | null, bank: Bank): void {
    const key = numberBytes(bank);
    const result =
      next === null ? mapDelete(this.next, key) : mapUpdate(this.next, key, numberBytes(next.copy(bank).fd.number), 0);
    if (result >= 0 || (next === null && errnoName(-result) === "ENOENT")) return;
    const cause = new SyscallError("bpf", -result, `BPF_MAP_UPDATE_ELEM ${NEXT}`);
    if (cause.errnoName !== "EINVAL" || next === null) throw cause;
    throw new WirescriptError({
      code: "USAGE",
      what: `The program "${next.name}" cannot stand behind "${this.name}" in a chain.`,
      why: "The kernel lets a program go on only to one of the same type, with the same support for frames in several buffers (frags).",
      fix: "Give both the same type and the same `frags`.",
      cause,
    });
  }

  /** Lets go of the program and its maps. @throws WirescriptError USAGE while it stands in a chain. */
  close(): void {
    if (this.owner !== null) {
      throw new WirescriptError({
        code: "USAGE",
        what: `The step "${this.name}" cannot be closed: it stands in a chain.`,
        why: "Packets still go through it.",
        fix: "Rearrange the chain without it, or detach the chain, before.",
      });
    }
    if (this.#object !== null) this.#object.close();
    else for (const part of [...this.#copies, this.next]) part.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Loads a program so that it can stand in a chain: any program for XDP or TC, of a kernel module, an object file, or a spec.
 *
 * @throws WirescriptError as `load` does; NO_SUCH_PROGRAM, or USAGE when the object has several and none is named.
 */
export async function loadStep<M = unknown>(source: Source, options: StepOptions = {}): Promise<ChainStep<M>> {
  const { program: name, goesOn, ...rest } = options;
  const { spec } = await readSource(source);
  const program = choose(spec.programs, name);
  const step = asStep(spec, program, goesOn ?? (program.type === "xdp" ? GOES_ON.xdp : GOES_ON.tc));
  // Programs that the object's own program arrays hold from the start have to be there too.
  const inArrays = spec.maps.flatMap(({ values = [] }) =>
    values.flatMap((value) => ("program" in value ? [value.program] : [])),
  );
  const programs = [...new Set([...copiesOf(program.name), ...inArrays])];
  const object = loadSpec<M>(step, { ...rest, programs });
  const [first, second] = copiesOf(program.name);
  const copies = [object.program(first), object.program(second)] as const;
  return new ChainStep<M>({ name: program.name, copies, next: object.map(NEXT).fd, object });
}

function choose(programs: readonly ProgramSpec[], name: string | undefined): ProgramSpec {
  const names = programs.map((each) => each.name);
  const [only, ...more] = name === undefined ? programs : programs.filter((each) => each.name === name);
  if (only === undefined) throw noSuchProgram(name ?? "", names);
  if (more.length === 0) return only;
  throw new WirescriptError({
    code: "USAGE",
    what: "The object has several programs, and one must be chosen.",
    why: `It has ${names.join(", ")}.`,
    fix: `Name it: loadStep(source, { program: "${only.name}" })`,
  });
}

function numberBytes(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

/**
 * Several programs on one device, put together while they run, and put into another order without a packet that meets none of them, or a mixture of
 * two orders. `chain-step.ts` says how that works. Programs that are known when they are compiled are better put together by `chain()` of the language:
 * that costs no calls.
 */

import { WirescriptError } from "../../errors.ts";
import type { ProgramSpec } from "../../object/spec.ts";
import { mapDelete, mapUpdate } from "../../sys/bpf.ts";
import { errnoName, SyscallError } from "../../sys/errno.ts";
import { waitForPrograms } from "../../sys/grace-period.ts";
import { wrongArgument } from "../arguments.ts";
import { type LoadOptions, loadSpec } from "../load.ts";
import { type LoadedObject, noSuchProgram } from "../loaded-object.ts";
import { LoadedProgram } from "../program.ts";
import { readSource, type Source } from "../source.ts";
import { asStep, copiesOf, GOES_ON, NEXT } from "./chain-step.ts";
import type { TcAttachOptions } from "./tc.ts";
import type { XdpAttachOptions } from "./xdp-link.ts";

export interface StepOptions extends Omit<LoadOptions, "programs"> {
  /** Which program of the object, by name; needed when it has several. */
  program?: string;
  /** Verdicts after which the next program runs. Default: XDP_PASS; for TC TC_ACT_OK, TC_ACT_UNSPEC and TC_ACT_PIPE. */
  goesOn?: readonly number[];
}

type Bank = 0 | 1;

/** A program that can stand in a chain, in one at a time. */
export class ChainStep<M = unknown> implements Disposable {
  /** The program's name in its object. */
  readonly name: string;
  /** For its maps and globals, which both copies of the program share. */
  readonly object: LoadedObject<M>;
  /** The chain that it stands in; for chains only. */
  owner: Chain | null = null;
  readonly #copies: readonly [LoadedProgram, LoadedProgram];

  constructor(name: string, object: LoadedObject<M>) {
    this.name = name;
    this.object = object;
    const [first, second] = copiesOf(name);
    this.#copies = [object.program(first), object.program(second)];
  }

  /** The copy that belongs to a bank. */
  copy(bank: Bank): LoadedProgram {
    return this.#copies[bank];
  }

  /** Lets the copy of that bank go on to that of `next`; to none with null. */
  goOnTo(next: ChainStep | null, bank: Bank): void {
    const { fd } = this.object.map(NEXT);
    const key = numberBytes(bank);
    const result = next === null ? mapDelete(fd, key) : mapUpdate(fd, key, numberBytes(next.copy(bank).fd.number), 0);
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
    this.object.close();
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
  return new ChainStep<M>(program.name, loadSpec<M>(step, { ...rest, programs }));
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

/** What a chain is attached by. */
type ChainLink = Disposable & { readonly attached: boolean; update(program: LoadedProgram): void; detach(): void };

/** The kernel allows 33 tail calls for a packet; the first program takes none. */
const MOST_STEPS = 34;

export class Chain implements Disposable, AsyncDisposable {
  readonly #link: ChainLink;
  #steps: readonly ChainStep[];
  #bank: Bank = 0;

  /** For `attachChain`. */
  constructor(steps: readonly ChainStep[], attach: (first: LoadedProgram) => ChainLink) {
    checkSteps(steps, null);
    this.#steps = steps;
    try {
      arrange(steps, this.#bank);
      this.#link = attach((steps[0] as ChainStep).copy(this.#bank));
    } catch (error) {
      release(steps);
      throw error;
    }
    for (const step of steps) step.owner = this;
  }

  /** In the order in which they run. */
  get steps(): readonly ChainStep[] {
    return this.#steps;
  }

  /** False once it was detached. */
  get attached(): boolean {
    return this.#link.attached;
  }

  /**
   * Puts these programs in place of the present ones: the same in another order, fewer, or others. Every packet goes through the old chain or the
   * new one. Returns when no packet is in the old one any more: programs that are left out can be closed then.
   *
   * @throws WirescriptError USAGE, and then nothing has changed.
   */
  rearrange(steps: readonly ChainStep[]): void {
    checkSteps(steps, this);
    const bank: Bank = this.#bank === 0 ? 1 : 0;
    try {
      arrange(steps, bank);
      this.#link.update((steps[0] as ChainStep).copy(bank));
    } catch (error) {
      release(steps.filter(({ owner }) => owner === null));
      throw error;
    }
    const leaving = this.#steps.filter((step) => !steps.includes(step));
    this.#bank = bank;
    this.#steps = steps;
    for (const step of steps) step.owner = this;
    waitForPrograms();
    for (const step of leaving) step.owner = null;
    release(leaving);
  }

  /** Takes the chain off its device. Its steps can be used again. Does nothing the second time. */
  detach(): void {
    if (!this.#link.attached) return;
    this.#link.detach();
    waitForPrograms();
    for (const step of this.#steps) step.owner = null;
    release(this.#steps);
  }

  [Symbol.dispose](): void {
    this.detach();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.detach();
  }
}

/**
 * Attaches programs to a device so that they run one after the other, each on the packet as the one before left it, until one gives a verdict that
 * does not go on, or the last one gives its own. The chain lives as long as this object, and at most as long as this process.
 *
 * @throws WirescriptError as `attach` does; USAGE for no steps, too many, one that is in a chain already, or programs that do not go together.
 */
export function attachChain(steps: readonly ChainStep[], options: XdpAttachOptions | TcAttachOptions): Chain {
  if (!Array.isArray(steps) || !steps.every((step) => step instanceof ChainStep)) {
    const wrong: unknown = Array.isArray(steps) ? steps.find((step) => !(step instanceof ChainStep)) : steps;
    throw wrongArgument(
      "No chain was attached.",
      wrong,
      "A chain is a list of steps",
      "Make each of them by loadStep(source).",
    );
  }
  return new Chain([...steps], (first) => {
    // The link is the chain's: it must not end with the object that happens to stand first now.
    const unowned = new LoadedProgram(first, () => {});
    // What the program is decides which options count, and `attach` says what is missing or too much.
    const link: unknown = unowned.attach(options as XdpAttachOptions);
    return link as ChainLink;
  });
}

function arrange(steps: readonly ChainStep[], bank: Bank): void {
  for (const [index, step] of steps.entries()) step.goOnTo(steps[index + 1] ?? null, bank);
}

/** Programs that hold each other through their maps would never be freed. */
function release(steps: readonly ChainStep[]): void {
  for (const step of steps) for (const bank of [0, 1] as const) step.goOnTo(null, bank);
}

function checkSteps(steps: readonly ChainStep[], chain: Chain | null): void {
  const refused = (what: string, why: string, fix: string) => new WirescriptError({ code: "USAGE", what, why, fix });
  if (steps.length === 0)
    throw refused("A chain needs a program.", "None was given.", "Detach the chain to take all programs off.");
  if (steps.length > MOST_STEPS) {
    throw refused(
      `A chain of ${steps.length} programs is too long.`,
      `The kernel follows a packet through ${MOST_STEPS}.`,
      "Put programs together with chain() of the language, which makes one of them.",
    );
  }
  const twice = steps.find((step, index) => steps.indexOf(step) !== index);
  const taken = steps.find(({ owner }) => owner !== null && owner !== chain);
  const step = twice ?? taken;
  if (step === undefined) return;
  throw refused(
    `The program "${step.name}" cannot stand in this chain${twice === undefined ? "" : " twice"}.`,
    twice === undefined
      ? "It stands in another one, and goes on to the next program of that."
      : "It knows one program to go on to.",
    "Load it again with loadStep: each of them can stand in one place.",
  );
}

function numberBytes(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

/**
 * A chain in a bpffs, so that it outlives its process: its link, and a directory for each step with both copies of the program and the map of its
 * successors. Without that pin the kernel would empty the map as soon as no process holds it.
 *
 *     DIRECTORY/link
 *     DIRECTORY/guard_1234/bank0, bank1, next
 *
 * The order is written nowhere else than where packets find it: the link holds the first program, and each one's map says which is next. So whoever opens the
 * chain sees what is, also when its last owner died while changing it.
 */
import { readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { WirescriptError } from "../../errors.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import { type MapFd, mapInfo, mapLookup } from "../../sys/bpf.ts";
import { openPin } from "../open-pin.ts";
import { openPinnedProgram } from "../open-program.ts";
import { ensurePinDirectory, pinObject } from "../pin.ts";
import type { LoadedProgram } from "../program.ts";
import { Undo } from "../undo.ts";
import { type AdoptOptions, openPinnedLink } from "./adopt.ts";
import { BpfLink } from "./bpf-link.ts";
import { BANKS, LINK, NEXT_PIN } from "./chain-directory.ts";
import type { Bank } from "./chain-step.ts";
import { ChainStep } from "./loaded-step.ts";

/** What a chain is attached by. */
export type ChainLink = Disposable & { readonly attached: boolean; update(program: LoadedProgram): void; detach(): void };

/** The pins of one chain. */
export class ChainPins {
  readonly directory: string;
  readonly #places: Map<ChainStep, string>;

  constructor(directory: string, places: ReadonlyMap<ChainStep, string>) {
    this.directory = directory;
    this.#places = new Map(places);
  }

  /** Pins a step. @throws WirescriptError */
  add(step: ChainStep): void {
    const name = `${step.name.replaceAll(/\W/g, "_")}_${step.copy(0).info().id}`;
    const { path, undo } = ensurePinDirectory(join(this.directory, name));
    try {
      for (const bank of [0, 1] as const) step.copy(bank).pin(join(path, BANKS[bank]));
      pinObject(step.next, join(path, NEXT_PIN), `the order behind "${step.name}"`);
    } catch (error) {
      removeStep(path);
      undo();
      throw error;
    }
    this.#places.set(step, path);
  }

  /** Removes a step's pins. Does nothing when it has none. */
  remove(step: ChainStep): void {
    const path = this.#places.get(step);
    if (path !== undefined) removeStep(path);
    this.#places.delete(step);
  }

  /** Removes the pins of all others, also of steps that a process left behind when it died while changing the chain. */
  keepOnly(steps: readonly ChainStep[]): void {
    for (const step of [...this.#places.keys()]) if (!steps.includes(step)) this.#places.delete(step);
    const kept = new Set(this.#places.values());
    for (const path of stepsIn(this.directory)) if (!kept.has(path)) removeStep(path);
  }

  /** The link first: without it there is no chain that anybody could open. */
  removeAll(): void {
    ignoreMissing(() => unlinkSync(join(this.directory, LINK)));
    for (const path of stepsIn(this.directory)) removeStep(path);
    this.#places.clear();
    ignoreMissing(() => rmdirSync(this.directory));
  }
}

/** @throws WirescriptError */
export function pinChain(
  directory: string,
  link: ChainLink,
  steps: readonly ChainStep[],
  present: ChainPins | null,
): ChainPins {
  const refused = (why: string, fix: string) =>
    new WirescriptError({ code: "USAGE", what: `The chain was not pinned in ${directory}.`, why, fix });
  if (present !== null) throw refused(`It is pinned in ${present.directory}.`, "Unpin it before: chain.unpin()");
  if (!(link instanceof BpfLink)) {
    throw refused("It is a filter of clsact, which stays by itself and has no link.", 'Attach it via: "tcx" (Linux 6.6).');
  }
  const undo = new Undo();
  const made = ensurePinDirectory(directory);
  undo.push(made.undo);
  try {
    if (readdirSync(made.path).length > 0) {
      throw refused("The directory is not empty.", "Choose another one; openChain(directory) opens the chain that is there.");
    }
    const pins = new ChainPins(made.path, new Map());
    for (const step of steps) {
      pins.add(step);
      undo.push(() => pins.remove(step));
    }
    // Last: what has a link is whole.
    link.pin(join(made.path, LINK));
    return pins;
  } catch (error) {
    undo.run();
    throw error;
  }
}

/** @throws WirescriptError */
export function openPins(directory: string, options: AdoptOptions) {
  const undo = new Undo();
  try {
    const link = openPinnedLink(join(directory, LINK), options);
    undo.push(() => link[Symbol.dispose]());
    const places = new Map<ChainStep, string>();
    for (const path of stepsIn(directory)) {
      const step = openStep(path);
      undo.push(() => step.close());
      places.set(step, path);
    }
    const { steps, bank } = readOrder(directory, [...places.keys()], link.info().programId);
    // Nothing leads to those that a process left behind when it died while changing the chain, or to those that one puts in at this moment.
    for (const step of [...places.keys()].filter((each) => !steps.includes(each))) {
      step.close();
      places.delete(step);
    }
    return { link, steps, bank, pins: new ChainPins(directory, places) };
  } catch (error) {
    undo.run();
    throw error;
  }
}

function openStep(path: string): ChainStep {
  const undo = new Undo();
  const kept = <T extends { close(): void }>(part: T): T => {
    undo.push(() => part.close());
    return part;
  };
  try {
    const [first, second] = BANKS.map((name) => kept(openPinnedProgram(join(path, name)))) as [LoadedProgram, LoadedProgram];
    const next = kept(openPin(join(path, NEXT_PIN), "map"));
    const { id, type } = mapInfo(next);
    if (type !== MAP_TYPE.PROG_ARRAY || ![first, second].every((program) => program.info().mapIds.includes(id))) {
      throw foreign(path, `The programs in it do not use the map at ${join(path, NEXT_PIN)}.`);
    }
    const name = basename(path).replace(/_\d+$/, "");
    return new ChainStep({ name, copies: [first, second], next, object: null });
  } catch (error) {
    undo.run();
    throw error;
  }
}

/** Follows the chain as packets do. */
function readOrder(directory: string, all: readonly ChainStep[], firstId: number): { steps: ChainStep[]; bank: Bank } {
  const bank = ([0, 1] as const).find((each) => all.some((step) => step.copy(each).info().id === firstId));
  if (bank === undefined) {
    throw new WirescriptError({
      code: "DEVICE_BUSY",
      what: `What is pinned in ${directory} is not on its device any more.`,
      why: `Its link holds program ${firstId}, which is none of its steps: somebody else has put it there.`,
      fix: "See what it is (wirescript progs), and attach the chain anew when that one is to go.",
    });
  }
  const steps: ChainStep[] = [];
  for (let id: number | null = firstId; id !== null; ) {
    const step = all.find((each) => each.copy(bank).info().id === id);
    if (step === undefined || steps.includes(step)) {
      throw foreign(
        directory,
        `Program ${id} is next in the chain, and none of its pinned steps${step ? " that is left" : ""}.`,
      );
    }
    steps.push(step);
    id = successor(step.next, bank);
  }
  return { steps, bank };
}

/** The id of the program that the map leads to; null for none. */
function successor(next: MapFd, bank: Bank): number | null {
  const id = new Uint32Array(1);
  const result = mapLookup(next, new Uint8Array(Uint32Array.of(bank).buffer), new Uint8Array(id.buffer));
  return result < 0 ? null : (id[0] ?? null);
}

function foreign(path: string, why: string): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `What is pinned in ${path} is no chain of ours.`,
    why,
    fix: "Give the directory that chain.pin() was given.",
  });
}

function stepsIn(directory: string): string[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
}

function removeStep(path: string): void {
  for (const name of [...BANKS, NEXT_PIN]) ignoreMissing(() => unlinkSync(join(path, name)));
  ignoreMissing(() => rmdirSync(path));
}

function ignoreMissing(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/**
 * `wirescript chain`: several programs on one device, in an order that changes while packets flow. The chain is pinned beside the device's maps, so it stays
 * after the command, and the next command opens it there.
 */
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { WirescriptError } from "../../errors.ts";
import { attachChain, type Chain, type ChainStep, loadStep, openChain } from "../../index.ts";
import { TC_ACTIONS, verdictNumber, XDP_ACTIONS } from "../../runtime/verdict.ts";
import type { Direction } from "../../sys/bpf.ts";
import { getLink } from "../../sys/netlink/index.ts";
import { enterNetwork, whileAlone } from "../network.ts";
import { pinDirectoryOf, removeIfEmpty } from "../pins.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { paint, say, sayJson } from "../terminal.ts";

export interface ChainOptions {
  netns?: string;
  ingress?: boolean;
  egress?: boolean;
  /** Verdicts after which the next program runs: their names. */
  goesOn?: readonly string[];
  mode?: "native" | "skb" | "auto";
  json?: boolean;
}

export async function attachTo(dev: string, files: readonly string[], options: ChainOptions): Promise<void> {
  await mustBeAbleTo("attach programs");
  const place = placeOf(dev, options);
  getLink(dev);
  const steps = await loadSteps(files, options);
  try {
    await whileAlone(() => {
      mustBeFree(place);
      const { direction } = place;
      const chain = attachChain(
        steps,
        direction === null ? { dev, mode: options.mode ?? "native" } : { dev, direction, via: "tcx" },
      );
      try {
        chain.pin(place.directory);
      } catch (error) {
        chain.detach();
        throw error;
      }
      say(`${paint("green", "Attached")} a chain of ${steps.length} to ${place.text}. It is pinned in ${place.directory}.`);
      sayOrder(chain);
      chain[Symbol.dispose]();
    });
  } finally {
    for (const step of steps) step.close();
  }
}

export async function show(dev: string, options: ChainOptions): Promise<void> {
  await mustBeAbleTo("look at programs");
  const place = placeOf(dev, options);
  using chain = open(place);
  const steps = chain.steps.map((step) => ({
    name: step.name,
    programIds: ([0, 1] as const).map((bank) => step.copy(bank).info().id),
  }));
  if (options.json === true) sayJson({ dev, direction: place.direction, pinnedAt: place.directory, steps });
  else {
    say(`${place.text} has a chain of ${steps.length}, pinned in ${place.directory}.`);
    sayOrder(chain);
  }
}

/** `words`: names of programs in the chain, in their new order, and files of others. */
export async function arrange(dev: string, words: readonly string[], options: ChainOptions): Promise<void> {
  await mustBeAbleTo("change programs");
  const place = placeOf(dev, options);
  const files = words.filter(isFile);
  const added = await loadSteps(files, options);
  try {
    await whileAlone(() => {
      using chain = open(place);
      const left = [...chain.steps];
      const order = words.map((word) => {
        if (isFile(word)) return added[files.indexOf(word)] as ChainStep; // each file has its step
        // Of two with one name the first is the first.
        const at = left.findIndex(({ name }) => name === word);
        if (at < 0) throw notInChain(word, chain, place);
        return left.splice(at, 1)[0] as ChainStep; // there is one at `at`
      });
      chain.rearrange(order);
      say(`Rearranged the chain on ${place.text}.`);
      sayOrder(chain);
    });
  } finally {
    for (const step of added) if (step.owner === null) step.close();
  }
}

export async function detachFrom(dev: string, options: ChainOptions): Promise<void> {
  await mustBeAbleTo("detach programs");
  const place = placeOf(dev, options);
  await whileAlone(() => {
    if (removedWhatIsLeft(place)) return;
    const chain = open(place);
    const { steps } = chain;
    chain.detach();
    removeIfEmpty(dirname(place.directory));
    say(`Removed the chain from ${place.text}: ${steps.map(({ name }) => name).join(", ")}.`);
  });
}

/** The pins of a chain whose device has gone, or whose link somebody took off. */
function removedWhatIsLeft({ directory, text }: Place): boolean {
  if (!existsSync(directory)) return false;
  using chain = openLiving(directory);
  if (chain !== null) return false;
  rmSync(directory, { recursive: true });
  removeIfEmpty(dirname(directory));
  say(`The chain was on ${text} no more. Removed its pins in ${directory}.`);
  return true;
}

/** Null when no link holds the chain on its device any more. @throws WirescriptError as `openChain`, otherwise. */
function openLiving(directory: string): Chain | null {
  try {
    return openChain(directory);
  } catch (error) {
    if (!(error instanceof WirescriptError) || error.code !== "NOTHING_ATTACHED") throw error;
    return null;
  }
}

interface Place {
  directory: string;
  direction: Direction | null;
  dev: string;
  /** "eth0", "eth0 egress" */
  text: string;
}

function placeOf(dev: string, { netns, ingress, egress }: ChainOptions): Place {
  const network = enterNetwork(netns);
  const direction = ingress === true ? "ingress" : egress === true ? "egress" : null;
  const name = direction === null ? "chain" : `chain-${direction}`;
  const text = direction === null ? dev : `${dev} ${direction}`;
  return { directory: join(pinDirectoryOf(dev, network), name), direction, dev, text };
}

/** Where the pins would go there is nothing yet. @throws WirescriptError DEVICE_BUSY, NOTHING_ATTACHED */
function mustBeFree(place: Place): void {
  if (!existsSync(place.directory)) return;
  using chain = open(place);
  throw new WirescriptError({
    code: "DEVICE_BUSY",
    what: `${place.text} has a chain already: ${chain.steps.map(({ name }) => name).join(", ")}.`,
    why: `It is pinned in ${place.directory}, and a device has one in each direction.`,
    fix: `Change it: ${command("arrange", place)} PROGRAM FILE. Or take it off: ${command("detach", place)}`,
  });
}

function command(verb: string, { dev, direction }: Place): string {
  return `wirescript chain ${verb} ${dev}${direction === null ? "" : ` --${direction}`}`;
}

function open(place: Place): Chain {
  const { directory, text } = place;
  if (existsSync(directory)) {
    const chain = openLiving(directory);
    if (chain !== null) return chain;
    throw new WirescriptError({
      code: "NOTHING_ATTACHED",
      what: `There is no chain on ${text} any more.`,
      why: `What is pinned in ${directory} is left of one that was taken off, or whose link was unpinned.`,
      fix: `Remove it: ${command("detach", place)}`,
    });
  }
  throw new WirescriptError({
    code: "NOTHING_ATTACHED",
    what: `There is no chain on ${text}.`,
    why: `${directory} does not exist.`,
    fix: "Attach one: wirescript chain attach DEV FILE FILE. Chains of the library are where they were pinned.",
  });
}

/** Files, not names of programs; a program of an object with several stands behind "#". */
function isFile(word: string): boolean {
  return /\.(ts|o)(#\w+)?$/.test(word) || word.includes("/");
}

async function loadSteps(words: readonly string[], { goesOn }: ChainOptions): Promise<ChainStep[]> {
  const steps: ChainStep[] = [];
  try {
    for (const word of words) {
      const [, file = word, program] = /^(.*?)(?:#(\w+))?$/.exec(word) ?? [];
      steps.push(await loadStep(file, { program, ...(goesOn && { goesOn: goesOn.map(numberOf) }) }));
    }
    return steps;
  } catch (error) {
    for (const step of steps) step.close();
    throw error;
  }
}

/** @throws WirescriptError USAGE for a name that is no verdict's. */
function numberOf(name: string): number {
  const number = verdictNumber(name);
  if (number !== null) return number;
  throw new WirescriptError({
    code: "USAGE",
    what: `"${name}" is no verdict.`,
    why: `There is ${[...XDP_ACTIONS, ...TC_ACTIONS].join(", ")}.`,
    fix: "For example: --goes-on XDP_PASS,XDP_TX",
  });
}

function sayOrder({ steps }: Chain): void {
  for (const [index, { name }] of steps.entries()) say(`  ${index + 1}. ${name}`);
}

function notInChain(word: string, { steps }: Chain, { text }: Place): WirescriptError {
  const names = steps.map(({ name }) => name);
  return new WirescriptError({
    code: "NO_SUCH_PROGRAM",
    what: `The chain on ${text} has no ${names.includes(word) ? "second " : ""}program "${word}".`,
    why: `It has ${names.join(", ")}.`,
    fix: "Name these in any order, and files (*.bpf.ts, *.o) of programs to be added.",
  });
}

/**
 * Several programs on one device, put together while they run, and put into another order without a packet that meets none of them, or a mixture of
 * two orders. `chain-step.ts` says how that works. Programs that are known when they are compiled are better put together by `chain()` of the language:
 * that costs no calls.
 */

import { WirescriptError } from "../../errors.ts";
import { waitForPrograms } from "../../sys/grace-period.ts";
import { wrongArgument } from "../arguments.ts";
import { LoadedProgram } from "../program.ts";
import type { AdoptOptions } from "./adopt.ts";
import { type ChainLink, type ChainPins, openPins, pinChain } from "./chain-pins.ts";
import type { Bank } from "./chain-step.ts";
import { ChainStep } from "./loaded-step.ts";
import type { TcAttachOptions } from "./tc.ts";
import type { XdpAttachOptions } from "./xdp-link.ts";

/** The kernel allows 33 tail calls for a packet; the first program takes none. */
const MOST_STEPS = 34;

export class Chain implements Disposable, AsyncDisposable {
  readonly #link: ChainLink;
  #steps: readonly ChainStep[];
  #bank: Bank;
  #pins: ChainPins | null;

  /** For `attachChain` and `openChain`. */
  constructor(parts: { link: ChainLink; steps: readonly ChainStep[]; bank: Bank; pins: ChainPins | null }) {
    this.#link = parts.link;
    this.#steps = parts.steps;
    this.#bank = parts.bank;
    this.#pins = parts.pins;
    for (const step of parts.steps) step.owner = this;
  }

  /** In the order in which they run. */
  get steps(): readonly ChainStep[] {
    return this.#steps;
  }

  /** False once it was detached, or closed. */
  get attached(): boolean {
    return this.#link.attached;
  }

  /** The directory of its pins; null without. */
  get pinnedAt(): string | null {
    return this.#pins?.directory ?? null;
  }

  /**
   * Puts these programs in place of the present ones: the same in another order, fewer, or others. Every packet goes through the old chain or the
   * new one. Returns when no packet is in the old one any more: programs that are left out can be closed then. The pins of a pinned chain follow.
   *
   * @throws WirescriptError USAGE, and then nothing has changed.
   */
  rearrange(steps: readonly ChainStep[]): void {
    this.#mustBeAttached("rearranged");
    checkSteps(steps, this);
    const bank: Bank = this.#bank === 0 ? 1 : 0;
    const added = steps.filter(({ owner }) => owner === null);
    try {
      // What packets go through is pinned before they do, so that the chain is whole whenever this process ends.
      for (const step of added) this.#pins?.add(step);
      arrange(steps, bank);
      this.#link.update((steps[0] as ChainStep).copy(bank));
    } catch (error) {
      for (const step of added) this.#pins?.remove(step);
      release(added);
      throw error;
    }
    const leaving = this.#steps.filter((step) => !steps.includes(step));
    this.#bank = bank;
    this.#steps = steps;
    for (const step of steps) step.owner = this;
    waitForPrograms();
    for (const step of leaving) step.owner = null;
    release(leaving);
    this.#pins?.keepOnly(steps);
  }

  /**
   * Makes the chain stay after this process, by files in this directory of a bpffs, which is made and must be empty. `openChain` opens it again.
   *
   * @throws WirescriptError USAGE when it is pinned, has no bpf_link, or the directory is no place for pins; NO_PRIVILEGES.
   */
  pin(directory: string): void {
    this.#mustBeAttached("pinned");
    this.#pins = pinChain(directory, this.#link, this.#steps, this.#pins);
  }

  /** Removes the pins: the chain ends with its last holder again. Does nothing without pins. */
  unpin(): void {
    this.#pins?.removeAll();
    this.#pins = null;
  }

  /** Takes the chain off its device, and removes its pins. Its steps can be used again. Does nothing the second time. */
  detach(): void {
    if (!this.#link.attached) return;
    this.#link.detach();
    this.unpin();
    waitForPrograms();
    for (const step of this.#steps) step.owner = null;
    release(this.#steps);
  }

  /** Detaches the chain, unless it is pinned in order to stay: then only this object's hold on it ends, and its steps can be closed. */
  [Symbol.dispose](): void {
    if (this.#pins === null || !this.#link.attached) return this.detach();
    this.#link[Symbol.dispose]();
    for (const step of this.#steps) step.owner = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
  }

  #mustBeAttached(wish: string): void {
    if (this.#link.attached) return;
    throw new WirescriptError({
      code: "USAGE",
      what: `The chain cannot be ${wish}: it is on no device any more.`,
      why: "It was detached, or this object was disposed of.",
      fix: "Attach its steps anew: attachChain(steps, options). A pinned chain is opened again by openChain(directory).",
    });
  }
}

/**
 * Attaches programs to a device so that they run one after the other, each on the packet as the one before left it, until one gives a verdict that
 * does not go on, or the last one gives its own. The chain lives as long as this object, and at most as long as this process, unless it is pinned.
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
  checkSteps(steps, null);
  try {
    arrange(steps, 0);
    // The link is the chain's: it must not end with the object that happens to stand first now.
    const unowned = new LoadedProgram((steps[0] as ChainStep).copy(0), () => {});
    // What the program is decides which options count, and `attach` says what is missing or too much.
    const link: unknown = unowned.attach(options as XdpAttachOptions);
    return new Chain({ link: link as ChainLink, steps: [...steps], bank: 0, pins: null });
  } catch (error) {
    release(steps);
    throw error;
  }
}

/**
 * Opens a chain by the directory that it was pinned in: to be looked at, rearranged, or detached. Its steps' maps are there by `openMaps()`. Disposing of
 * it leaves it on its device.
 *
 * @throws WirescriptError NOTHING_ATTACHED when there is no chain, or its device is gone; DEVICE_BUSY when somebody else has put another program on its link;
 * USAGE for pins that are no chain's; and as `openPinnedLink`.
 */
export function openChain(directory: string, options: AdoptOptions = {}): Chain {
  return new Chain(openPins(directory, options));
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

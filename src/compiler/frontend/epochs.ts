/**
 * Which views are still good. Helpers that move the packet (`adjustHead` and its kin) end an epoch: the kernel forgets every packet
 * address, and a view from before must not be used. Where paths meet that differ in this, a new epoch begins: what was made before
 * is good only if no path has moved the packet.
 */
import type ts from "typescript";
import type { Block } from "../ir/ir.ts";

/** Compared by identity. */
export interface Epoch {
  /** What ended the epoch before; `null` for the first. */
  begunBy: ts.Node | null;
}

export class Epochs {
  readonly #first: Epoch = { begunBy: null };
  readonly #atStart = new Map<Block, Epoch>();
  /** Of blocks that move the packet. */
  readonly #atEnd = new Map<Block, Epoch>();

  /** The epoch at the end of `block`, as far as it is built. */
  at(block: Block | null): Epoch {
    if (block === null) return this.#first;
    return this.#atEnd.get(block) ?? this.atStart(block);
  }

  atStart(block: Block): Epoch {
    const known = this.#atStart.get(block);
    if (known !== undefined) return known;
    const [first = this.#first, ...others] = block.predecessors.map((predecessor) => this.at(predecessor));
    const moved = [first, ...others].find((epoch) => epoch.begunBy !== null);
    const epoch = others.every((other) => other === first) ? first : { begunBy: moved?.begunBy ?? null };
    this.#atStart.set(block, epoch);
    return epoch;
  }

  /** `node` moves the packet, here in `block`. */
  move(block: Block | null, node: ts.Node): void {
    if (block === null) return;
    this.atStart(block);
    this.#atEnd.set(block, { begunBy: node });
  }
}

/** A variable's views: in which epoch each block leaves the one that the variable holds. */
export class HeldEpochs {
  readonly #epochs: Epochs;
  readonly #atEnd = new Map<Block, Epoch>();
  readonly #asked = new Set<Block>();

  constructor(epochs: Epochs) {
    this.#epochs = epochs;
  }

  /** A view of `epoch` is assigned in `block`. */
  set(block: Block | null, epoch: Epoch): void {
    if (block !== null) this.#atEnd.set(block, epoch);
  }

  /** The epoch of the view that is read in `block`: that block's own, when it is good on every path. */
  at(block: Block | null): Epoch {
    if (block === null) return this.#epochs.at(null);
    const known = this.#atEnd.get(block);
    if (known !== undefined) return known;
    // A path around a loop brings nothing new: loops do not move the packet.
    this.#asked.add(block);
    const paths = block.predecessors
      .filter((predecessor) => !this.#asked.has(predecessor))
      .map((predecessor) => ({ held: this.at(predecessor), now: this.#epochs.at(predecessor) }));
    this.#asked.delete(block);
    const result = joined(paths, this.#epochs.atStart(block));
    this.#atEnd.set(block, result);
    return result;
  }
}

/** What views of different paths are where the paths meet: of `here`, the epoch there, when each was good on its own path. */
export function joined(paths: readonly { held: Epoch; now: Epoch }[], here: Epoch): Epoch {
  const [first] = paths;
  if (first === undefined || paths.every(({ held, now }) => held === now)) return here;
  const dead = paths.find(({ held, now }) => held !== now) ?? first;
  return paths.every(({ held }) => held === first.held) ? first.held : { begunBy: dead.now.begunBy };
}

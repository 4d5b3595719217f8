/**
 * The frame of a loop that becomes a callback: the part of the caller's stack that both sides read and write, and the place in it of each
 * value that passes between them. Its address differs: the caller's slot, or what the kernel hands to the callback.
 */
import type { Block, Value } from "../ir/ir.ts";
import { maskOf } from "../ir/known-bits.ts";
import { U64_MAX, upperBound } from "../ir/range.ts";
import type { CodeWriter } from "./code-writer.ts";
import { forgottenAt, readPlace, rememberedAt, type StackPlace, writePlace } from "./stack-place.ts";

export class LoopFrame {
  readonly #code: CodeWriter;
  /** Of these the verifier must not see how they change. */
  readonly #decisive: ReadonlySet<Value>;
  readonly #places = new Map<Value, StackPlace>();
  /** What the verifier could say of each carried value as long as it saw it. */
  readonly #bounds = new Map<Value, bigint>();
  /** Says by which way the loop was left; 0 while it was not. */
  readonly #exitPlace: StackPlace;
  size = 0;

  constructor(code: CodeWriter, decisive: ReadonlySet<Value>) {
    this.#code = code;
    this.#decisive = decisive;
    this.#exitPlace = rememberedAt(this.extend(8));
  }

  /** Makes room for `size` bytes at a multiple of 8; gives where. */
  extend(size: number): number {
    const offset = this.size;
    this.size += Math.ceil(size / 8) * 8;
    return offset;
  }

  /** Gives `value` a place, if it has none. */
  keep(value: Value): void {
    if (!this.#places.has(value)) this.#places.set(value, rememberedAt(this.extend(8)));
  }

  /** Gives a phi of the loop's header its place, where every round writes it anew. */
  carry(phi: Value): void {
    const isForgotten = phi.type === "int" && this.#decisive.has(phi);
    const offset = this.extend(8);
    this.#places.set(phi, isForgotten ? forgottenAt(offset, phi) : rememberedAt(offset));
    this.#bounds.set(phi, upperBound(phi));
  }

  /** Gives a number that is at most `most` a place from which it comes with that bound, if it has none and a part of a word does that. */
  keepBounded(value: Value, most: bigint): void {
    if (this.#places.has(value)) return;
    const offset = this.extend(8);
    const place = forgottenAt(offset, value);
    this.#places.set(value, place.size < 8 && maskOf(place.size * 8) === most ? place : rememberedAt(offset));
  }

  /** The largest number that can be read from the place of `value`, as the verifier sees it. */
  bound(value: Value): bigint {
    const size = this.#places.get(value)?.size ?? 8;
    return size === 8 ? U64_MAX : maskOf(size * 8);
  }

  /** Where in the frame the place of `value` is. */
  offset(value: Value): number {
    return (this.#places.get(value) as StackPlace).offset; // whoever asks has made a place
  }

  holds(value: Value): boolean {
    return this.#places.has(value);
  }

  /** What the verifier must be told again about a value that it was made to forget; `null` when there is nothing. */
  forgottenBound(value: Value): bigint | null {
    const most = this.#bounds.get(value);
    const place = this.#places.get(value);
    if (most === undefined || place === undefined || (place.size === 8 && !place.halves)) return null;
    const { size } = place;
    return most < maskOf(size * 8) ? most : null;
  }

  /** Writes `value` to the place of `what`. */
  store(block: Block, frame: Value, what: Value, value: Value): void {
    this.#write(block, frame, this.#places.get(what) as StackPlace, value); // whoever stores has made a place
  }

  load(block: Block, frame: Value, what: Value): Value {
    const place = this.#places.get(what) as StackPlace; // whoever loads has stored
    return readPlace((instruction) => this.#code.emit(block, instruction), frame, place, what.type);
  }

  setExit(block: Block, frame: Value, number: number): void {
    this.#write(block, frame, this.#exitPlace, this.#code.constant(block, BigInt(number)));
  }

  exit(block: Block, frame: Value): Value {
    const { offset, size } = this.#exitPlace;
    return this.#code.emit(block, { op: "load", type: "int", args: [frame], size, offset, region: "stack" });
  }

  #write(block: Block, frame: Value, place: StackPlace, value: Value): void {
    writePlace((instruction) => this.#code.emit(block, instruction), frame, place, value);
  }
}

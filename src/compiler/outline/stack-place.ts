/**
 * Places for numbers and addresses on the stack. The verifier follows what is written as a whole word, an address with the bounds that
 * were checked; of what is written in parts of a word it forgets all but the size. Source: check_stack_write_fixed_off in
 * kernel/bpf/verifier.c.
 */
import type { AccessSize, Function, Instruction, Span, Value, ValueType } from "../ir/ir.ts";
import { maskOf, possibleBits } from "../ir/known-bits.ts";

/** An instruction that has not got its number and its place in the source yet. */
export type Fresh<T> = T extends unknown ? Omit<T, "id" | "span"> : never;

export type Emit = (instruction: Fresh<Instruction>) => Value;

/** Makes instructions of `fn`, which gather in `made` until they get their place. */
export function emitInto(made: Instruction[], fn: Function, span: Span | null): Emit {
  return (instruction) => {
    const whole: Instruction = { ...instruction, id: fn.nextId++, span };
    made.push(whole);
    return whole;
  };
}

/** A word on the stack for as long as `fn` runs. */
export function newWord(fn: Function): Value {
  const slot: Instruction = { op: "slot", id: fn.nextId++, type: "ptr", args: [], size: 8, align: 8, span: null };
  fn.blocks[0]?.instructions.unshift(slot);
  return slot;
}

/** A word on the stack, or the part of it that is used. */
export interface StackPlace {
  offset: number;
  /** Bytes of it that are written and read. */
  size: AccessSize;
  /** Written in two halves, so that the verifier forgets it. */
  halves: boolean;
}

/** The word at `offset`, of which the verifier remembers what is written. */
export function rememberedAt(offset: number): StackPlace {
  return { offset, size: 8, halves: false };
}

/** Place for `value` in the word at `offset`, so that the verifier forgets it. */
export function forgottenAt(offset: number, value: Value): StackPlace {
  const bits = possibleBits(value, "true");
  const size = ([1, 2, 4] as const).find((bytes) => bits <= maskOf(bytes * 8));
  // What is smaller than a word lies at its end: there the verifier does not remember what is written.
  return size === undefined ? { offset, size: 8, halves: true } : { offset: offset + 8 - size, size, halves: false };
}

export function writePlace(emit: Emit, stack: Value, { offset, size, halves }: StackPlace, value: Value): void {
  const write = (part: Value, at: number, bytes: AccessSize): void => {
    emit({ op: "store", type: "void", args: [stack, part], size: bytes, offset: at, region: "stack" });
  };
  if (!halves) return write(value, offset, size);
  const distance = emit({ op: "const", type: "int", args: [], value: 32n });
  const high = emit({ op: "lshr", type: "int", args: [value, distance] });
  write(value, offset, 4);
  write(high, offset + 4, 4);
}

/** What lies there, as a value of `type`. */
export function readPlace(emit: Emit, stack: Value, { offset, size }: StackPlace, type: ValueType): Value {
  const loaded = emit({ op: "load", type: type === "ptr" ? "ptr" : "int", args: [stack], size, offset, region: "stack" });
  if (type !== "bool") return loaded;
  const zero = emit({ op: "const", type: "int", args: [], value: 0n });
  return emit({ op: "ne", type: "bool", args: [loaded, zero] });
}

/** The back end: SSA IR to eBPF instructions, one concern a file, in the order in which they stand here. */
import { type Instruction, slots } from "../../object/instruction.ts";
import type { LineSpec } from "../../object/spec.ts";
import type * as ir from "../ir/ir.ts";
import { allocate } from "./allocate.ts";
import { commute } from "./commute.ts";
import { removeCopies } from "./copies.ts";
import { emit } from "./emit.ts";
import { tidyFlow } from "./flow.ts";
import { layOutFrame, StackOverflow } from "./frame.ts";
import { hoistConstants, hoistCopies, hoistStores, presetResult } from "./hoist.ts";
import { mayKeepAddresses } from "./kept.ts";
import { removeKnown } from "./known.ts";
import { removeKnownStores } from "./known-homes.ts";
import { orderBlocks } from "./layout.ts";
import type { Cpu } from "./machine.ts";
import { narrow } from "./narrow.ts";
import { removeOverwritten } from "./overwritten.ts";
import { presetHomes, presetRegisters } from "./preset.ts";
import { readThrough } from "./read-through.ts";
import { select } from "./select.ts";
import { storeConstants } from "./store-constants.ts";
import { sweep } from "./sweep.ts";
import { mergeTails } from "./tails.ts";

export type { Cpu };

export interface GenerateOptions {
  /**
   * The instruction set, as clang's `-mcpu=v1` to `v4`: v2 adds the "less than" jumps (Linux 4.14), v3 32-bit arithmetic and jumps (5.1),
   * v4 sign extension, signed division and long jumps (6.6).
   */
  cpu: Cpu;
  /** Of a function that the kernel calls for each round of a loop: where in memory at its second argument 8 bytes are that nobody writes. */
  lasting?: ReadonlySet<number> | undefined;
}

export interface Generated {
  instructions: Instruction[];
  /** Empty when no instruction of the function has a place in the source. */
  lines: LineSpec[];
  /** Stack used, in bytes, a multiple of 8. */
  stackBytes: number;
}

/**
 * Compiles one function. The IR is not changed.
 * @throws StackOverflow when the function needs more than 512 bytes of stack; WirescriptError COMPILE when a jump is out of reach.
 */
export function generate(fn: ir.Function, options: GenerateOptions): Generated {
  // Chains, early constants and kept addresses need registers, and what is short of them is spilled: only the result tells whether they pay.
  const plain: Attempt = { chained: false, hoisted: false, kept: false };
  let best = { attempt: plain, result: generateOnce(fn, options, plain) };
  const consider = (another: Attempt): void => {
    const result = attempt(() => generateOnce(fn, options, another));
    if (result !== null && lengthOf(result) < lengthOf(best.result)) best = { attempt: another, result };
  };
  consider({ ...plain, chained: true });
  consider({ ...plain, hoisted: true });
  consider({ ...plain, chained: true, hoisted: true });
  if (mayKeepAddresses(fn)) consider({ ...best.attempt, kept: true });
  return best.result;
}

/** What may make a function shorter, or not. */
interface Attempt {
  /** Addresses start from others: see `chains.ts`. */
  chained: boolean;
  /** Constants are made early, in registers of their own: see `hoist.ts`. */
  hoisted: boolean;
  /** Addresses that many calls are given stay in registers: see `kept.ts`. */
  kept: boolean;
}

/** Null when it needs too much stack. */
function attempt(work: () => Generated): Generated | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof StackOverflow) return null;
    throw error;
  }
}

function lengthOf({ instructions }: Generated): number {
  return instructions.reduce((sum, instruction) => sum + slots(instruction), 0);
}

function generateOnce(fn: ir.Function, options: GenerateOptions, { chained, hoisted, kept }: Attempt): Generated {
  const machine = select(fn, options.cpu, { chained, kept });
  removeOverwritten(machine);
  sweep(machine);
  commute(machine);
  presetHomes(machine);
  hoistStores(machine);
  removeKnownStores(machine);
  if (hoisted) {
    presetRegisters(machine);
    hoistConstants(machine);
  }
  allocate(machine, options.lasting);
  removeCopies(machine);
  readThrough(machine);
  const stackBytes = layOutFrame(machine);
  do tidyFlow(machine);
  while (
    removeKnown(machine) ||
    mergeTails(machine) ||
    hoistCopies(machine) ||
    presetResult(machine) ||
    storeConstants(machine)
  );
  narrow(machine);
  orderBlocks(machine);
  return { ...emit(machine), stackBytes };
}

/**
 * Checks that a function keeps the laws of `ir.ts`. Tests and `optimise({ validate: true })` run it after every pass, so that a
 * pass is caught at its own doorstep and not by a miscompiled program.
 */
import { WirescriptError } from "../../errors.ts";
import { Dominators } from "./dominators.ts";
import type { Block, Function, Instruction, Op, Value } from "./ir.ts";
import { isBinary, isCompare } from "./ir.ts";
import { printInstruction } from "./print.ts";

/** @throws WirescriptError INTERNAL with every broken law, when `fn` is not valid. `after` says who made it, for the message. */
export function validate(fn: Function, after?: string): void {
  const broken = findBrokenLaws(fn);
  if (broken.length === 0) return;
  throw new WirescriptError({
    code: "INTERNAL",
    what: `the IR of ${fn.name} is invalid${after === undefined ? "" : ` after ${after}`}: ${broken.join("; ")}`,
    why: "a pass of the compiler broke a law of its intermediate representation",
    fix: "report this as a bug, with the program; until then, switch the named pass off",
  });
}

/** A sentence for every broken law; empty when `fn` is valid. */
export function findBrokenLaws(fn: Function): string[] {
  const laws = [checkShape, checkEdges, checkInstructions, checkDominance];
  for (const law of laws) {
    const broken = law(fn);
    if (broken.length > 0) return broken; // later laws rest on earlier ones
  }
  return [];
}

function checkShape(fn: Function): string[] {
  const broken: string[] = [];
  const [entry] = fn.blocks;
  if (entry === undefined) return ["it has no block"];
  if (entry.predecessors.length > 0) broken.push(`the entry b${entry.id} has predecessors`);
  // A block and a value may share a number: they are printed as bN and vN.
  for (const things of [fn.blocks, fn.blocks.flatMap((block) => block.instructions)]) {
    const ids = new Set<number>();
    for (const { id } of things) {
      if (ids.has(id)) broken.push(`id ${id} is given twice`);
      if (id < 0 || id >= fn.nextId) broken.push(`id ${id} is not below nextId ${fn.nextId}`);
      ids.add(id);
    }
  }
  for (const block of fn.blocks) {
    if (!["jump", "branch", "return"].includes(block.terminator.op)) broken.push(`b${block.id} has no terminator`);
  }
  return broken;
}

function checkEdges(fn: Function): string[] {
  const broken: string[] = [];
  const blocks = new Set(fn.blocks);
  const incoming = new Map<Block, Block[]>(fn.blocks.map((block) => [block, []]));
  for (const block of fn.blocks) {
    for (const target of block.terminator.targets) {
      if (!blocks.has(target)) broken.push(`b${block.id} goes to b${target.id}, which is not in the function`);
      else incoming.get(target)?.push(block);
    }
  }
  const names = (list: readonly Block[]): string => list.map((block) => `b${block.id}`).join(" ");
  for (const [block, actual] of incoming) {
    const byId = (left: Block, right: Block): number => left.id - right.id;
    if (names(actual.toSorted(byId)) !== names(block.predecessors.toSorted(byId))) {
      broken.push(`b${block.id} lists predecessors ${names(block.predecessors)}, but has ${names(actual)}`);
    }
  }
  return broken;
}

function checkInstructions(fn: Function): string[] {
  const broken: string[] = [];
  for (const block of fn.blocks) {
    let phisOver = false;
    for (const instruction of block.instructions) {
      const complain = (why: string): number => broken.push(`\`${printInstruction(instruction)}\` in b${block.id} ${why}`);
      if (instruction.op === "phi") {
        if (phisOver) complain("stands after an instruction that is not a phi");
        if (instruction.args.length !== block.predecessors.length) {
          complain(`has ${instruction.args.length} arguments for ${block.predecessors.length} predecessors`);
        }
      } else {
        phisOver = true;
      }
      const arity = arityOf(instruction.op);
      if (arity !== null && instruction.args.length !== arity) complain(`takes ${arity} arguments`);
      for (const why of typeFaults(instruction)) complain(why);
    }
    const { terminator } = block;
    const [argument] = terminator.args;
    if (terminator.op === "branch" && argument?.type !== "bool") broken.push(`b${block.id} branches on a ${argument?.type}`);
    if (terminator.op === "return" && argument?.type === "void") broken.push(`b${block.id} returns nothing`);
  }
  return broken;
}

function arityOf(op: Op): number | null {
  if (isBinary(op) || isCompare(op) || op === "store" || op === "atomic_add") return 2;
  if (op === "zext" || op === "sext" || op === "bswap" || op === "load") return 1;
  return op === "phi" || op === "call" ? null : 0;
}

function* typeFaults(instruction: Instruction): Iterable<string> {
  const { op, type, args } = instruction;
  if (args.some((value) => value.type === "void")) yield "uses a value that is none";
  const pointers = args.filter((value) => value.type === "ptr").length;
  if (isCompare(op) && type !== "bool") yield "must be a bool";
  if (isCompare(op) && pointers === 1 && !args.some((value) => value.op === "const" && value.value === 0n)) {
    yield "compares a pointer with a number";
  }
  const isAddress = op === "context" || op === "slot" || op === "map" || op === "data" || op === "function";
  if (isAddress && type !== "ptr") yield "must be a ptr";
  if ((op === "store" || op === "atomic_add") && type !== "void") yield "has no result";
  if ((op === "load" || op === "store" || op === "atomic_add") && args[0]?.type !== "ptr") yield "needs a ptr as its address";
  if (op === "zext" || op === "sext" || op === "bswap") {
    if (type !== "int" || pointers > 0) yield "works on int only";
  }
  if (isBinary(op)) yield* binaryFaults(instruction, pointers);
  if (op === "phi" && type === "ptr" && args.some((value) => value.type !== "ptr" && value.op !== "const")) {
    yield "merges pointers with numbers";
  }
  if (op === "phi" && type !== "ptr" && pointers > 0) yield "merges pointers with numbers";
  if (op === "phi" && type === "bool" && args.some((value) => value.type !== "bool")) yield "merges bools with numbers";
  if (op === "call" && args.length > 5) yield "has more than five arguments";
}

function* binaryFaults({ op, type, args }: Instruction, pointers: number): Iterable<string> {
  if (type === "ptr") {
    if (op !== "add" && op !== "sub") yield "makes a pointer";
    else if (pointers !== 1 || (op === "sub" && args[0]?.type !== "ptr")) yield "must add to or subtract from one pointer";
  } else if (pointers > 0 && !(op === "sub" && pointers === 2)) {
    yield "computes a number from a pointer";
  }
}

function checkDominance(fn: Function): string[] {
  const broken: string[] = [];
  const dominators = new Dominators(fn);
  const places = new Map<Value, { block: Block; index: number }>();
  for (const block of fn.blocks) {
    if (!dominators.reaches(block)) broken.push(`b${block.id} cannot be reached`);
    for (const [index, instruction] of block.instructions.entries()) places.set(instruction, { block, index });
  }
  const check = (value: Value, block: Block, index: number, user: string): void => {
    const place = places.get(value);
    if (place === undefined) broken.push(`${user} in b${block.id} uses v${value.id}, which is not in the function`);
    else if (place.block === block ? place.index >= index : !dominators.dominates(place.block, block)) {
      broken.push(`${user} in b${block.id} uses v${value.id}, which is not computed on every path to it`);
    }
  };
  for (const block of fn.blocks) {
    for (const [index, instruction] of block.instructions.entries()) {
      for (const [position, value] of instruction.args.entries()) {
        const predecessor = block.predecessors[position];
        if (instruction.op !== "phi") check(value, block, index, `\`${printInstruction(instruction)}\``);
        else if (predecessor !== undefined) check(value, predecessor, Number.POSITIVE_INFINITY, `v${instruction.id}'s edge`);
      }
    }
    for (const value of block.terminator.args) check(value, block, Number.POSITIVE_INFINITY, `\`${block.terminator.op}\``);
  }
  return broken;
}

/** Writes the blocks and instructions that a loop needs when it becomes a callback. Their ids are unique in the caller and the callback. */
import type { Block, Instruction, Span, Value } from "../ir/ir.ts";
import type { Fresh } from "./stack-place.ts";

export class CodeWriter {
  nextId: number;
  /** Where in the source all of it is said to come from. */
  readonly #span: Span | null;

  constructor(nextId: number, span: Span | null) {
    this.nextId = nextId;
    this.#span = span;
  }

  newBlock(): Block {
    const unset = { op: "unset", args: [], targets: [] } as unknown as Block["terminator"]; // until the block is ended
    return { id: this.nextId++, predecessors: [], instructions: [], terminator: unset };
  }

  make(body: Fresh<Instruction>): Instruction {
    return { ...body, id: this.nextId++, span: this.#span } as Instruction;
  }

  emit(block: Block, body: Fresh<Instruction>): Value {
    const value = this.make(body);
    block.instructions.push(value);
    return value;
  }

  constant(block: Block, value: bigint, type: Value["type"] = "int"): Value {
    return this.emit(block, { op: "const", type, args: [], value: BigInt.asIntN(64, value) });
  }

  jump(from: Block, to: Block): void {
    this.leadTo(from, to);
    to.predecessors.push(from);
  }

  /** A jump whose edge the caller adds to the target, whose phis want a value for it. */
  leadTo(from: Block, to: Block): void {
    from.terminator = { op: "jump", args: [], targets: [to], span: this.#span };
  }

  branch(from: Block, condition: Value, then: Block, otherwise: Block): void {
    from.terminator = { op: "branch", args: [condition], targets: [then, otherwise], span: this.#span };
    then.predecessors.push(from);
    otherwise.predecessors.push(from);
  }

  return(block: Block, value: bigint): void {
    block.terminator = { op: "return", args: [this.constant(block, value)], targets: [], span: this.#span };
  }
}

/**
 * Comparisons of addresses, which the verifier learns from: how far a packet goes, and that there is an entry. Of their outcome in a number it
 * learns nothing, so a loop that becomes a callback and the code around it do not hand it over: either side compares for itself.
 */
import { type Block, type Function, type Instruction, isCompare, type Value } from "../ir/ir.ts";
import { replaceIn, type User } from "../ir/uses.ts";

/** Makes comparisons anew on the side of the loop of `blocks` on which they are used and not computed. */
export function compareAnew(fn: Function, blocks: ReadonlySet<Block>): void {
  const tests = fn.blocks.flatMap((block) =>
    block.instructions.filter(({ op, args }) => isCompare(op) && args[0]?.type === "ptr").map((test) => ({ test, block })),
  );
  for (const { test, block } of tests) {
    for (const other of fn.blocks) {
      if (blocks.has(other) !== blocks.has(block)) compareIn(fn, other, test);
    }
  }
}

function compareIn(fn: Function, block: Block, test: Value): void {
  const uses = (user: User) => user.op !== "phi" && (user.args as readonly Value[]).includes(test);
  const users = [...block.instructions, block.terminator].filter(uses);
  if (users.length === 0) return;
  const first = block.instructions.findIndex(uses);
  const made: Instruction[] = [];
  const again = makeAnew(fn, test, made);
  block.instructions.splice(first === -1 ? block.instructions.length : first, 0, ...made);
  for (const user of users) replaceIn(user, test, again);
}

/** With what it compares, as far as that lies at a constant distance from something else. */
function makeAnew(fn: Function, value: Value, made: Instruction[]): Value {
  const { op, type, args } = value;
  const isPlace = op === "add" && type === "ptr" && args[1]?.op === "const";
  if (!isPlace && op !== "const" && !isCompare(op)) return value;
  const copy: Instruction = { ...value, args: args.map((each) => makeAnew(fn, each, made)), id: fn.nextId++ };
  made.push(copy);
  return copy;
}

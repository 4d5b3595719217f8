/**
 * `d = a; d op= b` costs the copy when `a` cannot have the register of `d`. The other order may save it: when `a` is read later and
 * `b` is not; when both end here, but `d` goes on to become `b` again (a loop's accumulator); or when only `a` lives in the few
 * registers that survive calls. The verifier takes "scalar += pointer" as well as "pointer += scalar",
 * unless the pointer points into the stack (`mayBeOnStack`).
 */
import { liveness, walkBackwards } from "./liveness.ts";
import { FIRST_VIRTUAL, type MachineFunction, type Register } from "./machine.ts";

const COMMUTATIVE = ["add", "mul", "and", "or", "xor"];

export function commute(fn: MachineFunction): void {
  const { liveOut } = liveness(fn);
  const { copiedTo, acrossCalls } = survey(fn, liveOut);
  const fits = (target: Register, source: Register): number => {
    const joins = copiedTo.get(target)?.has(source) ? 2 : 0;
    return joins + (acrossCalls.has(source) === acrossCalls.has(target) ? 1 : 0);
  };
  for (const block of fn.blocks) {
    walkBackwards(block, liveOut(block), (index, live) => {
      const operation = block.instructions[index];
      const copy = block.instructions[index - 1];
      if (operation?.op !== "alu" || copy?.op !== "mov" || copy.dst !== operation.dst || operation.src === null) return;
      if (!COMMUTATIVE.includes(operation.code) || operation.src === copy.dst || operation.src < FIRST_VIRTUAL) return;
      if (operation.ordered === true || live.has(operation.src)) return;
      if (!live.has(copy.src) && fits(copy.dst, copy.src) >= fits(copy.dst, operation.src)) return;
      [copy.src, operation.src] = [operation.src, copy.src];
    });
  }
}

/** Where registers are copied to, and which of them live across a call. */
function survey(
  fn: MachineFunction,
  liveOut: ReturnType<typeof liveness>["liveOut"],
): { copiedTo: Map<Register, Set<Register>>; acrossCalls: Set<Register> } {
  const copiedTo = new Map<Register, Set<Register>>();
  const acrossCalls = new Set<Register>();
  for (const block of fn.blocks) {
    walkBackwards(block, liveOut(block), (index, live) => {
      const instruction = block.instructions[index];
      if (instruction?.op === "call") live.forEach((register) => void acrossCalls.add(register));
      if (instruction?.op !== "mov") return;
      const targets = copiedTo.get(instruction.src);
      if (targets === undefined) copiedTo.set(instruction.src, new Set([instruction.dst]));
      else targets.add(instruction.dst);
    });
  }
  return { copiedTo, acrossCalls };
}

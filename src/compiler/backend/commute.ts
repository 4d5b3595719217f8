/**
 * `d = a; d op= b` costs the copy when `a` is still read later. When `b` is not, the other order makes the copy disappear. The
 * verifier takes "scalar += pointer" as well as "pointer += scalar".
 */
import { liveness, walkBackwards } from "./liveness.ts";
import { FIRST_VIRTUAL, type MachineFunction } from "./machine.ts";

const COMMUTATIVE = ["add", "mul", "and", "or", "xor"];

export function commute(fn: MachineFunction): void {
  const { liveOut } = liveness(fn);
  for (const block of fn.blocks) {
    walkBackwards(block, liveOut(block), (index, live) => {
      const operation = block.instructions[index];
      const copy = block.instructions[index - 1];
      if (operation?.op !== "alu" || copy?.op !== "mov" || copy.dst !== operation.dst || operation.src === null) return;
      if (!COMMUTATIVE.includes(operation.code) || operation.src === copy.dst || operation.src < FIRST_VIRTUAL) return;
      if (!live.has(copy.src) || live.has(operation.src)) return;
      [copy.src, operation.src] = [operation.src, copy.src];
    });
  }
}

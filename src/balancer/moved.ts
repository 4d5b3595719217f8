/** How many connections a change moves, in words: what people look at before they say yes. */
import type { Plan } from "./contract.ts";

/** "moves 3.1 % of slots", over all services that the change touches; "moves no slots"; and whose connections end, whatever moves. */
export function movedText({ moved, ends }: Pick<Plan, "moved" | "ends">): string {
  const told = ends.length > FEW ? `${ends.length} services` : ends.join(", ");
  return ends.length === 0 ? slotsText(moved) : `${slotsText(moved)}, and ends all connections of ${told}`;
}
const FEW = 5;

function slotsText(moved: Plan["moved"]): string {
  const slots = moved.reduce((sum, each) => sum + each.slots, 0);
  const of = moved.reduce((sum, each) => sum + each.of, 0);
  return slots === 0 ? "moves no slots" : `moves ${percent(slots / of)} of slots`;
}

/** "3.1 %", "100 %", and never "0 %" of what is something. */
export function percent(share: number): string {
  if (share === 0) return "0 %";
  if (share < 0.001) return "less than 0.1 %";
  if (share > 0.999 && share < 1) return "99.9 %";
  return `${Number((share * 100).toFixed(1))} %`;
}

/**
 * Where a key or a value that is built on the stack begins. The verifier wants accesses of the stack aligned, and a key such as
 * `{ prefixLength: u32, address: bytes(16) }` has nothing aligned to 8 when it begins at such a place, but all of its address when it
 * begins four bytes behind one. Helpers take any address.
 */
import type { SizedLayout } from "./layout.ts";
import { pieces } from "./memory.ts";

/** How many bytes behind an address that is aligned to 8 `layout` begins best: where the fewest stores fill it. 0 where none is better. */
export function stackPhaseOf(layout: SizedLayout): number {
  let best = 0;
  for (let phase = 1; phase < 8; phase++) if (storesFor(layout, phase) < storesFor(layout, best)) best = phase;
  return best;
}

/** How many stores write all fields, when the first byte is `phase` bytes behind an address that is aligned to 8. */
function storesFor(layout: SizedLayout, phase: number): number {
  switch (layout.kind) {
    case "struct":
      return layout.fields.reduce((sum, { layout: field, offset }) => {
        return field.kind === "bits" ? sum : sum + storesFor(field, phase + offset);
      }, 0);
    case "array": {
      let sum = 0;
      for (let index = 0; index < layout.length; index++) sum += storesFor(layout.element, phase + index * layout.element.size);
      return sum;
    }
    default:
      return [...pieces(layout.size, phase)].length;
  }
}

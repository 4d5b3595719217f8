/** May a place in memory be reached by one access of a given width? */
import { alignmentOf } from "./alignment.ts";
import type { AccessSize } from "./ir.ts";
import type { Location } from "./memory.ts";

/**
 * The verifier takes unaligned accesses of the packet and of map values (on machines that have efficient ones: x86-64, arm64), on the
 * stack only aligned ones, and of the context only whole fields.
 */
export function mayAccess({ region, base, offset }: Location, size: AccessSize): boolean {
  switch (region) {
    case "packet":
    case "map":
    case "data":
    case "record":
      return true;
    case "stack":
      return alignmentOf(base, offset) >= size;
    case "context":
      return false;
  }
}

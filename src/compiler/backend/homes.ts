/**
 * A number that paths bring with them, and that is stored as a key on the stack where they meet, has its home there: each path writes it
 * into the key itself, and whoever wants it behind the call that the key is for reads it back. No register has to survive the call for it.
 */
import { HELPER } from "../../object/helpers.ts";
import { Dominators } from "../ir/dominators.ts";
import type { AccessSize, Block, Function, Instruction, Value } from "../ir/ir.ts";
import { loopBlocks } from "../ir/loops.ts";
import { fitsU32 } from "./facts.ts";
import type { User, Uses } from "./uses.ts";

export interface Home {
  slot: Value & { op: "slot" };
  /** What put the number there, and is not needed any more. */
  store: Instruction;
  size: AccessSize;
}

/** By phi. */
export type Homes = ReadonlyMap<Value, Home>;

/** Helpers that read what they are given, and write none of it. */
const READERS: readonly number[] = [HELPER.map_lookup_elem, HELPER.map_update_elem, HELPER.map_delete_elem];
/** They give an action. */
const REDIRECTIONS: readonly number[] = [HELPER.redirect, HELPER.redirect_map];

export function findHomes(fn: Function, uses: Uses): Homes {
  const homes = new Map<Value, Home>();
  const candidates = fn.blocks.filter((block) => uses.reachable.has(block) && block.instructions[0]?.op === "phi");
  if (candidates.length === 0) return homes;
  const dominators = new Dominators(fn);
  const loops = loopBlocks(dominators);
  for (const block of candidates) {
    if (loops.has(block)) continue;
    for (const phi of block.instructions) {
      const home = phi.op === "phi" && uses.isLive(phi) ? homeOf(fn, block, phi, uses, dominators) : null;
      if (home !== null) homes.set(phi, home);
    }
  }
  return homes;
}

function homeOf(fn: Function, block: Block, phi: Value, uses: Uses, dominators: Dominators): Home | null {
  const users = uses.of(phi);
  const [store] = users.filter((user) => user.op === "store" && user.args[1] === phi);
  // Whoever else reads it costs a load each; in a register it would be a copy at most.
  if (store?.op !== "store" || users.length !== 2 || !block.instructions.includes(store)) return null;
  const [slot] = store.args;
  if (slot?.op !== "slot" || store.offset !== 0 || store.size < 4) return null;
  const isRead = uses.of(slot).every((user) => user === store || (user.op === "call" && READERS.includes(user.helper)));
  if (!isRead || (store.size === 4 && !phi.args.every(fitsWord))) return null;
  const other = users.find((user) => user !== store);
  // The other one reads it behind a call, or the number needs no such place.
  const where = other === undefined ? null : readIn(fn, other, phi);
  const call = block.instructions.findIndex(({ op }, index) => op === "call" && index > block.instructions.indexOf(store));
  if (where === null || call < 0) return null;
  if (where === block ? !isBehind(block, other, call) : !dominators.dominates(block, where)) return null;
  return { slot, store, size: store.size };
}

/** The block in which `user` reads the number: for a phi, where the edge begins. */
function readIn(fn: Function, user: User, number: Value): Block | null {
  const block = fn.blocks.find(
    ({ instructions, terminator }) => terminator === user || instructions.includes(user as Instruction),
  );
  return (user.op === "phi" ? block?.predecessors[user.args.indexOf(number)] : block) ?? null;
}

function isBehind(block: Block, user: User | undefined, index: number): boolean {
  return user === block.terminator || user?.op === "phi" || block.instructions.indexOf(user as Instruction) > index;
}

function fitsWord(value: Value): boolean {
  return fitsU32(value) || (value.op === "call" && REDIRECTIONS.includes(value.helper));
}

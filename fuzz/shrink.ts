/**
 * Makes a failing case smaller while it fails in the same way: leaves out packets, declarations and statements, puts what is in a block
 * in the block's place, and replaces expressions by their parts or by a number. A tree that no longer makes sense does not compile, so it
 * fails in another way, and is not taken.
 */
import type { Case, Failure } from "./run-case.ts";

type Json = null | boolean | number | string | bigint | Uint8Array | Json[] | { [key: string]: Json };
type Node = { [key: string]: Json };

/** What a change does to the tree; `undo` takes it back. */
interface Change {
  apply: () => void;
  undo: () => void;
}

/**
 * `fails` tells how a case fails, or `null` when it does not. Tries at most `tries` changes.
 */
export function shrink(original: Case, failure: Failure, fails: (each: Case) => Failure | null, tries = 2000): Case {
  const packets = failure.packet === undefined ? original.packets : [failure.packet];
  const same = (each: Case) => fails(each)?.signature === failure.signature;
  const current: Case = { module: structuredClone(original.module), packets };
  if (!same(current)) return original;
  let left = tries;
  for (let progress = true; progress && left > 0; ) {
    progress = false;
    // Positions shift with each change that is taken, so the list is made anew, and gone on with from the same place.
    for (let at = 0; left > 0; ) {
      const change = changes(current.module as unknown as Json, at); // a module is plain data
      if (change === null) break;
      change.apply();
      left--;
      if (same(current)) progress = true;
      else {
        change.undo();
        at++;
      }
    }
  }
  return current;
}

/** Change number `index` that the tree offers, large ones first; `null` when there are fewer. */
function changes(root: Json, index: number): Change | null {
  let left = index;
  for (const find of [removals, flattenings, replacements]) {
    for (const change of find(root)) {
      if (left === 0) return change;
      left--;
    }
  }
  return null;
}

function* nodes(json: Json): Generator<Node> {
  if (Array.isArray(json)) {
    for (const each of json) yield* nodes(each);
  } else if (isNode(json)) {
    yield json;
    for (const each of Object.values(json)) yield* nodes(each);
  }
}

function isNode(json: Json): json is Node {
  return typeof json === "object" && json !== null && !Array.isArray(json) && !(json instanceof Uint8Array);
}

/** Statements, declarations, clauses, and contents of maps: halves of a list first. */
function* removals(root: Json): Generator<Change> {
  for (const node of nodes(root)) {
    for (const list of Object.values(node)) {
      if (!Array.isArray(list) || !list.every(isRemovable)) continue;
      for (let size = list.length; size >= 1; size >>= 1) {
        for (let at = list.length - size; at >= 0; at -= size) yield splice(list, at, size, []);
      }
    }
  }
}

function isRemovable(json: Json): boolean {
  return (
    isNode(json) && ("s" in json || "d" in json || "label" in json || ("key" in json && "value" in json && !("b" in json)))
  );
}

/** A block's statements instead of the statement that has it. */
function* flattenings(root: Json): Generator<Change> {
  for (const node of nodes(root)) {
    for (const list of Object.values(node)) {
      if (!Array.isArray(list)) continue;
      for (let at = 0; at < list.length; at++) {
        const statement = list[at];
        if (statement === undefined || !isNode(statement) || !("s" in statement)) continue;
        for (const inner of [statement.then, statement.otherwise, statement.body]) {
          if (Array.isArray(inner) && inner.length > 0) yield splice(list, at, 1, inner);
        }
      }
    }
  }
}

function splice(list: Json[], at: number, size: number, instead: Json[]): Change {
  const removed = list.slice(at, at + size);
  return {
    apply: () => void list.splice(at, size, ...instead),
    undo: () => void list.splice(at, instead.length, ...removed),
  };
}

/** Simpler expressions of the same kind and sign. */
function* replacements(root: Json): Generator<Change> {
  for (const node of nodes(root)) {
    for (const [key, child] of Object.entries(node)) {
      if (!isNode(child)) continue;
      if ("k" in child) yield* simpler(node, key, child, "k");
      else if ("b" in child) yield* simpler(node, key, child, "b");
      else if ("w" in child) yield* simpler(node, key, child, "w");
    }
  }
}

function* simpler(node: Node, key: string, child: Node, kind: "k" | "b" | "w"): Generator<Change> {
  const put = (instead: Json): Change => ({
    apply: () => {
      node[key] = instead;
    },
    undo: () => {
      node[key] = child;
    },
  });
  if (kind === "k" && child.k !== "literal" && child.signed === false) {
    for (const value of [0n, 1n]) yield put({ k: "literal", value, signed: false, flavour: null });
  }
  for (const inner of Object.values(child)) {
    for (const part of nodes(inner)) {
      if (kind in part && part.signed === child.signed && part.struct === child.struct) yield put(part);
    }
  }
}

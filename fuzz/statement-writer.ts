/** What all that writes statements has in common: names, views, depth, and how a function is left. */
import type { Expressions } from "./expressions.ts";
import type { Random } from "./random.ts";
import { into, type Scope } from "./scope.ts";
import type { Bool, Finds, Flavour, MapDeclaration, Statement, ViewSource, WakeUp } from "./tree.ts";

/** How a function ends: a program with a verdict, others with a value of this type, or with none. */
export type Returns = Flavour | "verdict" | Finds | null;

export interface Place {
  returns: Returns;
  /** Loops around it in its function. */
  loops?: number;
  /** It is in a `switch`, where `break` leaves that. */
  switches?: boolean;
}

/** Where locals lie, and the metadata, in place of the name of a map: a variable's views lie all in one place. */
export const STACK = "the stack";
export const METADATA = "the metadata";
/** Where records of ring buffers lie: they are dead once they were given back. */
export const RECORDS = "the records";

export function mapOf(source: ViewSource): string | null {
  if (source.w === "meta") return METADATA;
  if (source.w === "take" || source.w === "load-bytes") return STACK;
  if (source.w === "lookup" || source.w === "lookup-cpu" || source.w === "call" || source.w === "view") return source.map;
  return source.w === "choice" ? mapOf(source.yes) : null;
}

/**
 * What a view of an element of `map` says of where it lies. Two lookups in a map of maps may give the same map, so that elements of all maps
 * in it lie in one place.
 */
export function placeOfElements({ name, outer }: MapDeclaration): string {
  return outer ?? name;
}

export abstract class StatementWriter {
  protected readonly random: Random;
  protected readonly e: Expressions;
  protected names = 0;
  protected depth = 0;
  protected inside = false;
  protected updates = new Set<string>();

  constructor(random: Random, expressions: Expressions) {
    this.random = random;
    this.e = expressions;
  }

  protected name(prefix: string): string {
    return `${prefix}${this.names++}`;
  }

  protected declareView(scope: Scope, name: string, source: ViewSource): void {
    const map = mapOf(source);
    const found = scope.maps.find((each) => each.name === map);
    scope.views.push({
      name,
      struct: source.struct,
      map: found === undefined ? map : placeOfElements(found),
      life: { alive: true },
    });
  }

  protected nested<T>(make: () => T): T {
    this.depth++;
    try {
      return make();
    } finally {
      this.depth--;
    }
  }
  /** For its effect alone, or to be kept. */
  protected result(scope: Scope, value: Bool): Statement {
    if (this.random.chance(50)) return { s: "effect", value };
    const name = this.name("c");
    scope.bools.push({ name, mutable: false });
    return { s: "bool", name, keyword: "const", value };
  }
  /** Leaves the function, and gives back before what it holds. */
  protected leaving(scope: Scope, returns: Returns): Statement[] {
    const released = this.releases(scope, 0);
    if (released.length === 0) return [this.returning(scope, returns)];
    const behind = scope.inner();
    behind.views = behind.views.filter(({ map }) => map !== RECORDS);
    return [...released, this.returning(behind, returns)];
  }

  /** Gives back the records that were reserved inside of at least `loops` loops. */
  protected releases(scope: Scope, loops: number): Statement[] {
    return scope.held.filter((each) => each.loops >= loops).map(({ name, map }) => this.release(map, name));
  }

  protected release(map: string, record: string): Statement {
    const how = this.random.pick(["submit", "submit", "submit", "discard"] as const);
    return { s: "release", map, record, how, wakeUp: this.wakeUp() };
  }

  protected wakeUp(): WakeUp | null {
    return this.random.pick([null, null, "auto", "never", "always"] as const);
  }

  protected returning(scope: Scope, returns: Returns): Statement {
    if (returns === "verdict") return { s: "verdict", verdict: this.e.verdict(scope) };
    if (returns === null || typeof returns === "string") {
      return { s: "return", value: returns === null ? null : into(this.e.int(scope, 2), returns) };
    }
    if (this.random.chance(20)) return { s: "return-view", source: null };
    const map = this.e.maps.find(({ name }) => name === returns.map) ?? null;
    return { s: "return-view", source: this.e.sourceOf(scope, 2, returns.struct, map) };
  }
}

/** Views over what a scope has: of the packet, of elements of maps, and what functions find. */
import { field } from "./expression-writer.ts";
import { binary, type Callable, into, literal, type Scope } from "./scope.ts";
import { type CursorField, type Finds, type Int, isPerCpu, type MapDeclaration, type Struct, type ViewSource } from "./tree.ts";
import { ValueExpressions } from "./value-expressions.ts";

/** Copies on the stack are no larger, since there are 512 bytes for all of them. */
const MOST_STACK = 40;

export abstract class ViewExpressions extends ValueExpressions {
  source(scope: Scope, depth: number): ViewSource {
    const { random } = this;
    const finders = this.pureDepth > 0 ? [] : scope.functions.filter((each) => findsOf(each) !== null && this.allowed(each));
    if (finders.length > 0 && random.chance(40)) {
      const finder = random.pick(finders);
      const finds = findsOf(finder);
      const args = this.args(scope, finder, depth);
      if (finds !== null && args !== null) return { w: "call", ...finds, callee: finder.fn.name, args };
    }
    if (random.chance(3)) return { w: "meta", struct: random.pick(this.structs) };
    const small = this.structs.filter(({ size }) => size <= MOST_STACK);
    if (small.length > 0 && random.chance(6)) {
      return { w: "load-bytes", struct: random.pick(small), offset: into(this.offset(scope, depth), "u32") };
    }
    const queues = this.pureDepth > 0 ? [] : this.queuesIn(scope).filter(({ value }) => value.size <= MOST_STACK);
    if (queues.length > 0 && random.chance(15)) {
      const { name, value } = random.pick(queues);
      return { w: "take", struct: value, map: name, how: random.pick(["pop", "pop", "peek"]) };
    }
    const tables = this.tablesIn(scope);
    const map = tables.length > 0 && random.chance(40) ? random.pick(tables) : null;
    return this.sourceOf(scope, depth, map === null ? random.pick(this.structs) : map.value, map);
  }

  /** A view of `struct` in the packet, or in an element of `map`. */
  sourceOf(scope: Scope, depth: number, struct: Struct, map: MapDeclaration | null): ViewSource {
    const { random } = this;
    const name = map?.name ?? null;
    const known = this.viewsOf(scope, struct).filter(({ view }) =>
      scope.living().some((each) => each.name === view && each.map === name),
    );
    const fresh = () => this.#fresh(scope, depth, struct, map);
    const one = (): ViewSource =>
      known.length > 0 && random.chance(30) ? { w: "view", struct, map: name, ...random.pick(known) } : fresh();
    if (depth > 0 && random.chance(15))
      return { w: "choice", struct, condition: this.bool(scope, depth - 1), yes: one(), no: fresh() };
    return fresh();
  }

  #fresh(scope: Scope, depth: number, struct: Struct, map: MapDeclaration | null): ViewSource {
    if (map === null) return this.#at(scope, depth, struct);
    const key = this.pure(() => this.key(scope, map));
    if (this.isSpecial && isPerCpu(map) && this.random.chance(50)) {
      const nowhere = this.pure(() => this.bool(scope, 1));
      return { w: "lookup-cpu", struct, map: map.name, key, nowhere };
    }
    return { w: "lookup", struct, map: map.name, key };
  }

  #at(scope: Scope, depth: number, struct: Struct): ViewSource {
    if (this.random.chance(15)) {
      return { w: "either", struct, first: this.offset(scope, depth), second: this.offset(scope, depth) };
    }
    return { w: "at", struct, offset: this.offset(scope, depth), through: this.random.chance(20) ? "generic" : "at" };
  }

  /** Mostly inside of the packet, sometimes anything at all. Not a constant below zero: that is an error. */
  offset(scope: Scope, depth: number): Int {
    const { random } = this;
    const fields = this.places(scope, (type) => type.kind === "scalar");
    const mask = random.pick([3, 7, 15, 31, 63, 127]);
    const small = () => binary("&", this.int(scope, Math.max(0, depth - 1)), literal(mask));
    const afterCursor = () => this.cursor(scope, ["offset"]);
    return random.weighted<() => Int>([
      [6, () => literal(random.below(90))],
      [scope.cursors.length > 0 ? 10 : 0, afterCursor],
      [scope.cursors.length > 0 ? 4 : 0, () => binary("+", afterCursor(), literal(random.below(40)))],
      [scope.cursors.length > 0 ? 3 : 0, () => binary("+", afterCursor(), binary("*", small(), literal(4)))],
      [5, () => binary("+", small(), literal(random.below(40)))],
      [3, () => binary("+", literal(random.below(40)), small())],
      [2, () => binary("+", binary("*", small(), literal(random.pick([2, 4]))), literal(14))],
      [fields.length > 0 ? 2 : 0, () => field(random.pick(fields))],
    ])();
  }

  /** One of `fields` of a cursor, as far as it has them. */
  protected cursor(scope: Scope, fields: readonly CursorField[]): Int {
    const { name, isPacket } = this.random.pick(scope.cursors);
    const own = fields.filter((field) => field === "offset" || (field === "type") !== isPacket);
    const field = this.random.pick(own);
    const flavour = field === "offset" ? "u32" : field === "protocol" ? "u8" : "u16";
    return { k: "cursor", cursor: name, field, signed: false, flavour };
  }
}

function findsOf({ fn: { returns } }: Callable): Finds | null {
  return typeof returns === "object" ? returns : null;
}

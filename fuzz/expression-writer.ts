/**
 * What expressions of all kinds have in common: what they may be made of. The kinds need one another, and stand in a file each:
 * value-expressions.ts, view-expressions.ts, and on top of them expressions.ts.
 */
import type { Random } from "./random.ts";
import { binary, type Callable, type ChooseIndex, cast, type IntName, literal, placesIn, type Scope } from "./scope.ts";
import {
  type Argument,
  type Bool,
  type FieldPlace,
  type FieldType,
  flavourOf,
  type Hook,
  type Int,
  isOfMaps,
  isQueue,
  isRedirect,
  isSigned,
  isTable,
  type MapDeclaration,
  type Path,
  type Struct,
} from "./tree.ts";

export abstract class ExpressionWriter {
  readonly random: Random;
  readonly structs: readonly Struct[];
  /** All that the module declares; and by what can be done with them. */
  readonly maps: readonly MapDeclaration[];
  readonly tables: readonly MapDeclaration[];
  readonly filters: readonly MapDeclaration[];
  readonly redirects: readonly MapDeclaration[];
  readonly mapsOfMaps: readonly MapDeclaration[];
  /** The module has maps that are no tables, and does what other modules, which stay as they are, do not. */
  readonly isSpecial: boolean;
  readonly hook: Hook;
  protected readonly sizes: Set<number>;
  /** Keys and values are built without changing anything meanwhile. */
  protected pureDepth = 0;
  /** What may be called here. */
  allowed: (callable: Callable) => boolean = () => true;
  called: (callable: Callable) => void = () => undefined;

  constructor(random: Random, structs: readonly Struct[], maps: readonly MapDeclaration[], sizes: Set<number>, hook: Hook) {
    this.random = random;
    this.structs = structs;
    this.maps = maps;
    this.tables = maps.filter(isTable);
    this.filters = maps.filter(({ kind }) => kind === "bloomFilter");
    this.redirects = maps.filter(isRedirect);
    this.mapsOfMaps = maps.filter(isOfMaps);
    this.isSpecial = maps.some((map) => !isTable(map) && !isQueue(map));
    this.hook = hook;
    this.sizes = sizes;
  }

  /** `depth`: how deeply operators may nest. */
  abstract int(scope: Scope, depth: number): Int;
  abstract bool(scope: Scope, depth: number): Bool;
  /** `null` when the scope lacks what a parameter wants. */
  abstract args(scope: Scope, callable: Callable, depth: number): Argument[] | null;

  tablesIn(scope: Scope): MapDeclaration[] {
    return this.#mapsIn(scope, isTable);
  }

  queuesIn(scope: Scope): MapDeclaration[] {
    return this.#mapsIn(scope, isQueue);
  }

  ringsIn(scope: Scope): MapDeclaration[] {
    return this.#mapsIn(scope, ({ kind }) => kind === "ringBuffer");
  }

  /** Those that the module declares, and those that were found in others, which are here to be used. */
  #mapsIn(scope: Scope, wanted: (map: MapDeclaration) => boolean): MapDeclaration[] {
    const found = scope.maps.filter(wanted);
    return [...this.maps.filter(wanted), ...found, ...found];
  }

  pure<T>(make: () => T): T {
    this.pureDepth++;
    try {
      return make();
    } finally {
      this.pureDepth--;
    }
  }

  /** Fields and elements of all views; of arrays one element each. */
  places(scope: Scope, wanted: (type: FieldType) => boolean, use: "read" | "write" = "read"): FieldPlace[] {
    const views = scope.living().filter((view) => use === "read" || view.readonly !== true);
    return views.flatMap((view) => placesIn(view, wanted, this.index(scope)));
  }

  /** Views of `struct`, and fields of views that are such structs. */
  viewsOf(scope: Scope, struct: Struct, use: "read" | "write" = "read"): Path[] {
    const isSuch = (type: FieldType) => type.kind === "struct" && type.struct === struct;
    const whole = scope.living().filter((view) => view.struct === struct && (use === "read" || view.readonly !== true));
    return [
      ...whole.map(({ name }) => ({ view: name, path: [], offset: 0, indexes: [] })),
      ...this.places(scope, isSuch, use).map(({ view, path, offset, indexes }) => ({ view, path, offset, indexes })),
    ];
  }

  /** An index that the compiler can prove to lie in the array: a constant, a counter, or what a mask or a remainder leaves. */
  index(scope: Scope): ChooseIndex {
    const { random } = this;
    return (length) => {
      const counters = scope.ints.filter(({ below }) => below !== undefined && below <= length);
      if (counters.length > 0 && random.chance(60)) return nameOf(random.pick(counters));
      if (scope.ints.length === 0 || random.chance(50)) return random.below(length);
      const base = nameOf(random.pick(scope.ints));
      const mask = 2 ** Math.floor(Math.log2(length)) - 1;
      if (random.chance(50)) return binary("&", base, literal(mask));
      return binary("%", base.signed ? cast("u64", base) : base, literal(length));
    };
  }
}

export function nameOf({ name, signed, flavour }: IntName): Int {
  return { k: "name", name, signed, flavour };
}

export function field(place: FieldPlace): Int {
  const { type } = place;
  if (type.kind === "scalar") return { k: "field", place, signed: isSigned(type.scalar), flavour: flavourOf(type.scalar) };
  return { k: "field", place, signed: false, flavour: null };
}

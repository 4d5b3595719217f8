/** Statements that change maps. */
import { type IntName, isInt, placesIn, type Scope } from "./scope.ts";
import { type Place, placeOfElements } from "./statement-writer.ts";
import { type Bool, isIndexed, type MapDeclaration, type Statement, sizeOfScalar } from "./tree.ts";
import { VariableWriter } from "./variable-statements.ts";

export abstract class MapWriter extends VariableWriter {
  protected push(scope: Scope, map: MapDeclaration): Statement {
    const value = this.e.pure(() => this.e.value(scope, map.value));
    return this.result(scope, { b: "push", map: map.name, value, overwrite: this.random.chance(40) });
  }

  protected putIn(scope: Scope): Statement {
    return this.result(scope, this.e.ofFilter(scope, "put-in"));
  }

  protected output(scope: Scope, map: MapDeclaration): Statement {
    const value = this.e.pure(() => this.e.value(scope, map.value));
    return this.result(scope, { b: "output", map: map.name, value, wakeUp: this.wakeUp() });
  }

  /** Changing a table ends the views of its elements; in a loop they would be used again. */
  protected mayChange(scope: Scope, map: string, { loops = 0 }: Place): boolean {
    const views = scope.living();
    if (views.some((view) => view.map === "any")) return false;
    return loops === 0 && !this.inside ? true : !views.some((view) => view.map === map);
  }

  protected changed(scope: Scope, map: string): void {
    this.updates.add(map);
    if (this.e.maps.some((each) => each.name === map && isIndexed(each))) return;
    for (const view of scope.views) if (view.map === map) view.life.alive = false;
  }

  protected change(scope: Scope, map: MapDeclaration): Statement {
    const random = this.random;
    const e = this.e;
    const { name } = map;
    const change: Bool = e.pure(() => {
      const key = e.key(scope, map);
      if (!isIndexed(map) && random.chance(30)) return { b: "delete", map: name, key };
      const mode = random.pick(["any", "any", "noexist", "exist"] as const);
      return { b: "update", map: name, key, value: e.value(scope, map.value), mode };
    });
    this.changed(scope, placeOfElements(map));
    if (random.chance(50)) return { s: "effect", value: change };
    const result = this.name("c");
    scope.bools.push({ name: result, mutable: false });
    return { s: "bool", name: result, keyword: "const", value: change };
  }

  /** Aligned integers of 4 and 8 bytes in host order, in elements of maps that are looked at directly. */
  protected atomics(scope: Scope) {
    const views = scope.living().filter(({ map, name }) => map !== null && map !== "any" && name.startsWith("v"));
    return views.flatMap((view) => {
      const direct = placesIn(view, isInt).filter(({ path }) => path.length === 1);
      return direct.filter(({ type, offset }) => {
        if (type.kind !== "scalar" || type.scalar.startsWith("be")) return false;
        const size = sizeOfScalar(type.scalar);
        const aligned = offset % size === 0 && this.distanceInTrie(view.map) % size === 0;
        return size >= 4 && aligned && this.isElement(view.struct, view.map);
      });
    });
  }

  protected addToGlobal(scope: Scope, { name, flavour }: IntName): Statement {
    if (flavour === null) throw new Error("a variable of the module has a type");
    return { s: "atomic-name", name, flavour, value: this.e.int(scope, 2) };
  }

  /** A trie's values lie right behind the bytes of their keys, and are aligned as those end. */
  protected distanceInTrie(map: string | null): number {
    const trie = this.e.maps.find((each) => each.name === map && (each.inner ?? each).kind === "lpmTrie");
    return trie === undefined ? 0 : BYTES_OF_PREFIX;
  }

  protected isElement(struct: object, map: string | null): boolean {
    return this.e.maps.some((each) => each.name === map && each.value === struct);
  }
}

/** Of an IPv4 address: what a trie's keys are here. */
const BYTES_OF_PREFIX = 4;

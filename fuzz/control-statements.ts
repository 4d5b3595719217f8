/** Statements with others in them: branches and loops. */

import { holdsOverlay } from "./field-types.ts";
import { PacketWriter } from "./packet-statements.ts";
import { leaves } from "./reachability.ts";
import { literal, type Scope } from "./scope.ts";
import { mapOf, type Place, RECORDS } from "./statement-writer.ts";
import { type Bool, type FieldPlace, flavourOf, type Int, isSigned, type Statement, type Struct } from "./tree.ts";

export abstract class ControlWriter extends PacketWriter {
  abstract block(scope: Scope, count: number, place: Place): Statement[];

  protected inner(scope: Scope, most: number, place: Place): Statement[] {
    const inner = scope.inner();
    const statements = this.nested(() => this.block(inner, this.random.between(0, most), place));
    this.e.allowed = () => false;
    return statements;
  }

  /** A branch that may leave the function at its end. */
  protected branch(scope: Scope, most: number, place: Place): Statement[] {
    const inner = scope.inner();
    const statements = this.nested(() => this.block(inner, this.random.between(0, most), place));
    if (this.random.chance(15) && !leaves(statements)) statements.push(...this.leaving(inner, place.returns));
    return statements;
  }

  protected ifElse(scope: Scope, place: Place): Statement {
    const condition = this.e.bool(scope, 3);
    const then = this.branch(scope, 3, place);
    return { s: "if", condition, then, otherwise: this.random.chance(50) ? this.branch(scope, 3, place) : [] };
  }

  /** A number is compared with the length of an array, and used as an index behind that. */
  protected indexed(scope: Scope, place: Place): Statement[] {
    const random = this.random;
    // A setting in network byte order is swapped anew at each use, so that a check of one says nothing of the next.
    const names = scope.ints.filter(({ mutable, flavour, swapped }) => !mutable && flavour !== null && swapped !== true);
    if (names.length === 0) return [];
    const chosen = random.pick(names);
    const { name, signed, flavour } = chosen;
    const below = random.between(2, 5);
    const value: Int = { k: "name", name, signed, flavour };
    const compare = (operator: "<" | ">=", right: number): Bool => ({
      b: "compare",
      operator,
      left: value,
      right: literal(right),
    });
    const condition: Bool = signed ? { b: "and", left: compare(">=", 0), right: compare("<", below) } : compare("<", below);
    const inner = scope.inner();
    inner.ints.push({ ...chosen, below });
    const then = this.nested(() => this.block(inner, random.between(1, 4), place));
    return [{ s: "if", condition, then, otherwise: [] }];
  }

  protected each(scope: Scope, array: FieldPlace, place: Place): Statement {
    if (array.type.kind !== "array") throw new Error("an array was expected");
    const { element } = array.type;
    const name = this.name("e");
    const inner = scope.inner();
    const owner = scope.views.find((view) => view.name === array.view);
    if (element.kind === "bytes") inner.bytes.push({ name, size: element.size, mutable: false });
    else if (element.kind === "bool") inner.bools.push({ name, mutable: false });
    else if (element.kind === "struct" && owner !== undefined) inner.views.push({ ...owner, name, struct: element.struct });
    else if (element.kind === "scalar") {
      const { scalar } = element;
      inner.ints.push({ name, signed: isSigned(scalar), flavour: flavourOf(scalar), mutable: false });
    }
    const loops = (place.loops ?? 0) + 1;
    const body = this.nested(() => this.block(inner, this.random.between(1, 3), { ...place, loops, switches: false }));
    return { s: "each", name, place: array, body };
  }

  protected switchOn(scope: Scope, place: Place): Statement {
    const random = this.random;
    const value = this.e.switched(scope, 2);
    const labels = new Set(Array.from({ length: random.between(1, 4) }, () => BigInt(random.below(8))));
    const clauses: { label: bigint | null; body: Statement[] }[] = [...labels].map((label) => ({ label, body: [] }));
    if (random.chance(60)) clauses.splice(random.below(clauses.length + 1), 0, { label: null, body: [] });
    for (const clause of clauses) {
      clause.body = this.branch(scope, 2, { ...place, switches: true });
      if (random.chance(60) && !leaves(clause.body)) clause.body.push({ s: "break" });
    }
    return { s: "switch", value, clauses };
  }

  protected loop(scope: Scope, place: Place): Statement {
    const random = this.random;
    const name = this.name("n");
    // Now and then a loop that is not unrolled, and that the verifier need not walk through; around none of these a record may be held.
    const rounds =
      scope.held.length === 0 && random.chance(15) ? random.between(20, random.chance(30) ? 1000 : 150) : random.between(0, 6);
    const inner = scope.inner();
    const down = random.chance(25);
    const step = (down ? -1 : 1) * random.pick([1, 1, 1, 2, 3]);
    const start = random.between(down ? 0 : -3, 5);
    const useRange = random.chance(30);
    const limit = start + step * rounds;
    const signed = useRange ? false : start < 0 || limit < 0 || step < 0;
    const below = useRange
      ? rounds
      : start >= 0 && step > 0
        ? Math.max(limit, 1)
        : start >= 0 && limit >= -1
          ? start + 1
          : undefined;
    inner.ints.push({ name, signed, flavour: null, mutable: false, ...(below === undefined ? {} : { below }) });
    const loops = (place.loops ?? 0) + 1;
    const body = this.nested(() =>
      this.block(inner, random.between(1, rounds > 6 ? 4 : 3), { ...place, loops, switches: false }),
    );
    if (useRange) return { s: "range", name, start: 0, end: rounds, body };
    return { s: "for", name, start, limit, step, body };
  }

  protected jump(scope: Scope, place: Place): Statement[] {
    const leave: Statement = { s: place.switches === true || this.random.chance(50) ? "continue" : "break" };
    const condition = this.e.bool(scope, 2);
    return [{ s: "if", condition, then: [...this.releases(scope, place.loops ?? 0), leave], otherwise: [] }];
  }

  protected ifView(scope: Scope, place: Place): Statement {
    const source = this.e.source(scope, 2);
    const name = this.name("v");
    const otherwise = this.random.chance(40) ? this.inner(scope, 2, place) : [];
    const inner = scope.inner();
    this.declareView(inner, name, source);
    return {
      s: "if-view",
      name,
      source,
      then: this.nested(() => this.block(inner, this.random.between(1, 4), place)),
      otherwise,
    };
  }

  /** A record of a ring buffer, all of which is set; what is done with it, and that it is given back wherever that ends. */
  protected reserve(scope: Scope, place: Place): Statement[] {
    const { random, e } = this;
    const { name: map, value, untyped } = random.pick(e.ringsIn(scope));
    const isOpen = (struct: Struct) => !holdsOverlay({ kind: "struct", struct });
    const named = untyped === true || !isOpen(value) || random.chance(30);
    const schemas = named ? e.structs.filter(isOpen) : [value];
    if (schemas.length === 0) return [];
    const struct = random.pick(schemas);
    const name = this.name("v");
    const fields = struct.fields.map((field) => ({ field, value: e.pure(() => e.content(scope, field.type, false, 1)) }));
    const inner = scope.inner();
    inner.views.push({ name, struct, map: RECORDS, life: { alive: true } });
    inner.held.push({ name, map, loops: place.loops ?? 0 });
    const body = this.nested(() => this.block(inner, random.between(0, 4), place));
    if (!leaves(body)) body.push(this.release(map, name));
    const otherwise = random.chance(40) ? this.branch(scope, 2, place) : [];
    return [{ s: "reserve", name, map, struct, named, fields, body, otherwise }];
  }

  /** Looks a map up in a map of maps, and does something with it. */
  protected inMap(scope: Scope, place: Place): Statement {
    const { random, e } = this;
    const outer = random.pick(e.mapsOfMaps);
    if (outer.inner === undefined) throw new Error("a map of maps has maps in it");
    const key = e.pure(() => e.key(scope, outer));
    const name = this.name("m");
    const otherwise = random.chance(40) ? this.branch(scope, 2, place) : [];
    const inner = scope.inner();
    inner.maps.push({ ...outer.inner, name, outer: outer.name });
    const then = this.nested(() => this.block(inner, random.between(1, 5), place));
    return { s: "inner", name, map: outer.name, key, then, otherwise };
  }

  /** A variable that holds one of two views: both in the packet, or both of one map. */
  protected letView(scope: Scope, place: Place): Statement {
    const second = this.e.source(scope, 1);
    const alike = Array.from({ length: 6 }, () => this.e.source(scope, 1)).find(
      (each) => each.struct.name === second.struct.name && each.struct === second.struct && mapOf(each) === mapOf(second),
    );
    const first = second.struct.scalar ? (alike ?? second) : (alike ?? null);
    const name = this.name("v");
    const condition = this.e.bool(scope, 2);
    const inner = scope.inner();
    this.declareView(inner, name, second);
    const then = this.nested(() => this.block(inner, this.random.between(1, 3), place));
    return { s: "let-view", name, struct: second.struct, first, condition, second, then };
  }
}

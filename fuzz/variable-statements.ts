/** Statements that declare variables, and that write to places whole. */

import { isSameType, sizeOfType } from "./field-types.ts";
import { into, literal, type Scope, spelledOut } from "./scope.ts";
import { STACK, StatementWriter } from "./statement-writer.ts";
import { FLAVOURS, type Flavour, type Int, isSigned, type Statement, type Struct } from "./tree.ts";
import { sizeOfBytes } from "./value-expressions.ts";

export abstract class VariableWriter extends StatementWriter {
  protected declareInt(scope: Scope): Statement {
    const random = this.random;
    const raw = this.e.int(scope, 4);
    const keyword = random.chance(50) ? "let" : "const";
    // A literal without an annotation would have its own value for a type; of mixed types nobody should have to tell the result.
    const annotate = raw.flavour === "mixed" || raw.k === "literal" || raw.k === "assign" || random.chance(50);
    const annotation = annotate ? random.pick(FLAVOURS) : null;
    const value = annotation === null ? raw : into(raw, annotation);
    const flavour = annotation ?? (raw.flavour === "mixed" ? null : raw.flavour);
    const name = this.name("x");
    const signed = flavour === null ? value.signed : flavour.startsWith("i");
    scope.ints.push({ name, signed, flavour, mutable: keyword === "let" });
    return { s: "int", name, keyword, annotation, wrap: flavour, value };
  }

  protected declareBool(scope: Scope): Statement {
    const value = this.e.bool(scope, 3);
    const keyword = this.random.chance(50) ? "let" : "const";
    const name = this.name("c");
    scope.bools.push({ name, mutable: keyword === "let" });
    return { s: "bool", name, keyword, value };
  }

  protected declareBytes(scope: Scope): Statement {
    const value = this.e.bytes(scope, null, false);
    const keyword = this.random.chance(40) ? "let" : "const";
    const name = this.name("y");
    scope.bytes.push({ name, size: sizeOfBytes(value), mutable: keyword === "let" });
    return { s: "bytes", name, keyword, value };
  }

  protected declareRecord(scope: Scope): Statement {
    const field = (name: string): { name: string; value: Int } => {
      const value = this.e.int(scope, 2);
      // Plain numbers, so that anything can be assigned to the field; sums, since a number that is spelled out has to fit where it goes.
      const plain = value.signed || value.flavour !== null || spelledOut(value) !== null;
      return {
        name,
        value: plain
          ? {
              k: "binary",
              operator: "+",
              left: into(castUnsigned(value), "u64"),
              right: literal(0),
              signed: false,
              flavour: null,
            }
          : value,
      };
    };
    const record = this.name("r");
    const statement: Statement = {
      s: "record",
      name: record,
      fields: [field("a"), field("b"), { name: "inner", value: [field("c")] }],
    };
    scope.records.push(record);
    return statement;
  }

  protected alias(scope: Scope): Statement[] {
    const { type, ...part } = this.random.pick(this.e.places(scope, (type) => type.kind === "struct", "write"));
    const owner = scope.views.find(({ name }) => name === part.view);
    if (type.kind !== "struct" || owner === undefined) return [];
    const name = this.name("v");
    scope.views.push({ ...owner, name, struct: type.struct });
    return [{ s: "alias", name, ...part }];
  }

  protected destructure(scope: Scope): Statement[] {
    const view = this.random.pick(scope.living());
    const wanted = view.struct.fields.filter(({ type }) => type.kind !== "array" && this.random.chance(50));
    const fields = wanted.map((field) => ({ field, name: this.name("d") }));
    if (fields.length === 0) return [];
    for (const { field, name } of fields) {
      const { type } = field;
      if (type.kind === "bytes") scope.bytes.push({ name, size: type.size, mutable: false });
      else if (type.kind === "bool") scope.bools.push({ name, mutable: false });
      else if (type.kind === "struct") scope.views.push({ ...view, name, struct: type.struct });
      else {
        const scalar = type.kind === "scalar" ? type.scalar : null;
        const flavour = scalar === null ? null : (scalar.replace("be", "u") as Flavour);
        scope.ints.push({ name, signed: scalar !== null && isSigned(scalar), flavour, mutable: false });
      }
    }
    return [{ s: "destructure", view: view.name, fields }];
  }

  protected local(scope: Scope, struct: Struct): Statement {
    const value = this.e.pure(() => this.e.value(scope, struct));
    const name = this.name("v");
    scope.views.push({ name, struct, map: STACK, life: { alive: true } });
    return { s: "local", name, struct, value };
  }

  // -- byte arrays --

  protected setBytes(scope: Scope): Statement {
    const place = this.random.pick(this.e.places(scope, (type) => type.kind === "bytes", "write"));
    const size = place.type.kind === "bytes" ? place.type.size : 0;
    return { s: "set-bytes", place, value: this.e.bytes(scope, size, true) };
  }

  protected setBytesName(scope: Scope): Statement {
    const { name, size } = this.random.pick(scope.bytes.filter(({ mutable }) => mutable));
    return { s: "set-bytes-name", name, value: this.e.bytes(scope, size, true) };
  }

  protected swap(scope: Scope): Statement[] {
    const places = this.e.places(scope, (type) => type.kind === "bytes", "write");
    const a = this.random.pick(places);
    const size = a.type.kind === "bytes" ? a.type.size : 0;
    const b = this.random.pick(places.filter(({ type }) => type.kind === "bytes" && type.size === size));
    const name = this.name("y");
    return [
      { s: "bytes", name, keyword: "const", value: { y: "field", place: a } },
      { s: "set-bytes", place: a, value: { y: "field", place: b } },
      { s: "set-bytes", place: b, value: { y: "name", name, size } },
    ];
  }

  protected swapPlaces(scope: Scope): Statement[] {
    const places = this.e.places(scope, (type) => sizeOfType(type) > 0 && sizeOfType(type) <= 64, "write");
    if (places.length === 0) return [];
    const left = this.random.pick(places);
    const alike = places.filter(({ type }) => isSameType(type, left.type));
    const right = this.random.pick(alike);
    // What one index reads must not be what the other place holds.
    if (left.indexes.length > 0 || right.indexes.length > 0) return [];
    return [{ s: "swap", left, right, size: sizeOfType(left.type) }];
  }

  protected viewAs(scope: Scope): Statement[] {
    const random = this.random;
    const kinds = ["struct", "array", "bytes"];
    const places = this.e
      .places(scope, ({ kind }) => kinds.includes(kind), "write")
      .filter(({ indexes }) => indexes.length === 0);
    if (places.length === 0) return [];
    const { type, ...path } = random.pick(places);
    const structs = this.e.structs.filter(({ size }) => size <= sizeOfType(type));
    const owner = scope.views.find(({ name }) => name === path.view);
    if (structs.length === 0 || owner === undefined) return [];
    const struct = random.pick(structs);
    const name = this.name("w");
    scope.views.push({ ...owner, name, struct });
    return [{ s: "view-as", name, struct, ...path }];
  }
}

function castUnsigned(value: Int): Int {
  return value.signed ? { k: "cast", to: "u64", operand: value, signed: false, flavour: "u64" } : value;
}

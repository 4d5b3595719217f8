/** Keys, values and byte arrays over what a scope has. */
import { ExpressionWriter } from "./expression-writer.ts";
import { holdsOverlay, isSameType } from "./field-types.ts";
import { binary, into, intoBits, literal, type Scope } from "./scope.ts";
import {
  type Bool,
  type Bytes,
  type Content,
  type FieldType,
  flavourOf,
  type Int,
  type MapDeclaration,
  type Struct,
  type Value,
} from "./tree.ts";

export abstract class ValueExpressions extends ExpressionWriter {
  protected hasBytes(scope: Scope): boolean {
    return scope.bytes.length > 0 || this.places(scope, (type) => type.kind === "bytes").length > 0;
  }

  /** A byte array of `size` bytes, or of any. */
  bytes(scope: Scope, size: number | null, constants: boolean): Bytes {
    const { random } = this;
    const fits = (type: FieldType) => type.kind === "bytes" && (size === null || type.size === size);
    const choices: Bytes[] = [
      ...this.places(scope, fits).map((place): Bytes => ({ y: "field", place })),
      ...scope.bytes.flatMap((each): Bytes[] =>
        size === null || each.size === size ? [{ y: "name", name: each.name, size: each.size }] : [],
      ),
    ];
    if (choices.length > 0 && !(constants && random.chance(25))) return random.pick(choices);
    const length = size ?? 6;
    this.sizes.add(length);
    return { y: "constant", values: [...random.bytes(random.between(0, length))], size: length };
  }

  key(scope: Scope, map: MapDeclaration): Value {
    const { random } = this;
    const views = map.key.scalar ? [] : this.viewsOf(scope, map.key);
    if (views.length > 0 && random.chance(20)) return { v: "view", struct: map.key, ...random.pick(views) };
    if (map.key.scalar) return { v: "int", struct: map.key, value: this.small(scope) };
    if (map.kind === "lpmTrie") return this.#prefix(scope, map.key);
    return this.literal(scope, map.key, true);
  }

  /** Puts a value into a Bloom filter, or asks for it: mostly one of few, so that some are in it. */
  ofFilter(scope: Scope, what: "put-in" | "has"): Bool {
    const map = this.random.pick(this.filters);
    const value = this.pure(() => (this.random.chance(60) ? this.key(scope, map) : this.value(scope, map.value)));
    return { b: what, map: map.name, value };
  }

  protected small(scope: Scope): Int {
    return this.random.chance(40) ? literal(this.random.below(6)) : binary("&", this.int(scope, 1), literal(7));
  }

  #prefix(scope: Scope, struct: Struct): Value {
    const { random } = this;
    const [length, address] = struct.fields;
    if (length === undefined || address === undefined) throw new Error("a prefix has two fields");
    const bits = random.chance(70)
      ? literal(random.pick([0, 8, 16, 24, 32, 33]))
      : binary("&", this.int(scope, 1), literal(63));
    const place = binary("+", literal(0x0a00_0000), this.small(scope));
    return {
      v: "literal",
      struct,
      fields: [
        { field: length, value: { f: "int", value: bits } },
        { field: address, value: { f: "int", value: place } },
      ],
    };
  }

  /** What is assigned to a view of `struct`; `null` when there is nothing: TypeScript wants all members of an overlay there. */
  assigned(scope: Scope, struct: Struct): Value | null {
    if (!holdsOverlay({ kind: "struct", struct })) return this.value(scope, struct);
    const views = this.viewsOf(scope, struct);
    return views.length === 0 ? null : { v: "view", struct, ...this.random.pick(views) };
  }

  value(scope: Scope, struct: Struct): Value {
    const views = struct.scalar ? [] : this.viewsOf(scope, struct);
    if (views.length > 0 && this.random.chance(40)) return { v: "view", struct, ...this.random.pick(views) };
    if (!struct.scalar) return this.literal(scope, struct, false);
    const [only] = struct.fields;
    const flavour = only?.type.kind === "scalar" ? flavourOf(only.type.scalar) : "u64";
    return { v: "int", struct, value: into(this.int(scope, 2), flavour) };
  }

  /** An object literal for `struct`. For a key most of it is zero, so that programs meet the same key twice. */
  literal(scope: Scope, struct: Struct, key: boolean): Value {
    const chosen = struct.overlay === true ? [this.random.pick(struct.fields)] : struct.fields;
    const fields = chosen.map((each, index) => ({ field: each, value: this.content(scope, each.type, key, index) }));
    return { v: "literal", struct, fields };
  }

  /** `index`: which field it is; of a key, all but the first are zero. */
  content(scope: Scope, type: FieldType, key: boolean, index: number): Content {
    switch (type.kind) {
      case "scalar":
      case "bits": {
        const flavour = type.kind === "scalar" ? flavourOf(type.scalar) : null;
        const value = !key ? this.int(scope, 1) : index === 0 ? this.small(scope) : literal(0);
        return { f: "int", value: type.kind === "bits" ? intoBits(into(value, flavour), type.bits) : into(value, flavour) };
      }
      case "bool":
        return { f: "bool", value: this.bool(scope, key ? 0 : 1) };
      case "bytes": {
        const zero: Bytes = { y: "constant", values: [], size: type.size };
        return { f: "bytes", value: key ? zero : this.bytes(scope, type.size, true) };
      }
      case "struct":
        return { f: "struct", value: this.literal(scope, type.struct, key) };
      case "array": {
        const places = this.places(scope, (other) => isSameType(type, other));
        if (places.length > 0 && !key && this.random.chance(50)) return { f: "array", place: this.random.pick(places) };
        const { element, stride, length } = type;
        const values = Array.from({ length }, (_, at) => this.content(scope, element, key, index + at));
        return { f: "list", element, stride, values };
      }
    }
  }
}

export function sizeOfBytes(bytes: Bytes): number {
  if (bytes.y !== "field") return bytes.size;
  return bytes.place.type.kind === "bytes" ? bytes.place.type.size : 0;
}

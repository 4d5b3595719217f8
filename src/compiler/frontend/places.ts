/**
 * Variables that change, and values that live over several SSA values: both are taken apart into leaves (one SSA value each) and
 * put together again around the same shape.
 */
import type ts from "typescript";
import type { Value as Ssa, ValueType } from "../ir/ir.ts";
import { type Epoch, HeldEpochs } from "./epochs.ts";
import { sameLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { readBytes } from "./memory.ts";
import { BOOL, describeApart, type IntType, type Memory, type Place, type RecordField, type Value } from "./values.ts";

/** `value` as it is now: byte arrays are read, since they are values and later writes must not reach the result. */
export function settle(l: Lowering, node: ts.Node, value: Value): Value {
  switch (value.kind) {
    case "bytesPlace":
      return readBytes(l, node, value);
    case "nullable":
      // Reading what may not be there must wait for the check: only its address is kept.
      return value;
    default:
      // An object literal with a name is a reference: whoever holds it sees its changes.
      return value;
  }
}

/** Whether the fields of this object literal can change. */
export function isMutable(value: Value): boolean {
  if (value.kind === "nullable") return isMutable(value.value);
  return value.kind === "record" && [...value.fields.values()].some((field) => field.place !== null || isMutable(field.value));
}

/** Gives an object literal a name: fields that the module assigns to somewhere become variables. */
export function named(l: Lowering, name: string, value: Value): Value {
  if (value.kind !== "record" || isMutable(value)) return value;
  const fields = new Map<string, RecordField>();
  for (const [key, field] of value.fields) {
    const inner = named(l, `${name}.${key}`, field.value);
    const changes = inner.kind !== "record" && l.module.assignedFields.has(key);
    const place = changes ? newPlace(l, `${name}.${key}`, inner, null) : null;
    fields.set(key, { value: inner, place });
  }
  return { ...value, fields };
}

export function readField(l: Lowering, field: RecordField): Value {
  return field.place === null ? field.value : readPlace(l, field.place);
}

/**
 * A variable with its first value. `type` is the declared integer type, when there is one; `nullable`, whether `null` may be
 * assigned to it.
 */
export function newPlace(l: Lowering, name: string, value: Value, type: IntType | null, nullable = false): Place {
  const place: Place = {
    name,
    shape: null,
    nullable,
    nullIn: l.builder.block,
    readAsNull: false,
    type,
    leaves: [],
    epochs: new HeldEpochs(l.epochs),
  };
  if (value.kind === "int" && type === null) {
    place.type = value.type.bits === 1 ? BOOL : { bits: 64, signed: value.type.signed };
  }
  if (value.kind !== "null") place.nullIn = null;
  writePlace(l, null, place, value);
  return place;
}

export function readPlace(l: Lowering, place: Place): Value {
  if (place.shape === null) {
    place.readAsNull = true;
    return { kind: "null" };
  }
  const leaves = place.leaves.map((leaf) => l.builder.read(leaf));
  const block = epochOf(place.shape) === null ? null : l.builder.block;
  return rebuild(place.shape, leaves, place.epochs.at(block));
}

/** Assigns. `node` is where messages point; `null` for a first value, which always fits. */
export function writePlace(l: Lowering, node: ts.Node | null, place: Place, value: Value): void {
  const wrapped = value.kind === "int" && place.type !== null ? l.wrap(value, place.type) : value;
  if (place.shape === null) {
    if (wrapped.kind === "null") return place.epochs.set(l.builder.block, l.epochs.at(l.builder.block));
    if (place.readAsNull && node !== null) l.fail(node, "WS2018", { name: place.name });
    giveShape(l, place, wrapped);
  }
  const shape = place.shape;
  if (shape === null || !fits(shape, wrapped)) {
    if (node === null) throw new Error(`${place.name} does not fit its own shape`);
    l.fail(node, "WS2007", describeApart(wrapped, shape ?? { kind: "null" }));
  }
  place.epochs.set(l.builder.block, epochOf(wrapped) ?? l.epochs.at(l.builder.block));
  leavesOf(l, shape, wrapped).forEach((leaf, index) => {
    const variable = place.leaves[index];
    if (variable !== undefined) l.builder.write(variable, leaf);
  });
}

/** Fixes what the variable holds by its first value; where it began as `null`, it gets that value there, after the fact. */
function giveShape(l: Lowering, place: Place, value: Value): void {
  const solid = value.kind === "nullable" ? value.value : value;
  const flagged = place.nullable || value.kind === "nullable";
  const shape: Value = flagged ? { kind: "nullable", valid: l.builder.const(1, "bool"), value: solid } : solid;
  place.shape = shape;
  place.leaves = leafTypes(shape).map((type, index) => ({ name: `${place.name}.${index}`, type }));
  const { nullIn } = place;
  if (nullIn === null) return;
  for (const leaf of place.leaves) {
    l.builder.writeIn(nullIn, leaf, l.builder.emitIn(nullIn, { op: "const", type: leaf.type, args: [], value: 0n }));
  }
}

/** Whether `value` can be taken apart into the leaves of `shape`. */
export function fits(shape: Value, value: Value): boolean {
  if (shape.kind === "nullable") {
    return value.kind === "null" || fits(shape.value, value.kind === "nullable" ? value.value : value);
  }
  switch (shape.kind) {
    case "int":
      return value.kind === "int";
    case "view":
      return value.kind === "view" && sameMemory(value.memory, shape.memory) && sameLayout(value.layout, shape.layout);
    case "ref":
      return value.kind === "ref" && sameMemory(value.memory, shape.memory) && value.layout === shape.layout;
    case "bytes":
    case "bytesPlace":
      return (value.kind === "bytes" || value.kind === "bytesPlace") && value.length === shape.length;
    case "record": {
      if (value.kind !== "record" || value.fields.size !== shape.fields.size || value.length !== shape.length) return false;
      return [...shape.fields].every(([name, field]) => {
        const other = value.fields.get(name);
        return other !== undefined && fits(field.value, other.value);
      });
    }
    case "map":
      return value.kind === "map" && value.map === shape.map && (value.pointer === undefined) === (shape.pointer === undefined);
    case "function":
      return value.kind === "function" && value.node === shape.node;
    case "schema":
      return value.kind === "schema" && value.layout === shape.layout;
    case "program":
      return value.kind === "program" && value.call === shape.call;
    default:
      return value.kind === shape.kind && shape.kind !== "intrinsic";
  }
}

function sameMemory(left: Memory, right: Memory): boolean {
  return left.region === right.region && left.metadata === right.metadata && left.readonly === right.readonly;
}

/** The SSA values of `value`, in the order of `shape`. */
export function leavesOf(l: Lowering, shape: Value, value: Value): Ssa[] {
  if (shape.kind === "nullable") {
    if (value.kind === "null") {
      return [l.builder.const(0, "bool"), ...leafTypes(shape.value).map((type) => l.builder.const(0, type))];
    }
    const valid = value.kind === "nullable" ? value.valid : l.builder.const(1, "bool");
    return [valid, ...leavesOf(l, shape.value, value.kind === "nullable" ? value.value : value)];
  }
  switch (value.kind) {
    case "int":
      return [value.ssa];
    case "view":
    case "ref":
      return [address(l, value.memory)];
    case "map":
      return value.pointer === undefined ? [] : [value.pointer];
    case "bytes":
      return value.chunks.map((chunk) => chunk.ssa);
    case "bytesPlace":
      // Behind a flag only the address is a value; it is read where the flag was checked.
      return [address(l, value.memory)];
    case "record":
      return [...(shape.kind === "record" ? shape.fields : value.fields)].flatMap(([name, field]) => {
        const own = value.fields.get(name);
        return own === undefined ? [] : leavesOf(l, field.value, readField(l, own));
      });
    default:
      return [];
  }
}

export function leafTypes(shape: Value): ValueType[] {
  switch (shape.kind) {
    case "int":
      return [shape.type.bits === 1 ? "bool" : "int"];
    case "nullable":
      return ["bool", ...leafTypes(shape.value)];
    case "view":
    case "ref":
    case "bytesPlace":
      return ["ptr"];
    case "map":
      return shape.pointer === undefined ? [] : ["ptr"];
    case "bytes":
      return shape.chunks.map(() => "int");
    case "record":
      return [...shape.fields.values()].flatMap((field) => leafTypes(field.value));
    default:
      return [];
  }
}

/** The epoch of the packet views in `value`; `null` when there are none. */
export function epochOf(value: Value): Epoch | null {
  switch (value.kind) {
    case "nullable":
      return epochOf(value.value);
    case "view":
    case "ref":
    case "bytesPlace":
      return value.memory.epoch ?? null;
    case "record":
      for (const field of value.fields.values()) {
        const epoch = epochOf(field.value);
        if (epoch !== null) return epoch;
      }
      return null;
    default:
      return null;
  }
}

/** The value of `shape` made of `leaves`; packet views in it are of `epoch`. */
export function rebuild(shape: Value, leaves: readonly Ssa[], epoch: Epoch): Value {
  const rest = [...leaves];
  const next = (): Ssa => {
    const leaf = rest.shift();
    if (leaf === undefined) throw new Error("a value has fewer parts than its shape");
    return leaf;
  };
  const build = (part: Value): Value => {
    switch (part.kind) {
      case "int":
        return { kind: "int", type: part.type, ssa: next() };
      case "nullable": {
        const valid = next();
        return { kind: "nullable", valid, value: build(part.value) };
      }
      case "view":
      case "ref":
      case "bytesPlace":
        return {
          ...part,
          memory: { ...part.memory, pointer: next(), offset: 0, ...(part.memory.epoch !== undefined && { epoch }) },
        };
      case "map":
        return part.pointer === undefined ? part : { ...part, pointer: next() };
      case "bytes":
        return { ...part, chunks: part.chunks.map((chunk) => ({ ...chunk, ssa: next() })) };
      case "record": {
        const fields = new Map<string, RecordField>();
        for (const [name, field] of part.fields) fields.set(name, { value: build(field.value), place: null });
        return { ...part, fields };
      }
      default:
        return part;
    }
  };
  return build(shape);
}

function address(l: Lowering, { pointer, offset }: Memory): Ssa {
  return offset === 0 ? pointer : l.binary("add", pointer, l.builder.const(offset));
}

/**
 * Functions that are compiled once and called, instead of being built into their callers: `noinline(fn)`. The kernel passes five
 * registers and takes back one, so arguments are taken apart into the SSA values in them, and put together again inside. What is
 * known at compile time (maps, schemas, functions) takes no register: the function is compiled anew for each combination of those.
 *
 * The verifier walks a static function at each call with what it knows at that call. So an address keeps the bounds that the caller has
 * checked, and "a view or null" travels as the address or 0: on each path the verifier sees which of the two it is.
 */

import type { SourceRange } from "../diagnostics/diagnostic.ts";
import { alignmentOf } from "../ir/alignment.ts";
import type { Function, Region, Value as Ssa, ValueType } from "../ir/ir.ts";
import { checkAtomics } from "./atomics.ts";
import { buildIn } from "./calls.ts";
import type { Epoch } from "./epochs.ts";
import { symbolOf } from "./expressions.ts";
import { intTypeOf } from "./flavours.ts";
import { type FunctionNode, functionName, Lowering } from "./lowering.ts";
import { epochOf, isMutable, leafTypes, leavesOf, rebuild } from "./places.ts";
import { checkRecords } from "./records.ts";
import { Abort } from "./reporter.ts";
import { rangeOf } from "./source.ts";
import ts from "./typescript.ts";
import { BOOL, describeValue, type IntType, type Memory, U64, type Value } from "./values.ts";

/** BPF functions take r1 to r5. */
const MOST_ARGUMENTS = 5;

export interface Subprogram {
  name: string;
  function: Function;
  node: FunctionNode;
  /** Distinguishes the function's compilations. */
  shapes: string;
  /** For the function's type: one for each register. `null` is an address. */
  parameters: { name: string; type: IntType | null }[];
  /** What comes back in r0; "void" for nothing. */
  returns: IntType | "address" | "void";
  result: Value;
  /** The packet views in the result are good where the function returns. */
  resultAlive: boolean;
  takesContext: boolean;
  movesPacket: boolean;
  place: SourceRange;
}

/** Calls `node` with `args`, compiling it when this is the first call of its kind. */
export function callSubprogram(l: Lowering, call: ts.Node, node: FunctionNode, given: readonly Value[]): Value {
  const { module } = l;
  const args = given.map((value, index) => asDeclared(l, node.parameters[index], value));
  const passed = args.flatMap((value) => pass(l, call, node, value));
  const shapes = `${l.hook.title}: ${args.map((value) => shapeOf(l, value)).join(", ")}`;
  const callee =
    module.subprograms.find((each) => each.node === node && each.shapes === shapes) ?? compile(l, call, node, args, shapes);
  if (callee.takesContext) passed.push(l.context);
  const { result } = callee;
  const [type = "int"] = registersOf(result);
  const ssa = l.callSubprogram(callee.name, passed, type, Math.min(8, ...memoriesOf(result).map(alignment)));
  if (callee.movesPacket) l.packetMoved(call);
  const now = l.epochs.at(l.builder.block);
  return receive(l, result, [ssa], callee.resultAlive ? now : { begunBy: call });
}

/**
 * A value as its parameter has it: integers, so that constants and variables of any width need one compilation only; and what may be
 * `null` but was narrowed, without the check, which the verifier would follow into the function with an address of 0.
 */
function asDeclared(l: Lowering, parameter: ts.ParameterDeclaration | undefined, value: Value): Value {
  if (parameter === undefined) return value;
  if (value.kind === "nullable") {
    const type = l.checker.getTypeAtLocation(parameter);
    return l.checker.getNonNullableType(type) === type ? value.value : value;
  }
  if (value.kind !== "int" || value.type.bits === 1) return value;
  const declared = intTypeOf(l.checker, l.checker.getTypeAtLocation(parameter));
  return l.wrap(value, declared ?? { bits: 64, signed: value.type.signed });
}

/** Chains of functions that nobody asked for stay far from the kernel's limit of 8. */
const DEEPEST_UNASKED = 4;

/** Whether `node` can be compiled as a function of its own for `args` without a diagnostic that nobody would understand. */
export function canBeSubprogram(l: Lowering, node: FunctionNode, args: readonly Value[]): boolean {
  if (l.depth >= DEEPEST_UNASKED || l.module.hasTailCalls || capturedName(l, node) !== null || !returnsOneNumber(l, node))
    return false;
  // The context may be one more.
  return args.flatMap(registersOf).length < MOST_ARGUMENTS && args.every((value) => isPlain(l, value));
}

function returnsOneNumber(l: Lowering, node: FunctionNode): boolean {
  const signature = l.checker.getSignatureFromDeclaration(node);
  if (signature === undefined) return false;
  const type = l.checker.getReturnTypeOfSignature(signature);
  const simple = ts.TypeFlags.NumberLike | ts.TypeFlags.BooleanLike | ts.TypeFlags.Void;
  const parts = type.isUnion() ? type.types : [type];
  return parts.every((part) => (part.flags & simple) !== 0 || intTypeOf(l.checker, part) !== null);
}

function isPlain(l: Lowering, value: Value): boolean {
  const inner = value.kind === "nullable" ? value.value : value;
  if (isMutable(value) || (inner.kind === "function" && capturedName(l, inner.node) !== null)) return false;
  const now = l.epochs.at(l.builder.block);
  // Only the function that reserves a record can give it away.
  return memoriesOf(value).every(({ epoch, region }) => region !== "record" && (epoch === undefined || epoch === now));
}

function compile(l: Lowering, call: ts.Node, node: FunctionNode, args: readonly Value[], shapes: string): Subprogram {
  const { module } = l;
  const name = nameOf(node);
  if (l.frames.some((frame) => frame.node === node) || l.callers.includes(node)) return l.fail(call, "WS1020", { name });
  if (module.brokenSubprograms.has(node)) throw new Abort();
  const captured = capturedName(l, node);
  if (captured !== null) return l.fail(call, "WS2092", { name, captured });
  const before = module.reporter.diagnostics.length;
  const inner = new Lowering(
    module,
    symbolFor(l, name),
    l.hook,
    [...l.callers, ...l.frames.map((frame) => frame.node)],
    l.depth + 1,
  );
  const parameters: Subprogram["parameters"] = [];
  const values = args.map((value, index) => {
    const types = registersOf(value);
    const alignments = memoriesOf(value).map(alignment);
    const label = node.parameters[index]?.name;
    const base = label !== undefined && ts.isIdentifier(label) ? label.text : `argument${index + 1}`;
    const ssa = types.map((type, part) => {
      const partName = types.length === 1 ? base : `${base}_${part + 1}`;
      parameters.push({ name: partName, type: type === "ptr" ? null : type === "bool" ? BOOL : intTypeIn(value) });
      return inner.argument(parameters.length - 1, type, alignments[part] ?? 1);
    });
    return receive(inner, value, ssa, inner.epochs.at(inner.builder.block));
  });
  const result = inner.at(node, () => buildIn(inner, call, node, values));
  // A function with errors is not compiled again for its next caller.
  if (inner.leftOut || module.reporter.diagnostics.length > before) {
    module.brokenSubprograms.add(node);
    throw new Abort();
  }
  const resultAlive = sendBack(inner, node, result);
  const context = inner.contextArgument;
  if (context !== null) context.index = parameters.push({ name: "ctx", type: null }) - 1;
  if (parameters.length > MOST_ARGUMENTS) return l.fail(call, "WS2091", { name, count: parameters.length });
  const fn = inner.builder.finish();
  checkAtomics(inner, fn);
  checkRecords(inner, fn);
  if (module.reporter.diagnostics.length > before) {
    module.brokenSubprograms.add(node);
    throw new Abort();
  }
  const subprogram: Subprogram = {
    name: inner.builder.function.name,
    function: fn,
    node,
    shapes,
    parameters,
    returns: returnOf(result),
    result,
    resultAlive,
    takesContext: context !== null,
    movesPacket: inner.movesPacket,
    place: rangeOf(node),
  };
  module.subprograms.push(subprogram);
  return subprogram;
}

/** Returns `result`; whether the packet views in it are still good then. */
function sendBack(inner: Lowering, node: FunctionNode, result: Value): boolean {
  const registers = registersOf(result);
  const name = nameOf(node);
  // The kernel takes no address of a stack that is gone, and a record stays with the function that reserved it.
  if (registers.length > 1 || isMutable(result) || isIn(result, "stack") || isIn(result, "record")) {
    inner.fail(node, "WS2093", { name, kind: describeValue(result) });
  }
  const held = epochOf(result);
  const alive = held === null || held === inner.epochs.at(inner.builder.block);
  const [ssa = inner.builder.const(0)] = send(inner, result);
  inner.builder.return(ssa);
  return alive;
}

function pass(l: Lowering, call: ts.Node, node: FunctionNode, value: Value): Ssa[] {
  const inner = value.kind === "nullable" ? value.value : value;
  const captured = inner.kind === "function" ? capturedName(l, inner.node) : null;
  if (isMutable(value) || captured !== null) {
    return l.fail(call, "WS2090", { name: nameOf(node), kind: describeValue(value) });
  }
  for (const memory of memoriesOf(value)) l.assertAlive(memory);
  return send(l, value);
}

/** The values in registers that stand for `value`. */
function send(l: Lowering, value: Value): Ssa[] {
  // The verifier wants accesses of the stack aligned, so the place in the slot stays known.
  if (value.kind === "view" && value.memory.region === "stack") return [value.memory.pointer];
  if (value.kind !== "nullable" || !("memory" in value.value)) return leavesOf(l, value, value);
  const [address] = leavesOf(l, value.value, value.value);
  return address === undefined ? [] : [addressOrNull(l, value.valid, address)];
}

/** The types of those values. */
function registersOf(value: Value): ValueType[] {
  return value.kind === "nullable" && "memory" in value.value ? ["ptr"] : leafTypes(value);
}

/** The value that `send` took apart. */
function receive(l: Lowering, shape: Value, ssa: readonly Ssa[], epoch: Epoch): Value {
  const [address] = ssa as [Ssa];
  if (shape.kind === "view" && shape.memory.region === "stack") {
    return { ...shape, memory: { ...shape.memory, pointer: address } };
  }
  if (shape.kind !== "nullable" || !("memory" in shape.value)) return rebuild(shape, ssa, epoch);
  const valid = l.compare("ne", address, l.builder.const(0));
  return { kind: "nullable", valid, value: rebuild(shape.value, [address], epoch) };
}

function addressOrNull(l: Lowering, valid: Ssa, address: Ssa): Ssa {
  const { builder } = l;
  const [tested, zero] = valid.args;
  // What a map's lookup gives is that already.
  if (valid.op === "ne" && tested === address && zero?.op === "const") return address;
  const there = builder.newBlock();
  const missing = builder.newBlock();
  const end = builder.newBlock();
  builder.branch(valid, there, missing);
  const values: Ssa[] = [];
  builder.enter(there);
  if (!l.unreachable) values.push(address);
  builder.jump(end);
  builder.enter(missing);
  if (!l.unreachable) values.push(builder.const(0, "ptr"));
  builder.jump(end);
  builder.enter(end);
  const [first = builder.const(0, "ptr"), second] = values;
  return second === undefined ? first : builder.phi("ptr", values);
}

function returnOf(result: Value): Subprogram["returns"] {
  const [type] = registersOf(result);
  if (type === undefined) return "void";
  return type === "ptr" ? "address" : type === "bool" ? BOOL : intTypeIn(result);
}

/** The width of an integer argument; the parts of other values fill their registers. */
function intTypeIn(value: Value): IntType {
  return value.kind === "int" ? value.type : U64;
}

/** What a function can rely on about an address, in bytes. */
function alignment({ region, pointer, offset }: Memory): number {
  return region === "map" || region === "data" ? alignmentOf(pointer, offset) : region === "stack" ? alignmentOf(pointer) : 1;
}

function placeOf(memory: Memory): string {
  const rights = `${memory.metadata === true ? " metadata" : ""}${memory.readonly === true ? " readonly" : ""}`;
  const place = `${memory.region} ${alignment(memory)}${rights}`;
  return memory.region === "stack" ? `${place} + ${memory.offset}` : place;
}

/** Where the packet views and other references in `value` point. */
function memoriesOf(value: Value): Memory[] {
  if (value.kind === "nullable") return memoriesOf(value.value);
  if (value.kind === "record") return [...value.fields.values()].flatMap((field) => memoriesOf(field.value));
  return "memory" in value ? [value.memory] : [];
}

function isIn(value: Value, region: Region): boolean {
  return memoriesOf(value).some((memory) => memory.region === region);
}

/** Equal for values that one compilation of a function can take. */
function shapeOf(l: Lowering, value: Value): string {
  const id = (thing: object): number => l.module.identity(thing);
  switch (value.kind) {
    case "int":
      return `${value.type.signed ? "i" : "u"}${value.type.bits}`;
    case "view":
    case "ref":
      return `${value.kind} ${id(value.layout)} ${placeOf(value.memory)}`;
    case "bytesPlace":
      return `bytes ${value.length} ${placeOf(value.memory)}`;
    case "bytes":
      return `bytes ${value.chunks.map((chunk) => chunk.size).join(" ")}`;
    case "nullable":
      return `${shapeOf(l, value.value)} | null`;
    case "record":
      return `{ ${[...value.fields].map(([name, field]) => `${name}: ${shapeOf(l, field.value)}`).join(", ")} }`;
    case "function":
      return `function ${id(value.node)} ${value.build}`;
    case "map":
      return `map ${value.map.name}${value.pointer === undefined ? "" : " by address"}`;
    case "schema":
      return `schema ${value.layout.kind === "bits" ? value.layout.bits : id(value.layout)}`;
    case "intrinsic":
      return `intrinsic ${value.name}`;
    case "string":
      return `string ${value.text}`;
    default:
      return value.kind;
  }
}

/** The name of a local variable of another function that `node` reads; a function of its own cannot reach those. */
function capturedName(l: Lowering, node: FunctionNode): string | null {
  const isOutside = (declaration: ts.Node): boolean => {
    for (let at = declaration.parent; at !== undefined && !ts.isSourceFile(at); at = at.parent) {
      if (at === node) return false;
      if (ts.isFunctionLike(at)) return true;
    }
    return false;
  };
  const find = (at: ts.Node): string | null => {
    if (ts.isIdentifier(at) && !isName(at)) {
      const declaration = symbolOf(l, at)?.valueDeclaration;
      if (declaration !== undefined && isOutside(declaration) && !l.module.source.isIntrinsic(declaration)) return at.text;
    }
    return ts.forEachChild(at, (child) => find(child) ?? undefined) ?? null;
  };
  return node.body === undefined ? null : find(node.body);
}

/** `b` in `a.b` and in `{ b: 1 }`: a field, no variable. */
function isName(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    (ts.isPropertyAccessExpression(parent) && parent.name === node) || (ts.isPropertyAssignment(parent) && parent.name === node)
  );
}

function nameOf(node: FunctionNode): string {
  return functionName(node) ?? "the function";
}

/** A symbol that the object does not have yet. */
function symbolFor(l: Lowering, name: string): string {
  const { symbols } = l.module;
  const base = name.replaceAll(/[^A-Za-z0-9_]/g, "_");
  let symbol = base;
  for (let number = 2; symbols.has(symbol); number++) symbol = `${base}_${number}`;
  symbols.add(symbol);
  return symbol;
}

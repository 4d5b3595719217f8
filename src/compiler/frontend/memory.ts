/** Reads and writes of memory: fields in any byte order, bit fields, and byte arrays in pieces as wide as they can be. */
import type ts from "typescript";
import { alignmentOf } from "../ir/alignment.ts";
import type { AccessSize, Value as Ssa } from "../ir/ir.ts";
import { type FieldLayout, layoutName, type ScalarLayout, type SizedLayout, type StructLayout, sameLayout } from "./layout.ts";
import { checkBitsLiteral, checkLiteral } from "./literals.ts";
import type { Lowering } from "./lowering.ts";
import { readField } from "./places.ts";
import {
  BOOL,
  type BytesPlaceValue,
  type BytesValue,
  type Chunk,
  describeValue,
  type IntType,
  type IntValue,
  type Memory,
  type RecordField,
  type RecordValue,
  type Value,
  type ViewValue,
} from "./values.ts";

/** Byte arrays longer than this are not copied or compared: each copy is unrolled. */
const LONGEST_COPY = 256;

/** The address of the first byte of `memory`, for helpers that take one. */
export function addressOf(l: Lowering, { pointer, offset }: Memory): Ssa {
  return offset === 0 ? pointer : l.binary("add", pointer, l.builder.const(offset));
}

export function intTypeOfLayout({ size, signed, boolean }: ScalarLayout): IntType {
  return boolean ? BOOL : { bits: (size * 8) as 8 | 16 | 32 | 64, signed };
}

export function loadScalar(l: Lowering, memory: Memory, layout: ScalarLayout): IntValue {
  const { size, signed, bigEndian } = layout;
  let ssa = loadPiece(l, memory, 0, size);
  if (layout.boolean) ssa = l.compare("ne", ssa, l.builder.const(0));
  if (bigEndian) ssa = swap(l, ssa, size);
  else if (signed && size < 8) ssa = l.builder.emit({ op: "sext", type: "int", args: [ssa], bits: (size * 8) as 8 | 16 | 32 });
  return { kind: "int", ssa, type: intTypeOfLayout(layout) };
}

export function storeScalar(l: Lowering, memory: Memory, layout: ScalarLayout, value: IntValue): void {
  const ssa = layout.bigEndian ? swap(l, value.ssa, layout.size) : value.ssa;
  storePiece(l, memory, { offset: 0, size: layout.size, ssa });
}

function swap(l: Lowering, ssa: Ssa, size: AccessSize): Ssa {
  if (size === 1) return ssa;
  return l.builder.emit({ op: "bswap", type: "int", args: [ssa], bits: (size * 8) as 16 | 32 | 64 });
}

/** What an element of a map or a part of the packet is to the source: a number is reached through `value`. */
export function viewOf(memory: Memory, layout: SizedLayout): Value {
  switch (layout.kind) {
    case "scalar":
      return { kind: "ref", layout, memory };
    case "bytes":
      return { kind: "bytesPlace", length: layout.size, memory };
    case "struct":
    case "array":
      return { kind: "view", layout, memory };
  }
}

export function loadField(l: Lowering, memory: Memory, field: FieldLayout): Value {
  const at = { ...memory, offset: memory.offset + field.offset };
  return field.layout.kind === "bits" ? loadBits(l, at, field) : load(l, at, field.layout);
}

export function storeField(l: Lowering, node: ts.Node, memory: Memory, field: FieldLayout, value: Value): void {
  const at = { ...memory, offset: memory.offset + field.offset };
  if (field.layout.kind === "bits") {
    checkBitsLiteral(l, node, value, field.layout.bits);
    return storeBits(l, at, field, expectInt(l, node, value, field));
  }
  store(l, node, at, field.layout, value);
}

function expectInt(l: Lowering, node: ts.Node, value: Value, field: FieldLayout): IntValue {
  if (value.kind === "int") return value;
  return l.fail(node, "WS2014", { target: layoutName(field.layout), kind: describeValue(value) });
}

/** Writes `value` to memory that has `layout`. */
export function store(l: Lowering, node: ts.Node, memory: Memory, layout: SizedLayout, value: Value): void {
  if (layout.kind === "scalar" && value.kind === "int") {
    checkLiteral(l, node, value, intTypeOfLayout(layout));
    return storeScalar(l, memory, layout, value);
  }
  if (layout.kind === "bytes" && (value.kind === "bytes" || value.kind === "bytesPlace") && value.length === layout.size) {
    return storeBytes(l, memory, readBytes(l, node, value, memory));
  }
  if (value.kind === "view" && sameLayout(layout, value.layout)) {
    return storeBytes(l, memory, readBytes(l, node, contentOf(value), memory));
  }
  // Equal to TypeScript, and other bytes to the kernel, such as a be16 for a u16: part by part.
  if (value.kind === "view" && value.layout.kind === layout.kind && !isOverlay(layout) && !isOverlay(value.layout))
    return store(l, node, memory, layout, partsOf(l, node, value));
  if (value.kind === "record" && mayOverlap(memory, value)) value = readApart(l, node, layout, value);
  // What `readApart` has read for such a place.
  if (value.kind === "bytes" && layout.kind !== "scalar" && value.length === layout.size) {
    return storeBytes(l, memory, value);
  }
  if (layout.kind === "array" && value.kind === "record" && value.length === layout.length) {
    const { element } = layout;
    for (const [name, field] of value.fields) {
      const at = { ...memory, offset: memory.offset + Number(name) * element.size };
      store(l, node, at, element, readField(l, field));
    }
    return;
  }
  if (layout.kind === "struct" && layout.overlay === true && value.kind === "record") {
    return storeMember(l, node, memory, layout, value);
  }
  if (layout.kind === "struct" && value.kind === "record") {
    // Bit fields share bytes: those are cleared first, then each field is put in.
    const runs = new Map(
      layout.fields.flatMap((field) => (field.bit === undefined ? [] : [[field.offset, field.bit.runBytes]])),
    );
    for (const [offset, length] of runs) storeZeros(l, { ...memory, offset: memory.offset + offset }, length);
    for (const field of layout.fields) {
      const given = value.fields.get(field.name);
      if (given === undefined)
        return l.fail(node, "WS2014", { target: layoutName(layout), kind: `without the field ${field.name}` });
      const part = readField(l, given);
      // The checker has excluded null where a field cannot hold it.
      storeField(l, node, memory, field, part.kind === "nullable" ? part.value : part);
    }
    return;
  }
  l.fail(node, "WS2014", { target: layoutName(layout), kind: describeValue(value) });
}

/** Whether a literal takes parts from where it is written to: those are read before anything is written. */
function mayOverlap(memory: Memory, value: Value): boolean {
  if (value.kind === "record") return [...value.fields.values()].some((field) => mayOverlap(memory, field.value));
  if (value.kind !== "view" && value.kind !== "bytesPlace") return false;
  const { pointer, region } = value.memory;
  const areSlots = pointer.op === "slot" && memory.pointer.op === "slot";
  return region === memory.region && !(areSlots && pointer !== memory.pointer);
}

/** `value`, which goes to a place of `layout`, with all that it takes from memory read. */
function readApart(l: Lowering, node: ts.Node, layout: SizedLayout | null, value: Value): Value {
  if (value.kind === "view" && layout !== null && sameLayout(layout, value.layout)) return readBytes(l, node, contentOf(value));
  if (value.kind === "view" && !isOverlay(value.layout)) return readApart(l, node, layout, partsOf(l, node, value));
  if (value.kind === "bytesPlace") return readBytes(l, node, value);
  if (value.kind !== "record") return value;
  const fields = new Map<string, RecordField>();
  for (const [name, field] of value.fields) {
    const part = readApart(l, node, layoutOfPart(layout, name), readField(l, field));
    fields.set(name, { value: part, place: null });
  }
  return { ...value, fields };
}

/** What lies at `name` in a place of `layout`; `null` for what has no bytes of its own. */
function layoutOfPart(layout: SizedLayout | null, name: string): SizedLayout | null {
  if (layout?.kind === "array") return layout.element;
  const part = layout?.kind === "struct" ? layout.fields.find((field) => field.name === name)?.layout : undefined;
  return part === undefined || part.kind === "bits" ? null : part;
}

function isOverlay(layout: SizedLayout): boolean {
  return layout.kind === "struct" && layout.overlay === true;
}

/** The field of `layout` that a literal for it gives: exactly one. */
export function givenMember(l: Lowering, node: ts.Node, layout: StructLayout, value: RecordValue): FieldLayout {
  const given = layout.fields.filter(({ name }) => value.fields.has(name));
  const [member] = given;
  if (member !== undefined && given.length === 1) return member;
  const names = layout.fields.map(({ name }) => name).join(", ");
  return l.fail(node, "WS2082", { count: given.length, names });
}

function storeMember(l: Lowering, node: ts.Node, memory: Memory, layout: StructLayout, value: RecordValue): void {
  const member = givenMember(l, node, layout, value);
  const size = member.layout.kind === "bits" ? 0 : member.layout.size;
  storeZeros(l, { ...memory, offset: memory.offset + size }, layout.size - size);
  storeField(l, node, memory, member, readField(l, value.fields.get(member.name) as RecordField)); // it is the one that is there
}

/** The bytes that `view` lies over. */
export function contentOf({ layout, memory }: ViewValue): BytesPlaceValue {
  return { kind: "bytesPlace", length: layout.size, memory };
}

/** What `view` holds, by name or index. */
function partsOf(l: Lowering, node: ts.Node, { layout, memory }: ViewValue): RecordValue {
  const fields = new Map<string, RecordField>();
  const put = (name: string, value: Value) => {
    fields.set(name, { value: value.kind === "bytesPlace" ? readBytes(l, node, value) : value, place: null });
  };
  if (layout.kind === "struct") {
    for (const field of layout.fields) put(field.name, loadField(l, memory, field));
    return { kind: "record", fields };
  }
  for (let index = 0; index < layout.length; index++) {
    put(String(index), load(l, { ...memory, offset: memory.offset + index * layout.element.size }, layout.element));
  }
  return { kind: "record", fields, length: layout.length };
}

/** What lies at `memory`: a number is read, the rest stays where it is. */
export function load(l: Lowering, memory: Memory, layout: SizedLayout): Value {
  return layout.kind === "scalar" ? loadScalar(l, memory, layout) : viewOf(memory, layout);
}

// -- byte arrays --

/** The widest pieces that `length` bytes fall into, up to `most`, each aligned where the first byte is `phase` bytes behind an aligned place. */
export function* pieces(length: number, phase = 0, most = 8): Generator<{ offset: number; size: AccessSize }> {
  for (let offset = 0; offset < length; ) {
    const fits = (size: AccessSize) => size <= most && length - offset >= size && (phase + offset) % size === 0;
    const size = ([8, 4, 2] as const).find(fits) ?? 1;
    yield { offset, size };
    offset += size;
  }
}

/** Reads a byte array, in pieces that can be written to `destination` as they are: on the stack only aligned ones can. */
export function readBytes(l: Lowering, node: ts.Node, value: BytesPlaceValue | BytesValue, destination?: Memory): BytesValue {
  if (value.kind === "bytes") return value;
  const { length, memory } = value;
  if (length > LONGEST_COPY) l.fail(node, "WS4003", { size: length });
  const [phase, most] = destination?.region === "stack" ? [destination.offset, alignmentOf(destination.pointer)] : [0, 8];
  const chunks = [...pieces(length, phase, most)].map(({ offset, size }) => ({
    offset,
    size,
    ssa: loadPiece(l, memory, offset, size),
  }));
  return { kind: "bytes", length, chunks };
}

/** On the stack a load must be aligned, so a piece may have to be put together from smaller ones. */
function loadPiece(l: Lowering, memory: Memory, offset: number, size: AccessSize): Ssa {
  l.assertAlive(memory);
  const at = memory.offset + offset;
  if (mayAccess(memory, at, size)) return l.builder.load(size, memory.pointer, at, memory.region);
  const half = (size / 2) as AccessSize;
  const low = loadPiece(l, memory, offset, half);
  const high = loadPiece(l, memory, offset + half, half);
  return l.binary("or", low, l.binary("shl", high, l.builder.const(half * 8)));
}

function mayAccess({ region, pointer }: Memory, offset: number, size: AccessSize): boolean {
  return size === 1 || region !== "stack" || alignmentOf(pointer, offset) >= size;
}

export function storeBytes(l: Lowering, memory: Memory, value: BytesValue): void {
  for (const chunk of value.chunks) storePiece(l, memory, chunk);
}

function storePiece(l: Lowering, memory: Memory, { offset, size, ssa }: Chunk): void {
  l.assertWritable(memory);
  const at = memory.offset + offset;
  if (mayAccess(memory, at, size)) return l.builder.store(size, memory.pointer, at, memory.region, ssa);
  const half = (size / 2) as AccessSize;
  storePiece(l, memory, { offset, size: half, ssa });
  storePiece(l, memory, { offset: offset + half, size: half, ssa: l.binary("lshr", ssa, l.builder.const(half * 8)) });
}

export function storeZeros(l: Lowering, memory: Memory, length: number): void {
  const zero = l.builder.const(0);
  storeBytes(l, memory, {
    kind: "bytes",
    length,
    chunks: [...pieces(length, memory.offset)].map((piece) => ({ ...piece, ssa: zero })),
  });
}

/** A byte array that the source spells out. */
export function constantBytes(l: Lowering, bytes: number[]): BytesValue {
  const word = (offset: number, size: number): bigint =>
    bytes.slice(offset, offset + size).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte & 0xff), 0n);
  const chunks = [...pieces(bytes.length)].map((piece) => ({ ...piece, ssa: l.builder.const(word(piece.offset, piece.size)) }));
  return { kind: "bytes", length: bytes.length, chunks };
}

/** Byte `index` of an array. */
export function byteAt(l: Lowering, value: BytesPlaceValue | BytesValue, index: number): IntValue {
  const type: IntType = { bits: 8, signed: false };
  if (value.kind === "bytesPlace") {
    l.assertAlive(value.memory);
    const { pointer, offset, region } = value.memory;
    return { kind: "int", ssa: l.builder.load(1, pointer, offset + index, region), type };
  }
  const chunk = value.chunks.find(({ offset, size }) => index >= offset && index < offset + size);
  if (chunk === undefined) throw new Error(`byte ${index} of ${value.length}`);
  const shifted = l.binary("lshr", chunk.ssa, l.builder.const((index - chunk.offset) * 8));
  return { kind: "int", ssa: l.binary("and", shifted, l.builder.const(0xff)), type };
}

/** `value` with another byte at `index`. */
export function replaceByte(l: Lowering, value: BytesValue, index: number, byte: IntValue): BytesValue {
  const chunks = value.chunks.map((chunk) => {
    const shift = BigInt(index - chunk.offset) * 8n;
    if (index < chunk.offset || index >= chunk.offset + chunk.size) return chunk;
    const low = l.binary("and", byte.ssa, l.builder.const(0xff));
    const kept = l.binary("and", chunk.ssa, l.builder.const(BigInt.asIntN(64, ~(0xffn << shift))));
    return { ...chunk, ssa: l.binary("or", kept, l.binary("shl", low, l.builder.const(shift))) };
  });
  return { ...value, chunks };
}

// -- bit fields --

interface Container {
  /** Bytes from the start of the run. */
  offset: number;
  bytes: number;
  /** Bits to the right of the field in the container read as a big-endian number. */
  shift: number;
}

/** The bytes of the run that are read and written for a bit field: one machine word where one fits into the run. */
function containerOf(field: FieldLayout): Container {
  if (field.layout.kind !== "bits" || field.bit === undefined) throw new Error(`${field.name} is no bit field`);
  const { position, runBytes } = field.bit;
  const end = position + field.layout.bits;
  const first = position >> 3;
  const last = (end - 1) >> 3;
  const needed = last - first + 1;
  const word = [1, 2, 4, 8].find((size) => size >= needed && size <= runBytes);
  if (word === undefined) return { offset: first, bytes: needed, shift: (last + 1) * 8 - end };
  const offset = Math.min(first, runBytes - word);
  return { offset, bytes: word, shift: (offset + word) * 8 - end };
}

function loadContainer(l: Lowering, memory: Memory, { offset, bytes }: Container): Ssa {
  let result: Ssa | null = null;
  for (const piece of pieces(bytes)) {
    const part = swap(l, loadPiece(l, memory, offset + piece.offset, piece.size), piece.size);
    result = result === null ? part : l.binary("or", l.binary("shl", result, l.builder.const(piece.size * 8)), part);
  }
  return result ?? l.builder.const(0);
}

function loadBits(l: Lowering, memory: Memory, field: FieldLayout): IntValue {
  const container = containerOf(field);
  const bits = bitsOf(field);
  let ssa = loadContainer(l, memory, container);
  ssa = container.shift === 0 ? ssa : l.binary("lshr", ssa, l.builder.const(container.shift));
  if (container.shift + bits < container.bytes * 8) ssa = l.binary("and", ssa, l.builder.const((1n << BigInt(bits)) - 1n));
  return { kind: "int", ssa, type: { bits: bits <= 8 ? 8 : bits <= 16 ? 16 : 32, signed: false } };
}

function storeBits(l: Lowering, memory: Memory, field: FieldLayout, value: IntValue): void {
  const container = containerOf(field);
  const mask = ((1n << BigInt(bitsOf(field))) - 1n) << BigInt(container.shift);
  const shifted = l.binary("shl", value.ssa, l.builder.const(container.shift));
  const kept = l.binary("and", loadContainer(l, memory, container), l.builder.const(~mask));
  let rest = l.binary("or", kept, l.binary("and", shifted, l.builder.const(mask)));
  // Back into memory from the last piece to the first, as a big-endian number.
  for (const piece of [...pieces(container.bytes)].reverse()) {
    storePiece(l, memory, { offset: container.offset + piece.offset, size: piece.size, ssa: swap(l, rest, piece.size) });
    rest = l.binary("lshr", rest, l.builder.const(piece.size * 8));
  }
}

function bitsOf(field: FieldLayout): number {
  return field.layout.kind === "bits" ? field.layout.bits : 0;
}

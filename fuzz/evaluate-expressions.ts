/**
 * What expressions mean: the part of the evaluation that is below statements. Names are unique and there is no recursion, so that one
 * table of names is enough.
 */

import { FilterModel } from "./filter-model.ts";
import { Frame, type Packet } from "./frame.ts";
import { MapModel } from "./map-model.ts";
import { MapOfMapsModel } from "./map-of-maps-model.ts";
import { canonical, copyOf, readInt, type View, writeInt } from "./memory.ts";
import { binary, compare, wrap } from "./operators.ts";
import { QueueModel } from "./queue-model.ts";
import { RingModel } from "./ring-model.ts";
import { SocketBuffer } from "./socket-buffer.ts";
import {
  type Argument,
  type Bool,
  type Bytes,
  type Content,
  type ContextField,
  type FieldType,
  type Fn,
  type Hook,
  type Int,
  isOfMaps,
  isQueue,
  type MapDeclaration,
  type Module,
  type Path,
  type Statement,
  type Target,
  type Value,
  type ViewSource,
} from "./tree.ts";

export type RecordOfInts = Map<string, bigint | Map<string, bigint>>;
export type Named = bigint | boolean | Uint8Array | View | RecordOfInts | Fn | null;
/** How a statement ends: it goes on, leaves a loop or a round, or returns. */
export type Completion = null | "break" | "continue" | { value: bigint | View | null };

/** As test runs have it: XDP's come in by the loopback device. */
const CONTEXTS: Readonly<Record<Hook, Readonly<Partial<Record<ContextField, bigint>>>>> = {
  xdp: { ingressIfindex: 1n, rxQueueIndex: 0n },
  tc: { ingressIfindex: 0n, mark: 0n, priority: 0n },
};

export abstract class ExpressionEvaluator {
  protected readonly names = new Map<string, Named>();
  protected readonly packet: Packet;
  protected readonly maps: ReadonlyMap<string, Model | MapOfMapsModel<Model>>;
  /** Those that were found in others, by the name that they have in the module. */
  protected readonly found = new Map<string, Model>();
  readonly #context: Partial<Record<ContextField, bigint>>;

  constructor(module: Module, packet: Uint8Array) {
    this.packet = module.hook === "xdp" ? new Frame(packet) : new SocketBuffer(packet);
    this.maps = new Map(module.maps.map((map) => [map.name, isOfMaps(map) ? new MapOfMapsModel(map, modelOf) : modelOf(map)]));
    this.#context = { ...CONTEXTS[module.hook] };
  }

  #contextField(field: ContextField): bigint {
    switch (field) {
      case "protocol":
      case "vlanTci":
      case "vlanProtocol":
        return BigInt(this.socketBuffer[field]);
      default: {
        const value = this.#context[field];
        if (value === undefined) throw new Error(`this hook has no ${field}`);
        return value;
      }
    }
  }

  protected get frame(): Frame {
    if (this.packet instanceof Frame) return this.packet;
    throw new Error("only XDP has frames");
  }

  protected get socketBuffer(): SocketBuffer {
    if (this.packet instanceof SocketBuffer) return this.packet;
    throw new Error("only TC has socket buffers");
  }

  protected abstract block(statements: readonly Statement[]): Completion;

  protected get<T extends Named>(name: string): T {
    const value = this.names.get(name);
    if (value === undefined) throw new Error(`${name} has no value`);
    // The tree says what is behind each name; a wrong tree fails on use.
    return value as T;
  }

  protected int(e: Int): bigint {
    switch (e.k) {
      case "literal":
        return canonical(e.value);
      case "name":
        return this.get<bigint>(e.name);
      case "field": {
        const { bytes, at } = this.part(e.place);
        return readInt(bytes, at, e.place.type);
      }
      case "byte":
        return BigInt(this.bytes(e.bytes)[this.index(e.index)] ?? 0);
      case "record":
        return this.record(e.record, e.path);
      case "length":
        return BigInt(this.packet.length);
      case "context":
        return this.#contextField(e.field);
      case "query":
        return BigInt(e.what === "ringSize" ? this.ring(e.map).size : this.ring(e.map).unread);
      case "cursor":
        return this.record(e.cursor, [e.field]);
      case "nothing":
        return 0n;
      case "binary":
        return binary(e.operator, this.int(e.left), this.int(e.right), e.left.signed, e.right.signed);
      case "unary": {
        const operand = this.int(e.operand);
        return e.operator === "-" ? canonical(-operand) : e.operator === "~" ? ~operand : operand;
      }
      case "byteSwap": {
        const bytes = BigInt.asUintN(e.bits, this.int(e.operand))
          .toString(16)
          .padStart(e.bits / 4, "0");
        return canonical(BigInt(`0x${(bytes.match(/../g) ?? []).reverse().join("")}`));
      }
      case "cast":
        return wrap(e.to, this.int(e.operand));
      case "choice":
        return this.bool(e.condition) ? this.int(e.yes) : this.int(e.no);
      case "coalesce": {
        const view = this.source(e.source);
        if (view === null) return this.int(e.otherwise);
        return readInt(view.bytes, view.at + this.distance(e.place), e.place.type);
      }
      case "checksum": {
        // In one's complement arithmetic, which is modulo 0xffff; words as the host reads them.
        const seed = BigInt.asUintN(32, this.int(e.seed));
        const from = e.from === null ? 0n : words(this.bytes(e.from));
        const to = e.to === null ? 0n : words(this.bytes(e.to));
        return (((seed + to - from) % 0xffffn) + 0xffffn) % 0xffffn;
      }
      case "call": {
        const result = this.call(e.callee, e.args);
        if (typeof result !== "bigint") throw new Error(`${e.callee} gives no integer`);
        return result;
      }
      case "assign": {
        const { read, write } = this.target(e.target);
        const value =
          e.operator === null
            ? this.int(e.value)
            : binary(e.operator, read(), this.int(e.value), e.target.signed, e.value.signed);
        write(value);
        return value;
      }
      case "step": {
        const { read, write } = this.target(e.target);
        const old = read();
        const value = canonical(e.operator === "++" ? old + 1n : old - 1n);
        write(value);
        return e.prefix ? value : old;
      }
    }
  }

  protected bool(e: Bool): boolean {
    switch (e.b) {
      case "compare":
        return compare(e.operator, this.int(e.left), this.int(e.right), e.left.signed || e.right.signed);
      case "and":
        return this.bool(e.left) && this.bool(e.right);
      case "or":
        return this.bool(e.left) || this.bool(e.right);
      case "not":
        return !this.bool(e.operand);
      case "truth":
        return this.int(e.operand) !== 0n;
      case "name":
        return this.get<boolean>(e.name);
      case "constant":
        return e.value;
      case "field": {
        const { bytes, at } = this.part(e.place);
        return bytes[at] !== 0;
      }
      case "equals":
        return Buffer.from(this.bytes(e.left)).equals(this.bytes(e.right));
      case "same": {
        const [left, right] = [this.part(e.left), this.part(e.right)];
        return Buffer.from(copyOf(left, e.size)).equals(copyOf(right, e.size));
      }
      case "update": {
        const key = this.value(e.key);
        return this.map(e.map).update(key, this.value(e.value), e.mode);
      }
      case "delete":
        return this.map(e.map).delete(this.value(e.key));
      case "push":
        return this.queue(e.map).push(this.value(e.value), e.overwrite);
      case "put-in":
        return this.filter(e.map).push(this.value(e.value));
      case "has":
        return this.filter(e.map).has(this.value(e.value));
      case "output":
        return this.ring(e.map).output(this.value(e.value));
      case "store-bytes": {
        const offset = BigInt.asUintN(32, this.int(e.offset));
        const content = this.value(e.value);
        const place = this.packet.at(offset, e.struct.size);
        place?.bytes.set(content, place.at);
        return place !== null;
      }
      case "present":
        return this.source(e.source) !== null;
    }
  }

  /** A copy. */
  protected bytes(e: Bytes): Uint8Array {
    switch (e.y) {
      case "field": {
        const { bytes, at } = this.part(e.place);
        if (e.place.type.kind !== "bytes") throw new Error("a byte array was expected");
        return bytes.slice(at, at + e.place.type.size);
      }
      case "name":
        return this.get<Uint8Array>(e.name);
      case "constant":
        return constant(e.values, e.size);
    }
  }

  /** The bytes of a key or value. */
  protected value(e: Value): Uint8Array {
    const bytes = new Uint8Array(e.struct.size);
    switch (e.v) {
      case "int": {
        const [field] = e.struct.fields;
        if (field !== undefined) writeInt(bytes, 0, field.type, this.int(e.value));
        return bytes;
      }
      case "view": {
        const { bytes: from, at } = this.part(e);
        return from.slice(at, at + e.struct.size);
      }
      case "literal":
        for (const { field, value } of e.fields) this.fill(bytes, field.offset, field.type, value);
        return bytes;
    }
  }

  /** Writes `content` to a place of type `type`. */
  protected fill(bytes: Uint8Array, at: number, type: FieldType, content: Content): void {
    switch (content.f) {
      case "int":
        return writeInt(bytes, at, type, this.int(content.value));
      case "bool":
        bytes[at] = this.bool(content.value) ? 1 : 0;
        return;
      case "bytes":
        return bytes.set(this.bytes(content.value), at);
      case "struct":
        return bytes.set(this.value(content.value), at);
      case "array": {
        const { bytes: from, at: start } = this.part(content.place);
        const { type: array } = content.place;
        return bytes.set(from.slice(start, start + (array.kind === "array" ? array.stride * array.length : 0)), at);
      }
      case "list":
        content.values.forEach((value, index) => {
          this.fill(bytes, at + index * content.stride, content.element, value);
        });
    }
  }

  protected source(e: ViewSource): View | null {
    switch (e.w) {
      case "at":
        return this.packet.at(this.int(e.offset), e.struct.size);
      case "either": {
        const first = this.int(e.first);
        const second = this.int(e.second);
        return this.packet.at(first, e.struct.size) ?? this.packet.at(second, e.struct.size);
      }
      case "lookup":
        return this.map(e.map).lookup(this.value(e.key));
      case "lookup-cpu": {
        const key = this.value(e.key);
        return this.bool(e.nowhere) ? null : this.map(e.map).lookup(key);
      }
      case "meta":
        return this.packet.metadata(e.struct.size);
      case "take": {
        const value = this.queue(e.map).next(e.how === "pop");
        return value === null ? null : { bytes: value, at: 0 };
      }
      case "load-bytes": {
        const place = this.packet.at(BigInt.asUintN(32, this.int(e.offset)), e.struct.size);
        return place === null ? null : { bytes: copyOf(place, e.struct.size), at: 0 };
      }
      case "call": {
        const result = this.call(e.callee, e.args);
        if (typeof result === "bigint") throw new Error(`${e.callee} gives no view`);
        return result;
      }
      case "view":
        return this.part(e);
      case "choice":
        return this.source(this.bool(e.condition) ? e.yes : e.no);
    }
  }

  protected call(callee: string, args: readonly Argument[]): bigint | View | null {
    const fn = this.get<Fn>(callee);
    const values = args.map((argument) => this.argument(argument));
    fn.parameters.forEach((parameter, index) => {
      const value = values[index];
      if (value === undefined) throw new Error(`${callee} lacks an argument`);
      this.names.set(
        parameter.name,
        parameter.p === "int" && typeof value === "bigint" ? wrap(parameter.flavour, value) : value,
      );
    });
    const end = this.block(fn.body);
    if (end === null || typeof end === "string") return 0n;
    return typeof end.value === "bigint" && typeof fn.returns === "string" ? wrap(fn.returns, end.value) : end.value;
  }

  protected argument(argument: Argument): Named {
    switch (argument.a) {
      case "int":
        return this.int(argument.value);
      case "view":
        return this.part(argument);
      case "record":
        return this.get<RecordOfInts>(argument.record);
    }
  }

  // -- places --

  protected part(path: Path): View {
    const { bytes, at } = this.get<View>(path.view);
    return { bytes, at: at + this.distance(path) };
  }

  protected distance({ offset, indexes }: Path): number {
    return indexes.reduce((sum, { value, stride }) => sum + Number(this.int(value)) * stride, offset);
  }

  protected index(index: number | Int): number {
    return typeof index === "number" ? index : Number(this.int(index));
  }

  /** What a name holds that stands for the field or element there. */
  protected read({ bytes, at }: View, type: FieldType): Named {
    if (type.kind === "bytes") return bytes.slice(at, at + type.size);
    if (type.kind === "bool") return bytes[at] !== 0;
    return type.kind === "struct" || type.kind === "array" ? { bytes, at } : readInt(bytes, at, type);
  }

  protected map(name: string): MapModel {
    return this.#model(MapModel, name);
  }

  protected queue(name: string): QueueModel {
    return this.#model(QueueModel, name);
  }

  protected ring(name: string): RingModel {
    return this.#model(RingModel, name);
  }

  protected filter(name: string): FilterModel {
    return this.#model(FilterModel, name);
  }

  #model<M extends Model>(kind: new (map: MapDeclaration) => M, name: string): M {
    const map = this.found.get(name) ?? this.maps.get(name);
    if (!(map instanceof kind)) throw new Error(`${name} is no ${kind.name}`);
    return map;
  }

  protected record(name: string, [first, second]: readonly string[]): bigint {
    const value = this.get<RecordOfInts>(name).get(first ?? "");
    const field = value instanceof Map ? value.get(second ?? "") : value;
    if (field === undefined) throw new Error(`${name} has no such field`);
    return field;
  }

  /** What is assigned to is found before the value is computed, as in JavaScript. */
  protected target(target: Target): { read: () => bigint; write: (value: bigint) => void } {
    switch (target.t) {
      case "name":
        return {
          read: () => this.get<bigint>(target.name),
          write: (value) => void this.names.set(target.name, wrap(target.wrap, value)),
        };
      case "field": {
        const { bytes, at } = this.part(target.place);
        return {
          read: () => readInt(bytes, at, target.place.type),
          write: (value) => writeInt(bytes, at, target.place.type, value),
        };
      }
      case "byte": {
        const { bytes, at } = this.part(target.place);
        const place = at + this.index(target.index);
        return {
          read: () => BigInt(bytes[place] ?? 0),
          write: (value) => {
            bytes[place] = Number(BigInt.asUintN(8, value));
          },
        };
      }
      case "record":
        return {
          read: () => this.record(target.record, target.path),
          write: (value) => this.writeRecord(target.record, target.path, value),
        };
      case "context":
        return {
          read: () => this.#contextField(target.field),
          write: (value) => {
            this.#context[target.field] = wrap("u32", value);
          },
        };
    }
  }

  protected writeRecord(name: string, [first = "", second]: readonly string[], value: bigint): void {
    const record = this.get<RecordOfInts>(name);
    const inner = record.get(first);
    if (second !== undefined && inner instanceof Map) inner.set(second, value);
    else record.set(first, value);
  }
}

type Model = MapModel | QueueModel | RingModel | FilterModel;

function modelOf(map: MapDeclaration): Model {
  if (isQueue(map)) return new QueueModel(map);
  if (map.kind === "ringBuffer") return new RingModel(map);
  return map.kind === "bloomFilter" ? new FilterModel(map) : new MapModel(map);
}

/** A byte array that is spelled out; missing bytes are 0. */
export function constant(values: readonly number[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(values);
  return bytes;
}

function words(bytes: Uint8Array): bigint {
  let sum = 0n;
  for (let at = 0; at < bytes.length; at += 2) sum += BigInt((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8));
  return sum;
}

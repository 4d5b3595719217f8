/**
 * Runs IR directly, to say what a function means: the tests compare compiled programs with it. Plain on purpose, one operation after
 * another, no cleverness; a pointer is a piece of memory and a position in it, so every stray access is noticed.
 */
import { HELPER } from "../../object/helpers.ts";
import { evaluateBinary, evaluateCompare, evaluateExtend, evaluateSwap } from "./arithmetic.ts";
import type { Block, Function, Instruction, Value } from "./ir.ts";
import { isBinary, isCompare } from "./ir.ts";

export interface Pointer {
  memory: Uint8Array;
  offset: bigint;
}

export type Datum = bigint | Pointer | { map: string };

export interface World {
  packet: Uint8Array;
  /** Values of each map by key, the key's bytes in hexadecimal. */
  maps: Map<string, { keySize: number; values: Map<string, Uint8Array> }>;
  /** Data sections by name. */
  data: Map<string, Uint8Array>;
  /** What each other helper returns. */
  helpers: Map<number, () => bigint>;
}

/** Offsets in `struct xdp_md`. */
const CONTEXT_DATA = 0;
const CONTEXT_DATA_END = 4;
const MAX_STEPS = 1_000_000;

/** Returns the function's result in the signed 64-bit range; packet and maps of `world` change. Throws on whatever has no meaning. */
export function interpret(fn: Function, world: World): bigint {
  const values = new Map<Value, Datum>();
  const context: Pointer = { memory: new Uint8Array(0), offset: 0n };
  let block = fn.blocks[0] as Block;
  let edge = -1;
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const phis = block.instructions.filter((instruction) => instruction.op === "phi");
    const arriving = phis.map((phi) => read(phi.args[edge] as Value));
    for (const [index, phi] of phis.entries()) values.set(phi, arriving[index] as Datum);
    for (const instruction of block.instructions) {
      if (instruction.op === "phi") continue;
      const result = execute(instruction);
      if (result !== null) values.set(instruction, result);
    }
    const { terminator } = block;
    if (terminator.op === "return") return number(terminator.args[0]);
    const taken = terminator.op === "branch" && number(terminator.args[0]) === 0n ? 1 : 0;
    const next = terminator.targets[taken] as Block;
    edge = next.predecessors.indexOf(block);
    // A branch with equal targets enters over two edges, its own first one first.
    if (taken === 1 && terminator.targets[0] === next) edge = next.predecessors.indexOf(block, edge + 1);
    block = next;
  }
  throw new Error(`${fn.name} does not end`);

  function read(value: Value): Datum {
    const datum = values.get(value);
    if (datum === undefined) throw new Error(`v${value.id} is used before it is computed`);
    return datum;
  }

  function number(value: Value): bigint {
    const datum = read(value);
    if (typeof datum !== "bigint") throw new Error(`v${value.id} is a pointer where a number is wanted`);
    return datum;
  }

  function pointer(value: Value): Pointer {
    const datum = read(value);
    if (typeof datum === "bigint" || "map" in datum) throw new Error(`v${value.id} is no pointer to memory`);
    return datum;
  }

  function execute(instruction: Instruction): Datum | null {
    const [first, second] = instruction.args as [Value, Value];
    const { op } = instruction;
    if (isBinary(op)) return arithmetic(op, read(first), read(second));
    if (isCompare(op)) return comparison(op, read(first), read(second));
    switch (instruction.op) {
      case "context":
        return context;
      case "const":
        return instruction.value;
      case "zext":
      case "sext":
        return evaluateExtend(instruction.op, instruction.bits, number(first));
      case "bswap":
        return evaluateSwap(instruction.bits, number(first));
      case "load":
        if (instruction.region === "context") return contextField(instruction.offset);
        return BigInt.asIntN(64, load(at(pointer(first), instruction.offset, instruction.size), instruction.size));
      case "store":
        store(at(pointer(first), instruction.offset, instruction.size), instruction.size, number(second));
        return null;
      case "atomic_add": {
        const place = at(pointer(first), instruction.offset, instruction.size);
        store(place, instruction.size, load(place, instruction.size) + number(second));
        return null;
      }
      case "slot":
        return { memory: new Uint8Array(instruction.size), offset: 0n };
      case "map":
        return { map: instruction.name };
      case "data":
        return { memory: find(world.data, instruction.section), offset: BigInt(instruction.offset) };
      case "call":
        return call(instruction.helper, instruction.args);
    }
    throw new Error(`cannot run ${op}`);
  }

  function contextField(offset: number): Datum {
    if (offset === CONTEXT_DATA) return { memory: world.packet, offset: 0n };
    if (offset === CONTEXT_DATA_END) return { memory: world.packet, offset: BigInt(world.packet.length) };
    throw new Error(`context field ${offset} is not modelled`);
  }

  function call(helper: number, args: readonly Value[]): bigint | Pointer {
    if (helper !== HELPER.map_lookup_elem) return find(world.helpers, helper)();
    const map = read(args[0] as Value);
    if (typeof map === "bigint" || !("map" in map)) throw new Error("lookup in what is no map");
    const { keySize, values: elements } = find(world.maps, map.map);
    const key = at(pointer(args[1] as Value), 0, keySize);
    const value = elements.get(
      Buffer.from(key.memory.subarray(Number(key.offset), Number(key.offset) + keySize)).toString("hex"),
    );
    return value === undefined ? 0n : { memory: value, offset: 0n };
  }
}

function arithmetic(op: Parameters<typeof evaluateBinary>[0], left: Datum, right: Datum): Datum {
  if (typeof left === "bigint" && typeof right === "bigint") return evaluateBinary(op, left, right);
  if (op === "add" && isPointer(left) && typeof right === "bigint") return { ...left, offset: left.offset + right };
  if (op === "add" && typeof left === "bigint" && isPointer(right)) return { ...right, offset: right.offset + left };
  if (op === "sub" && isPointer(left) && typeof right === "bigint") return { ...left, offset: left.offset - right };
  if (op === "sub" && isPointer(left) && isPointer(right) && left.memory === right.memory) return left.offset - right.offset;
  throw new Error(`${op} of pointers`);
}

function comparison(op: Parameters<typeof evaluateCompare>[0], left: Datum, right: Datum): bigint {
  if (typeof left === "bigint" && typeof right === "bigint") return evaluateCompare(op, left, right) ? 1n : 0n;
  if (isPointer(left) && isPointer(right) && left.memory === right.memory) {
    return evaluateCompare(op, left.offset, right.offset) ? 1n : 0n;
  }
  // Against null: no object lies at address 0.
  if (right === 0n && (op === "eq" || op === "ne")) return op === "ne" ? 1n : 0n;
  throw new Error(`${op} of unrelated pointers`);
}

function isPointer(datum: Datum): datum is Pointer {
  return typeof datum !== "bigint" && "memory" in datum;
}

function at(pointer: Pointer, offset: number, size: number): Pointer {
  const start = pointer.offset + BigInt(offset);
  if (start < 0n || start + BigInt(size) > BigInt(pointer.memory.length)) throw new Error(`access out of bounds at ${start}`);
  return { memory: pointer.memory, offset: start };
}

/** Little-endian, as on the machines that run the programs. */
function load({ memory, offset }: Pointer, size: number): bigint {
  let value = 0n;
  for (let byte = size - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(memory[Number(offset) + byte] as number);
  return value;
}

function store({ memory, offset }: Pointer, size: number, value: bigint): void {
  for (let byte = 0; byte < size; byte++) memory[Number(offset) + byte] = Number((value >> BigInt(8 * byte)) & 0xffn);
}

function find<K, V>(table: Map<K, V>, key: K): V {
  const found = table.get(key);
  if (found === undefined) throw new Error(`${String(key)} is not modelled`);
  return found;
}

/** Reads the textual form of the IR that `print.ts` writes and documents. For tests, and for trying a pass on a function by hand. */
import { WirescriptError } from "../../errors.ts";
import { HELPER } from "../../object/helpers.ts";
import type { AccessSize, Block, Function, Instruction, Region, Terminator, Value, ValueType } from "./ir.ts";
import { isBinary, isCompare, SUBPROGRAM } from "./ir.ts";
import { impliedType } from "./print.ts";

const TYPES: readonly string[] = ["int", "bool", "ptr", "void"] satisfies ValueType[];
const REGIONS: readonly string[] = ["context", "packet", "map", "stack", "data", "record"] satisfies Region[];

// Distributes over the union, so that every operation keeps its own attributes.
type Body<T> = T extends unknown ? Omit<T, "id" | "type" | "args" | "span"> : never;
type Operation = Body<Instruction> & { operands: string[] };

/**
 * The function in `text`. What follows a `;` in a line is skipped.
 * @throws WirescriptError BAD_FILE naming line and reason.
 */
export function parseFunction(text: string): Function {
  const functions = parseFunctions(text);
  const [first] = functions;
  if (functions.length !== 1 || first === undefined) throw failure(1, `holds ${functions.length} functions, not one`);
  return first;
}

/** All functions in `text`. @throws WirescriptError BAD_FILE naming line and reason. */
export function parseFunctions(text: string): Function[] {
  const functions: Function[] = [];
  let reader: FunctionReader | null = null;
  let number = 0;
  for (const raw of text.split("\n")) {
    number++;
    const line = raw.replace(/;.*$/, "").trim();
    if (line === "") continue;
    const head = /^function (\S+) \{$/.exec(line);
    if (head !== null) {
      if (reader !== null) throw failure(number, "a function begins inside another; its `}` is missing");
      reader = new FunctionReader(head[1] as string);
    } else if (reader === null) {
      throw failure(number, "expected `function NAME {`");
    } else if (line === "}") {
      functions.push(reader.finish(number));
      reader = null;
    } else {
      reader.line(line, number);
    }
  }
  if (reader !== null) throw failure(number, "the last function has no closing `}`");
  return functions;
}

/** Names may be used before their line, so operands and targets are tied together at the function's end. */
class FunctionReader {
  readonly #function: Function;
  readonly #blocks = new Map<string, Block>();
  readonly #values = new Map<string, Value>();
  readonly #pending: ((end: number) => void)[] = [];
  #block: Block | null = null;
  #ended = true;
  #unnamed: Instruction[] = [];

  constructor(name: string) {
    this.#function = { name, blocks: [], nextId: 0 };
  }

  line(line: string, number: number): void {
    const label = /^b(\d+):(?: from (.+))?$/.exec(line);
    if (label !== null) return this.#label(Number(label[1]), label[2], number);
    if (this.#block === null) throw failure(number, "an instruction stands before the first block");
    if (this.#ended) throw failure(number, "an instruction follows the block's terminator");
    if (/^(jump|branch|return)\b/.test(line)) this.#terminator(line, number);
    else this.#instruction(line, number);
  }

  finish(number: number): Function {
    if (this.#block === null) throw failure(number, "the function has no block");
    if (!this.#ended) throw failure(number, `b${this.#block.id} has no terminator`);
    for (const tie of this.#pending) tie(number);
    for (const instruction of this.#unnamed) instruction.id = this.#function.nextId++;
    return this.#function;
  }

  #label(id: number, from: string | undefined, number: number): void {
    if (!this.#ended) throw failure(number, `b${this.#block?.id} has no terminator`);
    if (this.#blocks.has(`b${id}`)) throw failure(number, `b${id} is defined twice`);
    const unset = { op: "unset" } as unknown as Terminator; // replaced by the block's last line, which must come
    const block: Block = { id, predecessors: [], instructions: [], terminator: unset };
    const names = from?.split(/,\s*/) ?? [];
    this.#pending.push(() => {
      block.predecessors = names.map((name) => this.#target(name, number));
    });
    this.#seen(id);
    this.#blocks.set(`b${id}`, block);
    this.#function.blocks.push(block);
    this.#block = block;
    this.#ended = false;
  }

  #terminator(line: string, number: number): void {
    const block = this.#block as Block; // `line` has checked it
    const [op, rest = ""] = split(line);
    const names = rest === "" ? [] : rest.split(/,\s*/);
    const arity = op === "branch" ? 3 : 1;
    if (names.length !== arity) throw failure(number, `\`${op}\` takes ${arity} operands`);
    this.#ended = true;
    this.#pending.push(() => {
      const [first = "", second = "", third = ""] = names;
      if (op === "jump") {
        block.terminator = { op, args: [], targets: [this.#target(first, number)], span: null };
      } else if (op === "branch") {
        const targets: [Block, Block] = [this.#target(second, number), this.#target(third, number)];
        block.terminator = { op, args: [this.#value(first, number)], targets, span: null };
      } else {
        block.terminator = { op: "return", args: [this.#value(first, number)], targets: [], span: null };
      }
    });
  }

  #instruction(line: string, number: number): void {
    const result = /^v(\d+)(?:: (\w+))? = (.+)$/.exec(line);
    const { operands, ...body } = parseOperation(result?.[3] ?? line, number);
    const type = result === null ? "void" : (result[2] ?? impliedType(body.op));
    if (!TYPES.includes(type)) throw failure(number, `\`${type}\` is not a type`);
    const id = result === null ? -1 : Number(result[1]);
    const instruction = { ...body, id, type, args: [], span: null } as unknown as Instruction; // the parts of a union's member
    if (result === null) {
      this.#unnamed.push(instruction);
    } else {
      if (this.#values.has(`v${id}`)) throw failure(number, `v${id} is defined twice`);
      this.#values.set(`v${id}`, instruction);
      this.#seen(id);
    }
    this.#pending.push(() => {
      instruction.args = operands.map((name) => this.#value(name, number));
    });
    (this.#block as Block).instructions.push(instruction); // `line` has checked it
  }

  #seen(id: number): void {
    this.#function.nextId = Math.max(this.#function.nextId, id + 1);
  }

  #value(name: string, number: number): Value {
    const value = this.#values.get(name);
    if (value === undefined) throw failure(number, `\`${name}\` is not defined`);
    return value;
  }

  #target(name: string, number: number): Block {
    const block = this.#blocks.get(name);
    if (block === undefined) throw failure(number, `block \`${name}\` is not defined`);
    return block;
  }
}

function parseOperation(text: string, line: number): Operation {
  const [mnemonic, rest] = split(text);
  const [op = "", suffix] = mnemonic.split(".");
  const operands = (count: number): string[] => {
    const names = rest === "" ? [] : rest.split(/,\s*/);
    if (names.length !== count) throw failure(line, `\`${op}\` takes ${count} operands, not ${names.length}`);
    return names;
  };
  const oneOf = <T extends number>(choices: readonly T[]): T => {
    const found = choices.find((choice) => `${choice}` === suffix);
    if (found === undefined) throw failure(line, `\`${op}.\` must be followed by one of ${choices.join(", ")}`);
    return found;
  };
  if ((isBinary as (op: string) => boolean)(op) || (isCompare as (op: string) => boolean)(op)) {
    return { op: op as "add", operands: operands(2) }; // all binary and compare operations are alike
  }
  switch (op) {
    case "context":
      return { op, operands: operands(0) };
    case "phi":
      return { op, operands: rest === "" ? [] : rest.split(/,\s*/) };
    case "const":
      return { op, value: BigInt.asIntN(64, parseInteger(rest, line)), operands: [] };
    case "zext":
    case "sext":
      return { op, bits: oneOf([8, 16, 32] as const), operands: operands(1) };
    case "bswap":
      return { op, bits: oneOf([16, 32, 64] as const), operands: operands(1) };
    case "load":
      return { op, size: oneOf([1, 2, 4, 8] as const), ...parseAddress(rest, 0, line) };
    case "store":
      return { op, size: oneOf([1, 2, 4, 8] as const), ...parseAddress(rest, 1, line) };
    case "atomic_add":
      return { op, size: oneOf([4, 8] as const), ...parseAddress(rest, 1, line) };
    case "slot": {
      const match = /^(\d+) align ([1248])$/.exec(rest);
      if (match === null) throw failure(line, "expected `slot SIZE align 1|2|4|8`");
      return { op, size: Number(match[1]), align: Number(match[2]) as AccessSize, operands: [] };
    }
    case "map":
    case "function":
      return { op, name: parseString(rest, line), operands: [] };
    case "argument":
      return { op, index: Number(parseInteger(rest, line)), operands: [] };
    case "data": {
      const match = /^(".*")(?: ([+-]) (\d+))?$/.exec(rest);
      if (match === null) throw failure(line, 'expected `data "SECTION" + OFFSET`');
      return { op, section: parseString(match[1] as string, line), offset: parseOffset(match[2], match[3]), operands: [] };
    }
    case "call": {
      const match = /^(@?[\w.]+)\((.*)\)$/.exec(rest);
      if (match === null) throw failure(line, "expected `call HELPER(ARGUMENTS)` or `call @FUNCTION(ARGUMENTS)`");
      const name = match[1] as string;
      const operands = match[2] === "" ? [] : (match[2] as string).split(/,\s*/);
      if (name.startsWith("@")) return { op, helper: SUBPROGRAM, callee: name.slice(1), operands };
      const helper = /^\d+$/.test(name) ? Number(name) : (HELPER as Record<string, number>)[name];
      if (helper === undefined) throw failure(line, `there is no helper \`${name}\``);
      return { op, helper, operands };
    }
    default:
      throw failure(line, `\`${op}\` is not an operation`);
  }
}

function parseAddress(text: string, more: number, line: number): { region: Region; offset: number; operands: string[] } {
  const match = /^(\w+) (v\d+)(?: ([+-]) (\d+))?((?:, v\d+)*)$/.exec(text);
  if (match === null) throw failure(line, "expected `REGION vN + OFFSET`, then the operands");
  const region = match[1] as Region;
  if (!REGIONS.includes(region)) throw failure(line, `\`${region}\` is not a region`);
  const rest = (match[5] as string).split(", ").slice(1);
  if (rest.length !== more) throw failure(line, `takes ${more} operands after the address, not ${rest.length}`);
  return { region, offset: parseOffset(match[3], match[4]), operands: [match[2] as string, ...rest] };
}

function parseOffset(sign: string | undefined, digits: string | undefined): number {
  if (digits === undefined) return 0;
  return sign === "-" ? -Number(digits) : Number(digits);
}

function parseInteger(text: string, line: number): bigint {
  if (!/^-?(0x[0-9a-fA-F]+|\d+)$/.test(text)) throw failure(line, `\`${text}\` is not an integer`);
  return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
}

function parseString(text: string, line: number): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    throw failure(line, `${text} is not a quoted name`);
  }
}

function split(line: string): [string, string] {
  const space = line.indexOf(" ");
  return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1).trim()];
}

function failure(line: number, why: string): WirescriptError {
  return new WirescriptError({
    code: "BAD_FILE",
    what: `IR, line ${line}: ${why}`,
    why: "the text is not in the form that `wirescript build --emit ir` prints",
    fix: `mend line ${line}`,
  });
}

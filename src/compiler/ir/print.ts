/**
 * The textual form of the IR, as `wirescript build --emit ir` shows it and `parse.ts` reads it back.
 *
 *     function echo {
 *     b0:
 *       v1 = context
 *       v2: ptr = load.4 context v1          reads 4 bytes at v1 + 0
 *       v4: ptr = add v2, v3                 a type is shown where the operation does not imply it
 *       branch v6, b1, b2
 *     b2: from b0, b1                        predecessors, in the order of the phis' arguments
 *       v9 = phi v7, v8
 *       store.2 packet v2 + 12, v9
 *       v10: ptr = call map_lookup_elem(v5, v8)
 *       return v9
 *     }
 */
import { relative } from "node:path";
import { HELPER } from "../../object/helpers.ts";
import type { Block, Function, Instruction, Module, Span, Terminator, ValueType } from "./ir.ts";
import { isCompare } from "./ir.ts";

export interface PrintOptions {
  /** Ends a line with `; file:line:column` where the place in the source changes. The parser skips what follows a `;`. */
  places?: boolean;
}

/** `fn` as text, one line an instruction. Reading it back with `parseFunction` and printing that gives the same text. */
export function printFunction(fn: Function, options: PrintOptions = {}): string {
  const lines = [`function ${fn.name} {`];
  let place = "";
  const add = (text: string, span: Span | null): void => {
    const here = span === null ? "" : `${relative(process.cwd(), span.file)}:${span.line}:${span.column}`;
    lines.push(options.places && here !== "" && here !== place ? `  ${text.padEnd(44)} ; ${here}` : `  ${text}`);
    if (here !== "") place = here;
  };
  for (const block of fn.blocks) {
    const from = block.predecessors.map(blockName).join(", ");
    lines.push(from === "" ? `${blockName(block)}:` : `${blockName(block)}: from ${from}`);
    for (const instruction of block.instructions) add(printInstruction(instruction), instruction.span);
    add(printTerminator(block.terminator), block.terminator.span);
  }
  lines.push("}");
  return `${lines.join("\n")}\n`;
}

/** Every function of `module`, an empty line between two. */
export function printModule(module: Module, options: PrintOptions = {}): string {
  return module.functions.map((fn) => printFunction(fn, options)).join("\n");
}

/** One instruction without indentation, e.g. `v4 = add v2, v3`. */
export function printInstruction(instruction: Instruction): string {
  const operation = printOperation(instruction);
  if (instruction.type === "void") return operation;
  const type = instruction.type === impliedType(instruction.op) ? "" : `: ${instruction.type}`;
  return `v${instruction.id}${type} = ${operation}`;
}

const ADDRESSES: ReadonlySet<string> = new Set(["context", "slot", "map", "data", "function"]);

/** The type that an operation has when the text names none. */
export function impliedType(op: Instruction["op"]): ValueType {
  if (isCompare(op)) return "bool";
  return ADDRESSES.has(op) ? "ptr" : "int";
}

function printOperation(instruction: Instruction): string {
  const names = instruction.args.map((value) => `v${value.id}`);
  switch (instruction.op) {
    case "const":
      return `const ${instruction.value}`;
    case "zext":
    case "sext":
    case "bswap":
      return `${instruction.op}.${instruction.bits} ${names[0]}`;
    case "load":
    case "store":
    case "atomic_add": {
      const address = `${names[0]}${printOffset(instruction.offset)}`;
      return [`${instruction.op}.${instruction.size} ${instruction.region} ${address}`, ...names.slice(1)].join(", ");
    }
    case "slot":
      return `slot ${instruction.size} align ${instruction.align}`;
    case "map":
      return `map ${JSON.stringify(instruction.name)}`;
    case "data":
      return `data ${JSON.stringify(instruction.section)}${printOffset(instruction.offset)}`;
    case "argument":
      return `argument ${instruction.index}`; // its alignment matters to the front end only
    case "function":
      return `function ${JSON.stringify(instruction.name)}`;
    case "call": {
      const callee = instruction.callee === undefined ? helperName(instruction.helper) : `@${instruction.callee}`;
      return `call ${callee}(${names.join(", ")})`;
    }
    default:
      return [instruction.op, names.join(", ")].join(" ").trimEnd();
  }
}

function printTerminator(terminator: Terminator): string {
  const names = [...terminator.args.map((value) => `v${value.id}`), ...terminator.targets.map(blockName)];
  return `${terminator.op} ${names.join(", ")}`;
}

function printOffset(offset: number): string {
  if (offset === 0) return "";
  return offset > 0 ? ` + ${offset}` : ` - ${-offset}`;
}

function helperName(helper: number): string {
  return Object.entries(HELPER).find(([, number]) => number === helper)?.[0] ?? `${helper}`;
}

function blockName(block: Block): string {
  return `b${block.id}`;
}

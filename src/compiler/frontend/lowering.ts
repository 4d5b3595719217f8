/**
 * The state of lowering one program: where instructions go, what names mean, and which functions are being built in. The work
 * itself is in the modules beside this one, by kind of source construct.
 */

import { HELPER, type HelperName } from "../../object/helpers.ts";
import type { DiagnosticCode } from "../diagnostics/catalogue.ts";
import { evaluateBinary, evaluateCompare, evaluateExtend } from "../ir/arithmetic.ts";
import { FunctionBuilder, type Variable } from "../ir/builder.ts";
import {
  type AccessSize,
  type BinaryOp,
  type Block,
  type CompareOp,
  type Span,
  type Value as Ssa,
  SUBPROGRAM,
  type ValueType,
} from "../ir/ir.ts";
import { Epochs } from "./epochs.ts";
import { HOOKS, type Hook, mayCall } from "./hooks.ts";
import type { Join } from "./join.ts";
import type { ModuleState } from "./module.ts";
import { Abort, type Note } from "./reporter.ts";
import { rangeOf } from "./source.ts";
import ts from "./typescript.ts";
import { BOOL, type IntType, type IntValue, type Memory, type Place, U64, type Value } from "./values.ts";

export type FunctionNode = ts.FunctionDeclaration | ts.FunctionExpression | ts.ArrowFunction;

/** What a name of the source stands for: a value for good, or variables. */
export type Binding = { kind: "value"; value: Value } | { kind: "place"; place: Place };

export interface LoopTarget {
  break: Block;
  /** `null` for a switch, which `continue` passes by. */
  continue: Block | null;
}

/** One function that is being built into the program. */
export interface Frame {
  node: FunctionNode;
  /** What calls it. */
  call: ts.Node;
  returns: Join;
  loops: LoopTarget[];
}

/**
 * What the verifier learns on the other way: that an index is within the array, which `taker` makes an address of, or that `pointer` lies
 * before the packet's end, of which `end` is made to be compared.
 */
export type Demand = { of: "index"; taker: Ssa } | { of: "address"; pointer: Ssa; end: Ssa };

/** Calls that a diagnostic shows. */
const LONGEST_CALL_CHAIN = 4;

/**
 * Bytes. The kernel gives a program 512, but values whose parts stay in registers leave the stack in the passes, whose time grows with the square of
 * what is there: what is larger than this is not left to them.
 */
const LARGEST_SLOT = 4096;

export class Lowering {
  readonly module: ModuleState;
  readonly hook: Hook;
  readonly checker: ts.TypeChecker;
  readonly builder: FunctionBuilder;
  readonly bindings = new Map<ts.Symbol, Binding>();
  readonly frames: Frame[] = [];
  readonly isSubprogram: boolean;
  /** Subprograms around this one, and itself. */
  readonly depth: number;
  /** The functions that are being compiled around this one: a subprogram's callers. */
  readonly callers: readonly FunctionNode[];
  /** Whether the function has moved the packet somewhere. */
  movesPacket = false;
  /** Whether something could not be compiled, and the function is not what the source says. */
  leftOut = false;
  readonly epochs = new Epochs();
  /** Counters of loops that are not unrolled: from the first round's value to the last's. */
  readonly counters = new Map<Ssa, { least: bigint; most: bigint }>();
  /** Atomic additions, with the places in the source that they add to. */
  readonly atomics = new Map<Ssa, ts.Expression>();
  readonly #data: Variable = { name: "data", type: "ptr" };
  readonly #dataEnd: Variable = { name: "data_end", type: "ptr" };
  #node: ts.Node | null = null;
  /** Calls that submit or discard a record, and the name of the ring buffer that the source says; `null` when it has none. */
  readonly releases = new Map<Ssa, string | null>();
  /** Blocks that no packet reaches: the program ends there so that the verifier learns what is always true. */
  readonly demands = new Map<Block, Demand>();
  readonly #entry: Block;
  /** Stack slots that no call in flight uses, by size. */
  readonly #freeSlots = new Map<number, Ssa[]>();

  #context: Ssa | null = null;
  #boundsRead = false;

  /** `callers` is given for a subprogram, and `null` for a program, which receives the context. */
  constructor(
    module: ModuleState,
    name: string,
    hook: Hook = HOOKS.xdp as Hook,
    callers: readonly FunctionNode[] | null = null,
    depth = 0,
  ) {
    this.depth = depth;
    this.module = module;
    this.hook = hook;
    this.isSubprogram = callers !== null;
    this.callers = callers ?? [];
    this.checker = module.source.checker;
    this.builder = new FunctionBuilder(name);
    this.#entry = this.builder.function.blocks[0] as Block; // a new builder has its entry block
    if (callers !== null) return;
    this.#context = this.builder.emit({ op: "context", type: "ptr", args: [] });
    this.#boundsRead = true;
    this.#readPacketBounds();
  }

  /** The program's context. A subprogram that asks for it takes it as one more argument. */
  get context(): Ssa {
    this.#context ??= this.builder.emitIn(this.#entry, { op: "argument", type: "ptr", args: [], index: CONTEXT_UNPLACED });
    return this.#context;
  }

  /** The argument through which a subprogram gets the context; `null` when it does not need it. */
  get contextArgument(): Extract<Ssa, { op: "argument" }> | null {
    return this.#context?.op === "argument" ? this.#context : null;
  }

  /** First byte of the packet. */
  get data(): Ssa {
    this.#ensureBounds();
    return this.builder.read(this.#data);
  }

  /** The byte behind the packet's last. */
  get dataEnd(): Ssa {
    this.#ensureBounds();
    return this.builder.read(this.#dataEnd);
  }

  /** A subprogram reads the packet's bounds only when it looks at the packet. */
  #ensureBounds(): void {
    if (this.#boundsRead) return;
    this.#boundsRead = true;
    const { data, dataEnd } = this.hook.bounds;
    for (const [variable, offset] of [
      [this.#data, data],
      [this.#dataEnd, dataEnd],
    ] as const) {
      const load = { op: "load", type: "ptr", size: 4, offset, region: "context" } as const;
      this.builder.writeIn(this.#entry, variable, this.builder.emitIn(this.#entry, { ...load, args: [this.context] }));
    }
  }

  #readPacketBounds(): void {
    const { data, dataEnd } = this.hook.bounds;
    this.builder.write(this.#data, this.builder.load(4, this.context, data, "context", "ptr"));
    this.builder.write(this.#dataEnd, this.builder.load(4, this.context, dataEnd, "context", "ptr"));
  }

  /** A helper at `node` has moved the packet, or may have: its bounds are read anew, and views from before are dead. */
  packetMoved(node: ts.Node): void {
    this.movesPacket = true;
    // What the entry reads from here on is the packet as it is now.
    if (this.builder.block === this.#entry) this.#boundsRead = true;
    this.epochs.move(this.builder.block, node);
    this.#readPacketBounds();
  }

  /** Reports a view that is used after the packet was moved. */
  assertAlive({ epoch }: Memory): void {
    const now = this.epochs.at(this.builder.block);
    if (epoch === undefined || epoch === now || this.unreachable || this.#node === null) return;
    const killer = now.begunBy ?? epoch.begunBy;
    if (killer === null) throw new Error("a view died of nothing");
    const { line } = rangeOf(killer);
    const notes = [{ node: killer, what: "the packet moved here" }];
    this.fail(this.#node, "WS2022", { line, call: killer.getText() }, notes);
  }

  /** Reports a write to what cannot be written, such as a setting's fields. */
  assertWritable(memory: Memory): void {
    this.assertAlive(memory);
    if (memory.readonly === true && this.#node !== null) this.fail(this.#node, memory.region === "map" ? "WS2076" : "WS2008");
  }

  /** Reports at `node`, with `notes` and the calls that led here, and leaves what is being compiled. */
  fail(node: ts.Node, code: DiagnosticCode, details?: Record<string, string | number>, notes: readonly Note[] = []): never {
    const explained = this.#explained?.node === node || this.#explained?.node === node.parent ? [this.#explained.note] : [];
    return this.module.reporter.fail(node, code, details, [...notes, ...explained, ...this.#callChain()]);
  }

  /** What `lower` gives; `null` when it was left, so that what stands beside it is still looked at. */
  attempt<T>(lower: () => T): T | null {
    try {
      return lower();
    } catch (error) {
      if (!(error instanceof Abort)) throw error;
      this.leftOut = true;
      return null;
    }
  }

  /** What all of `lower` give, in this order; leaves when one of them was left, but only after the others. */
  all<T extends readonly unknown[]>(...lower: { [K in keyof T]: () => T[K] }): T {
    const results = lower.map((each) => this.attempt(each));
    if (results.includes(null)) throw new Abort();
    return results as readonly unknown[] as T; // each is what its function gave
  }

  /** In place of a condition that could not be compiled: both ways are looked at. */
  get eitherWay(): Ssa {
    return this.builder.compare("eq", this.context, this.builder.const(0));
  }

  #explained: { node: ts.Node; note: Note } | null = null;

  /** Runs `lower` with `note` beside what it reports at `node` itself or at one of its direct parts. */
  explaining<T>(node: ts.Node, note: Note, lower: () => T): T {
    const outer = this.#explained;
    this.#explained = { node, note };
    try {
      return lower();
    } finally {
      this.#explained = outer;
    }
  }

  /** Where the functions that are being built in were called, the innermost first. The program itself is called by the kernel. */
  #callChain(): Note[] {
    const calls = this.frames.slice(1).reverse().slice(0, LONGEST_CALL_CHAIN);
    return calls.map(({ node, call }) => {
      const name = functionName(node);
      return { node: call, what: `${name === null ? "the function" : `\`${name}\``} is called here` };
    });
  }

  /** Nothing leads here: what is lowered now would be thrown away. */
  get unreachable(): boolean {
    return this.builder.block === null;
  }

  /** Runs `lower` with instructions attributed to `node`'s place. */
  at<T>(node: ts.Node, lower: () => T): T {
    const span = this.builder.span;
    const outer = this.#node;
    this.builder.span = spanOf(node);
    this.#node = node;
    try {
      return lower();
    } finally {
      this.builder.span = span;
      this.#node = outer;
    }
  }

  // -- integers; constants are folded at once, since offsets, indexes and loop bounds must be seen to be constant --

  int(value: bigint | number, type: IntType = U64): IntValue {
    return { kind: "int", ssa: this.builder.const(value, type.bits === 1 ? "bool" : "int"), type };
  }

  bool(ssa: Ssa): IntValue {
    return { kind: "int", ssa, type: BOOL };
  }

  binary(op: BinaryOp, left: Ssa, right: Ssa): Ssa {
    if (left.op === "const" && right.op === "const") return this.builder.const(evaluateBinary(op, left.value, right.value));
    if (right.op === "const" && right.value === 0n && (op === "add" || op === "sub")) return left;
    return this.builder.binary(op, left, right);
  }

  compare(op: CompareOp, left: Ssa, right: Ssa): Ssa {
    if (left.op === "const" && right.op === "const") {
      return this.builder.const(evaluateCompare(op, left.value, right.value) ? 1 : 0, "bool");
    }
    return this.builder.compare(op, left, right);
  }

  not(condition: Ssa): Ssa {
    return this.compare("eq", condition, this.builder.const(0, "bool"));
  }

  /** `value` as an integer of `type`: wrapped when it may not fit. */
  wrap(value: IntValue, type: IntType): IntValue {
    const from = value.type;
    if (type.bits === 1 || type.bits === 64) return { kind: "int", ssa: value.ssa, type };
    const fits = from.signed === type.signed ? from.bits <= type.bits : type.signed && from.bits < type.bits;
    if (fits) return { kind: "int", ssa: value.ssa, type };
    const op = type.signed ? "sext" : "zext";
    const ssa =
      value.ssa.op === "const"
        ? this.builder.const(evaluateExtend(op, type.bits, value.ssa.value))
        : this.builder.emit({ op, type: "int", args: [value.ssa], bits: type.bits });
    return { kind: "int", ssa, type };
  }

  // -- memory and calls --

  /** What the caller passes as number `index`. */
  argument(index: number, type: ValueType, align: number): Ssa {
    return this.builder.emit({ op: "argument", type, args: [], index, align });
  }

  callSubprogram(callee: string, args: Ssa[], type: ValueType, align: number): Ssa {
    return this.builder.emit({ op: "call", type, args, helper: SUBPROGRAM, callee, align });
  }

  /** `align`: that of the address that comes back. */
  call(helper: HelperName, args: Ssa[], type: ValueType = "int", align?: number): Ssa {
    if (!mayCall(this.hook, helper) && this.#node !== null) {
      this.fail(this.#node, "WS2062", { call: this.#node.getText(), hook: this.hook.title });
    }
    return this.builder.emit({ op: "call", type, args, helper: HELPER[helper], ...(align !== undefined && { align }) });
  }

  /**
   * Runs `use` with `size` bytes of stack that hold nothing yet. They are free again afterwards: `use` must not let the address out.
   */
  withSlot<T>(size: number, use: (slot: Ssa) => T): T {
    const rounded = Math.ceil(size / 8) * 8;
    const free = this.#freeSlots.get(rounded) ?? [];
    this.#freeSlots.set(rounded, free);
    const slot = free.pop() ?? this.slot(rounded);
    try {
      return use(slot);
    } finally {
      free.push(slot);
    }
  }

  /** Slots stand in the entry block, so that their address is known everywhere. */
  slot(bytes: number): Ssa {
    if (bytes > LARGEST_SLOT && this.#node !== null) this.fail(this.#node, "WS4001", { who: "This", bytes });
    const align: AccessSize = 8;
    const size = Math.ceil(bytes / 8) * 8;
    return this.builder.emitIn(this.#entry, { op: "slot", type: "ptr", args: [], size, align });
  }
}

/** For messages; `null` when it has no name. */
export function functionName(node: FunctionNode): string | null {
  if (node.name !== undefined) return node.name.text;
  let { parent } = node;
  // const name = noinline(() => …)
  while (ts.isCallExpression(parent) || ts.isParenthesizedExpression(parent)) parent = parent.parent;
  return ts.isVariableDeclaration(parent) ? parent.name.getText() : null;
}
/** Until the subprogram is compiled, nobody knows how many arguments stand before its context. */
const CONTEXT_UNPLACED = -1;

const spans = new WeakMap<ts.Node, Span>();
const nodes = new WeakMap<Span, ts.Node>();

/** The node that instructions with this span were lowered from. */
export function nodeOf(span: Span): ts.Node | null {
  return nodes.get(span) ?? null;
}

function spanOf(node: ts.Node): Span {
  let span = spans.get(node);
  if (span === undefined) {
    const file = node.getSourceFile();
    const { line, character } = file.getLineAndCharacterOfPosition(node.getStart(file));
    const starts = file.getLineStarts();
    const text = file.text.slice(starts[line], starts[line + 1] ?? file.text.length).replace(/\r?\n$/, "");
    span = { file: file.fileName, line: line + 1, column: character + 1, text };
    spans.set(node, span);
    nodes.set(span, node);
  }
  return span;
}

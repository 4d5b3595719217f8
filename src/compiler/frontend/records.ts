/**
 * Follows the records of ring buffers through a lowered program: the kernel refuses one that is not submitted or discarded on some
 * path, or whose address is used afterwards, be it only in a comparison. As the verifier does, this walks path by path and knows which
 * pointer is null on each; values that do not hang on a record are unknown, so that every branch on them is taken both ways.
 */
import { HELPER } from "../../object/helpers.ts";
import type { DiagnosticCode } from "../diagnostics/catalogue.ts";
import { evaluateCompare } from "../ir/arithmetic.ts";
import { type Block, type Function, type Instruction, isCompare, type Span, type Value as Ssa } from "../ir/ir.ts";
import { type Lowering, nodeOf } from "./lowering.ts";

/** What a value is on one path: an address in a record (or a map that was looked up), a number, or `null` when that is unknown. */
type Known = { record: Ssa; offset: bigint } | bigint | null;

interface Path {
  block: Block;
  /** Records that must still be submitted or discarded. */
  held: ReadonlySet<Ssa>;
  /** By whom the others were. */
  releasedAt: ReadonlyMap<Ssa, Span | null>;
  known: ReadonlyMap<Ssa, Known>;
  /** The last statement that the path came by, for messages. */
  span: Span | null;
}

/** Paths that differ in what is known. Programs have a handful of them. */
const MOST_PATHS = 20_000;

/** Reports what is wrong with the records of `fn`, as `l` has lowered it: all of it, since what is left out may be a record's end. */
export function checkRecords(l: Lowering, fn: Function): void {
  const reserves = fn.blocks.some(({ instructions }) => instructions.some(isReservation));
  if (reserves || l.releases.size > 0) new RecordCheck(l, fn).run();
}

function isReservation(instruction: Instruction): boolean {
  return instruction.op === "call" && instruction.helper === HELPER.ringbuf_reserve;
}

/**
 * The ring buffers of maps of maps that records come from. Where one of these is not there, there is no record, and the verifier knows
 * that at each later test of the map.
 */
function lookedUpMaps(fn: Function): Set<Ssa> {
  const maps = new Set<Ssa>();
  const seen = new Set<Ssa>();
  const waiting = fn.blocks.flatMap(({ instructions }) => instructions.filter(isReservation).map(({ args }) => args[0] as Ssa)); // the map
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    if (value.op === "call") maps.add(value);
    if (value.op === "phi") waiting.push(...value.args);
  }
  return maps;
}

class RecordCheck {
  readonly #l: Lowering;
  readonly #fn: Function;
  readonly #maps: ReadonlySet<Ssa>;
  /** Values that hang on a record. */
  readonly #relevant: Set<Ssa>;
  readonly #liveIn: Map<Block, Set<Ssa>>;
  readonly #seen = new Set<string>();
  #pending: Path[] = [];
  /** Where the program must not end, since the verifier would miss a record there: see `Lowering.demands`. */
  readonly #mustGoOn = new Set<Block>();

  constructor(l: Lowering, fn: Function) {
    this.#l = l;
    this.#fn = fn;
    this.#maps = lookedUpMaps(fn);
    this.#relevant = relevantValues(fn, this.#maps);
    this.#liveIn = liveness(fn, this.#relevant, (value) => this.#isOrigin(value));
  }

  run(): void {
    const [entry] = this.#fn.blocks;
    if (entry === undefined) return;
    this.#pending = [{ block: entry, held: new Set(), releasedAt: new Map(), known: new Map(), span: null }];
    for (let path = this.#pending.pop(); path !== undefined; path = this.#pending.pop()) {
      if (this.#seen.size > MOST_PATHS) return this.#tooMany();
      this.#walk(path, path.block.instructions);
    }
    for (const block of this.#mustGoOn) goOn(this.#l, this.#fn, block);
  }

  /** Goes on with `rest`, the instructions of the path's block that are not done yet, and leads on to the next blocks. */
  #walk(start: Path, rest: readonly Instruction[]): void {
    let path = start;
    for (const [index, instruction] of rest.entries()) {
      if (instruction.op === "phi") continue;
      for (const argument of instruction.args) {
        if (!isPlain(instruction) && !this.#mayUse(path, argument, instruction.span)) return;
      }
      if (instruction.op !== "call") continue;
      if (this.#maps.has(instruction)) {
        this.#walk({ ...path, known: new Map(path.known).set(instruction, 0n) }, rest.slice(index + 1));
        path = { ...path, known: new Map(path.known).set(instruction, { record: instruction, offset: 0n }) };
      } else if (instruction.helper === HELPER.ringbuf_reserve) {
        if (path.held.has(instruction)) return this.#leak(instruction, path.span ?? instruction.span);
        // When there is no room, the path goes on without a record.
        this.#walk({ ...path, known: new Map(path.known).set(instruction, 0n) }, rest.slice(index + 1));
        const known = new Map(path.known).set(instruction, { record: instruction, offset: 0n });
        path = { ...path, held: new Set([...path.held, instruction]), known };
      } else if (instruction.helper === HELPER.ringbuf_submit || instruction.helper === HELPER.ringbuf_discard) {
        const after = this.#release(path, instruction);
        if (after === null) return;
        path = after;
      } else if (instruction.helper === HELPER.tail_call) {
        const [record] = path.held;
        if (record !== undefined) {
          return this.#report(
            instruction.span,
            "WS2072",
            { line: record.span?.line ?? "?" },
            record.span,
            "it is reserved here",
          );
        }
      }
    }
    this.#leave(path);
  }

  #leave(path: Path): void {
    const { terminator } = path.block;
    const span = terminator.span ?? path.span;
    if (terminator.op === "return") {
      const isDemand = this.#l.demands.has(path.block);
      if (isDemand && path.held.size > 0) this.#mustGoOn.add(path.block);
      for (const record of isDemand ? [] : path.held) this.#leak(record, span);
      return;
    }
    if (terminator.op === "jump") return this.#enter({ ...path, span }, terminator.targets[0]);
    const [condition] = terminator.args;
    if (!this.#mayUse(path, condition, terminator.span)) return;
    const outcome = this.#evaluate(path, condition);
    const [then, otherwise] = terminator.targets;
    if (outcome !== 0n) this.#enter({ ...path, span }, then);
    if (outcome === 0n || outcome === null) this.#enter({ ...path, span }, otherwise);
  }

  #enter(from: Path, block: Block): void {
    const live = this.#liveIn.get(block) ?? new Set();
    const index = block.predecessors.indexOf(from.block);
    const known = new Map<Ssa, Known>();
    for (const [value, content] of from.known) if (live.has(value)) known.set(value, content);
    for (const phi of block.instructions) {
      if (phi.op !== "phi" || !this.#relevant.has(phi)) continue;
      known.set(phi, this.#evaluate(from, phi.args[index] as Ssa)); // a phi has an argument for each predecessor
    }
    const key = [
      block.id,
      ...ids(from.held),
      "|",
      ...[...known].map(([value, content]) => `${value.id}=${show(content)}`).sort(),
    ];
    const text = key.join(" ");
    if (this.#seen.has(text)) return;
    this.#seen.add(text);
    this.#pending.push({ ...from, block, known });
  }

  /** The path behind `call`, which submits or discards; `null` when it must not. */
  #release(path: Path, call: Instruction): Path | null {
    const content = this.#evaluate(path, call.args[0] as Ssa); // both helpers take the record first
    const method = call.op === "call" && call.helper === HELPER.ringbuf_submit ? "submit" : "discard";
    const name = this.#l.releases.get(call) ?? null;
    if (content === null || typeof content === "bigint" || content.offset !== 0n) {
      this.#report(call.span, "WS2073", {
        method: `${name ?? "a ring buffer"}.${method}`,
        kind: "no record that this function has reserved",
      });
      return null;
    }
    const { record } = content;
    const [map] = record.args;
    const owner = map?.op === "map" ? map.name : null;
    if (owner !== null && name !== null && owner !== name) {
      this.#report(call.span, "WS2073", { method: `${name}.${method}`, kind: `a record of ${owner}` });
      return null;
    }
    const held = new Set(path.held);
    held.delete(record);
    return { ...path, held, releasedAt: new Map(path.releasedAt).set(record, call.span) };
  }

  /** False, after a report, when `value` is made of the address of a record that has been released. */
  #mayUse(path: Path, value: Ssa, span: Span | null): boolean {
    if (!this.#relevant.has(value)) return true;
    const content = path.known.get(value);
    if (value.op === "phi" || this.#isOrigin(value)) {
      if (content === undefined || content === null || typeof content === "bigint") return true;
      if (path.held.has(content.record) || this.#maps.has(content.record)) return true;
      const released = path.releasedAt.get(content.record) ?? null;
      this.#report(span, "WS2071", { line: released?.line ?? "?" }, released, "it is given away here");
      return false;
    }
    return value.args.every((argument) => this.#mayUse(path, argument, span));
  }

  #isOrigin(value: Ssa): boolean {
    return isReservation(value) || this.#maps.has(value);
  }

  #evaluate(path: Path, value: Ssa): Known {
    if (value.op === "const") return value.value;
    if (!this.#relevant.has(value)) return null;
    if (value.op === "phi" || this.#isOrigin(value)) return path.known.get(value) ?? null;
    const [left, right] = value.args.map((argument) => this.#evaluate(path, argument));
    if (left === undefined || left === null || right === undefined || right === null) return null;
    if (value.op === "add") return sum(left, right);
    if (!isCompare(value.op)) return null;
    if (typeof left === "bigint" && typeof right === "bigint") return evaluateCompare(value.op, left, right) ? 1n : 0n;
    // A record lies nowhere near address 0.
    if (typeof left === "bigint" || right !== 0n) return null;
    return value.op === "ne" ? 1n : value.op === "eq" ? 0n : null;
  }

  #leak(record: Ssa, end: Span | null): void {
    this.#report(record.span, "WS2070", { line: (end ?? record.span)?.line ?? "?" }, end, "the path goes through here");
  }

  #tooMany(): void {
    const [reservation] = this.#fn.blocks.flatMap(({ instructions }) => instructions.filter(isReservation));
    this.#report(reservation?.span ?? null, "WS2075");
  }

  /** `second`: a place that explains the first, and `what` is to be seen there. */
  #report(
    span: Span | null,
    code: DiagnosticCode,
    details: Record<string, string | number> = {},
    second: Span | null = null,
    what = "",
  ): void {
    const node = span === null ? null : nodeOf(span);
    const secondNode = second === null ? null : nodeOf(second);
    const notes = secondNode === null ? [] : [{ node: secondNode, what }];
    if (node !== null) this.#l.module.reporter.report(node, code, details, notes);
  }
}

/** Computed where it is needed: what reads it counts, not the computation itself. */
function isPlain({ op }: Instruction): boolean {
  return op === "add" || isCompare(op);
}

function sum(left: Known, right: Known): Known {
  if (left === null || right === null) return null;
  if (typeof left === "bigint") return typeof right === "bigint" ? left + right : { ...right, offset: right.offset + left };
  return typeof right === "bigint" ? { ...left, offset: left.offset + right } : null;
}

/** Records, `maps`, addresses in them, comparisons of those, and what these become where paths meet. */
function relevantValues(fn: Function, maps: ReadonlySet<Ssa>): Set<Ssa> {
  const relevant = new Set<Ssa>(maps);
  for (let size = -1; size !== relevant.size; ) {
    size = relevant.size;
    for (const { instructions } of fn.blocks) {
      const hasRelevantPhi = instructions.some((instruction) => instruction.op === "phi" && relevant.has(instruction));
      for (const instruction of instructions) {
        const { op, type, args } = instruction;
        const follows = op === "phi" || op === "add" || isCompare(op);
        // A flag beside a pointer tells whether that is null, and may be made of constants.
        const isFlag = op === "phi" && type === "bool" && hasRelevantPhi;
        if (isReservation(instruction) || isFlag || (follows && args.some((argument) => relevant.has(argument)))) {
          relevant.add(instruction);
        }
        // What such a phi may bring instead of a record: often `null`, by way of other phis.
        if (op === "phi" && relevant.has(instruction)) for (const each of args) if (each.op === "phi") relevant.add(each);
      }
    }
  }
  return relevant;
}

/** The phis and origins that each block, or one behind it, still reads. */
function liveness(fn: Function, relevant: ReadonlySet<Ssa>, isOrigin: (value: Ssa) => boolean): Map<Block, Set<Ssa>> {
  const roots = (value: Ssa): Ssa[] => {
    if (!relevant.has(value)) return [];
    return value.op === "phi" || isOrigin(value) ? [value] : value.args.flatMap(roots);
  };
  const liveIn = new Map(fn.blocks.map((block) => [block, new Set<Ssa>()]));
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of fn.blocks.toReversed()) {
      const live = new Set<Ssa>(block.terminator.args.flatMap(roots));
      for (const target of block.terminator.targets) {
        const index = target.predecessors.indexOf(block);
        const phis = target.instructions.filter(({ op }) => op === "phi");
        for (const value of liveIn.get(target) ?? []) if (!phis.includes(value)) live.add(value);
        // One argument for each predecessor.
        for (const phi of phis) for (const root of roots(phi.args[index] as Ssa)) live.add(root);
      }
      for (const instruction of block.instructions) {
        if (instruction.op === "phi") continue;
        for (const argument of instruction.args) for (const root of roots(argument)) live.add(root);
      }
      for (const instruction of block.instructions) if (isOrigin(instruction)) live.delete(instruction);
      const known = liveIn.get(block) as Set<Ssa>;
      if (live.size === known.size && [...live].every((value) => known.has(value))) continue;
      liveIn.set(block, live);
      changed = true;
    }
  }
  return liveIn;
}

function ids(values: ReadonlySet<Ssa>): string[] {
  return [...values].map(({ id }) => `v${id}`).sort();
}

function show(content: Known): string {
  return content === null || typeof content === "bigint" ? String(content) : `v${content.record.id}+${content.offset}`;
}

/**
 * Makes `never`, where a demand of `l` ends the program, go on as if the demand were met, with what is within its bounds. The other way has
 * been walked already: nothing that hangs on a record differs between the two.
 */
function goOn(l: Lowering, fn: Function, never: Block): void {
  const demand = l.demands.get(never);
  const check = never.predecessors[0]?.terminator;
  if (demand === undefined || check?.op !== "branch") throw new Error(`b${never.id} is no demand's`);
  const [there] = check.targets;
  // What is compared with the last index; what a distance was added to.
  const checked = demand.of === "index" ? (check.args[0].args[0] as Ssa) : demand.pointer;
  const zero: Ssa = { op: "const", id: fn.nextId++, type: "int", args: [], value: 0n, span: null };
  const instead = demand.of === "index" ? zero : (demand.pointer.args[0] as Ssa);
  never.instructions = instead === zero ? [zero] : [];
  never.terminator = { op: "jump", args: [], targets: [there], span: never.terminator.span };
  there.predecessors.push(never);
  const either: Ssa = { op: "phi", id: fn.nextId++, type: checked.type, args: [checked, instead], span: null };
  for (const use of fn.blocks.flatMap(({ instructions }) => instructions)) {
    const isTold = demand.of === "index" ? use === demand.taker : use !== demand.end;
    if (isTold) use.args = use.args.map((argument) => (argument === checked ? either : argument));
  }
  there.instructions.unshift(either);
}

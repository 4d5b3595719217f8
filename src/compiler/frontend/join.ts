/** Where paths meet that each bring a value: returns of a function that is built in, both arms of `?:` and `??`. */
import type ts from "typescript";
import type { Block, Value as Ssa } from "../ir/ir.ts";
import { joined } from "./epochs.ts";
import type { Lowering } from "./lowering.ts";
import { epochOf, fits, isMutable, leafTypes, leavesOf, rebuild, settle } from "./places.ts";
import { Abort } from "./reporter.ts";
import { describeApart, type IntType, type Value } from "./values.ts";

interface Edge {
  block: Block;
  value: Value;
  node: ts.Node;
}

export class Join {
  readonly target: Block;
  readonly #l: Lowering;
  readonly #edges: Edge[] = [];
  /** A path could not be compiled. */
  #broken = false;

  constructor(l: Lowering) {
    this.#l = l;
    this.target = l.builder.newBlock();
  }

  /** This path ends here and brings `value`. */
  add(node: ts.Node, value: Value): void {
    const l = this.#l;
    if (value.kind === "error") this.#broken = true;
    const settled = settle(l, node, value);
    if (l.builder.block === null) return;
    this.#edges.push({ block: l.builder.block, value: settled, node });
    l.builder.jump(this.target);
  }

  /** Goes on where the paths meet, and gives the value that they brought. */
  finish(): Value {
    const l = this.#l;
    l.builder.enter(this.target);
    if (this.#broken) throw new Abort();
    const [first, ...others] = this.#edges;
    if (first === undefined) return { kind: "void" };
    if (others.length === 0) return first.value;
    const shape = this.#shape();
    if (shape.kind === "function" || shape.kind === "intrinsic") return l.fail(first.node, "WS2006");
    const mutable = this.#edges.find((edge) => isMutable(edge.value));
    if (mutable !== undefined) return l.fail(mutable.node, "WS2016");
    for (const { node, value } of this.#edges) {
      // A path whose return could not be compiled brings nothing; that has been reported.
      if (value.kind === "void" && l.module.reporter.diagnostics.length > 0) throw new Abort();
      if (!fits(shape, value)) l.fail(node, "WS2007", describeApart(value, shape));
    }
    const columns = this.#edges.map(({ block, value }) => this.#inBlock(block, () => leavesOf(l, shape, value)));
    const leaves = leafTypes(shape).map((type, index) =>
      this.#merge(
        type,
        columns.map((column) => column[index] as Ssa),
      ),
    );
    const here = l.epochs.at(l.builder.block);
    const paths = this.#edges.map(({ block, value }) => ({
      held: epochOf(value) ?? l.epochs.at(block),
      now: l.epochs.at(block),
    }));
    return rebuild(shape, leaves, joined(paths, here));
  }

  /** The layout that all the values have: integers as wide as the widest, and with a flag when one of them may be null. */
  #shape(): Value {
    const l = this.#l;
    const values = this.#edges.map((edge) => edge.value);
    const solid =
      values.find((value) => value.kind !== "null" && value.kind !== "nullable") ??
      values.find((value) => value.kind !== "null");
    if (solid === undefined) return { kind: "null" };
    const inner = solid.kind === "nullable" ? solid.value : solid;
    const shape = inner.kind === "int" ? { ...inner, type: widest(values) } : inner;
    const mayBeNull = values.some((value) => value.kind === "null" || value.kind === "nullable");
    return mayBeNull ? { kind: "nullable", valid: l.builder.const(1, "bool"), value: shape } : shape;
  }

  #merge(type: Ssa["type"], args: Ssa[]): Ssa {
    const [first] = args;
    if (first !== undefined && args.every((argument) => argument === first)) return first;
    if (first?.op === "const" && args.every((argument) => argument.op === "const" && argument.value === first.value)) {
      return this.#l.builder.const(first.value, type);
    }
    return this.#l.builder.phi(type, args);
  }

  /** Runs `emit` with its instructions at the end of `block`, behind which its jump already stands. */
  #inBlock<T>(block: Block, emit: () => T): T {
    const { builder } = this.#l;
    const current = builder.block;
    builder.block = block;
    try {
      return emit();
    } finally {
      builder.block = current;
    }
  }
}

function widest(values: readonly Value[]): IntType {
  const types = values.flatMap((value): IntType[] => {
    const inner = value.kind === "nullable" ? value.value : value;
    return inner.kind === "int" ? [inner.type] : [];
  });
  const signed = types.some((type) => type.signed);
  const mixed = types.some((type) => type.signed !== signed);
  const bits = Math.max(...types.map((type) => type.bits)) as IntType["bits"];
  return mixed ? { bits: 64, signed } : { bits, signed };
}

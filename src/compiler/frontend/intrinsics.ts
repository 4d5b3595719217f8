/** What the names of `wirescript/kernel` do: schemas, maps and settings are read at compile time, the rest becomes instructions. */

import type { HelperName } from "../../object/helpers.ts";
import { addAtomically } from "./atomics.ts";
import { equalBytes } from "./conditions.ts";
import { equalContents, exchange, viewAs } from "./contents.ts";
import { lowerExpression, lowerInt } from "./expressions.ts";
import { declareGlobal } from "./globals.ts";
import { bytesArgument, csumDiff, declareLocal, lookUpRoute, trace } from "./helper-calls.ts";
import { SCALARS } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { declareMap } from "./map-declarations.ts";
import { MAP_KINDS } from "./map-kinds.ts";
import { callMap } from "./maps.ts";
import { at, loadBytes, meta, storeBytes } from "./packet.ts";
import { declareProgram } from "./programs.ts";
import { argument, cast, declareArray, declareOverlay, declareStruct, schemaNumber } from "./schemas.ts";
import { declareSetting } from "./settings.ts";
import { TC_METHODS } from "./tc-calls.ts";
import ts from "./typescript.ts";
import { U16, U32, U64, type Value } from "./values.ts";

type CallNode = ts.CallExpression | ts.TaggedTemplateExpression;
type Intrinsic = Extract<Value, { kind: "intrinsic" }>;

/** Methods of the context that move the packet, and the helpers behind them. */
const MOVES: Readonly<Record<string, HelperName>> = {
  adjustHead: "xdp_adjust_head",
  adjustTail: "xdp_adjust_tail",
  adjustMeta: "xdp_adjust_meta",
};

function callContext(l: Lowering, node: ts.CallExpression, name: string): Value {
  if (name === "at") return at(l, node);
  if (name === "meta") return meta(l, node);
  const method = l.hook.type === "sched_cls" && Object.hasOwn(TC_METHODS, name) ? TC_METHODS[name] : undefined;
  if (method !== undefined) return method(l, node);
  if (name === "loadBytes") return loadBytes(l, node);
  if (name === "storeBytes") return storeBytes(l, node);
  const helper = MOVES[name];
  if (helper === undefined) return l.fail(node, "WS2003", { name: `ctx.${name}` });
  const delta = lowerInt(l, argument(l, node, 0), name).ssa;
  const result = l.call(helper, [l.context, delta]);
  l.packetMoved(node);
  return l.bool(l.compare("eq", result, l.builder.const(0)));
}

/** `noinline(fn)` and `inline(fn)` are `fn`, with a wish about how calls of it are compiled. */
function buildAs(l: Lowering, node: ts.CallExpression, name: "inline" | "noinline"): Value {
  const value = lowerExpression(l, argument(l, node, 0));
  if (value.kind !== "function") return l.fail(node, "WS2006");
  return { ...value, build: name === "inline" ? "inline" : "subprogram" };
}

/** The argument is what fits: TypeScript wants a number of that width, or one that flows into it. */
function swapBytes(l: Lowering, node: ts.CallExpression, name: keyof typeof SWAPS): Value {
  const { bits, type } = SWAPS[name];
  const value = l.wrap(lowerInt(l, argument(l, node, 0), name), type);
  return { kind: "int", ssa: l.builder.emit({ op: "bswap", type: "int", args: [value.ssa], bits }), type };
}

const SWAPS = {
  byteSwap16: { bits: 16, type: U16 },
  byteSwap32: { bits: 32, type: U32 },
  byteSwap64: { bits: 64, type: U64 },
} as const;

export function callIntrinsic(l: Lowering, node: CallNode, { name, receiver }: Intrinsic): Value {
  if (ts.isTaggedTemplateExpression(node)) return trace(l, node);
  if (receiver?.kind === "map") {
    const { map } = receiver;
    const note = { node: map.node, what: "the map is declared here" };
    return l.explaining(node, note, () => callMap(l, node, receiver, name));
  }
  if (receiver?.kind === "context") return callContext(l, node, name);
  if (receiver?.kind === "schema") return cast(l, node, receiver.layout);
  if ((receiver?.kind === "bytes" || receiver?.kind === "bytesPlace") && name === "equals") {
    return l.bool(equalBytes(l, node, receiver, bytesArgument(l, argument(l, node, 0))));
  }
  if (Object.hasOwn(MAP_KINDS, name)) return declareMap(l, node, name);
  const scalar = SCALARS.get(name);
  if (scalar !== undefined) return cast(l, node, scalar);
  switch (name) {
    case "struct":
      return declareStruct(l, node);
    case "arrayOf":
      return declareArray(l, node);
    case "bytes":
      return { kind: "schema", layout: { kind: "bytes", size: schemaNumber(l, node, 1, 0xffff) } };
    case "bits":
      return { kind: "schema", layout: { kind: "bits", bits: schemaNumber(l, node, 1, 32) } };
    case "xdp":
    case "tc.ingress":
    case "tc.egress":
    case "chain":
      return declareProgram(l, node);
    case "redirect":
      return {
        kind: "int",
        ssa: l.call("redirect", [lowerInt(l, argument(l, node, 0), name).ssa, l.builder.const(0)]),
        type: U64,
      };
    case "ktimeGetNs":
      return { kind: "int", ssa: l.call("ktime_get_ns", []), type: U64 };
    case "ktimeGetCoarseNs":
      return { kind: "int", ssa: l.call("ktime_get_coarse_ns", []), type: U64 };
    case "jiffies64":
      return { kind: "int", ssa: l.call("jiffies64", []), type: U64 };
    case "getPrandomU32":
      return l.wrap({ kind: "int", ssa: l.call("get_prandom_u32", []), type: U64 }, U32);
    case "getSmpProcessorId":
      return l.wrap({ kind: "int", ssa: l.call("get_smp_processor_id", []), type: U64 }, U32);
    case "byteSwap16":
    case "byteSwap32":
    case "byteSwap64":
      return swapBytes(l, node, name);
    case "local":
      return declareLocal(l, node);
    case "fibLookup":
      return lookUpRoute(l, node);
    case "setting":
      return declareSetting(l, node);
    case "global":
      return declareGlobal(l, node);
    case "overlay":
      return declareOverlay(l, node);
    case "equals":
      return equalContents(l, node);
    case "swap":
      return exchange(l, node);
    case "viewAs":
      return viewAs(l, node);
    case "atomicAdd":
      return addAtomically(l, node);
    case "csumDiff":
      return csumDiff(l, node);
    case "noinline":
    case "inline":
      return buildAs(l, node, name);
    default:
      return l.fail(node, "WS2003", { name });
  }
}

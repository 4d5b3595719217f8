/**
 * How often each construct of the language occurred in the modules that were run, each operation and helper in what was compiled from them,
 * and how many modules each pass changed. A fuzzer that never makes a tail call finds nothing wrong with tail calls: what did not occur
 * is listed, and the type checker wants a new node of the tree to be listed here.
 */
import { COMPARE_OPS, type Function, type Op } from "../src/compiler/ir/ir.ts";
import { PASSES, type Pass } from "../src/compiler/passes/pipeline.ts";
import { HELPER } from "../src/object/helpers.ts";
import type {
  Argument,
  Bool,
  Bytes,
  Content,
  Cursor,
  FieldType,
  Global,
  Int,
  MapKindName,
  Module,
  Parameter,
  RedirectTo,
  Reshape,
  Statement,
  Target,
  Value,
  ViewSource,
} from "./tree.ts";

/** By kind of thing, then by its name. */
export type Coverage = Record<string, Record<string, number>>;

type Names<Name extends string> = Record<Name, 0>;

const STATEMENTS: Names<Statement["s"]> = {
  int: 0,
  bool: 0,
  "set-bool": 0,
  "set-bool-field": 0,
  bytes: 0,
  "set-bytes-name": 0,
  "set-bytes": 0,
  "set-struct": 0,
  "set-array": 0,
  each: 0,
  swap: 0,
  "view-as": 0,
  cursor: 0,
  "tail-call": 0,
  record: 0,
  alias: 0,
  destructure: 0,
  expression: 0,
  effect: 0,
  "void-call": 0,
  atomic: 0,
  "atomic-name": 0,
  if: 0,
  switch: 0,
  for: 0,
  range: 0,
  break: 0,
  continue: 0,
  guard: 0,
  "if-view": 0,
  "let-view": 0,
  reserve: 0,
  release: 0,
  inner: 0,
  move: 0,
  reshape: 0,
  local: 0,
  trace: 0,
  closure: 0,
  return: 0,
  "return-view": 0,
  verdict: 0,
};

const INTS: Names<Int["k"]> = {
  literal: 0,
  name: 0,
  field: 0,
  byte: 0,
  record: 0,
  length: 0,
  context: 0,
  query: 0,
  cursor: 0,
  nothing: 0,
  byteSwap: 0,
  binary: 0,
  unary: 0,
  cast: 0,
  choice: 0,
  coalesce: 0,
  checksum: 0,
  call: 0,
  assign: 0,
  step: 0,
};

const BOOLS: Names<Bool["b"]> = {
  compare: 0,
  and: 0,
  or: 0,
  not: 0,
  truth: 0,
  name: 0,
  constant: 0,
  field: 0,
  equals: 0,
  same: 0,
  update: 0,
  delete: 0,
  push: 0,
  "put-in": 0,
  has: 0,
  output: 0,
  "store-bytes": 0,
  present: 0,
};

const BYTES: Names<Bytes["y"]> = { field: 0, name: 0, constant: 0 };
const VALUES: Names<Value["v"]> = { int: 0, literal: 0, view: 0 };
const CONTENTS: Names<Content["f"]> = { int: 0, bool: 0, bytes: 0, struct: 0, array: 0, list: 0 };
const SOURCES: Names<ViewSource["w"]> = {
  at: 0,
  either: 0,
  lookup: 0,
  "lookup-cpu": 0,
  meta: 0,
  take: 0,
  "load-bytes": 0,
  call: 0,
  view: 0,
  choice: 0,
};
const ARGUMENTS: Names<Argument["a"]> = { int: 0, view: 0, record: 0 };
const TARGETS: Names<Target["t"]> = { name: 0, field: 0, byte: 0, record: 0, context: 0 };
const PARAMETERS: Names<Parameter["p"]> = { int: 0, view: 0, record: 0 };
const GLOBALS: Names<Global["g"]> = { int: 0, bool: 0, bytes: 0, struct: 0 };
const RESHAPES: Names<Reshape["h"]> = { pull: 0, changeTail: 0, changeHead: 0, adjustRoom: 0, pushVlan: 0, popVlan: 0 };
const CURSORS: Names<Cursor["c"]> = { ethernetPayload: 0, ipPayload: 0, ipv4Payload: 0, ipv6Payload: 0 };
const ACTIONS: Names<RedirectTo["r"]> = { "redirect-map": 0 };
const FIELDS: Names<FieldType["kind"]> = { scalar: 0, bool: 0, bits: 0, bytes: 0, struct: 0, array: 0 };
const MAPS: Names<MapKindName> = {
  array: 0,
  perCpuArray: 0,
  hash: 0,
  perCpuHash: 0,
  lruHash: 0,
  lruPerCpuHash: 0,
  lpmTrie: 0,
  queue: 0,
  stack: 0,
  bloomFilter: 0,
  ringBuffer: 0,
  devMap: 0,
  devMapHash: 0,
  cpuMap: 0,
  xskMap: 0,
  arrayOfMaps: 0,
  hashOfMaps: 0,
};
/** No map of maps holds another. */
const { arrayOfMaps, hashOfMaps, ...INNER_MAPS } = MAPS;
const MODULES = { xdp: 0, tc: 0, frags: 0, chain: 0, "tail calls": 0, overlay: 0, setting: 0, noinline: 0, inline: 0 };

/** What the language has and the tree has not: it is never generated. */
const ABSENT = {
  "fib lookups": 0,
  "helpers of TC for checksums, hashes and types": 0,
};

/** The key by which nodes of each kind are told apart. */
const KINDS: Readonly<Record<string, { title: string; names: Record<string, 0> }>> = {
  s: { title: "statements", names: STATEMENTS },
  k: { title: "integers", names: INTS },
  b: { title: "booleans", names: BOOLS },
  y: { title: "byte arrays", names: BYTES },
  v: { title: "keys and values", names: VALUES },
  f: { title: "parts of literals", names: CONTENTS },
  w: { title: "views", names: SOURCES },
  a: { title: "arguments", names: ARGUMENTS },
  t: { title: "targets", names: TARGETS },
  p: { title: "parameters", names: PARAMETERS },
  g: { title: "variables of the module", names: GLOBALS },
  h: { title: "changes of socket buffers", names: RESHAPES },
  c: { title: "cursors", names: CURSORS },
  r: { title: "actions", names: ACTIONS },
};

const OPS: Names<Exclude<Op, (typeof COMPARE_OPS)[number]>> = {
  context: 0,
  argument: 0,
  const: 0,
  add: 0,
  sub: 0,
  mul: 0,
  udiv: 0,
  umod: 0,
  sdiv: 0,
  smod: 0,
  and: 0,
  or: 0,
  xor: 0,
  shl: 0,
  lshr: 0,
  ashr: 0,
  zext: 0,
  sext: 0,
  bswap: 0,
  load: 0,
  store: 0,
  atomic_add: 0,
  slot: 0,
  map: 0,
  data: 0,
  function: 0,
  call: 0,
  phi: 0,
};

export function emptyCoverage(): Coverage {
  const coverage: Coverage = { modules: { ...MODULES }, "not in the generator": { ...ABSENT } };
  for (const { title, names } of Object.values(KINDS)) coverage[title] = { ...names };
  coverage.fields = { ...FIELDS };
  coverage.maps = { ...MAPS };
  coverage["in maps of maps"] = { ...INNER_MAPS };
  coverage["operations of the IR"] = { ...OPS, ...Object.fromEntries(COMPARE_OPS.map((op) => [op, 0])) };
  coverage.helpers = {};
  coverage["passes that changed something"] = Object.fromEntries(PASSES.map(({ name }) => [name, 0]));
  return coverage;
}

/** `other`'s counts are added to `coverage`. */
export function addCoverage(coverage: Coverage, other: Coverage): void {
  for (const [title, counts] of Object.entries(other)) {
    for (const [name, count] of Object.entries(counts)) add(coverage, title, name, count);
  }
}

function add(coverage: Coverage, title: string, name: string, count = 1): void {
  const counts = coverage[title] ?? {};
  counts[name] = (counts[name] ?? 0) + count;
  coverage[title] = counts;
}

export function countModule(coverage: Coverage, module: Module): void {
  add(coverage, "modules", module.hook);
  const traits = { frags: module.frags, chain: module.chain.length > 0, "tail calls": module.tails.length > 0 };
  for (const [name, has] of Object.entries(traits)) if (has) add(coverage, "modules", name);
  for (const { overlay, fields } of module.structs) {
    if (overlay === true) add(coverage, "modules", "overlay");
    for (const { type } of fields) add(coverage, "fields", type.kind);
  }
  for (const { kind, inner } of module.maps) {
    add(coverage, "maps", kind);
    if (inner !== undefined) add(coverage, "in maps of maps", inner.kind);
  }
  for (const { build } of module.functions) if (build !== null) add(coverage, "modules", build);
  add(coverage, "modules", "setting", module.settings.length);
  countNodes(coverage, [module.settings, module.globals, module.functions, module.chain, module.tails, module.body]);
}

/** Structs are part of nodes, but not written there. */
const NOT_NODES = ["struct", "type", "field", "element"];

function countNodes(coverage: Coverage, node: unknown): void {
  if (Array.isArray(node)) {
    for (const each of node) countNodes(coverage, each);
  } else if (typeof node === "object" && node !== null && !(node instanceof Uint8Array)) {
    for (const [key, child] of Object.entries(node)) {
      const kind = KINDS[key];
      if (kind !== undefined && typeof child === "string" && child in kind.names) add(coverage, kind.title, child);
      else if (!NOT_NODES.includes(key)) countNodes(coverage, child);
    }
  }
}

const HELPER_NAMES = new Map(Object.entries(HELPER).map(([name, number]) => [number as number, name]));

export function countFunctions(coverage: Coverage, functions: readonly Function[]): void {
  for (const { blocks } of functions) {
    for (const { instructions } of blocks) {
      for (const instruction of instructions) {
        add(coverage, "operations of the IR", instruction.op);
        if (instruction.op !== "call") continue;
        add(coverage, "helpers", HELPER_NAMES.get(instruction.helper) ?? "a function of the module");
      }
    }
  }
}

/** Runs `compile`, and counts which passes change anything in it. */
export function countingPasses<T>(coverage: Coverage, compile: () => T): T {
  const changed = new Set<string>();
  const passes = PASSES as readonly { name: string; run: Pass["run"] }[]; // put back below
  const originals = passes.map(({ run }) => run);
  for (const pass of passes) {
    const { name, run } = pass;
    pass.run = (...args) => {
      const result = run(...args);
      if (result) changed.add(name);
      return result;
    };
  }
  try {
    return compile();
  } finally {
    for (const [index, pass] of passes.entries()) pass.run = originals[index] as Pass["run"];
    for (const name of changed) add(coverage, "passes that changed something", name);
  }
}

/** The table, and what is missing in it. */
export function printCoverage(coverage: Coverage): string[] {
  const lines = ["Coverage:"];
  const never: string[] = [];
  for (const [title, counts] of Object.entries(coverage)) {
    const found = Object.entries(counts).filter(([, count]) => count > 0);
    const missing = Object.entries(counts).flatMap(([name, count]) => (count === 0 ? [name] : []));
    found.sort(([, left], [, right]) => right - left);
    if (found.length > 0) lines.push(`  ${title}: ${found.map(([name, count]) => `${name} ${count}`).join(", ")}`);
    if (missing.length > 0) never.push(`  ${title}: ${missing.join(", ")}`);
  }
  return [...lines, ...(never.length === 0 ? ["Everything occurred."] : ["Never occurred:", ...never])];
}

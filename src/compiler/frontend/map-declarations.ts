/** Declarations of maps, read at compile time: `hash({ key, value, entries })` and its kin. */

import { declarationOf } from "./declarations.ts";
import { lowerExpression } from "./expressions.ts";
import { SCALARS, type ScalarLayout, type SizedLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import {
  BPF_F_INNER_MAP,
  BPF_F_MMAPABLE,
  BPF_F_NO_COMMON_LRU,
  BPF_F_NO_PREALLOC,
  BPF_F_RDONLY_PROG,
  MAP_KINDS,
  type MapKind,
  MOST_ENTRIES,
  TAKES_PROGRAMS,
} from "./map-kinds.ts";
import { readField } from "./places.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import ts from "./typescript.ts";
import type { MapDeclaration, RecordValue, Value } from "./values.ts";

const U32_LAYOUT = SCALARS.get("u32") as ScalarLayout; // always there
const U64_LAYOUT = SCALARS.get("u64") as ScalarLayout; // always there

/** 4 for the length of the prefix, and 256 (LPM_DATA_SIZE_MAX). */
const LARGEST_TRIE_KEY = 260;
/** PCPU_MIN_UNIT_SIZE */
const LARGEST_PER_CPU_VALUE = 32 * 1024;
/** KMALLOC_MAX_SIZE, less what the kernel puts in front. */
const LARGEST_ELEMENT = 4 * 1024 * 1024 - 256;

const PAGE_SIZE = 4096;
const LARGEST_RING = 2 ** 31;

/** A filter's hash functions when the module does not say: what the kernel takes then, too. */
const USUAL_HASHES = 5;
const MOST_HASHES = 15;

export function declareMap(l: Lowering, node: ts.CallExpression, kindName: string): Value {
  const outer = outerOf(node);
  const declaration = declarationOf(outer ?? node);
  if (declaration === null) return l.fail(node, "WS3002", { kind: "A map", call: kindName });
  const kind = kindOf(kindName);
  const options = lowerExpression(l, argument(l, node, 0));
  if (options.kind !== "record") return l.fail(node, "WS3005");
  const key = keyOf(l, node, kind, options);
  if (kind.type === "LPM_TRIE" && !isPrefixKey(key)) return l.fail(node, "WS3011");
  const map: MapDeclaration = {
    name: outer === null ? declaration.name.getText() : `${declaration.name.getText()}.inner`,
    kind,
    key,
    value: valueOf(l, node, kind, options),
    entries: kind.type === "RINGBUF" ? bytesOf(l, node, options) : entriesOf(l, node, options),
    flags:
      kind.flags |
      (flagOf(l, node, options, "noPrealloc") ? BPF_F_NO_PREALLOC : 0) |
      (flagOf(l, node, options, "readOnly") ? BPF_F_RDONLY_PROG : 0) |
      (flagOf(l, node, options, "mmapable") ? BPF_F_MMAPABLE : 0) |
      (flagOf(l, node, options, "perCpuLists") ? BPF_F_NO_COMMON_LRU : 0) |
      (flagOf(l, node, options, "anySize") ? BPF_F_INNER_MAP : 0),
    extra: kind.type === "BLOOM_FILTER" ? hashesOf(l, node, options) : 0,
    pinned: flagOf(l, node, options, "pinned"),
    inner: kind.value === "map" ? innerOf(l, node, options) : null,
    node: declaration,
  };
  if (outer !== null && map.pinned) return l.fail(node, "WS3071");
  if (outer === null && (map.flags & BPF_F_INNER_MAP) !== 0) return l.fail(node, "WS3076");
  checkSizes(l, node, kindName, map);
  checkEntries(l, node, kindName, map);
  return { kind: "map", map };
}

/** What the kernel makes no map for, whatever the machine. */
function checkSizes(l: Lowering, node: ts.Node, type: string, { kind, key, value }: MapDeclaration): void {
  const keySize = key?.size ?? 0;
  const valueSize = value?.size ?? 0;
  const check = (part: string, size: number, limit: number): void => {
    if (size > limit) l.fail(node, "WS3074", { part, type, size, limit });
  };
  if (kind.type === "LPM_TRIE") check("key", keySize, LARGEST_TRIE_KEY);
  if (kind.methods.includes("lookupPerCpu")) check("value", Math.ceil(valueSize / 8) * 8, LARGEST_PER_CPU_VALUE);
  check(keySize === 0 ? "value" : "key and value together", keySize + valueSize, LARGEST_ELEMENT);
}

function checkEntries(l: Lowering, node: ts.Node, type: string, { kind, entries }: MapDeclaration): void {
  const most = MOST_ENTRIES[kind.type];
  if (most !== undefined && entries > most.limit) l.fail(node, "WS3016", { type, entries, ...most });
}

/** The declaration of maps of maps in whose options `node` stands as `inner`. */
function outerOf(node: ts.CallExpression): ts.CallExpression | null {
  const { parent: property } = node;
  if (!ts.isPropertyAssignment(property) || property.name.getText() !== "inner") return null;
  const call = property.parent.parent;
  return ts.isCallExpression(call) && call.arguments[0] === property.parent ? call : null;
}

function innerOf(l: Lowering, node: ts.Node, options: RecordValue): MapDeclaration {
  const field = options.fields.get("inner");
  const value = field === undefined ? null : readField(l, field);
  // Only a map that is declared in place has its own name.
  return value?.kind === "map" && value.map.name.endsWith(".inner") ? value.map : l.fail(node, "WS3071");
}

function kindOf(name: string): MapKind {
  const kind = MAP_KINDS[name];
  if (kind === undefined) throw new Error(`no map type ${name}`);
  return kind;
}

function keyOf(l: Lowering, node: ts.Node, kind: MapKind, options: RecordValue): SizedLayout | null {
  if (kind.key === "none") return null;
  return kind.key === "index" ? U32_LAYOUT : layoutOption(l, node, options, "key");
}

function valueOf(l: Lowering, node: ts.Node, kind: MapKind, options: RecordValue): SizedLayout | null {
  // A number in the lower half, a program's descriptor or id in the upper: struct bpf_devmap_val, struct bpf_cpumap_val.
  if (TAKES_PROGRAMS.has(kind.type) && flagOf(l, node, options, "programs")) return U64_LAYOUT;
  // What user space sees of another map is its descriptor, or its id.
  if (kind.value !== "declared") return U32_LAYOUT;
  return kind.type === "RINGBUF" && !options.fields.has("value") ? null : layoutOption(l, node, options, "value");
}

function layoutOption(l: Lowering, node: ts.Node, options: RecordValue, name: string): SizedLayout {
  const field = options.fields.get(name);
  // A devMapHash declares no key: its keys are numbers.
  return field === undefined ? U32_LAYOUT : sizedLayoutOf(l, node, readField(l, field));
}

/** A trie's key is a number of bits in host order, and the bytes that they are counted in. */
function isPrefixKey(key: SizedLayout | null): boolean {
  const first = key?.kind === "struct" ? key.fields[0]?.layout : undefined;
  return key !== null && first?.kind === "scalar" && first.name === "u32" && key.size > 4;
}

/** The constant that option `name` is; `null` when it is none, or is left out. */
function numberOf(l: Lowering, options: RecordValue, name: string): number | null {
  const field = options.fields.get(name);
  const value = field === undefined ? null : readField(l, field);
  return value?.kind === "int" && value.ssa.op === "const" ? Number(value.ssa.value) : null;
}

function entriesOf(l: Lowering, node: ts.Node, options: RecordValue): number {
  const entries = numberOf(l, options, "entries");
  return entries !== null && entries >= 1 && entries <= 0xffff_ffff ? entries : l.fail(node, "WS3005");
}

/** The kernel wants whole pages, and that a position in the ring is found by a mask. */
function bytesOf(l: Lowering, node: ts.Node, options: RecordValue): number {
  const bytes = numberOf(l, options, "bytes");
  const fits = bytes !== null && bytes >= PAGE_SIZE && bytes <= LARGEST_RING && Number.isInteger(Math.log2(bytes));
  return fits ? bytes : l.fail(node, "WS3070");
}

function flagOf(l: Lowering, node: ts.Node, options: RecordValue, name: string): boolean {
  if (!options.fields.has(name)) return false;
  const value = numberOf(l, options, name);
  return value === null ? l.fail(node, "WS3005") : value !== 0;
}

function hashesOf(l: Lowering, node: ts.Node, options: RecordValue): number {
  if (!options.fields.has("hashes")) return USUAL_HASHES;
  const hashes = numberOf(l, options, "hashes");
  return hashes !== null && hashes >= 1 && hashes <= MOST_HASHES ? hashes : l.fail(node, "WS3073");
}

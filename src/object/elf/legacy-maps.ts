/**
 * Maps from the section `maps`, as iproute2 and libbpf before 1.0 had them: each symbol is a struct of 32-bit numbers. There
 * are two such structs, and they differ from the fifth number on:
 *
 * - iproute2's `bpf_elf_map`: type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx
 * - libbpf's `bpf_map_def`: type, key_size, value_size, max_entries, map_flags
 *
 * The names of the fields in BTF tell which it is. Without BTF the size does: 24 bytes or more are iproute2's.
 *
 * Source: iproute2's bpf_elf.h and bpf_legacy.c (what `id`, `pinning`, `inner_id` and `inner_idx` mean), libbpf 0.8
 * `bpf_object__init_user_maps`.
 */
import { sizeOf, underlying } from "../btf/layout.ts";
import type { Btf } from "../btf/types.ts";
import { malformed, unsupported } from "../malformed.ts";
import { type InitialValue, MAP_TYPE, type MapSpec } from "../spec.ts";
import type { ElfFile, ElfSection } from "./file.ts";
import { STT } from "./format.ts";

interface LegacyMap {
  offset: number;
  map: MapSpec;
  /** iproute2's, 0 for none. */
  id: number;
  innerId: number;
  /** -1: in no map from the start. */
  innerIndex: number;
}

export interface LegacyMaps {
  found: { offset: number; map: MapSpec }[];
  /** Maps by iproute2's id, for programs in sections called "ID/SLOT". */
  byId: Map<number, MapSpec>;
}

const WORD = 4;
const IPROUTE2_WORDS = 9;
const LIBBPF_WORDS = 5;
/** iproute2 has a limit of 64; a file of a megabyte cannot ask for more than this. */
const MOST_MAPS = 4096;

export function readLegacyMaps(file: ElfFile, section: ElfSection, btf: Btf | null): LegacyMaps {
  const symbols = file.symbols
    .filter((symbol) => symbol.sectionIndex === section.index && symbol.type !== STT.SECTION && symbol.name !== "")
    .sort((a, b) => a.value - b.value);
  if (symbols.length > MOST_MAPS) throw malformed("Section maps is damaged.", `It has ${symbols.length} symbols.`);
  const types = new Map((btf?.types ?? []).flatMap((type) => (type.kind === "var" ? [[type.name, type.type] as const] : [])));
  const read = symbols.map((symbol, index): LegacyMap => {
    const end = symbols[index + 1]?.value ?? section.size;
    const bytes = section.bytes.subarray(symbol.value, end);
    const name = symbol.name;
    if (end === symbol.value) throw malformed(`Map ${name} is damaged.`, "Two symbols of section maps are at one place.");
    if (section.bytes.length === 0) throw malformed(`Map ${name} is damaged.`, "Section maps has no bytes in the file.");
    const words = wordsOf(name, bytes);
    const members = memberNames(btf, types.get(name) ?? 0);
    const isIproute2 = members === null ? words.length > LIBBPF_WORDS : members.has("size_key");
    return { offset: symbol.value, ...(isIproute2 ? iproute2Map(name, words) : libbpfMap(name, words)) };
  });
  const names = new Set<string>();
  for (const { map } of read) {
    if (names.has(map.name)) throw malformed(`Map ${map.name} is there twice.`, "Two symbols in maps have this name.");
    names.add(map.name);
  }
  if (btf !== null) addTypes(btf, new Map(read.map(({ map }) => [`____btf_map_${map.name}`, map])));
  const byId = new Map(read.filter(({ id }) => id !== 0).map(({ id, map }) => [id, map]));
  for (const outer of read) putIn(outer, read);
  return { found: read, byId };
}

function wordsOf(name: string, bytes: Uint8Array): number[] {
  if (bytes.length < 4 * WORD || bytes.length % WORD !== 0) {
    throw malformed(
      `Map ${name} is damaged.`,
      `It takes ${bytes.length} bytes of section maps; a definition has 16 at least, in steps of 4.`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / WORD }, (_, index) => view.getUint32(index * WORD, true));
}

function memberNames(btf: Btf | null, typeId: number): Set<string> | null {
  const struct = btf === null || typeId === 0 ? undefined : underlying(btf, typeId);
  return struct?.kind === "struct" ? new Set(struct.members.map(({ name }) => name)) : null;
}

function basicMap(name: string, words: readonly number[]): MapSpec {
  const [type = 0, keySize = 0, valueSize = 0, maxEntries = 0, flags = 0] = words;
  return { name, type, keySize, valueSize, maxEntries, flags, extra: 0, pinning: "none", keyTypeId: 0, valueTypeId: 0 };
}

function libbpfMap(name: string, words: readonly number[]): Omit<LegacyMap, "offset"> {
  refuseMore(name, words.slice(LIBBPF_WORDS), "bpf_map_def");
  return { map: basicMap(name, words), id: 0, innerId: 0, innerIndex: -1 };
}

const PINNING = ["none", "object", "global"] as const;

function iproute2Map(name: string, words: readonly number[]): Omit<LegacyMap, "offset"> {
  refuseMore(name, words.slice(IPROUTE2_WORDS), "bpf_elf_map");
  const [, , , , , id = 0, pinning = 0, innerId = 0, innerIndex = 0] = words;
  const known = PINNING[pinning];
  if (known === undefined) {
    throw unsupported(
      `Map ${name} is pinned in the namespace ${pinning}.`,
      "Its meaning is in /etc/iproute2/bpf_pinning of the system that it was written for; Wirescript knows PIN_NONE (0), PIN_OBJECT_NS (1) and PIN_GLOBAL_NS (2).",
      "Use PIN_GLOBAL_NS.",
    );
  }
  return { map: { ...basicMap(name, words), pinning: known }, id, innerId, innerIndex: innerIndex | 0 };
}

function refuseMore(name: string, more: readonly number[], struct: string): void {
  if (more.every((word) => word === 0)) return;
  throw unsupported(
    `The definition of map ${name} has ${more.length} numbers more than struct ${struct}.`,
    "They are not zero, and Wirescript does not know what they mean.",
    'Define the map with SEC(".maps") and __uint/__type of bpf_helpers.h.',
  );
}

const MAPS_OF_MAPS = new Set<number>([MAP_TYPE.ARRAY_OF_MAPS, MAP_TYPE.HASH_OF_MAPS]);

/**
 * A map of maps names by `inner_id` the map whose shape those in it have; that one says by `inner_idx` where it is from the
 * start.
 */
function putIn({ map, innerId }: LegacyMap, all: readonly LegacyMap[]): void {
  if (!MAPS_OF_MAPS.has(map.type)) return;
  const inside = innerId === 0 ? [] : all.filter(({ id, map }) => id === innerId && !MAPS_OF_MAPS.has(map.type));
  const [template] = inside;
  if (template === undefined)
    throw malformed(
      `Map ${map.name} is damaged.`,
      `It is a map of maps, and no map has the id ${innerId} that its inner_id names.`,
    );
  map.inner = { ...template.map, name: `${map.name}.inner`, pinning: "none" };
  map.valueSize ||= WORD;
  const values = inside.flatMap(({ map: { name }, innerIndex }): InitialValue[] =>
    innerIndex < 0 ? [] : [{ index: innerIndex, map: name }],
  );
  const [tooFar] = values.filter(({ index }) => index >= map.maxEntries);
  if (tooFar !== undefined)
    throw malformed(
      `Map ${map.name} is damaged.`,
      `It has ${map.maxEntries} entries, and a map in it has inner_idx ${tooFar.index}.`,
    );
  if (values.length > 0) map.values = values;
}

/**
 * `BPF_ANNOTATE_KV_PAIR(map, key, value)` of iproute2 and the old bpf_helpers.h says by a struct's name of what types a map is.
 */
function addTypes(btf: Btf, byStruct: ReadonlyMap<string, MapSpec>): void {
  for (const struct of btf.types) {
    const map = struct.kind === "struct" ? byStruct.get(struct.name) : undefined;
    if (map === undefined || struct.kind !== "struct") continue;
    const [key, value] = ["key", "value"].map((name) => struct.members.find((member) => member.name === name)?.type ?? 0);
    if (key === undefined || value === undefined || key === 0 || value === 0) continue;
    if (sizeOf(btf, key) !== map.keySize || sizeOf(btf, value) !== map.valueSize) {
      throw malformed(
        `The types of map ${map.name} are wrong.`,
        `BPF_ANNOTATE_KV_PAIR names types of ${sizeOf(btf, key)} and ${sizeOf(btf, value)} bytes, the map has ${map.keySize} and ${map.valueSize}.`,
      );
    }
    map.keyTypeId = key;
    map.valueTypeId = value;
  }
}

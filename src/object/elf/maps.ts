/** The object's maps, from the sections `.maps` (BTF) and `maps` (numbers), and what is in them from the start. */
import { sizeOf, typeAt, underlying } from "../btf/layout.ts";
import type { Btf } from "../btf/types.ts";
import { malformed } from "../malformed.ts";
import { type InitialValue, MAP_TYPE, type MapSpec } from "../spec.ts";
import type { ElfFile, ElfSection } from "./file.ts";
import { LEGACY_MAPS_SECTION, MAPS_SECTION, STT } from "./format.ts";
import type { FunctionPlace } from "./functions.ts";
import { readLegacyMaps } from "./legacy-maps.ts";
import { addRecordTypes, readDefinition } from "./map-definition.ts";

export interface MapsSection {
  /** In the order of the section. */
  maps: MapSpec[];
  /** The map's name by its offset in the section. */
  byOffset: Map<number, string>;
  section: ElfSection | undefined;
  /** Maps by the id that iproute2's definitions give them. */
  byId: ReadonlyMap<number, MapSpec>;
}

export function readMaps(file: ElfFile, btf: Btf | null, functions: readonly FunctionPlace[]): MapsSection {
  const section = file.sections.find((each) => each.name === MAPS_SECTION && each.size > 0);
  const legacy = file.sections.find((each) => each.name === LEGACY_MAPS_SECTION && each.size > 0);
  if (section !== undefined && legacy !== undefined)
    throw malformed("The object has maps of two kinds.", "It has the sections maps and .maps; one object has one of them.");
  if (legacy !== undefined) {
    const { found, byId } = readLegacyMaps(file, legacy, btf);
    return { maps: found.map(({ map }) => map), byOffset: offsets(found), section: legacy, byId };
  }
  if (section === undefined) return { maps: [], byOffset: new Map(), section, byId: new Map() };
  const types = definitions(btf);
  const found: Found[] = [];
  const names = new Set<string>();
  for (const symbol of file.symbols) {
    if (symbol.sectionIndex !== section.index || symbol.type === STT.SECTION) continue;
    const definition = types.get(symbol.name);
    if (btf === null || definition === undefined) {
      throw malformed(
        `Map ${symbol.name} has no definition.`,
        "The object's BTF does not describe it.",
        "Compile with -g: clang makes BTF only then.",
      );
    }
    if (names.has(symbol.name)) throw malformed(`Map ${symbol.name} is there twice.`, "Two symbols in .maps have this name.");
    names.add(symbol.name);
    const values = symbol.value + (underlying(btf, definition)?.kind === "struct" ? sizeOf(btf, definition) : 0);
    const end = symbol.value + symbol.size;
    found.push({ offset: symbol.value, values, end, map: readDefinition(btf, symbol.name, definition) });
  }
  found.sort((a, b) => a.offset - b.offset);
  readInitialValues(file, section, found, functions);
  if (btf !== null)
    addRecordTypes(
      btf,
      found.map(({ map }) => map),
    );
  return { maps: found.map(({ map }) => map), byOffset: offsets(found), section, byId: new Map() };
}

function offsets(found: readonly { offset: number; map: MapSpec }[]): Map<number, string> {
  return new Map(found.map(({ offset, map }) => [offset, map.name]));
}

interface Found {
  map: MapSpec;
  /** Where it lies in the section: from `offset` to `end`, what is in it at first from `values` on. */
  offset: number;
  values: number;
  end: number;
}

const SLOT = 8;

/** Maps of maps and arrays of programs that are not empty at first: each slot that is filled is a relocation. */
function readInitialValues(
  file: ElfFile,
  section: ElfSection,
  found: readonly Found[],
  functions: readonly FunctionPlace[],
): void {
  const byPlace = new Map(found.map((each) => [each.offset, each]));
  const byStart = new Map(functions.map((each) => [`${each.section.index} ${each.start}`, each]));
  const relocations = [...(file.relocations.get(section.index)?.values() ?? [])].sort((a, b) => a.offset - b.offset);
  let next = 0;
  for (const { offset, symbol } of relocations) {
    while ((found[next]?.end ?? Number.POSITIVE_INFINITY) <= offset) next++;
    const candidate = found[next];
    const outer = candidate !== undefined && offset >= candidate.offset ? candidate : undefined;
    const index = outer === undefined ? -1 : (offset - outer.values) / SLOT;
    const place = symbol.value + addendAt(section, offset);
    const inner = symbol.sectionIndex === section.index ? byPlace.get(place) : undefined;
    const fn = byStart.get(`${symbol.sectionIndex} ${place}`);
    const isInside = outer !== undefined && Number.isInteger(index) && index >= 0 && index < outer.map.maxEntries;
    const value = isInside ? initialValue(outer.map, index, inner?.map, fn) : null;
    if (value === null || outer === undefined) {
      throw malformed(
        `Section .maps refers to ${symbol.name || "something"} at offset ${offset}.`,
        "Only maps of maps have other maps in them from the start, arrays of programs have programs, and only as many as they have room for.",
      );
    }
    // They come in order.
    outer.map.values ??= [];
    outer.map.values.push(value);
  }
}

function initialValue(
  outer: MapSpec,
  index: number,
  inner: MapSpec | undefined,
  fn: FunctionPlace | undefined,
): InitialValue | null {
  if (outer.inner !== undefined && inner !== undefined) return { index, map: inner.name };
  if (outer.type === MAP_TYPE.PROG_ARRAY && fn !== undefined && !fn.local) return { index, program: fn.name };
  return null;
}

/** Relocations of data without addends have them in the place that they change. */
function addendAt({ bytes }: ElfSection, offset: number): number {
  if (bytes.length - offset < SLOT) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset, true);
}

/** Type id of each variable in the DATASEC `.maps`, by name. */
function definitions(btf: Btf | null): Map<string, number> {
  const result = new Map<string, number>();
  for (const type of btf?.types ?? []) {
    if (btf === null || type.kind !== "datasec" || type.name !== MAPS_SECTION) continue;
    for (const { type: id } of type.variables) {
      const variable = typeAt(btf, id);
      if (variable?.kind === "var") result.set(variable.name, variable.type);
    }
  }
  return result;
}

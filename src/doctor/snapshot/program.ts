/**
 * What can be known of a program that somebody else wrote, from its instructions and maps: whether it redirects, routes, or answers. It is what
 * decides which settings matter to it.
 */
import { WirescriptError } from "../../errors.ts";
import { decode } from "../../object/encoding.ts";
import type { Instruction } from "../../object/instruction.ts";
import { CALL, OPCODE } from "../../object/opcodes.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import { KernelSymbols } from "../../runtime/dump/kernel-symbols.ts";
import { type MapEntry, MapReader } from "../../runtime/map-reader.ts";
import { mapTypeName } from "../../runtime/maps/type-name.ts";
import { mapById, programById, programDump, programInfo, unlessGone } from "../../sys/bpf.ts";
import { mayReturn } from "./may-return.ts";

export interface MapFacts {
  id: number;
  name: string;
  type: number;
  /** In words. */
  typeName: string;
  maxEntries: number;
  /** How many entries it has; null where that says nothing (arrays), or it cannot be read. */
  count: number | null;
  /** The first ones, decoded. */
  entries: MapEntry[];
}

export interface ProgramFacts {
  id: number;
  name: string;
  tag: string;
  maps: MapFacts[];
  /** It sends packets out of other devices. */
  redirects: boolean;
  /** It asks the kernel's routing table (bpf_fib_lookup). */
  routes: boolean;
  /** XDP_TX is among what it may return. */
  answers: boolean;
}

const XDP_TX = 3;
const FEW = 1024;

/** Types whose number of entries is limited, and counts. LRU maps make room themselves. */
const COUNTED = new Set<number>([
  MAP_TYPE.HASH,
  MAP_TYPE.PERCPU_HASH,
  MAP_TYPE.LPM_TRIE,
  MAP_TYPE.HASH_OF_MAPS,
  MAP_TYPE.DEVMAP_HASH,
]);
/** Whose entries say where packets go, or what the program was told. */
const READ = new Set<number>([...COUNTED, MAP_TYPE.ARRAY, MAP_TYPE.PROG_ARRAY, MAP_TYPE.DEVMAP, MAP_TYPE.CPUMAP]);

/** Reads programs, each once, and the kernel's symbols once for all. */
export class ProgramReader {
  readonly #programs = new Map<number, ProgramFacts | null>();
  readonly #maps = new Map<number, MapFacts | null>();
  #symbols: KernelSymbols | null = null;

  /** Null when there is no such program any more. */
  program(id: number): ProgramFacts | null {
    const known = this.#programs.get(id);
    if (known !== undefined) return known;
    const facts = this.#read(id);
    this.#programs.set(id, facts);
    return facts;
  }

  #read(id: number): ProgramFacts | null {
    const fd = unlessGone(() => programById(id));
    if (fd === null) return null;
    using program = fd;
    const { name, tag, mapIds } = programInfo(program);
    const instructions = decode(programDump(program).xlated);
    const maps = mapIds.flatMap((mapId) => this.#map(mapId) ?? []);
    const calls = this.#calls(instructions);
    return {
      id,
      name,
      tag,
      maps,
      redirects: calls.some((call) => /(^|_)redirect/.test(call)) || maps.some(({ type }) => isRedirectMap(type)),
      routes: calls.some((call) => call.includes("fib_lookup")),
      answers: mayReturn(instructions, XDP_TX),
    };
  }

  /** Names of the kernel's functions that it calls; none where the kernel hides their addresses (kernel.kptr_restrict). */
  #calls(instructions: readonly Instruction[]): string[] {
    const calls = instructions.filter(({ opcode, src }) => opcode === OPCODE.CALL && src === CALL.HELPER);
    if (calls.length === 0) return [];
    this.#symbols ??= new KernelSymbols();
    const symbols = this.#symbols;
    return calls.flatMap(({ imm }) => symbols.at(Number(imm)) ?? []);
  }

  #map(id: number): MapFacts | null {
    const known = this.#maps.get(id);
    if (known !== undefined) return known;
    const fd = unlessGone(() => mapById(id));
    const facts = fd === null ? null : readMap(new MapReader(fd));
    this.#maps.set(id, facts);
    return facts;
  }
}

export function isRedirectMap(type: number): boolean {
  return ([MAP_TYPE.DEVMAP, MAP_TYPE.DEVMAP_HASH, MAP_TYPE.CPUMAP, MAP_TYPE.XSKMAP] as number[]).includes(type);
}

function readMap(reader: MapReader): MapFacts {
  using map = reader;
  const { id, name, type, maxEntries } = map.info;
  const facts = { id, name, type, typeName: mapTypeName(type), maxEntries };
  if (!READ.has(type)) return { ...facts, count: null, entries: [] };
  const entries: MapEntry[] = [];
  let count = 0;
  try {
    for (const entry of map.entries()) {
      if (count++ < FEW) entries.push(entry);
      else if (!COUNTED.has(type)) break;
    }
  } catch (error) {
    // Of a kind that user space cannot read, or frozen against it.
    if (!(error instanceof WirescriptError)) throw error;
    return { ...facts, count: null, entries: [] };
  }
  return { ...facts, count: COUNTED.has(type) ? count : null, entries };
}

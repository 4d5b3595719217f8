/** All that the kernel tells about a map, whoever made it, put together for people. */
import { describe } from "../object/btf/describe.ts";
import { type MapFd, mapInfo, programInfo } from "../sys/bpf.ts";
import { fdInfo } from "../sys/fd-info.ts";
import { ofAllMaps, ofAllPrograms } from "./kernel-objects.ts";
import { mapTypes } from "./map-types.ts";
import { accessOf } from "./maps/access.ts";
import { mapTypeName } from "./maps/type-name.ts";
import { listPins, type Pin } from "./pins.ts";
import { programTypeName } from "./program-types.ts";

export interface MapReport {
  id: number;
  type: string;
  /** At most 15 bytes. */
  name: string;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  /** By their names in linux/bpf.h. */
  flags: string[];
  /** `map_extra`: a Bloom filter's number of hash functions; 0 for most types. */
  extra: number;
  /** Bytes; null when /proc does not tell. */
  memory: number | null;
  frozen: boolean;
  /** What programs an array of programs takes: those of the type of the first. Null before that, and for other maps. */
  owner: { programType: string; jited: boolean } | null;
  btfId: number;
  /** Programs that use it. */
  programs: { id: number; name: string }[];
  /** Paths in bpffs. */
  pins: string[];
}

/** Much as C writes them; null for bytes and indexes. */
export interface MapTypeTexts {
  keyType: string | null;
  valueType: string | null;
}

export interface MapSurroundings {
  pins: readonly Pin[];
  programs: readonly { id: number; name: string; mapIds: readonly number[] }[];
}

export function mapSurroundings(): MapSurroundings {
  return { pins: listPins(), programs: ofAllPrograms(programInfo) };
}

/** All maps in the kernel, in the order in which they were made. Needs root. @throws WirescriptError NO_PRIVILEGES */
export function listMapReports(around: MapSurroundings = mapSurroundings()): MapReport[] {
  return ofAllMaps((fd) => mapReport(fd, around));
}

export function mapReport(fd: MapFd, { pins, programs }: MapSurroundings): MapReport {
  const { id, type, name, keySize, valueSize, maxEntries, btfId, extra } = mapInfo(fd);
  const { flags, memory, frozen } = accessOf(fd);
  const file = fdInfo(fd);
  const ownerType = file.get("owner_prog_type");
  return {
    ...{ id, type: mapTypeName(type), name, keySize, valueSize, maxEntries, flags, memory, frozen, btfId },
    extra,
    owner:
      ownerType === undefined
        ? null
        : { programType: programTypeName(Number(ownerType)), jited: file.get("owner_jited") === "1" },
    programs: programs.filter(({ mapIds }) => mapIds.includes(id)).map((program) => ({ id: program.id, name: program.name })),
    pins: pins.flatMap((pin) => (pin.kind === "map" && pin.id === id ? [pin.path] : [])),
  };
}

export function mapTypeTexts(fd: MapFd): MapTypeTexts {
  const { key, value } = mapTypes(mapInfo(fd));
  return {
    keyType: key === null ? null : describe(key.btf, key.id),
    valueType: value === null ? null : describe(value.btf, value.id),
  };
}

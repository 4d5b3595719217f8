/** Brings an object's maps and data sections into the kernel, or finds those that are pinned already. */
import { WirescriptError } from "../errors.ts";
import { encodeBtf } from "../object/btf/encode.ts";
import type { DataSectionBtf } from "../object/btf/sections.ts";
import type { Btf } from "../object/btf/types.ts";
import { type DataSpec, type InitialValue, MAP_TYPE, type MapSpec, type ObjectSpec } from "../object/spec.ts";
import {
  BPF,
  type BtfFd,
  btfLoad,
  Fd,
  kernelName,
  type MapCreate,
  type MapFd,
  mapCreate,
  mapFreeze,
  mapInfo,
  mapUpdate,
  type ProgramFd,
} from "../sys/bpf.ts";
import { possibleCpus } from "../sys/cpus.ts";
import { isErrno, LIMITS, SyscallError } from "../sys/errno.ts";
import { pageSize } from "../sys/page-size.ts";
import { dataSectionCodec } from "./data-section.ts";
import { type Codec, indexCodec, mapCodecs } from "./maps/codecs.ts";
import { mapFailure } from "./maps/failure.ts";
import type { InnerMaps } from "./maps/map-in-map.ts";
import { type LoadedMap, openMap } from "./maps/open.ts";
import { mapTypeName } from "./maps/type-name.ts";
import { openPinned } from "./pinned-map.ts";
import { denied } from "./privileges.ts";
import { mapTarget, type TargetDevice, targetRefused } from "./target-device.ts";

/** The kernel refuses BTF for these (`map_check_no_btf`); for the rest it makes bpftool print typed entries. */
const WITHOUT_BTF = new Set<number>([
  MAP_TYPE.PROG_ARRAY,
  MAP_TYPE.PERF_EVENT_ARRAY,
  MAP_TYPE.ARRAY_OF_MAPS,
  MAP_TYPE.HASH_OF_MAPS,
  MAP_TYPE.DEVMAP,
  MAP_TYPE.DEVMAP_HASH,
  MAP_TYPE.CPUMAP,
  MAP_TYPE.XSKMAP,
  MAP_TYPE.QUEUE,
  MAP_TYPE.STACK,
  MAP_TYPE.RINGBUF,
  MAP_TYPE.BLOOM_FILTER,
]);

export interface MapInKernel {
  map: LoadedMap;
  /** Where it has to be pinned when everything else has worked; null when it need not or is already. */
  toPin: string | null;
}

/**
 * `path`: where the map is pinned, or will be; null when it is not to be shared.
 *
 * @throws WirescriptError MAP when what is pinned does not fit, NO_PRIVILEGES, KERNEL.
 */
export function createMap(
  spec: MapSpec,
  btf: Btf | null,
  btfFd: BtfFd | null,
  path: string | null,
  target: TargetDevice | null,
): MapInKernel {
  const wanted = { ...spec, maxEntries: entriesOf(spec) };
  const pinned = path === null ? null : openPinned(path, wanted, btf);
  const types =
    btfFd !== null && !WITHOUT_BTF.has(spec.type) && spec.valueTypeId !== 0 ? { btf: { fd: btfFd, ...ids(spec) } } : {};
  const inner = spec.inner === undefined ? null : { spec: spec.inner, btf };
  const fd = pinned ?? createLike({ ...wanted, name: kernelName(spec.name), ...types }, inner, target);
  const map = openMap({
    ...wanted,
    fd,
    ...mapCodecs(spec, btf),
    btf,
    pinnedAt: pinned === null ? null : path,
    ...(inner !== null && { innerMaps: innerMaps(inner) }),
  });
  return { map, toPin: pinned === null ? path : null };
}

/** Puts maps into maps of maps that the object wants not to be empty. Those that were pinned keep what they hold. */
export function fillMaps(specs: readonly MapSpec[], maps: ReadonlyMap<string, LoadedMap>): void {
  fill(specs, maps, (value) => ("map" in value ? maps.get(value.map)?.fd : undefined));
}

/**
 * Puts programs into arrays of programs that the object wants not to be empty, also into those that were pinned: programs that
 * were loaded before call these from then on. Programs that were not loaded leave their slots as they are.
 */
export function fillProgramArrays(
  specs: readonly MapSpec[],
  maps: ReadonlyMap<string, LoadedMap>,
  programs: ReadonlyMap<string, ProgramFd>,
): void {
  fill(specs, maps, (value) => ("program" in value ? programs.get(value.program) : undefined));
}

function fill(
  specs: readonly MapSpec[],
  maps: ReadonlyMap<string, LoadedMap>,
  descriptor: (value: InitialValue) => Fd | undefined,
): void {
  const word = (number: number) => new Uint8Array(new Uint32Array([number]).buffer);
  for (const { name, values, inner } of specs) {
    const outer = maps.get(name);
    if (outer === undefined || (inner !== undefined && outer.pinnedAt !== null)) continue;
    for (const value of values ?? []) {
      const fd = descriptor(value);
      const result = fd === undefined ? 0 : mapUpdate(outer.fd, word(value.index), word(fd.number), BPF.BPF_ANY);
      if (result < 0) throw mapFailure(outer, "set", -result, value.index);
    }
  }
}

interface Inner {
  spec: MapSpec;
  btf: Btf | null;
}

/** A map of maps learns their shape from one that the kernel needs only for this moment. */
function createLike(map: MapCreate, inner: Inner | null, target: TargetDevice | null): MapFd {
  if (inner === null) return create(map, target);
  using template = createInner(inner, inner.spec.name);
  return create({ ...map, innerLike: template }, target);
}

function createInner({ spec, btf }: Inner, name: string, entries = spec.maxEntries, typed = true): MapFd {
  const wanted = { ...spec, maxEntries: entriesOf({ ...spec, maxEntries: entries }), name: kernelName(name) };
  if (!typed || btf === null || WITHOUT_BTF.has(spec.type) || spec.valueTypeId === 0) return create(wanted);
  // The object's types were let go of after loading; without them the map is as good, but tools cannot print its entries.
  const types = btfLoad(encodeBtf(btf).bytes);
  if (!(types instanceof Fd)) return create(wanted);
  using fd = types;
  return create({ ...wanted, btf: { fd, ...ids(spec) } });
}

/** How user space comes by the maps inside: opened by what a lookup gives, or made anew. */
function innerMaps(inner: Inner): InnerMaps {
  const { spec, btf } = inner;
  const codecs = mapCodecs(spec, btf);
  const opened = (fd: MapFd, name: string, maxEntries: number): LoadedMap =>
    openMap({ ...spec, ...codecs, name, maxEntries, fd, btf, pinnedAt: null });
  return {
    open(fd) {
      const { name, maxEntries } = mapInfo(fd);
      return opened(fd, name || spec.name, maxEntries);
    },
    create(name = spec.name, entries = spec.maxEntries, typed = true) {
      return opened(createInner(inner, name, entries, typed), kernelName(name), entriesOf({ ...spec, maxEntries: entries }));
    },
  };
}

function ids({ keyTypeId, valueTypeId }: MapSpec) {
  return { keyTypeId, valueTypeId };
}

/**
 * An object may leave the size of a perf event array to the machine, and need not know the size of its pages for a ring buffer.
 * Lists of each CPU's own all have the same length, which the kernel rounds up to.
 */
function entriesOf({ type, maxEntries, flags }: MapSpec): number {
  if (type === MAP_TYPE.PERF_EVENT_ARRAY && maxEntries === 0) return possibleCpus();
  const isLru = type === MAP_TYPE.LRU_HASH || type === MAP_TYPE.LRU_PERCPU_HASH;
  if (isLru && (flags & BPF.BPF_F_NO_COMMON_LRU) !== 0) return Math.ceil(maxEntries / possibleCpus()) * possibleCpus();
  if (type !== MAP_TYPE.RINGBUF || maxEntries === 0) return maxEntries;
  return Math.max(pageSize(), 2 ** Math.ceil(Math.log2(maxEntries)));
}

/** A section of global data becomes an array of one entry, filled, and frozen when the program may only read it. */
export function createDataMap(
  section: DataSpec,
  spec: ObjectSpec,
  btf: DataSectionBtf | null,
  btfFd: BtfFd | null,
  target: TargetDevice | null,
): LoadedMap {
  const valueTypeId = btf?.dataSections.get(section.name) ?? 0;
  const size = section.bytes.length;
  // Named as libbpf names it, so that tools show which object it belongs to.
  const prefix = (spec.programs[0]?.name ?? "").slice(0, Math.max(0, 15 - section.name.length));
  const fd = create(
    {
      name: kernelName(`${prefix}${section.name}`),
      type: MAP_TYPE.ARRAY,
      keySize: 4,
      valueSize: size,
      maxEntries: 1,
      flags: section.readonly ? BPF.BPF_F_RDONLY_PROG : BPF.BPF_F_MMAPABLE,
      ...(btfFd !== null && valueTypeId !== 0 && { btf: { fd: btfFd, keyTypeId: 0, valueTypeId } }),
    },
    target,
  );
  try {
    const result = mapUpdate(fd, new Uint8Array(4), section.bytes, BPF.BPF_ANY);
    if (result < 0) throw new SyscallError("bpf", -result, `BPF_MAP_UPDATE_ELEM ${section.name}`);
    if (section.readonly) mapFreeze(fd);
  } catch (error) {
    fd.close();
    throw error;
  }
  return openMap({
    name: section.name,
    fd,
    type: MAP_TYPE.ARRAY,
    keySize: 4,
    valueSize: size,
    maxEntries: 1,
    // The codec of an index takes and gives numbers.
    key: indexCodec as Codec,
    value: dataSectionCodec(section, btf),
    pinnedAt: null,
  });
}

function create(wanted: MapCreate, target: TargetDevice | null = null): MapFd {
  // Perf events go to the host wherever the program runs.
  const map = wanted.type === MAP_TYPE.PERF_EVENT_ARRAY ? wanted : { ...wanted, ifindex: mapTarget(target) };
  try {
    return mapCreate(map);
  } catch (error) {
    // Some types of map want to know the key's type too, or a struct for it. Without types a map is as good, but tools print
    // bytes.
    if (map.btf !== undefined && isErrno(error, "EINVAL", "ENOTSUPP", "EOPNOTSUPP")) {
      const { btf: _, ...untyped } = map;
      return create(untyped, target);
    }
    const what = `The kernel did not make the map "${map.name}" (${mapTypeName(map.type)}, ${map.maxEntries} entries).`;
    if (isErrno(error, "EPERM", "EACCES")) throw denied(what, error);
    if (!(error instanceof SyscallError)) throw error;
    if (target?.offload === true && isErrno(error, "EINVAL", "EOPNOTSUPP", "ENOTSUPP")) {
      throw targetRefused(`The map "${map.name}" was not made`, target, error);
    }
    const tooMuch = ["E2BIG", "ENOMEM"].includes(error.errnoName);
    const sizes = `key ${map.keySize} bytes, value ${map.valueSize} bytes, flags ${map.flags}`;
    const limit = tooMuch ? tooLarge(map, error.errnoName) : LIMITS[error.errnoName];
    throw new WirescriptError({
      code: "MAP",
      what,
      why: limit?.why ?? `${tooMuch ? "It asks for too much memory" : "The kernel refused it"} (${sizes}): ${error.errnoName}.`,
      fix:
        limit?.fix ??
        (tooMuch
          ? "Make it with fewer entries or smaller values."
          : "Check the map's type, sizes and flags; the kernel may be too old for them."),
      cause: error,
    });
  }
}

/** Sizes that the kernel refuses for another reason than memory; `undefined` where it is memory. */
function tooLarge({ type, maxEntries }: MapCreate, errno: string): { why: string; fix: string } | undefined {
  if (errno !== "E2BIG" || type !== MAP_TYPE.CPUMAP) return undefined;
  const cpus = possibleCpus();
  return {
    why: `A map of CPUs has an entry for each CPU, and this kernel is built for fewer than ${maxEntries}: E2BIG.`,
    fix: `Make it with ${cpus} entries: so many CPUs this machine may have.`,
  };
}

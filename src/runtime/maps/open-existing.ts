/** Opens maps that are in the kernel already, whoever made them: keys and values are typed by the BTF that the kernel has for the map. */

import { WirescriptError } from "../../errors.ts";
import { decodeBtf } from "../../object/btf/decode.ts";
import type { Btf } from "../../object/btf/types.ts";
import { btfById, btfBytes, ids, type KernelMapInfo, type MapFd, mapById, mapInfo } from "../../sys/bpf.ts";
import { isErrno } from "../../sys/errno.ts";
import { checkId } from "../arguments.ts";
import { denied } from "../privileges.ts";
import { type Codec, mapCodecs } from "./codecs.ts";
import { type LoadedMap, openMap } from "./open.ts";
import { withSectionAsStruct } from "./section-type.ts";

/** Takes ownership of `fd`, also when it fails. `name` is used where the kernel has none. @throws SyscallError */
export function openMapFd(
  fd: MapFd,
  { name = "", pinnedAt = null }: { name?: string; pinnedAt?: string | null } = {},
): LoadedMap {
  try {
    const info = mapInfo(fd);
    const innerMaps = { open: (inner: MapFd) => openMapFd(inner) };
    return openMap({ ...info, name: info.name || name, fd, ...kernelTypes(info), pinnedAt, innerMaps });
  } catch (error) {
    fd.close();
    throw error;
  }
}

/**
 * Opens a map by its id, whoever made it. Keys and values are typed by the BTF that the kernel has for the map; without it they are bytes.
 *
 * @throws WirescriptError MAP when there is no such map, USAGE for what can be no id, NO_PRIVILEGES.
 */
export function openMapById(id: number): LoadedMap {
  checkId("map", id);
  let fd: MapFd;
  try {
    fd = mapById(id);
  } catch (error) {
    if (isErrno(error, "EPERM")) throw denied(`The kernel does not let this process open map ${id}.`, error);
    if (!isErrno(error, "ENOENT", "EINVAL")) throw error;
    throw new WirescriptError({
      code: "MAP",
      what: `There is no map with id ${id} in the kernel.`,
      why: "Nobody holds it any more, or it was never there: ids are not used again.",
      fix: "List the maps: mapIds(), wirescript maps",
      cause: error,
    });
  }
  return openMapFd(fd);
}

/** The ids of all maps in the kernel, ascending. Needs root. @throws WirescriptError NO_PRIVILEGES. */
export function mapIds(): number[] {
  try {
    return [...ids("MAP")];
  } catch (error) {
    if (isErrno(error, "EPERM")) throw denied("The kernel does not let this process list maps.", error);
    throw error;
  }
}

/** Types that values cannot be read by (those of a newer kernel, for example) count as none: bytes are better than nothing. */
function kernelTypes(info: KernelMapInfo): { key: Codec; value: Codec; btf: Btf | null } {
  const untyped = { ...mapCodecs({ ...info, keyTypeId: 0, valueTypeId: 0 }, null), btf: null };
  if (info.btfId === 0) return untyped;
  try {
    const { btf, id } = withSectionAsStruct(kernelBtf(info.btfId), info.valueTypeId);
    return { ...mapCodecs({ ...info, valueTypeId: id }, btf), btf };
  } catch (error) {
    if (error instanceof WirescriptError && (error.code === "MAP" || error.code === "BAD_FILE")) return untyped;
    throw error;
  }
}

function kernelBtf(id: number): Btf {
  using fd = btfById(id);
  return decodeBtf(btfBytes(fd), `The kernel's BTF ${id}`);
}

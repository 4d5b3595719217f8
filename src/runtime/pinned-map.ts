/**
 * Maps shared by name: a map that is pinned under its name in the directory is used again, so that counters and tables survive a reload
 * of their program. It must have the layout that the program was built for; anything else would be read as garbage.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import { decodeBtf } from "../object/btf/decode.ts";
import { describe } from "../object/btf/describe.ts";
import type { Btf } from "../object/btf/types.ts";
import { MAP_TYPE, type MapSpec } from "../object/spec.ts";
import { BPF, btfById, btfBytes, type MapFd, mapInfo, objectGet } from "../sys/bpf.ts";
import { isErrno } from "../sys/errno.ts";
import { mapTypeName } from "./maps/type-name.ts";
import { sameLayout } from "./same-layout.ts";

/** Where a map of that name is pinned. @throws WirescriptError (BAD_FILE) for a name that cannot be a file of bpffs. */
export function pinPathOf(directory: string, map: string): string {
  if (/^[^./]+$/.test(map)) return join(directory, map);
  throw new WirescriptError({
    code: "BAD_FILE",
    what: `The map "${map}" cannot be pinned by its name.`,
    why: "bpffs allows neither dots nor slashes in names.",
    fix: "Rename the map, or do not pin it.",
  });
}

/** The map pinned at `path`; null when there is none. @throws WirescriptError (MAP) when it is something else. */
export function openPinned(path: string, spec: MapSpec, btf: Btf | null): MapFd | null {
  if (!existsSync(path)) return null;
  const fd = objectGet(path);
  if (fd.kind !== "map") {
    fd.close();
    throw refuse(path, spec, `There is a pinned ${fd.kind} at that path, not a map.`);
  }
  try {
    checkLayout(path, fd, spec, btf);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

interface Shape {
  type: number;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  flags: number;
  extra: number;
  keyTypeId: number;
  valueTypeId: number;
}

function checkLayout(path: string, fd: MapFd, spec: MapSpec, btf: Btf | null): void {
  const there = asAskedFor(mapInfo(fd));
  const itsBtf = there.btfId === 0 ? null : readBtfIfAllowed(there.btfId);
  const differs = (["type", "keySize", "valueSize", "maxEntries", "flags", "extra"] as const).some(
    (name) => there[name] !== spec[name],
  );
  if (!differs && sameTypes(there, itsBtf, spec, btf)) return;
  throw refuse(
    path,
    spec,
    `The pinned map has another layout.\n  pinned: ${describeShape(there, itsBtf)}\n  wanted: ${describeShape(spec, btf)}`,
  );
}

/** Programs may not write to maps of devices: the kernel adds that flag itself when it makes one. */
function asAskedFor<T extends Shape>(map: T): T {
  const isOfDevices = map.type === MAP_TYPE.DEVMAP || map.type === MAP_TYPE.DEVMAP_HASH;
  return isOfDevices ? { ...map, flags: map.flags & ~BPF.BPF_F_RDONLY_PROG } : map;
}

function sameTypes(left: Shape, leftBtf: Btf | null, right: Shape, rightBtf: Btf | null): boolean {
  // Without types on both sides the sizes are all there is to compare.
  if (leftBtf === null || rightBtf === null) return true;
  return (["keyTypeId", "valueTypeId"] as const).every(
    (id) => left[id] === 0 || right[id] === 0 || sameLayout(leftBtf, left[id], rightBtf, right[id]),
  );
}

/** Types are found by their number with CAP_SYS_ADMIN only, which a service that pins its own maps need not have: then sizes have to do. */
function readBtfIfAllowed(id: number): Btf | null {
  try {
    return readBtf(id);
  } catch (error) {
    if (isErrno(error, "EPERM")) return null;
    throw error;
  }
}

export function readBtf(id: number): Btf {
  using fd = btfById(id);
  return decodeBtf(btfBytes(fd), `The kernel's BTF ${id}`);
}

function describeShape(shape: Shape, btf: Btf | null): string {
  const typed = (id: number) => (btf === null || id === 0 ? "" : ` ${describe(btf, id)}`);
  return [
    mapTypeName(shape.type),
    `key ${shape.keySize} bytes${typed(shape.keyTypeId)}`,
    `value ${shape.valueSize} bytes${typed(shape.valueTypeId)}`,
    `${shape.maxEntries} entries`,
    `flags ${shape.flags}`,
    ...(shape.extra === 0 ? [] : [`extra ${shape.extra}`]),
  ].join(", ");
}

function refuse(path: string, spec: MapSpec, why: string): WirescriptError {
  return new WirescriptError({
    code: "MAP",
    what: `The map "${spec.name}" cannot use what is pinned at ${path}.`,
    why,
    fix: `Load with another pin path, or remove the pin if nobody needs it any more: rm ${path}`,
  });
}

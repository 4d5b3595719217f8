/** What all loaded maps have in common: who they are, pins, and their life. A map lives as long as somebody holds or pins it. */

import { unlinkSync } from "node:fs";
import { withArticle } from "../../article.ts";
import { WirescriptError } from "../../errors.ts";
import type { Btf } from "../../object/btf/types.ts";
import { type KernelMapInfo, type MapFd, mapFreeze, mapInfo } from "../../sys/bpf.ts";
import { errnoName, isErrno } from "../../sys/errno.ts";
import { pinObject } from "../pin.ts";
import { denied } from "../privileges.ts";
import { accessOf } from "./access.ts";
import type { Codec } from "./codecs.ts";
import type { InnerMaps } from "./map-in-map.ts";
import { mapTypeName } from "./type-name.ts";

export interface MapParts {
  /** The map's name in the object; the kernel keeps 15 bytes of it. */
  name: string;
  fd: MapFd;
  /** `enum bpf_map_type`. */
  type: number;
  keySize: number;
  /** Bytes of one value; a per-CPU map has one for each CPU. */
  valueSize: number;
  maxEntries: number;
  key: Codec;
  value: Codec;
  /** Where it was found or put by name; null when it is not pinned. */
  pinnedAt: string | null;
  /** For maps of maps, when it is known what those look like. */
  innerMaps?: InnerMaps;
  /** Types of the object that it comes from, for those who read records of a type by its name. */
  btf?: Btf | null;
}

export interface MapInfo extends KernelMapInfo {
  typeName: string;
  /** `flags` by their names in linux/bpf.h, e.g. "BPF_F_NO_PREALLOC". */
  flagNames: string[];
  /** Bytes of memory that the kernel took for it; null when /proc does not tell. */
  memory: number | null;
  /** Read-only for user space, for good. */
  frozen: boolean;
  /** What this process may do with its elements, by how it was opened. */
  readable: boolean;
  writable: boolean;
}

export class BpfMap implements Disposable {
  readonly name: string;
  /** `enum bpf_map_type`. */
  readonly type: number;
  readonly keySize: number;
  /** Bytes of one value; a per-CPU map has one for each CPU. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** The descriptor, for system calls that this class does not wrap. */
  readonly fd: MapFd;
  #pinnedAt: string | null;

  constructor(parts: MapParts) {
    this.name = parts.name;
    this.type = parts.type;
    this.keySize = parts.keySize;
    this.valueSize = parts.valueSize;
    this.maxEntries = parts.maxEntries;
    this.fd = parts.fd;
    this.#pinnedAt = parts.pinnedAt;
  }

  /** The file in bpffs that keeps the map; null when there is none that this object knows. */
  get pinnedAt(): string | null {
    return this.#pinnedAt;
  }

  /** What the kernel knows about the map. */
  info(): MapInfo {
    const { flags: flagNames, ...access } = accessOf(this.fd);
    return { ...mapInfo(this.fd), typeName: mapTypeName(this.type), flagNames, ...access };
  }

  /**
   * Makes the map read-only for user space, for good (Linux 5.2); programs go on writing, unless it was made read-only for them too.
   *
   * @throws WirescriptError MAP when somebody has mapped it to write to it, when it is frozen already, or cannot be frozen.
   */
  freeze(): void {
    try {
      mapFreeze(this.fd);
    } catch (error) {
      if (!isErrno(error, "EBUSY", "EPERM", "EOPNOTSUPP", "ENOTSUPP")) throw error;
      const refused = (why: string, fix: string) =>
        new WirescriptError({ code: "MAP", what: `The map "${this.name}" was not frozen.`, why, fix, cause: error });
      if (accessOf(this.fd).frozen) throw refused("It is frozen already.", "Nothing is left to do.");
      if (error.errnoName === "EPERM") {
        if (accessOf(this.fd).writable)
          throw denied(`The kernel does not let this process freeze the map "${this.name}".`, error);
        throw refused("It was opened for reading only.", "Open it for reading and writing.");
      }
      if (error.errnoName !== "EBUSY") {
        throw refused(
          `It is ${withArticle(mapTypeName(this.type))}, and none of these can be: ${errnoName(error.errno)}.`,
          "Leave it as it is.",
        );
      }
      throw refused(
        "Somebody has mapped it to write to it.",
        "Close what mmap() and globals have mapped, here and elsewhere, first.",
      );
    }
  }

  /**
   * Keeps the map alive after this process, under `path` in a bpffs.
   *
   * @throws WirescriptError MAP when the path is taken or not in a bpffs, NO_PRIVILEGES.
   */
  pin(path: string): void {
    pinObject(this.fd, path, `the map "${this.name}"`);
    this.#pinnedAt = path;
  }

  /** Removes the pin. The map goes on living for those that hold it. @throws WirescriptError MAP when it is not pinned. */
  unpin(): void {
    if (this.#pinnedAt === null) {
      throw new WirescriptError({
        code: "MAP",
        what: `The map "${this.name}" is not pinned.`,
        why: "Neither load() nor pin() put it into a bpffs.",
        fix: "Pin it first, or remove the file that another program made.",
      });
    }
    unlinkSync(this.#pinnedAt);
    this.#pinnedAt = null;
  }

  /** Lets go of the map; programs that use it keep it. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A map of a type that this library gives no operations for, because XDP and TC do not use it from user space: storage of sockets, tasks and
 * cgroups, arrays of cgroups, arenas and so on. What it is and how large can be asked; its descriptor serves for other calls.
 */
export class OpaqueMap extends BpfMap {
  readonly kind = "opaque";
}

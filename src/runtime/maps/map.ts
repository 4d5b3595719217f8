/** What all loaded maps have in common: who they are, pins, and their life. A map lives as long as somebody holds or pins it. */
import { unlinkSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";
import { type KernelMapInfo, type MapFd, mapInfo } from "../../sys/bpf.ts";
import { pinObject } from "../pin.ts";
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
}

export interface MapInfo extends KernelMapInfo {
  typeName: string;
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
    return { ...mapInfo(this.fd), typeName: mapTypeName(this.type) };
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

/** A map that user space cannot read entry by entry here, such as a ring buffer. */
export class OpaqueMap extends BpfMap {
  readonly kind = "opaque";
}

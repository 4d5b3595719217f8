/** An object in the kernel: its programs, its maps, and the links made from it. Disposing of it releases them all. */
import { withArticle } from "../article.ts";
import { WirescriptError } from "../errors.ts";
import type { ObjectSpec } from "../object/spec.ts";
import { byName } from "./by-name.ts";
import type { BpfMap } from "./maps/map.ts";
import type { LoadedMap } from "./maps/open.ts";
import { mapTypeName } from "./maps/type-name.ts";
import type { LoadedProgram } from "./program.ts";
import type { GlobalsOf, MapsOf, ProgramsOf } from "./typed.ts";
import { Undo } from "./undo.ts";

export interface LoadedParts {
  spec: ObjectSpec;
  programs: Map<string, LoadedProgram>;
  maps: Map<string, LoadedMap>;
  globals: { values: object; close(): void };
  links: Set<Disposable>;
  mountedBpffs: string | null;
  undoPins: Undo;
}

export class LoadedObject<M = unknown> implements Disposable, AsyncDisposable {
  /** What was loaded. */
  readonly spec: ObjectSpec;
  readonly programs: ProgramsOf<M>;
  /** Maps by name, and data sections by section name (".bss"). */
  readonly maps: MapsOf<M>;
  /**
   * The module's variables: `object.globals.total` is what the programs have in it now, and assigning to it changes it at once, for all of
   * them. Structs and arrays are read and written whole. Settings are there too, to be read.
   */
  readonly globals: GlobalsOf<M>;
  /** Where loading mounted a bpffs, because pins need one and there was none; it stays mounted. Null when nothing was mounted. */
  readonly mountedBpffs: string | null;
  readonly #parts: LoadedParts;

  constructor(parts: LoadedParts) {
    this.#parts = parts;
    this.spec = parts.spec;
    this.mountedBpffs = parts.mountedBpffs;
    // The module's type is the caller's word for what the object holds: `load<typeof Module>`.
    this.programs = byName(parts.programs, noSuchProgram) as ProgramsOf<M>;
    this.maps = byName(parts.maps, noSuchMap) as MapsOf<M>;
    this.globals = parts.globals.values as GlobalsOf<M>;
  }

  /** The program of that name. @throws WirescriptError NO_SUCH_PROGRAM with the names that there are. */
  program(name: string): LoadedProgram {
    const program = this.#parts.programs.get(name);
    if (program === undefined) throw noSuchProgram(name, [...this.#parts.programs.keys()]);
    return program;
  }

  /** The map of that name. @throws WirescriptError MAP with the names that there are. */
  map(name: string): LoadedMap;
  /**
   * The map of that name as the class that it must be, where the module's type is not known:
   * `object.map<PerCpuArrayMap<Stats>>("xdp_stats_map", PerCpuArrayMap).sum(2)`.
   *
   * @throws WirescriptError MAP when there is no such map, or it is of another class.
   */
  map<T extends BpfMap>(name: string, type: abstract new (...args: never[]) => T): T;
  map(name: string, type?: abstract new (...args: never[]) => BpfMap): BpfMap {
    const map: BpfMap | undefined = this.#parts.maps.get(name);
    if (map === undefined) throw noSuchMap(name, [...this.#parts.maps.keys()]);
    const [kind, found] = [mapTypeName(map.type), map.constructor.name];
    if (type === undefined || map instanceof type) return map;
    throw new WirescriptError({
      code: "MAP",
      what: `The map "${name}" is no ${type.name}.`,
      why: `It is ${withArticle(kind)}, which is ${withArticle(found)}.`,
      fix: `Ask for ${withArticle(found)}.`,
    });
  }

  /**
   * Takes back what loading put into the file system: the pins that it made (not those that it found), their directory, a mounted
   * bpffs. For a caller whose next step fails. Does nothing the second time.
   */
  undoPins(): void {
    this.#parts.undoPins.run();
  }

  /** Detaches the links made from this object (unless they are pinned), and lets go of programs and maps. Pins stay. */
  close(): void {
    const undo = new Undo();
    for (const map of this.#parts.maps.values()) undo.push(() => map.close());
    undo.push(() => this.#parts.globals.close());
    for (const program of this.#parts.programs.values()) undo.push(() => program.close());
    for (const link of this.#parts.links) undo.push(() => link[Symbol.dispose]());
    undo.run();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

function noSuchMap(name: string, names: readonly string[]): WirescriptError {
  return new WirescriptError({
    code: "MAP",
    what: `The object has no map "${name}".`,
    why: names.length === 0 ? "It has no maps." : `It has ${names.join(", ")}.`,
    fix: "Name one of these.",
  });
}

export function noSuchProgram(name: string, names: readonly string[]): WirescriptError {
  return new WirescriptError({
    code: "NO_SUCH_PROGRAM",
    what: `The object has no program "${name}".`,
    why: names.length === 0 ? "It has no programs." : `It has ${names.join(", ")}.`,
    fix: "Name one of these.",
  });
}

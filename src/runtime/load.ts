/**
 * Brings an object into the kernel: types, then maps, then programs, then pins. Either everything is there afterwards or
 * nothing is: a failure in the middle releases what was made before it.
 */

import { unlinkSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { withDataSections } from "../object/btf/sections.ts";
import { applyCore } from "../object/core/apply.ts";
import { isOptional } from "../object/elf/program-type.ts";
import { cannotLoad } from "../object/elf/programs.ts";
import { linkExterns } from "../object/externs/link.ts";
import type { ObjectSpec, ProgramSpec, ProgramType } from "../object/spec.ts";
import { isErrno } from "../sys/errno.ts";
import { checkOptionNames, wrongArgument } from "./arguments.ts";
import { createDataMap, createMap, fillMaps, fillProgramArrays } from "./create-maps.ts";
import { type Settings, withSettings } from "./data-section.ts";
import { resolveExterns } from "./externs.ts";
import { type GlobalSection, openGlobals } from "./globals.ts";
import { kernelTypes } from "./kernel-types.ts";
import { loadProgram } from "./load-program.ts";
import { loadTypes } from "./load-types.ts";
import { LoadedObject, noSuchProgram } from "./loaded-object.ts";
import { withEntries } from "./map-entries.ts";
import type { LoadedMap } from "./maps/open.ts";
import { PinDirectories } from "./pin-directories.ts";
import { LoadedProgram } from "./program.ts";
import { asSpec, readSource, type Source } from "./source.ts";
import { type TargetOptions, targetDevice } from "./target-device.ts";
import { Undo } from "./undo.ts";

export interface LoadOptions extends TargetOptions {
  /**
   * The directory in a bpffs for maps that are pinned by name; made when it is not there. Maps of that name in it are used
   * again. Without it nothing is pinned, and every load has maps of its own.
   */
  pinPath?: string;
  /**
   * With `pinPath`: the directory in a bpffs for maps that their object pins as `tc` and `ip` have it, in its folder `globals`
   * or one for the object. Default: "/sys/fs/bpf/tc".
   */
  tcPinPath?: string;
  /** Load only these programs. Default: all, but for those whose section begins with "?". */
  programs?: readonly string[];
  /**
   * Types of programs by name, where the section's name does not say it and the object has no BTF: "xdp" (what is assumed
   * otherwise), "sched_cls" or "sched_act".
   */
  programTypes?: Readonly<Record<string, ProgramType>>;
  /** Values for the object's settings, by name. */
  settings?: Settings;
  /** Other numbers of entries for maps than the object declares, by name; bytes for ring buffers. */
  entries?: Readonly<Record<string, number>>;
}

/**
 * Loads a kernel module, an ELF object or a spec. With the module's type, programs and maps are typed:
 * `load<typeof Echo>(new URL("./echo.bpf.ts", import.meta.url))`.
 *
 * @throws WirescriptError BAD_FILE, COMPILE, NO_SUCH_PROGRAM, VERIFIER (a `VerifierError`), MAP, NO_PRIVILEGES, KERNEL.
 */
export async function load<M = unknown>(source: Source, options: LoadOptions = {}): Promise<LoadedObject<M>> {
  return loadSpec<M>((await readSource(source)).spec, options);
}

/** As `load`, synchronously: for `inNamespace`, and for those who have the spec. */
export function loadSpec<M = unknown>(spec: ObjectSpec, options: LoadOptions = {}): LoadedObject<M> {
  asSpec(spec);
  checkOptions(options);
  for (let attempt = 1; ; attempt++) {
    try {
      return loadOnce<M>(spec, options);
    } catch (error) {
      // Somebody else pinned a map of that name while we were loading ours: now it is there, to be used again.
      const overtaken =
        error instanceof WirescriptError && isErrno(error.cause, "EEXIST") && error.cause.message.includes("OBJ_PIN");
      if (!overtaken || attempt === ATTEMPTS) throw error;
    }
  }
}

const ATTEMPTS = 3;

const OPTIONS: Record<keyof LoadOptions, true> = {
  ...{ pinPath: true, tcPinPath: true, programs: true, programTypes: true, settings: true, entries: true },
  ...{ device: true, offload: true },
};

function checkOptions(options: LoadOptions): void {
  if (typeof options !== "object" || options === null) {
    throw wrongArgument("Nothing was loaded.", options, "Options are an object", "Give { settings: { … } }, for example.");
  }
  checkOptionNames("Nothing was loaded.", options, OPTIONS);
  const { programs } = options;
  if (programs === undefined || (Array.isArray(programs) && programs.every((name) => typeof name === "string"))) return;
  throw wrongArgument(
    "Nothing was loaded.",
    programs,
    "`programs` is a list of names",
    'Name the programs to load, { programs: ["echo"] }, or leave it out for all.',
  );
}

function loadOnce<M>(spec: ObjectSpec, options: LoadOptions): LoadedObject<M> {
  const undo = new Undo();
  const undoPins = new Undo();
  undo.push(() => undoPins.run());
  try {
    const target = targetDevice(options);
    const asked = choosePrograms(spec, options);
    const { externs, kconfig } = resolveExterns(spec, asked);
    const adapted = linkExterns(applyCore(spec, asked, kernelTypes), externs);
    const chosen = adapted.spec.programs;
    const data = withSettings(spec.data, spec.btf, options.settings ?? {});
    if (kconfig !== null) data.push(kconfig);
    const pins = new PinDirectories(spec, options.pinPath, options.tcPinPath, undoPins);
    const mapSpecs = withEntries(spec.maps, options.entries ?? {});
    const btf = spec.btf === null ? null : withDataSections(spec.btf, data);
    const types = loadTypes(btf, chosen);
    try {
      const maps = new Map<string, LoadedMap>();
      const keep = (name: string, map: LoadedMap) => {
        undo.push(() => map.close());
        maps.set(name, map);
      };
      const toPin: [LoadedMap, string][] = [];
      for (const map of mapSpecs) {
        const made = createMap(map, btf, types?.fd ?? null, pins.pathOf(map), target);
        keep(map.name, made.map);
        if (made.toPin !== null) toPin.push([made.map, made.toPin]);
      }
      fillMaps(mapSpecs, maps);
      const sections: GlobalSection[] = [];
      for (const section of data) {
        if (section.bytes.length === 0) continue;
        const map = createDataMap(section, spec, btf, types?.fd ?? null, target);
        keep(section.name, map);
        sections.push({ section, fd: map.fd });
      }
      const globals = openGlobals(sections, spec.btf);
      undo.push(() => globals.close());

      const links = new Set<Disposable>();
      const programs = new Map<string, LoadedProgram>();
      const fds = new Map([...maps].map(([name, map]) => [name, map.fd]));
      const surroundings = { license: spec.license, maps: fds, types, missing: adapted.missing, target };
      for (const program of chosen) {
        const fd = loadProgram(program, surroundings);
        undo.push(() => fd.close());
        programs.set(program.name, new LoadedProgram({ ...program, fd }, (link) => links.add(link)));
      }
      fillProgramArrays(mapSpecs, maps, new Map([...programs].map(([name, { fd }]) => [name, fd])));

      for (const [map, path] of toPin) {
        map.pin(path);
        undoPins.push(() => unlinkSync(path));
      }
      return new LoadedObject<M>({ spec, programs, maps, globals, links, mountedBpffs: pins.mounted, undoPins });
    } finally {
      // Maps and programs hold the types from here on.
      types?.fd.close();
    }
  } catch (error) {
    undo.run();
    throw error;
  }
}

/** Those that were asked for, of the types that were told; without names all but the optional ones. */
function choosePrograms(spec: ObjectSpec, { programs: names, programTypes: types = {} }: LoadOptions): ProgramSpec[] {
  const find = (name: string): ProgramSpec => {
    const program = spec.programs.find((each) => each.name === name);
    const omitted = spec.omitted?.find((each) => each.name === name);
    if (omitted !== undefined) throw cannotLoad(omitted);
    if (program !== undefined) return program;
    throw noSuchProgram(
      name,
      spec.programs.map((each) => each.name),
    );
  };
  for (const name of Object.keys(types)) find(name);
  const chosen = names?.map(find) ?? spec.programs.filter(({ section }) => !isOptional(section));
  return chosen.map((program) => ({ ...program, type: types[program.name] ?? program.type }));
}

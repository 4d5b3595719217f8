/**
 * Brings an object into the kernel: types, then maps, then programs, then pins. Either everything is there afterwards or nothing is:
 * a failure in the middle releases what was made before it.
 */
import { unlinkSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { type EncodedBtf, encodeBtf } from "../object/btf/encode.ts";
import { kernelExt, lineStrings } from "../object/btf/ext.ts";
import { type DataSectionBtf, withDataSections } from "../object/btf/sections.ts";
import { isFragsSection, isOptional, xdpPlace } from "../object/elf/program-type.ts";
import { cannotLoad } from "../object/elf/programs.ts";
import { encode } from "../object/encoding.ts";
import type { ObjectSpec, ProgramSpec } from "../object/spec.ts";
import { BPF, type BtfFd, btfLoad, Fd, kernelName, type MapFd, type ProgramFd, programLoad } from "../sys/bpf.ts";
import { errnoName, SyscallError } from "../sys/errno.ts";
import { createDataMap, createMap, fillMaps, fillProgramArrays } from "./create-maps.ts";
import { type Settings, withSettings } from "./data-section.ts";
import { type GlobalSection, openGlobals } from "./globals.ts";
import { LoadedObject, noSuchProgram } from "./loaded-object.ts";
import type { LoadedMap } from "./maps/open.ts";
import { PinDirectories } from "./pin-directories.ts";
import { denied } from "./privileges.ts";
import { LoadedProgram } from "./program.ts";
import { relocate } from "./relocate.ts";
import { readSource, type Source } from "./source.ts";
import { Undo } from "./undo.ts";
import { unknownHelper } from "./unknown-helper.ts";
import { VerifierError } from "./verifier-log.ts";

export interface LoadOptions {
  /**
   * The directory in a bpffs for maps that are pinned by name; made when it is not there. Maps of that name in it are used again.
   * Without it nothing is pinned, and every load has maps of its own.
   */
  pinPath?: string;
  /**
   * With `pinPath`: the directory in a bpffs for maps that their object pins as `tc` and `ip` have it, in its folder `globals` or one for the
   * object. Default: "/sys/fs/bpf/tc".
   */
  tcPinPath?: string;
  /** Load only these programs. Default: all, but for those whose section begins with "?". */
  programs?: readonly string[];
  /** Values for the object's settings, by name. */
  settings?: Settings;
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
  const chosen = choosePrograms(spec, options.programs);
  const undo = new Undo();
  const undoPins = new Undo();
  undo.push(() => undoPins.run());
  try {
    const data = withSettings(spec.data, spec.btf, options.settings ?? {});
    const pins = new PinDirectories(spec, options.pinPath, options.tcPinPath, undoPins);
    const btf = spec.btf === null ? null : withDataSections(spec.btf, data);
    const types = loadTypes(btf, chosen);
    try {
      const maps = new Map<string, LoadedMap>();
      const keep = (name: string, map: LoadedMap) => {
        undo.push(() => map.close());
        maps.set(name, map);
      };
      const toPin: [LoadedMap, string][] = [];
      for (const map of spec.maps) {
        const made = createMap(map, btf, types?.fd ?? null, pins.pathOf(map));
        keep(map.name, made.map);
        if (made.toPin !== null) toPin.push([made.map, made.toPin]);
      }
      fillMaps(spec.maps, maps);
      const sections: GlobalSection[] = [];
      for (const section of data) {
        if (section.bytes.length === 0) continue;
        const map = createDataMap(section, spec, btf, types?.fd ?? null);
        keep(section.name, map);
        sections.push({ section, fd: map.fd });
      }
      const globals = openGlobals(sections, spec.btf);
      undo.push(() => globals.close());

      const links = new Set<Disposable>();
      const programs = new Map<string, LoadedProgram>();
      const fds = new Map([...maps].map(([name, map]) => [name, map.fd]));
      for (const program of chosen) {
        const fd = loadProgram(program, spec.license, fds, types);
        undo.push(() => fd.close());
        programs.set(program.name, new LoadedProgram({ ...program, fd }, (link) => links.add(link)));
      }
      fillProgramArrays(spec.maps, maps, new Map([...programs].map(([name, { fd }]) => [name, fd])));

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

function choosePrograms(spec: ObjectSpec, names: readonly string[] | undefined): ProgramSpec[] {
  if (names === undefined) return spec.programs.filter(({ section }) => !isOptional(section));
  return names.map((name) => {
    const program = spec.programs.find((each) => each.name === name);
    const omitted = spec.omitted?.find((each) => each.name === name);
    if (omitted !== undefined) throw cannotLoad(omitted);
    if (program === undefined)
      throw noSuchProgram(
        name,
        spec.programs.map((each) => each.name),
      );
    return program;
  });
}

interface LoadedTypes {
  fd: BtfFd;
  encoded: EncodedBtf;
}

function loadTypes(btf: DataSectionBtf | null, programs: readonly ProgramSpec[]): LoadedTypes | null {
  if (btf === null) return null;
  const encoded = encodeBtf(
    btf,
    programs.flatMap(({ functions }) => [...lineStrings(functions)]),
  );
  const fd = btfLoad(encoded.bytes);
  if (fd instanceof Fd) return { fd, encoded };
  const name = errnoName(fd.errno);
  if (name === "EPERM") throw denied("The kernel does not let this process load types (BTF).");
  throw new WirescriptError({
    code: "KERNEL",
    what: `The kernel refused the object's types (BTF): ${name}.`,
    why: lastLine(fd.log) || "It gave no reason.",
    fix: "If Wirescript compiled the object, please report this. Otherwise the object was built for a newer kernel.",
    cause: new SyscallError("bpf", fd.errno, "BPF_BTF_LOAD"),
  });
}

const PROGRAM_TYPE = {
  xdp: BPF.BPF_PROG_TYPE_XDP,
  sched_cls: BPF.BPF_PROG_TYPE_SCHED_CLS,
  sched_act: BPF.BPF_PROG_TYPE_SCHED_ACT,
} as const;
const XDP_ATTACH_TYPE = { device: BPF.BPF_XDP, devmap: BPF.BPF_XDP_DEVMAP, cpumap: BPF.BPF_XDP_CPUMAP } as const;

function loadProgram(
  program: ProgramSpec,
  license: string,
  maps: ReadonlyMap<string, MapFd>,
  types: LoadedTypes | null,
): ProgramFd {
  const typed = types !== null && program.functions.every((fn) => fn.typeId !== 0);
  const result = programLoad({
    name: kernelName(program.name),
    type: PROGRAM_TYPE[program.type],
    expectedAttachType: program.type === "xdp" ? XDP_ATTACH_TYPE[xdpPlace(program.section)] : 0,
    flags: isFragsSection(program.section) ? BPF.BPF_F_XDP_HAS_FRAGS : 0,
    license,
    instructions: encode(relocate(program, maps)),
    ...(typed && { btf: { fd: types.fd, ...kernelExt(program.functions, types.encoded.stringOffset) } }),
  });
  if (result instanceof Fd) return result;
  const name = errnoName(result.errno);
  const judged = lastLine(result.log) !== "" && !NOT_THE_PROGRAM.has(name);
  if (judged) throw unknownHelper(program.name, result.log) ?? new VerifierError(program, result.log);
  const cause = new SyscallError("bpf", result.errno, "BPF_PROG_LOAD");
  if (name === "EPERM") throw denied(`The kernel does not let this process load the program "${program.name}".`, cause);
  throw new WirescriptError({
    code: "KERNEL",
    what: `The kernel did not load the program "${program.name}": ${name}.`,
    ...(NOT_THE_PROGRAM.get(name) ?? {
      why: "It refused before the verifier looked at the program, and gave no reason.",
      fix: "Check the program's type and its instructions; the kernel may be too old for them.",
    }),
    cause,
  });
}

/** Failures in which the verifier may have found nothing wrong. */
const NOT_THE_PROGRAM: ReadonlyMap<string, { why: string; fix: string }> = new Map([
  ["EAGAIN", { why: "Signals interrupted the verifier again and again.", fix: "Try again." }],
  ["EINTR", { why: "A signal interrupted it.", fix: "Try again." }],
  [
    "ENOMEM",
    { why: "It has no memory left for it.", fix: "Free memory, or raise the limit of the cgroup that this process is in." },
  ],
]);

function lastLine(log: string): string {
  return log.trimEnd().split("\n").at(-1) ?? "";
}

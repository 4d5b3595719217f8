/** Which functions are programs, of which type, and which functions each of them reaches. */
import type { Btf } from "../btf/types.ts";
import { malformed, unsupported } from "../malformed.ts";
import { type FunctionSpec, MAP_TYPE, type OmittedProgram, type ProgramSpec } from "../spec.ts";
import type { CodeFunction } from "./code.ts";
import { TEXT_SECTION } from "./format.ts";
import type { MapsSection } from "./maps.ts";
import { programTypeOf, tailSection } from "./program-type.ts";

/** `BPF_MAX_SUBPROGS` of the kernel: beyond it no program loads. */
const SUBPROGRAM_LIMIT = 256;

export interface Programs {
  programs: ProgramSpec[];
  omitted: OmittedProgram[];
}

/**
 * Every function that others see is a program, except in `.text`: there it is a subprogram, unless no other section holds a
 * program; then those that nobody calls are programs (`ip link set dev D xdp obj F sec .text`).
 *
 * @throws WirescriptError BAD_FILE when there are only programs that Wirescript does not load.
 */
export function readPrograms(code: readonly CodeFunction[], btf: Btf | null): Programs {
  const functions = new Map(code.map(({ fn }) => [fn.name, fn]));
  const order = new Map(code.map(({ fn }, index) => [fn, index]));
  const callees = new Map(code.map(({ fn }) => [fn, calledBy(fn, functions)]));
  const programs: ProgramSpec[] = [];
  const omitted: OmittedProgram[] = [];
  for (const { fn: entry, place } of entries(code, callees)) {
    const section = place.section.name;
    const type = programTypeOf(section, btf, entry.typeId);
    if (typeof type === "object") {
      omitted.push({ name: entry.name, section, kind: type.other });
      continue;
    }
    const subprograms = [...reachable(entry, callees)].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
    programs.push({ name: entry.name, section, type, functions: [entry, ...subprograms] });
  }
  const [first] = omitted;
  if (programs.length === 0 && first !== undefined) throw cannotLoad(first);
  return { programs, omitted };
}

/** For programs that were left out of a spec too. */
export function cannotLoad({ section, kind }: OmittedProgram): Error {
  return unsupported(
    `Section ${section} holds a program that Wirescript cannot load.`,
    `The name stands for the program type ${kind}; Wirescript loads xdp and tc programs.`,
    "Load these programs with bpftool.",
  );
}

type Callees = ReadonlyMap<FunctionSpec, readonly FunctionSpec[]>;

function entries(code: readonly CodeFunction[], callees: Callees): CodeFunction[] {
  const visible = code.filter(({ place }) => !place.local);
  const elsewhere = visible.filter(({ place }) => place.section.name !== TEXT_SECTION);
  if (elsewhere.length > 0) return elsewhere;
  const called = new Set([...callees.values()].flat());
  return visible.filter(({ fn }) => !called.has(fn));
}

function reachable(entry: FunctionSpec, callees: Callees): Set<FunctionSpec> {
  const reached = new Set<FunctionSpec>();
  const pending = [entry];
  for (let fn = pending.pop(); fn !== undefined; fn = pending.pop()) {
    for (const callee of callees.get(fn) ?? []) {
      // What calls the program itself, the verifier refuses as recursion.
      if (reached.has(callee) || callee === entry) continue;
      reached.add(callee);
      pending.push(callee);
    }
    if (reached.size >= SUBPROGRAM_LIMIT) {
      throw malformed(
        `Program ${entry.name} is too large.`,
        `It reaches more than ${SUBPROGRAM_LIMIT} functions, which no kernel takes.`,
      );
    }
  }
  return reached;
}

function calledBy(fn: FunctionSpec, functions: ReadonlyMap<string, FunctionSpec>): FunctionSpec[] {
  const called = new Set<FunctionSpec>();
  for (const { reference } of fn.instructions) {
    const callee = reference?.kind === "function" ? functions.get(reference.name) : undefined;
    if (callee !== undefined) called.add(callee);
  }
  return [...called];
}

/** Programs in sections called "ID/SLOT" are in that slot of the program array with that id. */
export function putTailPrograms(programs: readonly ProgramSpec[], maps: MapsSection): void {
  for (const { name, section } of programs) {
    const tail = tailSection(section);
    const map = tail === null ? undefined : maps.byId.get(tail.id);
    if (tail === null || map?.type !== MAP_TYPE.PROG_ARRAY) continue;
    if (tail.slot >= map.maxEntries) {
      throw malformed(
        `Program ${name} has no place.`,
        `Section ${section} means slot ${tail.slot} of the map ${map.name}, which has ${map.maxEntries}.`,
      );
    }
    map.values = [...(map.values ?? []), { index: tail.slot, program: name }];
  }
}

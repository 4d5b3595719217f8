/** What `wirescript load` says when it has done its work. */
import type { LoadedObject, LoadedProgram, PersistentAttachment, PersistentTcAttachment, ProgramInfo } from "../../index.ts";
import type { ProgramSpec } from "../../object/spec.ts";
import { STATS_MAP } from "../counters.ts";
import { shellWord } from "../own-command.ts";
import { instructionCount, type ProgramFile } from "../program-file.ts";
import { paint, say } from "../terminal.ts";
import type { LoadCommandOptions } from "./load.ts";

export interface LoadReport {
  dev: string;
  spec: ProgramSpec;
  source: ProgramFile;
  loaded: LoadedObject;
  program: LoadedProgram;
  /** That loading and verifying took. */
  milliseconds: number;
  /** The ids of the maps that there were before: ids are not used again, so a map of theirs is shared, wherever it is pinned. */
  before: ReadonlySet<number>;
  options: LoadCommandOptions;
}

const ORIGIN = { compiled: "compiled", cache: "taken from the compiler's cache", object: "read" } as const;

/** `head`: how it was attached. */
export function reportLoad(
  { dev, spec, source, loaded, program, milliseconds, before, options }: LoadReport,
  head: string[],
): void {
  for (const line of head) say(line);
  say(`  program   ${describeProgram(spec, program.info())}`);
  say(
    `  time      ${ORIGIN[source.origin]} in ${inMilliseconds(source.milliseconds)}, loaded and verified in ${inMilliseconds(milliseconds)}`,
  );
  if (loaded.mountedBpffs !== null)
    say(`  mounted   the BPF file system at ${loaded.mountedBpffs}, for the pins; it stays mounted`);
  for (const map of loaded.spec.maps.map(({ name }) => loaded.map(name))) {
    if (map.pinnedAt === null) continue;
    say(`  pinned    ${map.pinnedAt}${before.has(map.info().id) ? " (it was there: used again, with its contents)" : ""}`);
  }
  say();
  const where = `${options.netns === undefined ? "" : ` --netns ${shellWord(options.netns)}`}${options.pinPath === undefined ? "" : ` --pin-path ${shellWord(options.pinPath)}`}`;
  if (loaded.spec.maps.some(({ name, pinning }) => name === STATS_MAP && pinning === "by-name")) {
    say(`Watch it:   wirescript stats ${shellWord(dev)}${where}`);
  }
  const hook = spec.type === "xdp" ? "" : ` --tc --prog ${spec.name}`;
  say(`Remove it:  wirescript unload ${shellWord(dev)}${hook}${where}`);
}

/** `holders`: who held links that had to give way, by their ids. */
export function describeXdp(
  { dev, mode, fallback, replaced, atomic }: PersistentAttachment,
  name: string,
  holders: ReadonlyMap<number, string>,
): string[] {
  const lines = [`${paint("green", "Attached")} ${paint("bold", name)} to ${dev} in ${mode} mode.`];
  if (fallback !== null) lines.push(`  mode      skb, because native was refused: ${fallback}`);
  for (const old of replaced) {
    const how = atomic ? "at once, no packet met neither" : "with a moment in between without a program";
    lines.push(`  replaced  ${old.name} (id ${old.id}, ${old.mode} mode), ${how}`);
    if (old.linkId !== null) {
      lines.push(
        `  detached  bpf_link ${old.linkId}, ${holders.get(old.linkId) ?? "which is gone"}: it holds nothing any more`,
      );
    }
  }
  return lines;
}

/** `netns`: the name of the device's namespace, if it is another one that has a name. */
export function describeTc(
  { dev, direction, priority, handle, replaced }: PersistentTcAttachment,
  name: string,
  netns: string | null,
): string[] {
  const lines = [
    `${paint("green", "Attached")} ${paint("bold", name)} to the ${direction} of ${dev}.`,
    `  filter    clsact, priority ${priority}, handle ${handle}: tc ${netns === null ? "" : `-n ${shellWord(netns)} `}filter show dev ${dev} ${direction}`,
  ];
  if (replaced !== null) lines.push(`  replaced  ${replaced.name} (id ${replaced.id}), at once, no packet met neither`);
  return lines;
}

function describeProgram(program: ProgramSpec, info: ProgramInfo): string {
  const compiled = info.jitedBytes > 0 ? `${info.jitedBytes} bytes of machine code` : "interpreted";
  return `id ${info.id}, tag ${info.tag}, section "${program.section}", ${instructionCount(program)} instructions, ${compiled}`;
}

function inMilliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/**
 * `wirescript load`: compiles, loads and attaches, and leaves the program there. It attaches by netlink, so that `ip link` and
 * `xdp-loader` see the program and can remove it, in native mode unless told otherwise, as xdp-loader does.
 *
 * Attaching is the last step, and it cannot be interrupted: a command that fails or is stopped before it leaves nothing behind, and
 * one that got so far says what it did.
 */
import {
  attachedXdp,
  type LoadedObject,
  loadSpec,
  type PersistentAttachment,
  type ProgramInfo,
  VerifierError,
} from "../../index.ts";
import type { ProgramSpec } from "../../object/spec.ts";
import { deviceBusy } from "../../runtime/links/xdp-failure.ts";
import { getLink } from "../../sys/netlink/index.ts";
import { STATS_MAP } from "../counters.ts";
import { Interruption } from "../interruption.ts";
import { pinDirectoryOf, pinnedMaps } from "../pins.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { chooseProgram, instructionCount, openProgramFile } from "../program-file.ts";
import { paint, say } from "../terminal.ts";

export interface LoadCommandOptions {
  mode: "native" | "skb" | "auto";
  prog?: string;
  section?: string;
  force?: boolean;
  pinPath?: string;
  verbose?: boolean;
  /** Values for the program's settings. */
  set?: Record<string, unknown>;
  /** How the XDP tutorial's loaders call `prog` and `section`. */
  progName?: string;
  progname?: string;
  progsec?: string;
}

export async function load(dev: string, file: string, given: LoadCommandOptions): Promise<void> {
  await mustBeAbleTo("attach programs");
  using interruption = new Interruption();
  const options = { ...given, prog: given.prog ?? given.progName ?? given.progname, section: given.section ?? given.progsec };
  const device = getLink(dev);
  const source = await openProgramFile(file);
  const program = chooseProgram(source.spec, file, options);
  const present = attachedXdp(dev);
  if (present.length > 0 && options.force !== true) throw deviceBusy(device, present);
  await interruption.checkpoint(NOTHING_DONE);

  const pinPath = options.pinPath ?? pinDirectoryOf(dev);
  const before = new Set(pinnedMaps(pinPath).map(({ path }) => path));
  const begin = performance.now();
  let object: LoadedObject;
  try {
    object = loadSpec(source.spec, { pinPath, programs: [program.name], settings: options.set ?? {} });
  } catch (error) {
    if (options.verbose === true && error instanceof VerifierError) process.stderr.write(`${error.log}\n`);
    throw error;
  }
  using loaded = object;
  const loading = performance.now() - begin;
  const loadedProgram = loaded.program(program.name);
  let attachment: PersistentAttachment;
  try {
    await interruption.checkpoint(NOTHING_DONE);
    attachment = loadedProgram.attachPersistently({ dev, mode: options.mode, force: options.force === true });
  } catch (error) {
    loaded.undoPins();
    throw error;
  }

  for (const line of describeAttachment(attachment, program.name)) say(line);
  say(`  program   ${describeProgram(program, loadedProgram.info())}`);
  say(
    `  time      ${ORIGIN[source.origin]} in ${milliseconds(source.milliseconds)}, loaded and verified in ${milliseconds(loading)}`,
  );
  if (loaded.mountedBpffs !== null)
    say(`  mounted   the BPF file system at ${loaded.mountedBpffs}, for the pins; it stays mounted`);
  for (const path of loaded.spec.maps.map(({ name }) => loaded.map(name).pinnedAt)) {
    if (path !== null) say(`  pinned    ${path}${before.has(path) ? " (it was there: used again, with its contents)" : ""}`);
  }
  say();
  if (loaded.spec.maps.some(({ name, pinning }) => name === STATS_MAP && pinning === "by-name")) {
    say(`Watch it:   wirescript stats ${dev}${options.pinPath === undefined ? "" : ` --pin-path ${options.pinPath}`}`);
  }
  say(`Remove it:  wirescript unload ${dev}`);
}

const NOTHING_DONE = "Nothing is attached, pinned or mounted that was not before.";

const ORIGIN = { compiled: "compiled", cache: "taken from the compiler's cache", object: "read" } as const;

function describeAttachment({ dev, mode, fallback, replaced, atomic }: PersistentAttachment, name: string): string[] {
  const lines = [`${paint("green", "Attached")} ${paint("bold", name)} to ${dev} in ${mode} mode.`];
  if (fallback !== null) lines.push(`  mode      skb, because native was refused: ${fallback}`);
  for (const old of replaced) {
    const how = atomic ? "at once, no packet met neither" : "with a moment in between without a program";
    lines.push(`  replaced  ${old.name} (id ${old.id}, ${old.mode} mode), ${how}`);
  }
  return lines;
}

function describeProgram(program: ProgramSpec, info: ProgramInfo): string {
  const compiled = info.jitedBytes > 0 ? `${info.jitedBytes} bytes of machine code` : "interpreted";
  return `id ${info.id}, tag ${info.tag}, section "${program.section}", ${instructionCount(program)} instructions, ${compiled}`;
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

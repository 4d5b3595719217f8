/**
 * `./xdp_loader`, the XDP tutorial's own loader: `./xdp_loader -d DEV -F --progsec SECTION`. The program's maps are pinned in /sys/fs/bpf/DEV
 * and take the place of those that an earlier program left there.
 *
 * Everything is done or nothing: when attaching fails, the earlier program's pins are there again. And `--unload` takes off what is there in
 * whichever mode, says so only when it is true, and takes the pins along.
 */
import { unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { WirescriptError } from "../../../errors.ts";
import { attachedXdp, detachXdp, type LoadedObject, loadSpec, openPinnedMap, programInfo } from "../../../index.ts";
import { mapsUsedBy, type ObjectSpec, type ProgramSpec } from "../../../object/spec.ts";
import { ensurePinDirectory } from "../../../runtime/pin.ts";
import { Undo } from "../../../runtime/undo.ts";
import type { Link } from "../../../sys/netlink/index.ts";
import type { OptionSpec } from "../../../tutorials/getopt.ts";
import { whileAlone } from "../../network.ts";
import { pinDirectoryOf, pinnedMaps, removePins } from "../../pins.ts";
import { say } from "../../terminal.ts";
import { openObjectFile } from "./object-file.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure, told } from "./tool-failure.ts";
import { DEV, HELP, QUIET, tutorialOptions } from "./tutorial-options.ts";

const DOCUMENTATION = ["XDP loader", " - Allows selecting BPF section --progsec name to XDP-attach to --dev"];

const OPTIONS: readonly OptionSpec[] = [
  DEV,
  HELP,
  { short: "S", long: "skb-mode", help: "Install XDP program in SKB (AKA generic) mode" },
  { short: "N", long: "native-mode", help: "Install XDP program in native mode" },
  { short: "A", long: "auto-mode", help: "Auto-detect SKB or native mode" },
  { short: "F", long: "force", help: "Force install, replacing existing program on interface" },
  { short: "U", long: "unload", help: "Unload XDP program instead of loading" },
  { short: "M", long: "reuse-maps", help: "Reuse pinned maps" },
  QUIET,
  { long: "filename", argument: "<file>", help: "Load program from <file>" },
  { long: "progsec", argument: "<section>", help: "Load program in <section> of the ELF file" },
  { long: "progname", argument: "<name>", help: "Load program with function <name> of the ELF file" },
];

/** The launcher says which file is loaded when none is given. */
export async function xdpLoader(call: ToolCall): Promise<number> {
  const parsed = await tutorialOptions(call, DOCUMENTATION, OPTIONS, "attach programs");
  if (parsed === null) return STATUS.OK;
  const { values, device } = parsed;
  const tell = values.has("quiet") ? () => {} : say;
  const has = (option: string) => values.has(option);
  if (has("unload")) {
    const mode = has("skb-mode") ? "skb" : has("native-mode") ? "native" : null;
    return await whileAlone(() => unload(device, mode, tell));
  }

  const file = values.get("filename") ?? call.configuration[0] ?? "xdp_prog_kern.o";
  const { spec } = await openObjectFile(STATUS.BPF, `ERR: loading file: ${file}`, file);
  const program = choose(spec, file, values.get("progsec"), values.get("progname"));
  const mode = has("auto-mode") ? "auto" : has("skb-mode") ? "skb" : "native";
  const work = () => attach(device, { spec, program, mode, force: has("force"), reuse: has("reuse-maps") });
  const lines = await whileAlone(work);
  const chosen = values.has("progname") ? `program(${program.name})` : `section(${program.section})`;
  tell(`Success: Loaded BPF-object(${file}) and used ${chosen}`);
  tell(` - XDP prog attached on device:${device.name}(ifindex:${device.ifindex})`);
  for (const line of lines) tell(line);
  return STATUS.OK;
}

function choose({ programs }: ObjectSpec, file: string, section: string | undefined, name: string | undefined): ProgramSpec {
  const fits = programs.filter((each) => name === undefined || each.name === name);
  const found = section === undefined ? fits[0] : fits.find((each) => each.section === section);
  if (found !== undefined) return found;
  throw new ToolFailure({
    status: STATUS.BPF,
    what:
      section === undefined
        ? `ERR: couldn't find a program '${name}'`
        : `ERR: couldn't find a program in ELF section '${section}'`,
    why: `${file} has ${programs.map((each) => `${each.name} in section "${each.section}"`).join(", ") || "no programs"}.`,
    fix: "Name one of these; after a change of the source, run make.",
  });
}

interface Attachment {
  spec: ObjectSpec;
  program: ProgramSpec;
  mode: "native" | "skb" | "auto";
  force: boolean;
  /** Use the maps that are pinned, with what is in them. */
  reuse: boolean;
}

/** Returns what is to be said about the pins. */
async function attach(device: Link, { spec, program, mode, force, reuse }: Attachment): Promise<string[]> {
  const directory = pinDirectoryOf(device.name);
  const used = mapsUsedBy(program);
  if (reuse) requirePins(used, directory);
  const maps = spec.maps.map((map) => ({
    ...map,
    pinning: reuse && used.has(map.name) ? ("by-name" as const) : ("none" as const),
  }));
  const options = { programs: [program.name], ...(reuse && { pinPath: directory }) };
  using object = await told(STATUS.BPF, `ERR: loading BPF program '${program.name}'`, () =>
    loadSpec({ ...spec, maps }, options),
  );
  const undo = new Undo();
  try {
    const lines = reuse ? [] : replacePins(object, used, device, directory, undo);
    await told(STATUS.XDP, attachFailure(device), () =>
      object.program(program.name).attachPersistently({ dev: device.name, mode, force }),
    );
    // Without maps nothing is left to pin.
    if (used.size === 0) removePins([], directory);
    return lines;
  } catch (error) {
    undo.run();
    throw error;
  }
}

function attachFailure({ ifindex }: Link): (error: WirescriptError) => string {
  return ({ code }) => {
    const [number, text] = code === "MODE_UNSUPPORTED" ? [95, "Operation not supported"] : [16, "Device or resource busy"];
    const hint = {
      DEVICE_BUSY: "\nHint: XDP already loaded on device use --force to swap/replace",
      MODE_UNSUPPORTED: "\nHint: Native-XDP not supported use --skb-mode or --auto-mode",
    }[code as string];
    return hint === undefined
      ? `ERR: ifindex(${ifindex}) link set xdp fd failed`
      : `ERR: ifindex(${ifindex}) link set xdp fd failed (${number}): ${text}${hint}`;
  };
}

function requirePins(names: ReadonlySet<string>, directory: string): void {
  const there = new Set(pinnedMaps(directory).map(({ path }) => path));
  const missing = [...names].find((name) => !there.has(join(directory, name)));
  if (missing === undefined) return;
  throw new ToolFailure({
    status: STATUS.BPF,
    what: `ERR: reusing maps: ${directory}/${missing} is not pinned`,
    why: "--reuse-maps takes the maps of an earlier load, and there is none.",
    fix: "Load once without --reuse-maps.",
  });
}

/** Pins the program's maps instead of those that the program before it had, or that have their names. `undo` brings these back. */
function replacePins(object: LoadedObject, names: ReadonlySet<string>, device: Link, directory: string, undo: Undo): string[] {
  if (names.size > 0) undo.push(ensurePinDirectory(directory).undo);
  const replaced = new Set(attachedXdp(device.ifindex).flatMap(({ id }) => programInfo(id).mapIds));
  const before = pinnedMaps(directory)
    .filter(({ path, mapId }) => dirname(path) === directory && (names.has(basename(path)) || replaced.has(mapId)))
    .map(({ path }) => openPinnedMap(path));
  for (const map of before) {
    const path = map.pinnedAt ?? "";
    map.unpin();
    undo.push(() => map.pin(path));
  }
  for (const name of names) {
    const path = join(directory, name);
    object.map(name).pin(path);
    undo.push(() => unlinkSync(path));
  }
  return [
    ...(before.length > 0 ? [` - Unpinning (remove) prev maps in ${directory}/`] : []),
    ...(names.size > 0 ? [` - Pinning maps in ${directory}/`] : []),
  ];
}

function unload(device: Link, mode: "native" | "skb" | null, tell: (line: string) => void): number {
  const present = attachedXdp(device.ifindex);
  const wanted = present.filter((each) => mode === null || each.mode === mode);
  if (wanted.length === 0) {
    tell(`INFO: xdp_link_detach() no curr XDP prog on ifindex:${device.ifindex}`);
    const [other] = present;
    if (other !== undefined) tell(`Hint: XDP prog ID:${other.id} is attached in ${other.mode} mode`);
    return STATUS.OK;
  }
  const maps = new Set(wanted.flatMap(({ id }) => programInfo(id).mapIds));
  const removed = detachXdp(device.ifindex);
  for (const { id } of removed) tell(`INFO: xdp_link_detach() removed XDP prog ID:${id} on ifindex:${device.ifindex}`);
  const directory = pinDirectoryOf(device.name);
  const pins = pinnedMaps(directory).filter(({ mapId }) => maps.has(mapId));
  removePins(pins, directory);
  if (pins.length > 0) tell(` - Unpinning (remove) maps in ${directory}/`);
  return STATUS.OK;
}

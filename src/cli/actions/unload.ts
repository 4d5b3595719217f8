/** `wirescript unload`: takes programs off a device, and tells the truth about it. */
import { WirescriptError } from "../../errors.ts";
import { attachedTc, attachedXdp, detachTc, detachXdp, openPinnedProgram, openProgram } from "../../index.ts";
import { parseSelector, type Selector } from "../../runtime/selector.ts";
import type { Direction } from "../../sys/bpf.ts";
import { findLink, noSuchDevice } from "../../sys/netlink/index.ts";
import { enterNetwork, whileAlone } from "../network.ts";
import { shellWord } from "../own-command.ts";
import { pinDirectoryOf, pinnedMaps, removePins } from "../pins.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { say } from "../terminal.ts";

export interface UnloadOptions {
  mode?: "native" | "skb" | "hw";
  force?: boolean;
  keepPins?: boolean;
  pinPath?: string;
  netns?: string;
  /** TC programs instead of XDP. */
  tc?: boolean;
  ingress?: boolean;
  egress?: boolean;
  /** A TC program, as `parseSelector` understands it. */
  prog?: string;
}

/** What was taken off, for the user, and the maps that it used. */
interface Removed {
  lines: string[];
  mapIds: Set<number>;
}

export async function unload(dev: string, options: UnloadOptions): Promise<void> {
  await mustBeAbleTo("detach programs");
  const network = enterNetwork(options.netns);
  const directory = options.pinPath ?? pinDirectoryOf(dev, network);
  await whileAlone(() => {
    if (findLink(dev) === null) return removePinsOfVanished(dev, directory, options);
    const ofTc = options.tc === true || options.ingress === true || options.egress === true;
    const { lines, mapIds } = ofTc ? unloadTc(dev, options) : unloadXdp(dev, directory, options);
    for (const line of lines) say(line);
    if (options.keepPins !== true) removePinsOf(mapIds, directory);
  });
}

function unloadXdp(dev: string, directory: string, { mode, force }: UnloadOptions): Removed {
  const present = attachedXdp(dev);
  const wanted = present.filter((each) => mode === undefined || each.mode === mode);
  if (wanted.length === 0) throw nothingThere(dev, directory, mode, present[0]);
  const mapIds = mapsOf(wanted);
  const removed = detachXdp(dev, { force: force === true, mode });
  const lines = removed.map(
    ({ name, id, mode, linkId }) =>
      `Removed "${name}" (id ${id}) from ${dev}: ${mode} mode${linkId === null ? "" : `, held by bpf_link ${linkId}`}.`,
  );
  return { lines, mapIds };
}

function nothingThere(
  dev: string,
  directory: string,
  mode: string | undefined,
  other?: { name: string; id: number; mode: string },
) {
  const left = pinnedMaps(directory);
  const [tc] = attachedTc(dev);
  const remedy =
    tc !== undefined
      ? `Its TC programs are taken off with: wirescript unload ${dev} --${tc.direction}`
      : left.length > 0
        ? `Maps of an earlier program are still pinned; if nobody needs them: rm -r ${directory}`
        : "See what is attached where: wirescript status";
  return new WirescriptError({
    code: "NOTHING_ATTACHED",
    what: `There is no XDP program${mode === undefined ? "" : ` in ${mode} mode`} on ${dev}: nothing was removed.`,
    why:
      other === undefined
        ? "None is attached, or something else removed it."
        : `"${other.name}" (id ${other.id}) is attached there in ${other.mode} mode.`,
    fix: other === undefined ? remedy : `Leave out --mode, or say --mode ${other.mode}.`,
  });
}

/** All TC programs when there is one, or one is chosen: several belong to several people. */
function unloadTc(dev: string, options: UnloadOptions): Removed {
  const direction: Direction | undefined =
    options.ingress === true ? "ingress" : options.egress === true ? "egress" : undefined;
  const present = attachedTc(dev, { direction });
  const { prog } = options;
  const isWanted = prog === undefined ? () => true : chosenBy(parseSelector(prog.split(" "), "program"));
  const wanted = present.filter(isWanted);
  const where = direction === undefined ? dev : `the ${direction} of ${dev}`;
  const there = present.map(({ name, id, direction }) => `"${name}" (id ${id}, ${direction})`).join(", ");
  const failure = (code: "NOTHING_ATTACHED" | "USAGE", what: string, why: string, fix: string) =>
    new WirescriptError({ code, what, why, fix });
  const [only] = wanted;
  if (only === undefined) {
    throw failure(
      "NOTHING_ATTACHED",
      `There is no TC program${prog === undefined ? "" : ` "${prog}"`} on ${where}: nothing was removed.`,
      present.length === 0 ? "None is attached, or something else removed it." : `There is ${there}.`,
      "See what is attached where: wirescript status",
    );
  }
  if (wanted.length > 1) {
    throw failure(
      "USAGE",
      `${capital(where)} has several TC programs${prog === undefined ? "" : ` "${prog}"`}, and one must be chosen.`,
      `There is ${there}.`,
      `Choose with --prog, by name or id, for example --prog ${only.id}`,
    );
  }
  const mapIds = mapsOf(wanted);
  const removed = detachTc(dev, { direction: only.direction, program: only.id, force: options.force === true });
  const lines = removed.map(({ name, id, direction, via, linkId }) => {
    const how = linkId === null ? via : `TCX, held by bpf_link ${linkId}`;
    return `Removed "${name}" (id ${id}) from the ${direction} of ${dev}: ${how}.`;
  });
  return { lines, mapIds };
}

/** The kernel keeps 15 bytes of a name. */
function chosenBy(selector: Selector): (program: { id: number; name: string }) => boolean {
  if ("name" in selector) return ({ name }) => name === selector.name.slice(0, 15);
  if ("id" in selector) return ({ id }) => id === selector.id;
  using program = openPinnedProgram(selector.path);
  const { id: pinned } = program.info();
  return ({ id }) => id === pinned;
}

/** Programs that go meanwhile leave no maps that are theirs alone. */
function mapsOf(programs: readonly { id: number }[]): Set<number> {
  return new Set(
    programs.flatMap(({ id }) => {
      try {
        using program = openProgram(id);
        return program.info().mapIds;
      } catch (error) {
        if (error instanceof WirescriptError && error.code === "NO_SUCH_PROGRAM") return [];
        throw error;
      }
    }),
  );
}

/** Those in the device's directory. Others are named only: `ip` pins maps where programs share them. */
function removePinsOf(mapIds: ReadonlySet<number>, directory: string): void {
  const pins = pinnedMaps().filter(({ mapId }) => mapIds.has(mapId));
  const own = pinnedMaps(directory).filter(({ mapId }) => mapIds.has(mapId));
  const emptied = removePins(own, directory);
  for (const { path } of own) say(`Unpinned ${path}.`);
  if (emptied) say(`Removed the empty directory ${directory}.`);
  for (const { path } of pins) {
    if (own.some((each) => each.path === path)) continue;
    say(
      `Left ${path}, a pin of its map in a place that others may share; if nobody needs it: wirescript unpin ${shellWord(path)}`,
    );
  }
}

/** A device takes its programs along, but not the pins of their maps. @throws WirescriptError NO_SUCH_DEVICE */
function removePinsOfVanished(dev: string, directory: string, { keepPins }: UnloadOptions): void {
  const pins = pinnedMaps(directory);
  if (pins.length === 0 || keepPins === true) throw noSuchDevice(dev);
  const emptied = removePins(pins, directory);
  say(`There is no device ${dev} any more; its programs went with it.`);
  for (const { path } of pins) say(`Unpinned ${path}.`);
  if (emptied) say(`Removed the empty directory ${directory}.`);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

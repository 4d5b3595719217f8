/**
 * `wirescript load`: compiles, loads and attaches, and leaves the program there. It attaches XDP programs by netlink and TC programs as filters, so
 * that `ip`, `tc` and `xdp-loader` see the program and can remove it; XDP in native mode unless told otherwise, as xdp-loader does.
 *
 * Attaching is the last step, and it cannot be interrupted: a command that fails or is stopped before it leaves nothing behind, and
 * one that got so far says what it did.
 */
import {
  attachedXdp,
  type LoadedObject,
  type LoadedProgram,
  loadSpec,
  mapIds,
  type PersistentAttachment,
  type PersistentTcAttachment,
  VerifierError,
} from "../../index.ts";
import { mapsUsedBy, type ObjectSpec, type ProgramSpec } from "../../object/spec.ts";
import { describeHolders, holdersOfLink } from "../../runtime/links/holders.ts";
import { directionOf } from "../../runtime/links/tc.ts";
import { deviceBusy } from "../../runtime/links/xdp-failure.ts";
import type { Direction } from "../../sys/bpf.ts";
import { namespaceExists } from "../../sys/namespaces.ts";
import { findLink, getLink } from "../../sys/netlink/index.ts";
import { Interruption } from "../interruption.ts";
import { enterNetwork, whileAlone } from "../network.ts";
import { pinDirectoryOf } from "../pins.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { chooseProgram, openProgramFile } from "../program-file.ts";
import { followDevice } from "./load-follow.ts";
import { describeTc, describeXdp, type LoadReport, reportLoad } from "./load-report.ts";

export interface LoadCommandOptions {
  mode: "native" | "skb" | "hw" | "auto";
  prog?: string;
  section?: string;
  force?: boolean;
  pinPath?: string;
  verbose?: boolean;
  /** Values for the program's settings. */
  set?: Record<string, unknown>;
  /** A TC program, even where the file has XDP programs too. */
  tc?: boolean;
  ingress?: boolean;
  egress?: boolean;
  priority?: number;
  netns?: string;
  follow?: boolean;
  /** How the XDP tutorial's loaders call `prog` and `section`. */
  progName?: string;
  progname?: string;
  progsec?: string;
}

export async function load(dev: string, file: string, given: LoadCommandOptions): Promise<void> {
  await mustBeAbleTo("attach programs");
  const network = enterNetwork(given.netns);
  using interruption = new Interruption();
  const options = { ...given, prog: given.prog ?? given.progName ?? given.progname, section: given.section ?? given.progsec };
  const asked = directionAsked(given);
  if (options.follow !== true) getLink(dev);
  const source = await openProgramFile(file);
  const choice = { prog: options.prog, section: options.section, tc: given.tc === true, direction: asked };
  const spec = chooseProgram(source.spec, file, choice);
  const direction = spec.type === "sched_cls" ? (asked ?? spec.direction ?? directionOf(spec.section) ?? undefined) : undefined;
  mustBeFree(dev, spec, options.force === true);
  await interruption.checkpoint(NOTHING_DONE);

  const pinPath = options.pinPath ?? pinDirectoryOf(dev, network);
  const { loaded, program, milliseconds, before, attachment, holders } = await whileAlone(async () => {
    // Asked again, now that nobody else is at it.
    mustBeFree(dev, spec, options.force === true);
    const before = new Set(mapIds());
    const begin = performance.now();
    const loaded = loadOrTell(
      () =>
        loadSpec(withPinsOf(spec, source.spec), {
          pinPath,
          programs: [spec.name],
          settings: options.set ?? {},
          // A card runs only what was loaded for it.
          ...(options.mode === "hw" && spec.type === "xdp" && { device: dev, offload: true }),
        }),
      options,
    );
    const milliseconds = performance.now() - begin;
    const program = loaded.program(spec.name);
    try {
      await interruption.checkpoint(NOTHING_DONE);
      const holders = options.force === true ? linkHolders(dev) : new Map<number, string>();
      const attachment = options.follow === true ? null : attach(program, dev, direction, options);
      return { loaded, program, milliseconds, before, attachment, holders };
    } catch (error) {
      loaded.undoPins();
      loaded.close();
      throw error;
    }
  });
  using _ = loaded;
  const report: LoadReport = { dev, spec, source, loaded, program, milliseconds, before, options };
  if (attachment !== null) {
    // A namespace without a name is called by its number, which has no use for tc.
    const named = network !== null && namespaceExists(network) ? network : null;
    reportLoad(
      report,
      "mode" in attachment ? describeXdp(attachment, spec.name, holders) : describeTc(attachment, spec.name, named),
    );
    return;
  }
  const { mode, force } = options;
  await followDevice(report, { dev, mode, direction, force, persistent: true }, interruption);
}

export const NOTHING_DONE = "Nothing is attached, pinned or mounted that was not before.";

function directionAsked({ ingress, egress }: LoadCommandOptions): Direction | undefined {
  if (ingress === true) return "ingress";
  return egress === true ? "egress" : undefined;
}

/** Pins of maps that the program does not use would stay behind: nothing leads to them when it is unloaded. */
function withPinsOf(program: ProgramSpec, spec: ObjectSpec): ObjectSpec {
  const used = mapsUsedBy(program);
  return { ...spec, maps: spec.maps.map((map) => (used.has(map.name) ? map : { ...map, pinning: "none" as const })) };
}

/** Said before anything is done, and before anybody waits for the verifier. @throws WirescriptError DEVICE_BUSY */
function mustBeFree(dev: string, { type }: ProgramSpec, force: boolean): void {
  const device = findLink(dev);
  if (type !== "xdp" || device === null || force) return;
  const present = attachedXdp(dev);
  if (present.length > 0) throw deviceBusy(device, present);
}

/** Who held the links that are about to be detached, as long as they can be asked. */
function linkHolders(dev: string): Map<number, string> {
  if (findLink(dev) === null) return new Map();
  return new Map(
    attachedXdp(dev).flatMap(({ linkId }) =>
      linkId === null ? [] : [[linkId, describeHolders(holdersOfLink(linkId))] as const],
    ),
  );
}

function loadOrTell(work: () => LoadedObject, { verbose }: LoadCommandOptions): LoadedObject {
  try {
    return work();
  } catch (error) {
    if (verbose === true && error instanceof VerifierError) process.stderr.write(`${error.log}\n`);
    throw error;
  }
}

function attach(
  program: LoadedProgram,
  dev: string,
  direction: Direction | undefined,
  options: LoadCommandOptions,
): PersistentAttachment | PersistentTcAttachment {
  const force = options.force === true;
  // What a program for TC lacks when its direction is not known, `attachPersistently` says.
  if (program.type === "xdp" || direction === undefined) return program.attachPersistently({ dev, mode: options.mode, force });
  return program.attachPersistently({ dev, direction, priority: options.priority, force });
}

/** `wirescript pin` and `wirescript unpin`: keep what is in the kernel alive by a file in bpffs, and end that. */
import { dirname, resolve } from "node:path";
import { WirescriptError } from "../../errors.ts";
import { adoptLink, openMapById, openProgram, unpin as removePin } from "../../index.ts";
import { ensurePinDirectory } from "../../runtime/pin.ts";
import { enterNetwork } from "../network.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { say } from "../terminal.ts";

const KINDS = ["prog", "map", "link"] as const;

export async function pin(kind: string, id: string, path: string, options: { netns?: string }): Promise<void> {
  await mustBeAbleTo("pin what is in the kernel");
  enterNetwork(options.netns);
  const number = idOf(kind, id);
  const directory = ensurePinDirectory(dirname(resolve(path)));
  try {
    using object = open(kind as (typeof KINDS)[number], number);
    object.pin(resolve(path));
  } catch (error) {
    directory.undo();
    throw error;
  }
  if (directory.mounted !== null) say(`Mounted the BPF file system at ${directory.mounted}; it stays mounted.`);
  say(`Pinned ${kind} ${number} at ${resolve(path)}.`);
}

export async function unpin(paths: readonly string[]): Promise<void> {
  await mustBeAbleTo("remove pins");
  for (const path of paths) {
    const { kind, id } = removePin(resolve(path));
    say(`Unpinned ${path}: ${kind} ${id}.`);
  }
}

function open(kind: (typeof KINDS)[number], id: number): Disposable & { pin(path: string): void } {
  if (kind === "prog") return openProgram(id);
  return kind === "map" ? openMapById(id) : adoptLink(id);
}

function idOf(kind: string, id: string): number {
  const isKind = (KINDS as readonly string[]).includes(kind);
  if (isKind && /^\d+$/.test(id) && Number(id) > 0 && Number(id) < 2 ** 32) return Number(id);
  throw new WirescriptError({
    code: "USAGE",
    what: isKind ? `"${id}" is no id of a ${kind}.` : `There is nothing called "${kind}" to pin.`,
    why: isKind ? "Ids are whole numbers from 1 on." : `What can be pinned is a ${KINDS.join(", a ")}.`,
    fix: "For example: wirescript pin prog 42 /sys/fs/bpf/mine; wirescript progs, maps and links show ids.",
  });
}

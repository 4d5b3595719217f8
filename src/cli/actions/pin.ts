/** `wirescript pin` and `wirescript unpin`: keep what is in the kernel alive by a file in bpffs, and end that. */
import { dirname, resolve } from "node:path";
import { WirescriptError } from "../../errors.ts";
import { unpin as removePin } from "../../index.ts";
import { openLinkFd, openMapFd, openProgram } from "../../runtime/kernel-objects.ts";
import { ensurePinDirectory, pinObject } from "../../runtime/pin.ts";
import { type ObjectKind, type Selector, takeSelector } from "../../runtime/selector.ts";
import { type Fd, linkInfo, mapInfo, programInfo } from "../../sys/bpf.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { say } from "../terminal.ts";

/** As the command line calls them. */
export type PinKind = "prog" | "map" | "link";

const KINDS: Record<PinKind, ObjectKind> = { prog: "program", map: "map", link: "link" };

/** `words`: what is to be pinned, and where. */
export async function pin(kind: PinKind, words: readonly string[]): Promise<void> {
  const { selector, rest } = takeSelector(words, KINDS[kind]);
  const [given] = rest;
  if (given === undefined || rest.length > 1) throw notUnderstood(kind, words, given);
  await mustBeAbleTo("pin what is in the kernel");
  using object = open(kind, selector);
  const path = resolve(given);
  const directory = ensurePinDirectory(dirname(path));
  const what = `${kind} ${object.id}`;
  try {
    pinObject(object.fd, path, what);
  } catch (error) {
    directory.undo();
    throw error;
  }
  if (directory.mounted !== null) say(`Mounted the BPF file system at ${directory.mounted}; it stays mounted.`);
  say(`Pinned ${what} at ${path}.`);
}

export async function unpin(paths: readonly string[]): Promise<void> {
  await mustBeAbleTo("remove pins");
  for (const path of paths) {
    const { kind, id } = removePin(resolve(path));
    say(`Unpinned ${path}: ${kind} ${id}.`);
  }
}

function open(kind: PinKind, selector: Selector): { fd: Fd; id: number } & Disposable {
  if (kind === "prog") {
    const fd = openProgram(selector);
    return { fd, id: programInfo(fd).id, [Symbol.dispose]: () => fd.close() };
  }
  if (kind === "map") {
    const fd = openMapFd(selector);
    return { fd, id: mapInfo(fd).id, [Symbol.dispose]: () => fd.close() };
  }
  const fd = openLinkFd(selector);
  return { fd, id: linkInfo(fd).id, [Symbol.dispose]: () => fd.close() };
}

function notUnderstood(kind: PinKind, words: readonly string[], path: string | undefined): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `"pin ${[kind, ...words].join(" ")}" ${path === undefined ? "does not say where to pin it" : "says too much"}.`,
    why: `It takes a ${KINDS[kind]}, and one path in the BPF file system.`,
    fix: `For example: wirescript pin ${kind} 42 /sys/fs/bpf/mine; wirescript ${kind}s shows ids.`,
  });
}

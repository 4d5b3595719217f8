/**
 * Makes the folder in which a lesson is followed: its programs to read and edit, a Makefile, a README, and commands under the names that the
 * lesson's text uses. The folder is there whole or not at all.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { WirescriptError } from "../errors.ts";
import { packageFile } from "../package.ts";
import { TUTORIALS, type Tutorial } from "./catalogue.ts";

/** The one file of a workspace that knows where Wirescript is. */
const OWN_COMMAND = "wirescript";

export interface Workspace {
  directory: string;
  /** Paths in it. */
  files: string[];
}

/**
 * Makes a workspace. The directory may exist if it is empty; its parent has to exist.
 *
 * @throws WirescriptError USAGE for a lesson that there is not, and a directory that is not empty; BAD_FILE when it cannot be written.
 */
export function makeWorkspace(name: string, directory: string): Workspace {
  const tutorial = tutorialOf(name);
  const target = resolve(directory);
  const made = claim(target);
  let staging: string | null = null;
  const moved: string[] = [];
  try {
    // Everything is written beside its place first, and comes to its place by renaming.
    staging = mkdtempSync(join(target, ".new-"));
    const files = writeFiles(tutorial, staging);
    for (const entry of readdirSync(staging)) {
      renameSync(join(staging, entry), join(target, entry));
      moved.push(entry);
    }
    rmdirSync(staging);
    return { directory: target, files };
  } catch (cause) {
    for (const entry of moved) rmSync(join(target, entry), { recursive: true, force: true });
    if (staging !== null) rmSync(staging, { recursive: true, force: true });
    if (made) rmdirSync(target);
    throw cannotWrite(target, cause);
  }
}

/** @throws WirescriptError USAGE */
function tutorialOf(name: string): Tutorial {
  // Own properties only: "constructor" is no lesson.
  const tutorial = Object.hasOwn(TUTORIALS, name) ? TUTORIALS[name] : undefined;
  if (tutorial !== undefined) return tutorial;
  throw new WirescriptError({
    code: "USAGE",
    what: `There is no tutorial "${name}".`,
    why: `There is ${Object.keys(TUTORIALS).join(", ")}.`,
    fix: "See what they are about: wirescript tutorial list",
  });
}

/** Makes sure that there is an empty directory. Returns whether it was made. */
function claim(directory: string): boolean {
  try {
    const status = statSync(directory, { throwIfNoEntry: false });
    if (status === undefined) {
      mkdirSync(directory);
      return true;
    }
    if (status.isDirectory() && readdirSync(directory).length === 0) return false;
    throw new WirescriptError({
      code: "USAGE",
      what: `${directory} is not empty, and was left as it is.`,
      why: status.isDirectory() ? "There are files in it, which a new workspace could overwrite." : "It is a file.",
      fix: "Name another directory, which is made: wirescript tutorial new NAME DIR",
    });
  } catch (cause) {
    if (cause instanceof WirescriptError) throw cause;
    throw cannotWrite(directory, cause);
  }
}

function cannotWrite(directory: string, cause: unknown): WirescriptError {
  const parent = dirname(directory);
  const elsewhere = "Name a directory somewhere else: wirescript tutorial new NAME DIR";
  const known: Record<string, { why: string; fix: string }> = {
    EACCES: { why: `You may not write to ${parent}.`, fix: `${elsewhere}. Or make it as somebody who may, such as root.` },
    EPERM: { why: `You may not write to ${parent}.`, fix: `${elsewhere}. Or make it as somebody who may, such as root.` },
    EROFS: { why: `${parent} is on a file system that nobody may write to.`, fix: elsewhere },
    ENOENT: { why: `There is no directory ${parent}.`, fix: `Make it first: mkdir -p ${quoted(parent)}` },
    ENOTDIR: { why: `${parent} is no directory.`, fix: elsewhere },
    ENOSPC: { why: `There is no room left on the file system of ${parent}.`, fix: `Make room, or: ${elsewhere}` },
  };
  return new WirescriptError({
    code: "BAD_FILE",
    what: `The workspace ${directory} was not made.`,
    ...(known[(cause as NodeJS.ErrnoException).code ?? ""] ?? {
      why: cause instanceof Error ? cause.message : String(cause),
      fix: `Check that ${parent} is a directory that you may write to, with room in it.`,
    }),
    cause,
  });
}

function writeFiles({ files, launchers }: Tutorial, root: string): string[] {
  const put = (path: string, text: string, mode = 0o644): string => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
    return path;
  };
  return [
    put(OWN_COMMAND, ownCommand(), 0o755),
    put("tsconfig.json", editorSettings()),
    ...Object.entries(files).map(([path, source]) => put(path, sourceText(source))),
    ...Object.entries(launchers).map(([path, launcher]) => put(path, launcherText(path, launcher), 0o755)),
  ].sort();
}

/** In a workspace, a module and those that it imports stand side by side. */
function sourceText(path: string): string {
  const text = readFileSync(packageFile(path), "utf8");
  return path.endsWith(".bpf.ts") ? text.replaceAll(/"(?:\.\.\/)+programs\//g, '"./') : text;
}

function ownCommand(): string {
  const [node, bin] = [process.execPath, packageFile("bin/wirescript.js")].map(quoted);
  return `#!/bin/sh\n# The only file here that knows where Wirescript is: change this line when it moves.\nexec ${node} ${bin} "$@"\n`;
}

function launcherText(path: string, { tool, with: file }: Tutorial["launchers"][string]): string {
  const up = relative(dirname(path), ".");
  const option = file === undefined ? "" : ` --with ${file}`;
  return `#!/bin/sh\nexec "$(dirname -- "$0")/${up === "" ? "" : `${up}/`}${OWN_COMMAND}" tutorial run ${tool}${option} -- "$@"\n`;
}

/** So that editors know the kernel's types, and say what the compiler would say. */
function editorSettings(): string {
  const settings = {
    compilerOptions: {
      strict: true,
      noEmit: true,
      target: "es2023",
      module: "esnext",
      moduleResolution: "bundler",
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      types: [],
      paths: {
        "wirescript/kernel": [packageFile("dist/kernel/index.d.ts")],
        "wirescript/net": [packageFile("dist/net/index.d.ts")],
      },
    },
    include: ["**/*.bpf.ts"],
  };
  return `${JSON.stringify(settings, null, 2)}\n`;
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}

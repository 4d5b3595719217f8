/** `wirescript tutorial`: lists lessons, makes their workspaces, and runs the tools that the lessons call. */
import { relative } from "node:path";
import { WirescriptError } from "../../errors.ts";
import { makeWorkspace, TUTORIALS } from "../../tutorials/index.ts";
import { shellWord } from "../own-command.ts";
import { say, sayJson } from "../terminal.ts";
import { noSuchVerb } from "../verbs.ts";
import { runTool } from "./tutorial-tools/run.ts";

export interface TutorialOptions {
  json?: boolean;
  /** What a launcher says besides: the file that its tool loads unless told otherwise. */
  with?: string;
}

/** Returns the exit status. @throws WirescriptError USAGE, BAD_FILE, and whatever a tool throws. */
export async function tutorial(verb: string, args: string[], options: TutorialOptions): Promise<number> {
  const [name, directory, ...more] = args;
  if (verb === "list" && name === undefined) return list(options);
  if (verb === "new" && name !== undefined && more.length === 0) return make(name, directory ?? name);
  // For the launchers of workspaces.
  if (verb === "run" && name !== undefined) {
    return await runTool(name, options.with === undefined ? [] : [options.with], args.slice(1));
  }
  if (verb !== "list" && verb !== "new" && verb !== "run") throw noSuchVerb("tutorial", verb, ["list", "new"]);
  throw new WirescriptError({
    code: "USAGE",
    what: `"tutorial ${[verb, ...args].join(" ")}" is not understood.`,
    why: "It takes list, or new with a lesson's name and perhaps a directory.",
    fix: "For example: wirescript tutorial new packet03",
  });
}

function list({ json }: TutorialOptions): number {
  const all = Object.entries(TUTORIALS).map(([name, { title }]) => ({ name, title }));
  const width = Math.max(...all.map(({ name }) => name.length));
  if (json === true) sayJson(all);
  else for (const { name, title } of all) say(`${name.padEnd(width)}  ${title}`);
  return 0;
}

function make(name: string, directory: string): number {
  const workspace = makeWorkspace(name, directory);
  const place = shellWord(relative(process.cwd(), workspace.directory) || ".");
  say(`Made ${place} with ${workspace.files.length} files. Go on there, with its README.md:`);
  say(`  cd ${place} && make`);
  return 0;
}

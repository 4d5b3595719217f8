/** The tutorial's own loader and statistics tools on a lab's device (`--loader`, `--stats`), called as its test environment calls them. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { WirescriptError } from "../../errors.ts";
import { type Lab, pinDirectory, untilExit } from "../../lab/index.ts";

/** Each returns the tool's exit status. @throws WirescriptError USAGE when it cannot be run. */
export async function loadBy(loader: string, lab: Lab, args: readonly string[]): Promise<number> {
  const file = args.at(-1);
  const more = file === undefined ? [lab.name] : ["--pin-path", pinDirectory(lab.name), lab.name, file];
  return await run("Loader", loader, ["load", ...args.slice(0, -1), ...more]);
}

export async function unloadBy(loader: string, lab: Lab, args: readonly string[]): Promise<number> {
  return await run("Loader", loader, ["unload", ...args, lab.name]);
}

export async function statsBy(tool: string, lab: Lab, args: readonly string[]): Promise<number> {
  return await run("Stats tool", tool, ["--dev", lab.name, ...args]);
}

async function run(role: string, tool: string, args: readonly string[]): Promise<number> {
  try {
    accessSync(tool, constants.X_OK);
  } catch (cause) {
    throw new WirescriptError({
      code: "USAGE",
      what: `${role} '${tool}' is not executable`,
      why: "It is not there, or is no program.",
      fix: "Give its path, for example ./xdp-loader, or leave the option out: Wirescript does it itself.",
      cause,
    });
  }
  return (await untilExit(spawn(tool, args, { stdio: "inherit" }), tool)).exitCode;
}

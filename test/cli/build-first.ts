/** The tests of the command line run what users run: the built command. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";

export function setup(): void {
  execFileSync(process.execPath, [join(import.meta.dirname, "../../scripts/setup.js")], { stdio: "inherit" });
}

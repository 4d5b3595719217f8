/** Is what was installed and built still what the sources say? Plain JavaScript without dependencies: it runs before anything is there. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Holds the time when the last successful build began. */
export const STAMP = join(root, "dist", ".built");

/** node_modules is there and not older than package-lock.json. */
export function isInstalled() {
  // npm writes this file last.
  const installed = join(root, "node_modules", ".package-lock.json");
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
}

/** dist/ is there and was built from the sources as they are. */
export function isBuilt() {
  if (!existsSync(STAMP)) return false;
  const built = Date.parse(readFileSync(STAMP, "utf8").trim());
  const configuration = ["package.json", "tsconfig.json", "tsconfig.build.json", "scripts/build.js"].map((name) =>
    join(root, name),
  );
  return Math.max(...configuration.map((file) => statSync(file).mtimeMs), newest(join(root, "src"))) < built;
}

/** The latest time of change below a folder. Folders count too: their time changes when a file in them goes. */
function newest(folder) {
  let latest = statSync(folder).mtimeMs;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) latest = Math.max(latest, newest(path));
    else if (!entry.name.endsWith(".test.ts")) latest = Math.max(latest, statSync(path).mtimeMs);
  }
  return latest;
}

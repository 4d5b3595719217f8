/** Where this package is installed, and which version it is. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the package, without a slash at its end: the nearest one with a `package.json` above the sources, and what is built from them. */
export const PACKAGE = folderWithManifest(dirname(fileURLToPath(import.meta.url)));

function folderWithManifest(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : folderWithManifest(dirname(folder));
}

/** The absolute path of a file of the package. */
export function packageFile(path: string): string {
  return join(PACKAGE, path);
}

export function version(): string {
  return (JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }).version;
}

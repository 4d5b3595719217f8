/** Where things are kept that could be made anew: `$XDG_CACHE_HOME/wirescript`, or `~/.cache/wirescript`. */
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  // The XDG specification says to ignore relative paths.
  return join(base?.startsWith("/") === true ? base : join(homedir(), ".cache"), "wirescript");
}

/** Makes the folder, for its owner alone. `false` where that cannot be, as in a read-only home. */
export function makeCacheFolder(): boolean {
  const folder = cacheFolder();
  try {
    // Not `recursive`: Node.js never ends where a file system such as /proc has no place for the folder.
    for (const each of [dirname(folder), folder]) if (!existsSync(each)) mkdirSync(each, { mode: 0o700 });
    return true;
  } catch {
    return false;
  }
}

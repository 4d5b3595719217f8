/** Where things are kept that could be made anew: `$XDG_CACHE_HOME/wirescript`, or `~/.cache/wirescript`. */
import { homedir } from "node:os";
import { join } from "node:path";

export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  // The XDG specification says to ignore relative paths.
  return join(base?.startsWith("/") === true ? base : join(homedir(), ".cache"), "wirescript");
}

/** What the pins of a chain are called in its directory, and who would ask for it by its link alone. See `chain-pins.ts`. */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export const LINK = "link";
export const BANKS = ["bank0", "bank1"] as const;
export const NEXT_PIN = "next";

/**
 * How the chain whose link is pinned at `path` is taken off `dev`: by the command line where that pinned it, else by the library. Null when the pin is
 * none of a chain's.
 */
export function wayOffChain(path: string, dev: string): string | null {
  const directory = dirname(path);
  if (basename(path) !== LINK || !isChain(directory)) return null;
  const place = /^chain(?:-(ingress|egress))?$/.exec(basename(directory));
  if (place === null || basename(dirname(directory)) !== dev.replaceAll(".", "_")) return `openChain("${directory}").detach()`;
  return `wirescript chain detach ${dev}${place[1] === undefined ? "" : ` --${place[1]}`}`;
}

function isChain(directory: string): boolean {
  try {
    const steps = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return steps.some(({ name }) => readdirSync(join(directory, name)).includes(NEXT_PIN));
  } catch {
    // It went meanwhile, or may not be looked at.
    return false;
  }
}

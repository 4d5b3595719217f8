/**
 * The tests of the command line run what users run: the built command. The user's cache would make results depend on who runs the tests, so
 * they have one of their own, which they share: the balancer is compiled once.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function setup(): () => void {
  execFileSync(process.execPath, [join(import.meta.dirname, "../../scripts/setup.js")], { stdio: "inherit" });
  const cache = mkdtempSync(join(tmpdir(), "wirescript-test-cache-"));
  // The processes that run the tests are started with it.
  process.env.XDG_CACHE_HOME = cache;
  return () => rmSync(cache, { recursive: true, force: true });
}

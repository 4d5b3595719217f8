/**
 * Builds dist/ from src/ (npm run build): each module for those who import the package, and the command once more in a few files, since
 * Node.js opens and links three hundred of them for longer than most commands take. The stamp that it leaves tells `setup.js` when nothing is to
 * do: tsc itself does not touch files that would stay as they are, so their times say nothing.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";
import { STAMP } from "./freshness.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
// Taken before compiling: what is saved meanwhile is newer than the stamp.
const started = new Date().toISOString();
mkdirSync(dirname(STAMP), { recursive: true });
rmSync(STAMP, { force: true });
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (status === 0) {
  await bundleCommand();
  writeFileSync(STAMP, `${started}\n`);
}
process.exitCode = status === null ? 1 : status;

/** One file for what `dist/cli/main.js` imports at once, one for each part that it imports when it is needed. Other packages stay outside. */
async function bundleCommand() {
  const dir = join(root, "dist", "command");
  rmSync(dir, { recursive: true, force: true });
  await build({
    cwd: root,
    input: "dist/cli/main.js",
    platform: "node",
    external: /^[^./]/,
    output: { dir, format: "esm" },
  });
}

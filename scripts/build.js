/**
 * Builds dist/ from src/ (npm run build). The stamp that it leaves tells `setup.js` when nothing is to do: tsc itself does not touch
 * files that would stay as they are, so their times say nothing.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { STAMP } from "./freshness.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
// Taken before compiling: what is saved meanwhile is newer than the stamp.
const started = new Date().toISOString();
mkdirSync(dirname(STAMP), { recursive: true });
rmSync(STAMP, { force: true });
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (status === 0) writeFileSync(STAMP, `${started}\n`);
process.exitCode = status === null ? 1 : status;

/**
 * Makes a fresh clone ready: `npm start`, `npm test` and `npm run bench` begin with it, so that no other command is needed before them.
 * Does nothing, quickly, when all is there. Plain JavaScript without dependencies, in a dialect that old versions of Node read too.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isBuilt, isInstalled } from "./freshness.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

checkNode();
if (!isInstalled()) run("Installing dependencies (npm ci)", "npm", ["ci", "--no-audit", "--no-fund"]);
// npm ci builds too (the package's "prepare"), unless scripts are switched off.
if (!isBuilt()) run("Building (npm run build)", process.execPath, [join(root, "scripts", "build.js")]);

function checkNode() {
  const wanted = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).engines.node.replace(">=", "");
  const [major, minor] = wanted.split(".").map(Number);
  const [ownMajor, ownMinor] = process.versions.node.split(".").map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return;
  process.stderr.write(
    `error: Wirescript needs Node.js ${wanted} or newer.\n` +
      `  why: This is Node.js ${process.versions.node} (${process.execPath}).\n` +
      "  fix: Install a newer one: https://nodejs.org/en/download\n",
  );
  process.exit(4);
}

/** Runs a step quietly; what it printed is shown when it fails. */
function run(title, command, args) {
  process.stderr.write(`${title} ...`);
  const begin = Date.now();
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  if (status === 0) {
    process.stderr.write(` done in ${((Date.now() - begin) / 1000).toFixed(1)} s\n`);
    return;
  }
  const ran = [command, ...args].join(" ");
  process.stderr.write(` failed\n${stdout || ""}${stderr || ""}\n`);
  process.stderr.write(
    `error: ${title} failed.\n` +
      `  why: ${error ? error.message : `"${ran}" ended with status ${status}; what it said stands above.`}\n` +
      `  fix: Mend that, then try again; to see it alone, run it in ${root}.\n`,
  );
  process.exit(1);
}

/**
 * npm test: type check, lint, then all tests; at the end, which tests were skipped and why, and which failed. Runs every step even when one before it
 * failed, so that one run tells everything. Arguments go to vitest: npm test -- test/cli
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tool = (name) => join(root, "node_modules", ".bin", name);
const reporter = (name) => `--reporter=${join(root, "scripts", `${name}-reporter.js`)}`;

if (process.platform !== "linux") {
  console.log("This is not Linux: everything that needs its kernel is skipped, and named at the end.\n");
} else if (process.getuid() !== 0) {
  console.log("Not root: everything that needs the kernel is skipped, and named at the end. For all tests: sudo npm test\n");
}

const steps = [
  ["Type check", tool("tsc"), ["-p", "."]],
  ["Lint", tool("biome"), ["check", "."]],
  ["Tests", tool("vitest"), ["run", "--reporter=default", reporter("skipped"), reporter("failed"), ...process.argv.slice(2)]],
];

const failed = [];
for (const [title, command, args] of steps) {
  console.log(`== ${title}`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (error !== undefined) console.error(error.message);
  if (status !== 0) failed.push(title);
}
if (failed.length > 0) console.error(`\nFailed: ${failed.join(", ")}.`);
process.exitCode = failed.length === 0 ? 0 : 1;

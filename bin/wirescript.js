#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const built = new URL("../dist/command/main.js", import.meta.url);
if (!existsSync(built)) {
  process.stderr.write(
    "error: Wirescript is not built yet.\n" +
      `  why: There is no ${fileURLToPath(built)}.\n` +
      `  fix: Run npm ci in ${fileURLToPath(new URL("..", import.meta.url))}, which also builds; npm start does both, and more.\n`,
  );
  process.exit(1);
}

// A reader that closed the pipe has seen enough: `wirescript status | head -1` is no failure.
process.stdout.on("error", (error) => {
  if (error.code === "EPIPE") return;
  process.stderr.write(
    `error: The output cannot be written.\n  why: ${error.message}\n  fix: Make room, or send it somewhere else.\n`,
  );
  process.exit(1);
});

const { main } = await import(built.href);
process.exitCode = await main(process.argv.slice(2));

/** Packets made by scapy, with what scapy says is in them: for judging the headers and cursors of `wirescript/net`. */
import { spawnSync } from "node:child_process";

/** Debian's Python, which has Debian's scapy. */
export const PYTHON = "/usr/bin/python3";

/** Why scapy cannot be asked, as a suffix to a test's title; "" when it can. */
export const lackingScapy =
  spawnSync(PYTHON, ["-c", "import scapy.all"], { stdio: "ignore" }).status === 0 ? "" : " (skipped: needs python3-scapy)";

/** Runs `script` behind scapy's imports. Returns what it printed: one JSON value a line. */
export function scapy<T>(script: string): T[] {
  const imports =
    "import json, random, struct\nfrom scapy.all import *\nfrom scapy.contrib.geneve import GENEVE\nrandom.seed(1)\n";
  const { status, stdout, stderr } = spawnSync(PYTHON, ["-"], {
    input: imports + script,
    encoding: "utf8",
    maxBuffer: 1 << 26,
    // Scapy reads the machine's interfaces and routes at its start; without a home it looks for no configuration.
    env: { ...process.env, HOME: "/nonexistent" },
  });
  if (status !== 0) throw new Error(`scapy: ${stderr}`);
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as T);
}

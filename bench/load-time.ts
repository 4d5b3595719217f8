/**
 * The wall time of `wirescript load`, the whole process from `node` to its exit, as somebody at a terminal meets it: with an empty
 * cache (the module is compiled) and again (it is not). In a network namespace of its own, on one end of a veth pair.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT_STATUS, WirescriptError } from "../src/errors.ts";
import { ensureBpffs, unmount } from "../src/sys/mount.ts";
import { createNamespace, deleteNamespace, inNamespace } from "../src/sys/namespaces.ts";
import { addVethPair, getLink, setLinkUp } from "../src/sys/netlink/index.ts";
import { type ProgramName, sourceOf } from "./programs.ts";

export interface LoadTime {
  /** Milliseconds, medians. */
  first: number;
  cached: number;
  /** Of `node` doing nothing: what no loader written in JavaScript can be below. */
  node: number;
}

const WIRESCRIPT = fileURLToPath(new URL("../bin/wirescript.js", import.meta.url));
const TIMES = 7;

export function timeLoad(program: ProgramName): LoadTime {
  const name = `wsb${process.pid}`;
  const scratch = mkdtempSync(join(tmpdir(), "wirescript-bench-"));
  // A file system of its own for the pins, so that nobody else's is touched or needed.
  const bpffs = join(scratch, "bpffs");
  ensureBpffs(bpffs);
  try {
    createNamespace(name);
    inNamespace(name, () => {
      addVethPair({ name: "bench0", peerName: "bench1" });
      for (const device of ["bench0", "bench1"]) setLinkUp(getLink(device).ifindex, true);
    });
    const load = (cache: string) => {
      const args = ["load", "--force", "--pin-path", join(bpffs, "bench0"), "bench0", sourceOf(program)];
      return timeProcess([WIRESCRIPT, ...args], name, { XDG_CACHE_HOME: cache });
    };
    const rounds = Array.from({ length: TIMES }, (_, round) => {
      const cache = join(scratch, String(round));
      return { first: load(cache), cached: load(cache), node: timeProcess(["-e", "0"], name, {}) };
    });
    return {
      first: median(rounds.map(({ first }) => first)),
      cached: median(rounds.map(({ cached }) => cached)),
      node: median(rounds.map(({ node }) => node)),
    };
  } finally {
    deleteNamespace(name);
    unmount(bpffs);
    rmSync(scratch, { recursive: true, force: true });
  }
}

function timeProcess(args: readonly string[], namespace: string, environment: NodeJS.ProcessEnv): number {
  return inNamespace(namespace, () => {
    const start = process.hrtime.bigint();
    const run = spawnSync(process.execPath, args, { encoding: "utf8", env: { ...process.env, ...environment } });
    const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
    if (run.signal === "SIGINT" || run.status === EXIT_STATUS.INTERRUPTED) {
      throw new WirescriptError({ code: "INTERRUPTED", what: "Interrupted.", why: "Ctrl-C.", fix: "Run it again to the end." });
    }
    if (run.status !== 0) {
      throw new WirescriptError({
        code: "INTERNAL",
        what: `The command to be timed failed: node ${args.join(" ")}`,
        why: `${run.stderr}${run.stdout}`.trim() || `It ended with ${run.signal ?? `status ${run.status}`}.`,
        fix: "Run it by hand; without that it cannot be timed.",
      });
    }
    return milliseconds;
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Compiles the C counterparts in bench/c/, at every instruction set level that clang knows and the kernel of the machine has. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Clang {
  path: string;
  /** First line of `clang --version`. */
  version: string;
}

/** `-mcpu` of clang. */
export const LEVELS = ["v2", "v3", "v4"] as const;
export type Level = (typeof LEVELS)[number];

/** What `npm run bench` and the tests compare with; others may be older or newer than the figures in the documentation. */
const PREFERRED = "clang-19";

/** clang-19 when it is there, else the newest that can compile for BPF; null when there is none. */
export function findClang(): Clang | null {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const names = new Set(folders.flatMap(entries).filter((name) => /^clang(-\d+)?$/.test(name)));
  const age = (name: string) => (name === PREFERRED ? Number.POSITIVE_INFINITY : Number(name.split("-")[1] ?? 0));
  for (const name of [...names].sort((a, b) => age(b) - age(a))) {
    const run = spawnSync(name, ["--target=bpf", "--version"], { encoding: "utf8" });
    if (run.status === 0 && hasBpf(name)) return { path: name, version: run.stdout.split("\n")[0] ?? name };
  }
  return null;
}

function hasBpf(clang: string): boolean {
  return spawnSync(clang, ["--print-targets"], { encoding: "utf8" }).stdout.includes("bpfel");
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Why the C counterparts cannot be compiled here; null when they can. */
export function missingForC(clang: Clang | null): string | null {
  if (clang === null) return "there is no clang (on Debian: apt install clang-19, or clang)";
  const check = spawnSync(clang.path, [...flags("v2"), "-fsyntax-only", source("echo", "plain")], { encoding: "utf8" });
  if (check.status === 0) return null;
  return `${clang.path} does not compile bench/c (on Debian: apt install libbpf-dev linux-libc-dev libc6-dev)\n${check.stderr}`;
}

/**
 * `plain`: as one writes it with the kernel's headers. `wide`: with copies and comparisons of packed fields widened by hand, where clang
 * goes byte by byte for want of alignment; in bench/c/wide/, for the programs where that makes a difference.
 */
export type Writing = "plain" | "wide";

export function isWritten(name: string, writing: Writing): boolean {
  return existsSync(source(name, writing));
}

/** The object file of a C file at `-O2`. @throws Error with clang's complaint. */
export function compileC(clang: Clang, name: string, level: Level, writing: Writing = "plain"): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "wirescript-bench-"));
  try {
    const object = join(folder, `${name}.o`);
    execFileSync(clang.path, [...flags(level), "-c", source(name, writing), "-o", object], { stdio: "pipe", encoding: "utf8" });
    return new Uint8Array(readFileSync(object));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function source(name: string, writing: Writing): string {
  return fileURLToPath(new URL(writing === "wide" ? `c/wide/${name}.c` : `c/${name}.c`, import.meta.url));
}

/** The C library's headers, which the kernel's include, are kept by host architecture and ask which one it is. */
const HOST = {
  x64: { macro: "__x86_64__", headers: "/usr/include/x86_64-linux-gnu" },
  arm64: { macro: "__aarch64__", headers: "/usr/include/aarch64-linux-gnu" },
} as const;

/** Of bench/c, also for what is below it. */
const HEADERS = fileURLToPath(new URL("c", import.meta.url));

function flags(level: Level): string[] {
  const host = process.arch === "arm64" ? HOST.arm64 : HOST.x64;
  const warnings = ["-Wall", "-Wextra", "-Werror"];
  return [
    "--target=bpf",
    `-mcpu=${level}`,
    "-O2",
    "-g",
    ...warnings,
    `-D${host.macro}`,
    "-isystem",
    host.headers,
    `-I${HEADERS}`,
  ];
}

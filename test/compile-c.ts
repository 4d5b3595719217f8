/** C to eBPF by clang, in a directory that is gone when the test ends. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** The path of the object made from `source`, a path from the repository's root. */
export function compileC(source: string): string {
  const directory = mkdtempSync(join(tmpdir(), "wirescript-c-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const object = join(directory, "program.o");
  // Debian keeps the headers that differ between architectures apart; the target "bpf" has none of its own.
  const include = execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();
  execFileSync("clang-19", ["-O2", "-target", "bpf", `-I/usr/include/${include}`, "-c", source, "-o", object]);
  return object;
}

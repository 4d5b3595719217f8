/** `wirescript types`: declarations of what is in an object that clang built. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, ECHO, needs, Sandbox, titled } from "./sandbox.ts";

const clang = needs("clang-19");

describe.skipIf(cannotRun !== null || clang !== "")(titled(`wirescript types${clang}`), () => {
  let box: Sandbox;
  let directory: string;
  let object: string;

  beforeAll(() => {
    box = new Sandbox();
    directory = mkdtempSync(join(tmpdir(), "wirescript-types-"));
    object = join(directory, "maps.o");
    const include = `-I/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
    execFileSync("clang-19", ["-O2", "-g", "--target=bpf", include, "-c", "test/objects/c/maps.c", "-o", object]);
  });
  afterAll(() => {
    box[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  test("prints them, or writes them to a file, without root", () => {
    const { status, stdout } = box.unprivileged("types", object);
    expect(status).toBe(0);
    expect(stdout).toContain(
      'import type { ObjectMap, ObjectMapOfMaps, ObjectProgram, ObjectRecords, ObjectValues } from "wirescript";',
    );
    expect(stdout).toContain('export declare const hash: ObjectMap<"hash", Flow, Count>;');
    const file = join(directory, "maps.d.ts");
    expect(box.wirescript("types", object, "-o", file).stdout).toContain(`Wrote ${file}.`);
    expect(readFileSync(file, "utf8")).toBe(stdout);
  });

  test("takes a kernel module too, and says what is wrong with other files", () => {
    expect(box.wirescript("types", ECHO).stdout).toContain('export declare const echo: ObjectProgram<"xdp">;');
    const broken = join(directory, "broken.o");
    writeFileSync(broken, readFileSync(object).subarray(0, 1000));
    const { status, stderr } = box.wirescript("types", broken);
    expect(status).toBe(9);
    expect(stderr).toContain("cut short");
  });
});

/** Which files are modules: encodings, links, and what is no file at all. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WirescriptError } from "../../errors.ts";
import { check } from "../compile.ts";

const MODULE = 'import { XDP_PASS, xdp } from "wirescript/kernel";\nexport const p = xdp(() => XDP_PASS);\n';
const WRONG = 'import { xdp } from "wirescript/kernel";\nexport const p = xdp(() => 7);\n';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "read-module-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

function refusal(path: string): string {
  try {
    check(path);
  } catch (error) {
    if (error instanceof WirescriptError && error.code === "BAD_FILE") return error.why ?? "";
    throw error;
  }
  return "not refused";
}

describe("a module may be", () => {
  test("with a byte order mark, with Windows' line ends, and its places are right", () => {
    expect(check(written("bom.bpf.ts", `\ufeff${MODULE}`))).toEqual([]);
    expect(check(written("crlf.bpf.ts", MODULE.replaceAll("\n", "\r\n")))).toEqual([]);
    const wrong = check(written("wrong.bpf.ts", `\ufeff${WRONG.replaceAll("\n", "\r\n")}`));
    expect(wrong).toMatchObject([{ code: "TS2322", line: 2, column: 28, text: "export const p = xdp(() => 7);" }]);
  });

  test("empty, and then it exports no program", () => {
    expect(check(written("empty.bpf.ts", ""))).toMatchObject([{ code: "WS3001", line: 0 }]);
  });

  test("in a folder with a tsconfig.json of its own, which is not ours", () => {
    written("tsconfig.json", '{ "compilerOptions": { "noUnusedLocals": true, "lib": ["dom"], "module": "commonjs" } }');
    expect(check(written("own.bpf.ts", `${MODULE}const unused = 1;\n`))).toEqual([]);
  });

  test("reached over a link: it is the file that the link leads to, and one module however it is reached", () => {
    mkdirSync(join(folder, "real"));
    mkdirSync(join(folder, "links"));
    written(
      "real/shared.bpf.ts",
      'import { array, u64 } from "wirescript/kernel";\nexport const shared = array({ value: u64, entries: 1 });\n',
    );
    written("real/other.bpf.ts", 'import { shared } from "./shared.bpf.ts";\nexport const other = () => shared.lookup(0);\n');
    symlinkSync(join(folder, "real/shared.bpf.ts"), join(folder, "real/again.bpf.ts"));
    written(
      "real/main.bpf.ts",
      `import { XDP_PASS, XDP_DROP, xdp } from "wirescript/kernel";
import { shared } from "./again.bpf.ts";
import { other } from "./other.bpf.ts";
export const p = xdp(() => (shared.lookup(0) && other() ? XDP_PASS : XDP_DROP));\n`,
    );
    symlinkSync(join(folder, "real/main.bpf.ts"), join(folder, "links/main.bpf.ts"));
    expect(check(join(folder, "links/main.bpf.ts"))).toEqual([]);
  });
});

describe("no module is", () => {
  test("what is not UTF-8, or binary", () => {
    expect(refusal(written("latin1.bpf.ts", Buffer.from(`// \xe9\n${MODULE}`, "latin1")))).toContain("not encoded in UTF-8");
    expect(refusal(written("utf16.bpf.ts", Buffer.from(`\ufeff${MODULE}`, "utf16le")))).toContain("UTF-16");
    expect(refusal(written("binary.bpf.ts", new Uint8Array(16)))).toContain("binary");
  });

  test("a directory, a device, a link that leads nowhere, a name of another kind", () => {
    mkdirSync(join(folder, "directory.ts"));
    expect(refusal(join(folder, "directory.ts"))).toContain("directory");
    symlinkSync("/dev/zero", join(folder, "zero.ts"));
    expect(refusal(join(folder, "zero.ts"))).toContain("not a regular file");
    symlinkSync(join(folder, "nowhere"), join(folder, "dangling.ts"));
    expect(refusal(join(folder, "dangling.ts"))).toContain("no such file");
    expect(refusal(written("echo.js", MODULE))).toContain(".ts");
  });

  test("an import that cannot be read", () => {
    written("bad.bpf.ts", Buffer.from(`// \xe9\n${MODULE}`, "latin1"));
    expect(refusal(written("imports.bpf.ts", `import { p } from "./bad.bpf.ts";\n${MODULE.replace(" p ", " q ")}`))).toContain(
      "not encoded in UTF-8",
    );
  });
});

/** What `wirescript build` writes, in the hands of loaders that we did not write; and the texts that it prints. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, ECHO, needs, Sandbox, titled } from "./sandbox.ts";

describe.skipIf(cannotRun !== null)(titled("built objects"), () => {
  let box: Sandbox;
  let object: string;
  const dev = `b${process.pid.toString(36)}`;

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    object = join(box.directory, "echo.o");
    const { status, stdout } = box.wirescript("build", ECHO, "-o", object);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Wrote .*echo\.o \(\d+ bytes\)\. 1 program: echo \(\d+ instructions\)$/m);
  });
  afterAll(() => box[Symbol.dispose]());

  test.skipIf(needs("bpftool") !== "")(`bpftool loads one${needs("bpftool")}`, () => {
    box.output("bpftool", "prog", "load", object, "/sys/fs/bpf/echo_by_bpftool");
    const shown = box.output("bpftool", "prog", "show", "pinned", "/sys/fs/bpf/echo_by_bpftool");
    expect(shown).toMatch(/^\d+: xdp {2}name echo {2}tag/);
  });

  test("ip attaches one", () => {
    box.output("ip", "link", "set", "dev", dev, "xdp", "obj", object, "sec", "xdp");
    expect(box.output("ip", "link", "show", "dev", dev)).toContain("prog/xdp id");
    expect(box.wirescript("unload", dev).stdout).toContain(`Removed "echo"`);
  });

  test("our own load takes one, too", () => {
    const { status, stdout } = box.wirescript("load", "--section", "xdp", "--prog", "echo", dev, object);
    expect(status).toBe(0);
    expect(stdout).toContain(`Attached echo to ${dev} in native mode.`);
    box.wirescript("unload", dev);
  });

  test("the same source gives the same bytes", () => {
    const again = join(box.directory, "again.o");
    box.wirescript("build", ECHO, "-o", again);
    expect(readFileSync(again).equals(readFileSync(object))).toBe(true);
  });

  test("--emit asm and --emit ir print text, and -o writes it", () => {
    const assembly = box.wirescript("build", ECHO, "--emit", "asm").stdout;
    expect(assembly).toMatch(/^; echo: section "xdp", \d+ instructions$/m);
    expect(assembly).toMatch(/^\d+: exit$/m);
    const ir = join(box.directory, "echo.ir");
    box.wirescript("build", ECHO, "--emit", "ir", "-o", ir);
    expect(readFileSync(ir, "utf8")).toMatch(/^function echo \{$/m);
    // v1 has no 32-bit jumps: other instructions, the same program.
    expect(box.wirescript("build", ECHO, "--emit", "asm", "--cpu", "v1").status).toBe(0);
  });

  test("check says everything that is wrong at once, as text and as JSON", () => {
    const file = join(box.directory, "wrong.bpf.ts");
    writeFileSync(file, WRONG);
    const text = box.wirescript("check", ECHO, file);
    expect(text.status).toBe(10);
    expect(text.stdout).toContain("echo.bpf.ts: right. 1 program: echo");
    expect(text.stderr).toContain(`${file}:4:`);
    expect(text.stderr).toContain(`${file}:5:`);
    expect(text.stderr).toContain("2 errors found.");
    const json = box.wirescript("check", "--json", ECHO, file);
    expect(json.status).toBe(10);
    expect(JSON.parse(json.stdout)).toMatchObject([
      { file, line: 4, code: expect.stringMatching(/^(TS|WS)\d+$/) },
      { file, line: 5, code: expect.stringMatching(/^(TS|WS)\d+$/) },
    ]);
  });

  test("report collects source, instructions and the kernel's verdict", () => {
    const file = join(box.directory, "report.txt");
    expect(box.wirescript("report", ECHO, "-o", file).stdout).toContain("look it through");
    const text = readFileSync(file, "utf8");
    for (const part of ["==== versions", "echo.bpf.ts", "echo: the kernel takes it.", "function echo {", "exit"])
      expect(text).toContain(part);
  });

  test("check reads what is not saved yet from the standard input, and goes on behind a file that cannot be read", () => {
    const file = join(box.directory, "unsaved.bpf.ts");
    const json = box.wirescriptWith(WRONG, "check", "--json", "nosuch.bpf.ts", "--stdin-filename", file);
    expect(json.status).toBe(10);
    const range = { endLine: expect.any(Number), endColumn: expect.any(Number), column: expect.any(Number) };
    const words = { what: expect.any(String), severity: "error", related: [] };
    expect(JSON.parse(json.stdout)).toEqual([
      {
        file: "nosuch.bpf.ts",
        line: 0,
        column: 0,
        endLine: 0,
        endColumn: 0,
        code: "BAD_FILE",
        ...words,
        why: expect.any(String),
        fix: expect.any(String),
      },
      { file, line: 4, code: "WS1007", ...range, ...words, why: expect.any(String), fix: expect.any(String) },
      { file, line: 5, code: "TS2531", ...range, ...words, why: null, fix: expect.stringContaining("Check it first") },
    ]);
    const github = box.wirescriptWith(WRONG, "check", "--format", "github", "--stdin-filename", file);
    expect(github.stdout).toMatch(
      /^::error file=.*unsaved\.bpf\.ts,line=4,col=26,endLine=4,endColumn=30,title=WS1007::Strings are/,
    );
    expect(box.wirescript("check", "nosuch.bpf.ts").status).toBe(9);
    expect(box.wirescript("check").status).toBe(2);
  });
});

const WRONG = `import { XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet } from "wirescript/net";
export const wrong = xdp((ctx) => {
  const length: number = "14";
  const type = ctx.at(Ethernet).type;
  return type === length ? XDP_PASS : XDP_PASS;
});
`;

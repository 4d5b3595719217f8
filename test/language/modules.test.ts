/** Modules that import others, from files and from packages; and objects that depend on nothing but their source. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { HashMap, loadSpec } from "../../src/index.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { temporaryDirectory } from "../foreign-tools.ts";
import { noKernel, withoutKernel } from "../kernel.ts";

/** A directory with these files. */
function project(files: Record<string, string>): string {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return directory;
}

const BLOCKLIST = `import { hash, be32, u64, type PacketContext } from "wirescript/kernel";
import { Ethernet, EtherType, IPv4 } from "wirescript/net";
export const blocked = hash({ key: be32, value: u64, entries: 64 });
export function isBlocked(ctx: PacketContext): boolean {
  const eth = ctx.at(Ethernet);
  const ip = ctx.at(IPv4, Ethernet.size);
  if (!eth || !ip || eth.type !== EtherType.IPv4) return false;
  const hits = blocked.lookup(ip.src);
  if (!hits) return false;
  hits.value++;
  return true;
}
`;

const USER = (from: string) => `import { xdp, XDP_DROP, XDP_PASS } from "wirescript/kernel";
import { isBlocked } from "${from}";
export { blocked } from "${from}";
export const guard = xdp((ctx) => isBlocked(ctx) ? XDP_DROP : XDP_PASS);
`;

const packageJson = (exports: unknown) =>
  JSON.stringify({ name: "@example/blocklist", version: "1.0.0", type: "module", exports });

const PACKAGES: [string, Record<string, string>, string][] = [
  [
    "a package's kernel source, exported as what the package is",
    {
      "node_modules/@example/blocklist/package.json": packageJson({ ".": "./src/blocklist.bpf.ts" }),
      "node_modules/@example/blocklist/src/blocklist.bpf.ts": BLOCKLIST,
    },
    "@example/blocklist",
  ],
  [
    "a package that exports its kernel source beside what is for user space",
    {
      "node_modules/@example/blocklist/package.json": packageJson({
        "./kernel": { "wirescript-source": "./src/blocklist.bpf.ts", default: "./dist/blocklist.js" },
      }),
      "node_modules/@example/blocklist/src/blocklist.bpf.ts": `export * from "./parts/list.bpf.ts";\n`,
      "node_modules/@example/blocklist/src/parts/list.bpf.ts": BLOCKLIST,
    },
    "@example/blocklist/kernel",
  ],
  ["a file beside it", { "lib/blocklist.bpf.ts": BLOCKLIST }, "./lib/blocklist.bpf.ts"],
];

describe.skipIf(noKernel)(`kernel code is imported from${withoutKernel}`, () => {
  test.each(PACKAGES)("%s", (_title, files, specifier) => {
    const directory = project({ ...files, "guard.bpf.ts": USER(specifier) });
    const { spec } = compile(join(directory, "guard.bpf.ts"));
    expect(spec.maps.map(({ name }) => name)).toEqual(["blocked"]);
    using object = loadSpec(spec);
    const blocked = object.map<HashMap<number, bigint>>("blocked", HashMap);
    blocked.set(0xc0000201, 0n);
    const packet = new Uint8Array(60);
    packet.set([0x08, 0x00, 0x45], 12);
    packet.set([192, 0, 2, 1], 26);
    expect(object.program("guard").run(packet).action).toBe(1);
    expect(blocked.get(0xc0000201)).toBe(1n);
    packet[29] = 2;
    expect(object.program("guard").run(packet).action).toBe(2);
  });
});

test("a package that is not installed is a diagnostic at the import", () => {
  const directory = project({ "guard.bpf.ts": USER("@example/missing") });
  const [first] = check(join(directory, "guard.bpf.ts"));
  expect(first).toMatchObject({ code: "TS2307", line: 2, fix: expect.stringMatching(/npm install/) });
});

test.each(["wirescript", "node:fs", "fs"])("an import of %s is one diagnostic, and nothing behind it is read", (name) => {
  const directory = project({
    "guard.bpf.ts": `import { anything } from "${name}";
import { XDP_PASS, xdp } from "wirescript/kernel";
export const guard = xdp(() => (anything() ? XDP_PASS : XDP_PASS));
`,
  });
  const [first, ...others] = check(join(directory, "guard.bpf.ts"));
  expect(first).toMatchObject({ code: "WS1046", line: 1, what: expect.stringContaining(`\`${name}\``) });
  expect(others).toEqual([]);
});

test("a module of Node.js that is imported by mistake is told by its imports from there alone, and by the import of it", () => {
  const directory = project({
    "server.ts": `import { createServer } from "node:http";
import { NAMES } from "./names.ts";
export const limit = (): number => new Map(Object.entries(NAMES)).size;
createServer().listen(0);
`,
    "names.ts": "export const NAMES = { first: `1` };\nexport class Unused {}\n",
    "guard.bpf.ts": `import { XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";
import { limit } from "./server.ts";
export const guard = xdp((ctx) => (ctx.length > limit() ? XDP_DROP : XDP_PASS));
`,
  });
  const found = check(join(directory, "guard.bpf.ts"));
  expect(found).toMatchObject([
    {
      code: "WS1046",
      file: expect.stringMatching(/server\.ts$/),
      line: 1,
      related: [{ line: 2, what: "the module is imported here" }],
    },
  ]);
});

test("an object is the same wherever its module is compiled from, and however its path is written", () => {
  const directory = project({ "lib/blocklist.bpf.ts": BLOCKLIST, "guard.bpf.ts": USER("./lib/blocklist.bpf.ts") });
  const home = process.cwd();
  onTestFinished(() => process.chdir(home));
  const build = (from: string, path: string) => {
    process.chdir(from);
    const { spec } = compile(path);
    expect(
      new Set(spec.programs.flatMap(({ functions }) => functions.flatMap(({ lines }) => lines.map(({ file }) => file)))),
    ).toEqual(new Set(["guard.bpf.ts", "lib/blocklist.bpf.ts"]));
    return Buffer.from(writeElf(spec)).toString("base64");
  };
  const first = build(directory, "guard.bpf.ts");
  expect(build(join(directory, "lib"), "../guard.bpf.ts")).toBe(first);
  expect(build("/", join(directory, "guard.bpf.ts"))).toBe(first);
});

test("a program that is exported under another constant's name is that program", () => {
  const directory = project({
    "base.bpf.ts": 'import { xdp, XDP_DROP } from "wirescript/kernel";\nexport const base = xdp(() => XDP_DROP);',
    "named.bpf.ts":
      'import { xdp, XDP_PASS } from "wirescript/kernel";\nimport { base } from "./base.bpf.ts";\nconst own = xdp(() => XDP_PASS);\nexport const p = xdp(() => XDP_PASS);\nexport const q = own;\nexport const r = base;',
    "circle.bpf.ts":
      'import { xdp, XDP_PASS } from "wirescript/kernel";\nconst base = xdp(() => XDP_PASS);\nconst a: typeof base = b;\nconst b: typeof base = a;\nexport const p = a;',
  });
  const { spec } = compile(join(directory, "named.bpf.ts"));
  expect(spec.programs.map(({ name }) => name)).toEqual(["p", "q", "r"]);
  expect(check(join(directory, "circle.bpf.ts")).map(({ code }) => code)).toContain("TS2448");
});

/**
 * What `wirescript types` prints is what TypeScript then knows of a loaded object: checked by its compiler, on real use, and
 * against the object.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { declarationsOf } from "../../src/object/declarations.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { lacking } from "../foreign-tools.ts";
import { CLANGS, compiled, loadedByUs, missing } from "./against-libbpf.ts";

function declarations(file: string): string {
  return declarationsOf(readElf(readFileSync(file)), "test.o");
}

/**
 * Declarations are checked as a module is: TypeScript passes over the insides of declaration files. Whether `use.ts` compiles
 * beside the declarations, as tsc says it. In the repository, so that "wirescript" is this package.
 */
function check(files: Record<string, string>): string {
  const directory = mkdtempSync(resolve("test/objects/.types-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  writeFileSync(
    join(directory, "tsconfig.json"),
    JSON.stringify({
      extends: resolve("tsconfig.json"),
      compilerOptions: { noUnusedLocals: false },
      include: ["./*.ts"],
    }),
  );
  try {
    return execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", directory], { encoding: "utf8" });
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

describe.each(CLANGS)("what %s makes", (clang) => {
  const lacks = lacking(clang);

  it.skipIf(lacks !== "")(`is declared with its programs, maps and variables${lacks}`, () => {
    expect(declarations(compiled(clang, "functions"))).toBe(
      `// What is in test.o, for load<typeof Module>(). Made by: wirescript types
import type { ObjectMap, ObjectProgram } from "wirescript";

// Programs
export declare const first: ObjectProgram<"xdp">;
export declare const second: ObjectProgram<"xdp">;
export declare const third: ObjectProgram;

// Maps
export declare const counts: ObjectMap<"array", number, bigint>;
`,
    );
    const data = declarations(compiled(clang, "data"));
    expect(data).toContain(
      "/** struct pair */\nexport interface Pair {\n  left: number; // __u16\n  right: number; // __u32\n}\n",
    );
    expect(data).toContain("export declare let pairs: ObjectVariable<Pair[]>;");
    expect(data).toContain("export declare const name: ObjectVariable<Uint8Array>;");
    expect(data).toContain("export declare const on: ObjectVariable<boolean>;");
    expect(data).toMatch(/declare let (\w+): ObjectVariable<number>;\nexport \{ \1 as "next\.calls" \};/);
  });

  it.skipIf(lacks !== "")(`without BTF has programs, and maps of bytes${lacks}`, () => {
    const text = declarations(compiled(clang, "old-libbpf", "-g0"));
    expect(text).toContain(`export declare const xdp_prog1: ObjectProgram<"xdp">;`);
    expect(text).toContain(`export declare const rxcnt: ObjectMap<"perCpuArray", number, Uint8Array>;`);
  });
});

const USE = `
import { load, HashMap, PerCpuArrayMap, RingBufferMap, MapOfMaps, ArrayMap, ProgArray, PerfEventArray } from "wirescript";
import type * as Maps from "./maps.ts";
import type * as Data from "./data.ts";
import type * as Kinds from "./kinds.ts";
await using maps = await load<typeof Maps>("maps.o");
const count: { packets: bigint; bytes: bigint } | undefined = maps.maps.hash.get({ source: 1, destination: 2, port: 3 });
const sum: { packets: bigint; bytes: bigint } = maps.maps.percpu_array.sum(1);
const hash: HashMap<{ source: number; destination: number; port: number }, { packets: bigint; bytes: bigint }> = maps.maps.hash;
const inner: ArrayMap<number> | undefined = maps.maps.outer.get(1);
const ring: RingBufferMap<Uint8Array> = maps.maps.ring;
const jumps: ProgArray = maps.maps.jumps;
const perf: PerfEventArray = maps.maps.perf;
const action: number = maps.programs.fill.run(new Uint8Array(64)).action;
// @ts-expect-error: the port is missing
maps.maps.hash.get({ source: 1, destination: 2 });
// @ts-expect-error: there is no such map
maps.maps.nothing;
// @ts-expect-error: nor such a program
maps.programs.nothing;
await using data = await load<typeof Data>("data.o", { settings: { port: 1 } });
const seen: bigint = data.globals.seen;
const right: number | undefined = data.globals.pairs[1]?.right;
const calls: number = data.globals["next.calls"];
data.globals.level = 7;
// @ts-expect-error: a setting stays as it was loaded
data.globals.port = 7;
// @ts-expect-error: it is a number
data.globals.level = "7";
await using kinds = await load<typeof Kinds>("kinds.o");
const all = kinds.globals.all;
const facts: [number, bigint, boolean, Uint8Array, bigint, number[][], number, bigint, number, bigint] = [
  all.small, all.wide, all.flag, all.text, all.pointer, all.matrix, all.single, all.huge, all.low, all.big,
];
const nested: number | undefined = all.nested[0]?.a;
const either: number | undefined = all.word;
const network: [number, bigint] = [all.be, all.be64];
const deleted: number = kinds.globals.delete;
`;

const lacks = missing("clang-19");
it.skipIf(lacks !== "")(`TypeScript holds users to the declarations${lacks}`, () => {
  const names = ["maps", "data", "kinds"];
  const files = Object.fromEntries(names.map((name) => [`${name}.ts`, declarations(compiled("clang-19", name))]));
  // The document's example is about an object with the maps of one and the variables of another.
  const [example = ""] = /(?<=^```ts\n)[\s\S]*?(?=^```$)/m.exec(readFileSync("docs/objects.md", "utf8")) ?? [];
  expect(example).toContain("load<typeof Filter>");
  const filter = `export * from "./maps.ts";\nexport { seen, port } from "./data.ts";\n`;
  expect(check({ ...files, "filter.d.ts": filter, "use.ts": USE, "example.ts": example })).toBe("");
});

it.skipIf(lacks !== "")(`values are what the declarations say${lacks}`, async () => {
  const { object } = await loadedByUs(compiled("clang-19", "kinds"));
  expect(object.globals.all).toEqual({
    ...{
      small: -5,
      wide: 1n << 40n,
      flag: true,
      text: new TextEncoder().encode("ab\0\0"),
      pointer: 0n,
      matrix: [
        [1, 2],
        [3, 4],
      ],
    },
    ...{
      single: 1.5,
      double_: -2.25,
      huge: -(1n << 100n),
      low: 5,
      high: -2,
      nested: [
        { a: 1, b: 2 },
        { a: 3, b: 4 },
      ],
    },
    ...{ word: 0x01020304, bytes: Uint8Array.of(4, 3, 2, 1), be: 0x1234, be64: 1n, color: 1, big: 1n << 40n, inside: 9 },
  });
});

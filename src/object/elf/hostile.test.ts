/**
 * Objects that nobody builds by accident: types that contain themselves, tables that ask for work without end, other kinds of
 * ELF.
 */
import { describe, expect, it } from "vitest";
import { countingProgram } from "../../../test/fixtures/counting-program.ts";
import { encodeBtf } from "../btf/encode.ts";
import type { BtfMember, BtfType } from "../btf/types.ts";
import { TypeScriptTypes } from "../btf/typescript.ts";
import { declarationsOf } from "../declarations.ts";
import { SHT, STB, STT } from "./format.ts";
import { buildImage, DATA_FLAGS, type ImageSection, type ImageSymbol } from "./image.ts";
import { readElf } from "./read.ts";
import { writeElf } from "./write.ts";

const member = (name: string, type: number): BtfMember => ({ name, type, bitOffset: 0, bitSize: 0 });
const refused = (bytes: Uint8Array) => expect(() => readElf(bytes, "x.o"));

/** An object with one map called `m`, defined by these types, the last of which is its VAR's type. */
function withMap(types: BtfType[], maps = 1): Uint8Array {
  const section = (name: string, bytes: Uint8Array): ImageSection => ({
    ...{ name, type: SHT.PROGBITS, flags: DATA_FLAGS, align: 8, bytes, relocations: [] },
  });
  const home = section(".maps", new Uint8Array(8 * maps));
  const symbols = Array.from({ length: maps }, (_, index): ImageSymbol => {
    const name = maps === 1 ? "m" : `m${index}`;
    return { name, type: STT.OBJECT, binding: STB.GLOBAL, section: home, value: 8 * index, size: 8 };
  });
  const definition = types.length;
  const variables = symbols.map(({ name, value, size }) => {
    const type = types.push({ kind: "var", name, type: definition, linkage: "global" });
    return { type, offset: value, size };
  });
  types.push({ kind: "datasec", name: ".maps", size: 8 * maps, variables });
  return buildImage([home, section(".BTF", encodeBtf({ types }).bytes)], symbols);
}

describe("other kinds of ELF", () => {
  const object = writeElf(countingProgram());
  const changed = (at: number, value: number) => {
    const copy = object.slice();
    copy[at] = value;
    return copy;
  };
  it("are called by their names", () => {
    refused(changed(4, 1)).toThrow(
      expect.objectContaining({ message: "x.o: This is not an eBPF object.", why: "It is no 64-bit ELF file." }),
    );
    refused(changed(5, 2)).toThrow(expect.objectContaining({ message: "x.o: The object is big-endian." }));
    refused(changed(18, 62)).toThrow(
      expect.objectContaining({ why: "Its ELF type is 1 and its machine 62; an eBPF object has 1 and 247." }),
    );
  });

  it("with sections over each other are refused", () => {
    const copy = object.slice();
    const view = new DataView(copy.buffer);
    const table = Number(view.getBigUint64(40, true));
    // Every section becomes the whole file.
    for (let index = 1; index < view.getUint16(60, true); index++) {
      view.setBigUint64(table + index * 64 + 24, 0n, true);
      view.setBigUint64(table + index * 64 + 32, BigInt(copy.length), true);
    }
    refused(copy).toThrow(expect.objectContaining({ why: "Its sections overlap." }));
  });
});

describe("types that contain themselves", () => {
  it.each<[string, BtfType[]]>([
    [
      "a typedef",
      [
        { kind: "typedef", name: "t", type: 1 },
        { kind: "ptr", type: 1 },
      ],
    ],
    [
      "two typedefs",
      [
        { kind: "typedef", name: "t", type: 3 },
        { kind: "ptr", type: 1 },
        { kind: "const", type: 1 },
      ],
    ],
    [
      "an array",
      [
        { kind: "array", type: 1, indexType: 1, length: 1 },
        { kind: "ptr", type: 1 },
      ],
    ],
    [
      "a huge array",
      [
        { kind: "array", type: 3, indexType: 1, length: 0xffff_ffff },
        { kind: "ptr", type: 1 },
        { kind: "array", type: 4, indexType: 1, length: 0xffff_ffff },
        { kind: "ptr", type: 0 },
      ],
    ],
  ])("end a map's definition: %s", (_, types) => {
    refused(withMap([...types, { kind: "struct", name: "", size: 8, members: [member("value", 2)] }])).toThrow(
      expect.objectContaining({ code: "BAD_FILE", why: expect.any(String) }),
    );
  });

  it("end a definition of maps in maps in maps", () => {
    const types: BtfType[] = [{ kind: "int", name: "int", size: 4, bits: 32, encoding: "signed" }];
    types.push({ kind: "array", type: 1, indexType: 1, length: 12 }, { kind: "ptr", type: 2 });
    // Each struct is the inner map of the next.
    for (let level = 0; level < 30_000; level++) {
      const inner = types.length;
      types.push({ kind: "ptr", type: inner });
      types.push({ kind: "array", type: inner + 1, indexType: 1, length: 0 });
      types.push({ kind: "struct", name: "", size: 8, members: [member("type", 3), member("values", inner + 2)] });
    }
    refused(withMap(types)).toThrow("has the member values");
    // Nobody looks into what no symbol names, but its types are taken out of the others all the same.
    expect(readElf(withMap(types, 0)).maps).toEqual([]);
  });

  it("end declarations, and those that double at every level", () => {
    const types: BtfType[] = [{ kind: "int", name: "int", size: 4, bits: 32, encoding: "signed" }];
    for (let level = 1; level < 32; level++)
      types.push({
        kind: "struct",
        name: "",
        size: 4,
        members: [member("", level), member("", level), member(`m${level}`, 1)],
      });
    expect(() => new TypeScriptTypes({ types }).of(types.length)).toThrow(
      "The object's types are too large to be written out.",
    );
    const self: BtfType[] = [{ kind: "struct", name: "s", size: 4, members: [member("s", 1)] }];
    const declared = new TypeScriptTypes({ types: self });
    expect([declared.of(1), ...declared.declarations]).toEqual(["S", "/** struct s */\nexport interface S {\n  s: S;\n}\n"]);
  });
});

describe("names that are code", () => {
  it("stay names in declarations", () => {
    const evil = "x */ }\n;evil();//";
    const types: BtfType[] = [
      { kind: "typedef", name: evil, type: 3 },
      { kind: "struct", name: evil, size: 4, members: [member(evil, 1)] },
      { kind: "int", name: evil, size: 4, bits: 32, encoding: "signed" },
    ];
    const declared = new TypeScriptTypes({ types });
    declared.of(2);
    expect(declared.declarations).toEqual([
      `/** struct x_______evil_____ */\nexport interface XEvil_____ {\n  ${JSON.stringify(evil)}: number; // x_______evil_____\n}\n`,
    ]);
  });
});

describe("tables that ask for much", () => {
  it("of maps and of what is in them are read in one go", () => {
    const types: BtfType[] = [{ kind: "int", name: "int", size: 4, bits: 32, encoding: "signed" }];
    types.push({ kind: "array", type: 1, indexType: 1, length: 27 }, { kind: "ptr", type: 2 });
    types.push({ kind: "struct", name: "", size: 8, members: [member("type", 3)] });
    const spec = readElf(withMap(types, 20_000));
    expect(spec.maps.length).toBe(20_000);
    expect(declarationsOf(spec, "x.o").split("\n").length).toBeGreaterThan(20_000);
  });

  it("of names beyond the table of names are refused", () => {
    const object = writeElf(countingProgram());
    const view = new DataView(object.buffer);
    const table = Number(view.getBigUint64(40, true));
    view.setUint32(table + 64, 0xffff_ffff, true);
    refused(object).toThrow(expect.objectContaining({ why: expect.stringContaining("A name lies at offset 4294967295") }));
  });
});

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allKinds } from "../../../test/fixtures/all-btf-kinds.ts";
import { isolated, lacking, output, temporaryDirectory } from "../../../test/foreign-tools.ts";
import { assertProperty } from "../../../test/property.ts";
import { writeElf } from "../elf/write.ts";
import type { ObjectSpec } from "../spec.ts";
import { decodeBtf } from "./decode.ts";
import { encodeBtf } from "./encode.ts";
import { sizeOf, underlying } from "./layout.ts";
import type { Btf } from "./types.ts";

function fileWith(btf: Btf): string {
  const file = join(temporaryDirectory(), "types.btf");
  writeFileSync(file, encodeBtf(btf).bytes);
  return file;
}

describe("BTF", () => {
  it("survives encoding and decoding, all kinds", () => {
    expect(decodeBtf(encodeBtf(allKinds()).bytes).types).toEqual(allKinds().types);
  });

  it("gives the offsets of names and of extra strings in one table", () => {
    const { bytes, stringOffset } = encodeBtf(allKinds(), ["a.ts", "return 1;", "u8"]);
    const { strings } = decodeBtf(bytes);
    for (const text of ["", "u8", "header", "a.ts", "return 1;"]) expect(strings.at(stringOffset(text))).toBe(text);
    expect(() => stringOffset("never added")).toThrow(RangeError);
  });

  it("is the same for the same types", () => {
    expect(encodeBtf(allKinds()).bytes).toEqual(encodeBtf(allKinds()).bytes);
  });

  it("refuses values that do not fit their fields", () => {
    expect(() => encodeBtf({ types: [{ kind: "ptr", type: -1 }] })).toThrow("BTF type 1 (ptr) cannot be encoded");
    expect(() => encodeBtf({ types: [{ kind: "fwd", name: "a\0b", union: false }] })).toThrow(RangeError);
  });
});

describe("bpftool", () => {
  const missing = lacking("bpftool");

  it.skipIf(missing !== "")(`reads the same types${missing}`, () => {
    const file = fileWith(allKinds());
    const { types } = JSON.parse(output("bpftool", "-j", "btf", "dump", "file", file)) as { types: Record<string, unknown>[] };
    const kinds = allKinds().types.map((type) => type.kind.toUpperCase());
    expect(types.map((type) => type.kind)).toEqual(kinds);
    expect(types[0]).toMatchObject({ name: "u8", size: 1, nr_bits: 8, encoding: "(none)" });
    expect(types[3]).toMatchObject({ encoding: "BOOL" });
    expect(types[8]).toMatchObject({
      members: [
        { bits_offset: 0, bitfield_size: 4 },
        { bits_offset: 4, bitfield_size: 28 },
      ],
    });
    expect(types[10]).toMatchObject({ encoding: "SIGNED", values: [{ val: -1 }, { val: 1 }] });
    expect(types[13]).toMatchObject({ values: [{ val: -(2 ** 40) }] });
    expect(types[15]).toMatchObject({ fwd_kind: "union" });
    expect(types[23]).toMatchObject({ linkage: "static" });
    expect(types[25]).toMatchObject({ size: 8, vars: [{ type_id: 25, offset: 4, size: 4 }] });
    expect(types[28]).toMatchObject({ component_idx: -1 });
  });

  it.skipIf(missing !== "")(`prints them as C${missing}`, () => {
    const text = output("bpftool", "btf", "dump", "file", fileWith(allKinds()), "format", "c");
    expect(text).toContain("struct header {\n\tu8 mac[6];\n\tu32 type;\n");
    expect(text).toContain("struct fields {\n\tu32 version: 4;\n\tu32 rest: 28;\n};");
    expect(text).toContain("typedef u8 mac_t[6];");
    expect(text).toContain("TOP = 4294967295,");
    expect(text).toContain("WIDE = 18446744073709551600ULL,");
  });

  const noKernel = lacking("root", "bpftool", "unshare");
  it.skipIf(noKernel !== "")(`gives them to the kernel, which takes every kind${noKernel}`, () => {
    const code = [
      { opcode: 0xb7, dst: 0, src: 0, offset: 0, imm: 2 },
      { opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0 },
    ];
    // VARs and DATASECs belong to sections, so the spec has none; the kernel wants named parameters of functions, and so has it.
    const types = allKinds().types.map((type) =>
      type.kind === "var" || type.kind === "datasec" ? ({ kind: "const", type: 6 } as const) : type,
    );
    const spec: ObjectSpec = {
      ...{ license: "GPL", maps: [], btf: { types } },
      data: [
        {
          name: ".rodata",
          bytes: new Uint8Array(8),
          readonly: true,
          variables: [{ name: "port", offset: 4, size: 4, typeId: 6 }],
        },
      ],
      programs: [
        { name: "p", section: "xdp", type: "xdp", functions: [{ name: "p", instructions: code, typeId: 0, lines: [] }] },
      ],
    };
    const file = join(temporaryDirectory(), "kinds.o");
    writeFileSync(file, writeElf(spec));
    const log = isolated(`bpftool prog load ${file} /sys/fs/bpf/p; bpftool -j prog show pinned /sys/fs/bpf/p`);
    expect(log).not.toContain("BTF loading error");
    expect(log).toContain('"name":"p"');
  });
});

describe("damaged BTF", () => {
  const valid = encodeBtf(allKinds()).bytes;
  const refused = (bytes: Uint8Array) => expect(() => decodeBtf(bytes));
  const changed = (offset: number, value: number) => {
    const copy = valid.slice();
    new DataView(copy.buffer).setUint32(offset, value, true);
    return copy;
  };

  it("is refused at every truncation", () => {
    for (let length = 0; length < valid.length; length++) {
      expect(() => decodeBtf(valid.subarray(0, length)), `${length} bytes`).toThrow(
        expect.objectContaining({ code: "BAD_FILE" }),
      );
    }
  });

  it("is refused or read, but never crashes, whatever bytes change", () => {
    const mutation = fc.record({ at: fc.nat(valid.length - 1), byte: fc.integer({ min: 0, max: 255 }) });
    assertProperty(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        const copy = valid.slice();
        for (const { at, byte } of mutations) copy[at] = byte;
        try {
          const btf = decodeBtf(copy);
          btf.types.forEach((_, index) => {
            try {
              sizeOf(btf, index + 1);
            } catch (error) {
              expect(error).toMatchObject({ code: "BAD_FILE" });
            }
          });
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_FILE" });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("is named: magic, version, byte order, strings, kind, reference", () => {
    refused(changed(0, 0x1)).toThrow("BTF is not BTF");
    refused(changed(0, 0x9feb)).toThrow("big-endian");
    refused(changed(0, 0x02eb9f)).toThrow(
      expect.objectContaining({ why: "It claims BTF version 2; there is only version 1." }),
    );
    refused(changed(24, 0xffff)).toThrow(
      expect.objectContaining({ why: expect.stringContaining("A name lies at offset 65535") }),
    );
    refused(changed(28, 0x1f00_0000)).toThrow("Type 1 (unknown kind u8) of BTF is damaged");
    const dangling = encodeBtf({ types: [{ kind: "typedef", name: "t", type: 9 }] }).bytes;
    refused(dangling).toThrow("Type 1 (typedef t) of BTF is damaged");
  });

  it("does not send looks at types in circles", () => {
    const loop = decodeBtf(
      encodeBtf({
        types: [
          { kind: "typedef", name: "a", type: 2 },
          { kind: "const", type: 1 },
        ],
      }).bytes,
    );
    expect(() => underlying(loop, 1)).toThrow("never ends");
    const nested: Btf = { types: [{ kind: "array", type: 1, indexType: 1, length: 2 }] };
    expect(() => sizeOf(nested, 1)).toThrow(expect.objectContaining({ code: "BAD_FILE" }));
  });

  it("cannot make a small file cost much by names that overlap", () => {
    const name = "x".repeat(200_000);
    const { bytes } = encodeBtf({ types: Array.from({ length: 20_000 }, () => ({ kind: "fwd", name, union: false })) });
    const view = new DataView(bytes.buffer);
    for (let index = 0; index < 20_000; index++) view.setUint32(24 + index * 12, index + 1, true);
    refused(bytes).toThrow(expect.objectContaining({ why: expect.stringContaining("overlap") }));
  });
});

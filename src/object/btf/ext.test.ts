import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countingProgram } from "../../../test/fixtures/counting-program.ts";
import { assertProperty } from "../../../test/property.ts";
import { decodeBtf } from "./decode.ts";
import { encodeBtf } from "./encode.ts";
import { decodeExt, encodeExt, kernelExt, lineStrings, sectionExt } from "./ext.ts";

function counting() {
  const spec = countingProgram();
  const functions = spec.programs[0]?.functions ?? [];
  const encoded = encodeBtf(spec.btf ?? { types: [] }, ["xdp", ...lineStrings(functions)]);
  return { functions, ...encoded, strings: decodeBtf(encoded.bytes).strings };
}

const words = (bytes: Uint8Array) => [...new Uint32Array(bytes.slice().buffer)];

describe("the kernel's form", () => {
  it("counts slots over all functions, wide loads as two", () => {
    const { functions, stringOffset } = counting();
    const { funcInfo, lineInfo } = kernelExt(functions, stringOffset);
    expect(words(funcInfo)).toEqual([0, functions[0]?.typeId, 4, functions[1]?.typeId]);
    const file = stringOffset("/src/counting.bpf.ts");
    expect(words(lineInfo)).toEqual([
      ...[0, file, stringOffset("count(XDP_PASS);"), (7 << 10) | 3],
      ...[2, file, stringOffset("return XDP_PASS;"), (8 << 10) | 3],
      ...[4, file, stringOffset("const record = xdp_stats_map.lookup(action);"), (3 << 10) | 9],
      ...[10, file, stringOffset("if (record) record.rx_packets += step;"), (4 << 10) | 5],
    ]);
  });

  it("is all or nothing, as the kernel wants it", () => {
    const { functions, stringOffset } = counting();
    const partial = functions.map((fn, index) => (index === 0 ? fn : { ...fn, typeId: 0, lines: fn.lines.slice(1) }));
    expect(kernelExt(partial, stringOffset)).toEqual({ funcInfo: new Uint8Array(0), lineInfo: new Uint8Array(0) });
  });

  it("cuts lines and columns to their bits", () => {
    const fn = {
      name: "f",
      instructions: [],
      typeId: 1,
      lines: [{ slot: 0, file: "f", text: "t", line: 5_000_000, column: 2000 }],
    };
    expect(words(kernelExt([fn], () => 1).lineInfo)).toEqual([0, 1, 1, 0xffff_ffff]);
  });
});

describe("the ELF form", () => {
  it("counts bytes, and survives encoding and decoding", () => {
    const { functions, stringOffset, strings } = counting();
    const section = sectionExt("xdp", functions);
    expect(section.functions.map(({ offset }) => offset)).toEqual([0, 32]);
    expect(section.lines.map(({ offset }) => offset)).toEqual([0, 16, 32, 80]);
    const decoded = decodeExt(encodeExt([section], stringOffset), strings);
    expect(decoded).toEqual({ sections: new Map([["xdp", section]]) });
  });

  it("is refused at every truncation, and never crashes, whatever bytes change", () => {
    const { functions, stringOffset, strings } = counting();
    const valid = encodeExt([sectionExt("xdp", functions)], stringOffset);
    for (let length = 0; length < valid.length; length++) {
      expect(() => decodeExt(valid.subarray(0, length), strings)).toThrow(expect.objectContaining({ code: "BAD_FILE" }));
    }
    assertProperty(
      fc.property(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const copy = valid.slice();
        copy[at] = byte;
        try {
          decodeExt(copy, strings);
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_FILE" });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

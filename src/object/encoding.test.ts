import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertProperty } from "../../test/property.ts";
import { countSlots, decode, encode, unlinked } from "./encoding.ts";
import type { Instruction } from "./instruction.ts";
import { OPCODE } from "./opcodes.ts";

const register = fc.integer({ min: 0, max: 10 });
const offset = fc.integer({ min: -0x8000, max: 0x7fff });
const narrow = fc.record({
  opcode: fc.integer({ min: 0, max: 255 }).filter((opcode) => opcode !== OPCODE.LD_IMM64),
  dst: register,
  src: register,
  offset,
  imm: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
});
const wide = fc.record({
  opcode: fc.constant(OPCODE.LD_IMM64),
  dst: register,
  src: register,
  offset,
  imm: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
});

describe("encoding", () => {
  it("gives 8 bytes a slot: opcode, registers, offset, immediate", () => {
    const bytes = encode([{ opcode: 0x61, dst: 1, src: 2, offset: -4, imm: 0x01020304 }]);
    expect([...bytes]).toEqual([0x61, 0x21, 0xfc, 0xff, 0x04, 0x03, 0x02, 0x01]);
  });

  it("splits the immediate of a wide load over two slots", () => {
    const bytes = encode([{ opcode: OPCODE.LD_IMM64, dst: 3, src: 0, offset: 0, imm: -2n }]);
    expect([...bytes]).toEqual([0x18, 3, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
  });

  it("is undone by decoding, for all instructions", () => {
    assertProperty(
      fc.property(fc.array(fc.oneof(narrow, wide)), (instructions: Instruction[]) => {
        const bytes = encode(instructions);
        expect(bytes.length).toBe(countSlots(instructions) * 8);
        expect(decode(bytes)).toEqual(instructions);
      }),
    );
  });

  it("is what decoding undoes, for all bytes that decode", () => {
    assertProperty(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        let instructions: Instruction[];
        try {
          instructions = decode(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_FILE" });
          return;
        }
        expect(encode(instructions)).toEqual(bytes);
      }),
    );
  });

  it("leaves references unlinked, whatever src and imm hold", () => {
    const load: Instruction = {
      opcode: OPCODE.LD_IMM64,
      dst: 1,
      src: 7,
      offset: 0,
      imm: 9n,
      reference: { kind: "map", name: "m" },
    };
    const call: Instruction = {
      opcode: OPCODE.CALL,
      dst: 0,
      src: 0,
      offset: 0,
      imm: 0,
      reference: { kind: "function", name: "f" },
    };
    expect(unlinked(load)).toMatchObject({ src: 0, imm: 0n });
    expect(decode(encode([load, call]))).toEqual([
      { opcode: OPCODE.LD_IMM64, dst: 1, src: 0, offset: 0, imm: 0n },
      { opcode: OPCODE.CALL, dst: 0, src: 1, offset: 0, imm: -1 },
    ]);
  });

  it("refuses fields that do not fit", () => {
    const plain = { opcode: OPCODE.EXIT, dst: 0, src: 0, offset: 0, imm: 0 };
    for (const wrong of [{ dst: 16 }, { offset: 0x8000 }, { imm: 0x8000_0000 }, { imm: 0.5 }, { opcode: 256 }]) {
      expect(() => encode([{ ...plain, ...wrong }])).toThrow(RangeError);
    }
    expect(() => encode([{ ...plain, opcode: OPCODE.LD_IMM64, imm: 1n << 64n }])).toThrow(RangeError);
  });
});

describe("decoding refuses", () => {
  const refused = (bytes: number[]) => expect(() => decode(Uint8Array.from(bytes)));

  it("bytes that end within an instruction", () => refused([0x95, 0, 0, 0]).toThrow("ends in the middle of an instruction"));
  it("a wide load without its second half", () => {
    refused([0x18, 1, 0, 0, 0, 0, 0, 0]).toThrow("lacks its second half");
    refused([0x18, 1, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]).toThrow("lacks its second half");
  });
  it("registers that do not exist", () =>
    refused([0xbf, 0x1c, 0, 0, 0, 0, 0, 0]).toThrow("names a register that does not exist"));
});

/** CO-RE against kernels that are made up here: what the types of the running one do not show. */
import { describe, expect, it } from "vitest";
import { BtfBuilder } from "../btf/builder.ts";
import { encodeBtf } from "../btf/encode.ts";
import { KernelTypes } from "../btf/kernel-types.ts";
import type { BtfType } from "../btf/types.ts";
import type { Instruction } from "../instruction.ts";
import { ALU, CLASS, MODE, OPCODE, SIZE } from "../opcodes.ts";
import { patched, poisoned } from "./patch.ts";
import type { CoreKind } from "./relocation.ts";
import { CoreResolver } from "./resolve.ts";

type Member = [name: string, type: number, bitOffset: number, bitSize?: number];

class Types extends BtfBuilder {
  int(name: string, size: number, encoding: "signed" | "unsigned" = "unsigned"): number {
    return this.add({ kind: "int", name, size, bits: size * 8, encoding });
  }
  compound(kind: "struct" | "union", name: string, size: number, ...members: Member[]): number {
    const list = members.map(([name, type, bitOffset, bitSize = 0]) => ({ name, type, bitOffset, bitSize }));
    // Twice the same type is meant to be two.
    return this.types.push({ kind, name, size, members: list });
  }
  struct(name: string, size: number, ...members: Member[]): number {
    return this.compound("struct", name, size, ...members);
  }
  array(type: number, length: number): number {
    return this.add({ kind: "array", type, indexType: this.int("u32", 4), length });
  }
  pointer(type: number): number {
    return this.add({ kind: "ptr", type });
  }
  enumeration(name: string, values: Record<string, number>): number {
    const list = Object.entries(values).map(([name, value]) => ({ name, value }));
    return this.types.push({ kind: "enum", name, size: 4, signed: false, values: list });
  }
}

/** What a relocation in an object with the types of `local` comes to on a kernel with those of `kernel`. */
function resolve(kind: CoreKind, path: number[], local: (types: Types) => number, kernel: (types: Types) => unknown) {
  const [own, its] = [new Types(), new Types()];
  const typeId = local(own);
  kernel(its);
  const types = new KernelTypes(encodeBtf(its).bytes);
  return new CoreResolver(own, () => types).resolve({ slot: 0, kind, typeId, path });
}

const value = (number: number | bigint) => expect.objectContaining({ value: BigInt(number) });

describe("fields", () => {
  const pid = (types: Types) => types.struct("task", 4, ["pid", types.int("int", 4, "signed"), 0]);

  it("are where the kernel has them", () => {
    const kernel = (types: Types) => types.struct("task", 64, ["pid", types.int("int", 4, "signed"), 320]);
    expect(resolve("field_byte_offset", [0, 0], pid, kernel)).toEqual(value(40));
    expect(resolve("field_byte_offset", [2, 0], pid, kernel)).toEqual(value(2 * 64 + 40));
    expect(resolve("field_exists", [0, 0], pid, kernel)).toEqual(value(1));
  });

  it("are found in a flavour's own way", () => {
    const flavour = (types: Types) => types.struct("task___old", 8, ["pid", types.int("int", 4, "signed"), 32]);
    expect(resolve("field_byte_offset", [0, 0], flavour, pid)).toEqual(value(0));
    // A kernel may have flavours, too.
    expect(resolve("field_byte_offset", [0, 0], pid, flavour)).toEqual(value(4));
  });

  it("are found in unnamed structs and unions, however the object nests them", () => {
    const nested = (types: Types) => {
      const inner = types.compound("union", "", 4, ["a", types.int("u32", 4), 0], ["b", types.int("u32", 4), 0]);
      const middle = types.struct("", 12, ["x", types.int("u64", 8), 0], ["", inner, 64]);
      return types.struct("task", 32, ["", middle, 128]);
    };
    const flat = (types: Types) => types.struct("task", 4, ["b", types.int("u32", 4), 0]);
    expect(resolve("field_byte_offset", [0, 0], flat, nested)).toEqual(value(24));
    expect(resolve("field_byte_offset", [0, 0, 1, 1], nested, flat)).toEqual(value(0));
  });

  it("are found through structs and arrays, the last of which may have no length", () => {
    const types = (length: number, size: number) => (types: Types) => {
      const element = types.struct("element", size, ["a", types.int("u32", 4), 0], ["b", types.int("u32", 4), size * 4]);
      return types.struct("task", 8, ["n", types.int("u32", 4), 0], ["list", types.array(element, length), 64]);
    };
    expect(resolve("field_byte_offset", [0, 1, 3, 1], types(4, 8), types(4, 16))).toEqual(value(8 + 3 * 16 + 8));
    expect(resolve("field_byte_offset", [0, 1, 3, 0], types(0, 8), types(0, 8))).toEqual(value(8 + 3 * 8));
    expect(resolve("field_byte_offset", [0, 1, 3, 0], types(4, 8), types(2, 8))).toMatchObject({
      missing: "the member list[3].a of struct task",
      why: "The running kernel's BTF has struct task, but its array has 2 elements, and number 3 is asked for.",
    });
    expect(() => resolve("field_byte_offset", [0, 1, 9, 0], types(4, 8), types(4, 8))).toThrow(
      "A CO-RE relocation is damaged.",
    );
  });

  it("of other kinds are others", () => {
    const pointer = (types: Types) => types.struct("task", 8, ["pid", types.pointer(0), 0]);
    expect(resolve("field_exists", [0, 0], pid, pointer)).toEqual(value(0));
    expect(resolve("field_byte_offset", [0, 0], pid, pointer)).toMatchObject({ missing: "the member pid of struct task" });
    expect(
      resolve("field_exists", [0, 0], pid, (types) => types.compound("union", "task", 4, ["pid", types.int("int", 4), 0])),
    ).toEqual(value(0));
  });

  it("of bits are read with a load that has all of them", () => {
    const bits = (offset: number, size: number) => (types: Types) =>
      types.struct("flags", 16, ["before", types.int("u8", 1), 0], ["f", types.int("u32", 4, "signed"), offset, size]);
    const kernel = bits(29, 6);
    const local = bits(8, 3);
    // Bits 29 to 34 need 8 bytes.
    expect(resolve("field_byte_size", [0, 1], local, kernel)).toEqual(value(8));
    expect(resolve("field_byte_offset", [0, 1], local, kernel)).toEqual(value(0));
    expect(resolve("field_lshift_u64", [0, 1], local, kernel)).toEqual(value(64 - 35));
    expect(resolve("field_rshift_u64", [0, 1], local, kernel)).toEqual(value(64 - 6));
    expect(resolve("field_signed", [0, 1], local, kernel)).toEqual(value(1));
  });

  it("that two types of the kernel place differently are nobody's guess", () => {
    const two = (types: Types) =>
      [8, 32].map((offset) => types.struct("task", 64, ["pid", types.int("int", 4, "signed"), offset]));
    expect(() => resolve("field_byte_offset", [0, 0], pid, two)).toThrow(
      expect.objectContaining({
        message: "It is not clear what the member pid of struct task means on this kernel.",
        why: "The kernel has several types of that name, and they answer 8 and 32.",
      }),
    );
    const same = (types: Types) => [4, 8].map((size) => types.struct("task", size, ["pid", types.int("int", 4, "signed"), 0]));
    expect(resolve("field_byte_offset", [0, 0], pid, same)).toEqual(value(0));
  });
});

describe("types", () => {
  const list = (types: Types) => {
    const id = types.types.length + 2;
    types.pointer(id);
    return types.struct("list", 16, ["next", id - 1, 0], ["previous", id - 1, 64]);
  };
  it("exist, have a size and a number, or 0", () => {
    for (const kind of ["type_exists", "type_size", "type_id_target", "type_matches"] as const)
      expect(resolve(kind, [0], list, (types) => types.int("u8", 1))).toEqual({ value: 0n });
    expect(resolve("type_size", [0], list, list)).toEqual({ value: 16n });
    expect(resolve("type_id_target", [0], list, (types) => [types.int("u8", 1), list(types)])).toEqual({ value: 3n });
    expect(
      resolve(
        "type_id_local",
        [0],
        (types) => Math.max(types.int("u8", 1), list(types)),
        () => 0,
      ),
    ).toEqual({ value: 3n });
  });

  it("match when all that the object says is true", () => {
    const matches = (local: (types: Types) => number, kernel: (types: Types) => unknown) =>
      resolve("type_matches", [0], local, kernel);
    const one = (type: (types: Types) => number) => (types: Types) => types.struct("s", 16, ["a", type(types), 0]);
    const more = (types: Types) => types.struct("s", 16, ["b", types.int("u8", 1), 0], ["a", types.int("u32", 4), 64]);
    expect(
      matches(
        one((types) => types.int("unsigned int", 4)),
        more,
      ),
    ).toEqual(value(1));
    expect(
      matches(
        more,
        one((types) => types.int("u32", 4)),
      ),
    ).toEqual(value(0));
    expect(
      matches(
        one((types) => types.int("int", 4, "signed")),
        more,
      ),
    ).toEqual(value(0));
    expect(
      matches(
        one((types) => types.int("u64", 8)),
        more,
      ),
    ).toEqual(value(0));
    expect(matches(list, list)).toEqual(value(1));
    const behind = (type: BtfType) => one((types) => types.pointer(types.add(type)));
    const struct: BtfType = { kind: "struct", name: "t", size: 0, members: [] };
    expect(matches(behind({ kind: "fwd", name: "t", union: false }), behind(struct))).toEqual(value(1));
    expect(matches(behind({ kind: "fwd", name: "t", union: true }), behind(struct))).toEqual(value(0));
    expect(matches(behind({ ...struct, name: "other" }), behind(struct))).toEqual(value(0));
  });
});

describe("enumerators", () => {
  const local = (types: Types) => types.enumeration("color___mine", { RED: 1, GREEN___new: 2 });
  const kernel = (types: Types) => [
    types.enumeration("shade", { GREEN: 5 }),
    types.types.push({ kind: "enum64", name: "color", size: 8, signed: false, values: [{ name: "GREEN", value: 1n << 40n }] }),
  ];
  it("are found by name, whatever their width", () => {
    expect(resolve("enumval_value", [1], local, kernel)).toEqual({ value: 1n << 40n, before: 2n });
    expect(resolve("enumval_exists", [1], local, kernel)).toEqual(value(1));
    expect(resolve("enumval_exists", [0], local, kernel)).toEqual(value(0));
    expect(resolve("enumval_value", [0], local, kernel)).toMatchObject({ missing: "the enumerator RED of enum color___mine" });
  });
});

describe("instructions", () => {
  const load = (size: number): Instruction => ({ opcode: CLASS.LDX | MODE.MEM | size, dst: 1, src: 2, offset: 4, imm: 0 });
  const access = (kind: "unsigned" | "other" | "pointer", before: number, after: number) => ({
    before: { size: before, kind },
    after: { size: after, kind },
  });

  it("read numbers without a sign in the kernel's width", () => {
    expect(patched(load(SIZE.W), { value: 40n, before: 4n, access: access("unsigned", 4, 8) })).toEqual({
      ...load(SIZE.DW),
      offset: 40,
    });
    expect(patched(load(SIZE.DW), { value: 40n, before: 4n, access: access("pointer", 8, 4) })).toEqual({
      ...load(SIZE.W),
      offset: 40,
    });
    expect(patched(load(SIZE.W), { value: 40n, before: 4n, access: access("other", 4, 8) })).toBeNull();
    expect(patched(load(SIZE.W), { value: 40n, before: 4n, access: access("other", 4, 4) })).toEqual({
      ...load(SIZE.W),
      offset: 40,
    });
  });

  it("of other kinds take values too, if they have room", () => {
    const move: Instruction = { opcode: CLASS.ALU64 | ALU.MOV, dst: 1, src: 0, offset: 0, imm: 1 };
    expect(patched(move, { value: 7n, before: 1n })).toEqual({ ...move, imm: 7 });
    expect(() => patched(move, { value: 1n << 40n })).toThrow("An instruction has no room for the value 1099511627776.");
    expect(() => patched(load(SIZE.W), { value: 40_000n })).toThrow("An instruction has no room for the value 40000.");
    expect(() => patched(move, { value: 7n, before: 2n })).toThrow("A CO-RE relocation is damaged.");
    const wide: Instruction = { opcode: OPCODE.LD_IMM64, dst: 1, src: 0, offset: 0, imm: 1n };
    expect(patched(wide, { value: -1n })).toEqual({ ...wide, imm: 0xffff_ffff_ffff_ffffn });
    expect(() => patched({ ...move, opcode: OPCODE.EXIT }, { value: 7n })).toThrow("A CO-RE relocation is damaged.");
    expect(poisoned(wide).length).toBe(2);
  });
});

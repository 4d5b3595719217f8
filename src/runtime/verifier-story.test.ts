/** What is made of the verifier's complaints: of logs as kernels print them, and of rejections by the kernel that this runs on. */
import { describe, expect, test } from "vitest";
import { addImm, callHelper, exit, movImm, movReg, op, wide } from "../../test/fixtures/counting-program.ts";
import { noKernel } from "../../test/kernel.ts";
import { HELPER } from "../object/helpers.ts";
import type { Instruction } from "../object/instruction.ts";
import { MAP_TYPE, type ObjectSpec } from "../object/spec.ts";
import { loadSpec } from "./load.ts";
import { VerifierError } from "./verifier-log.ts";
import { describeRegister, registersAt, storyOf } from "./verifier-story.ts";

describe("registers", () => {
  const log = `0: R1=ctx() R10=fp0
0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2_w=pkt(r=0)
1: (07) r2 += 14                      ; R2_w=pkt(off=14,r=0)
from 3 to 5: R0=map_value(map=stats,ks=4,vs=16) R1=ctx() R2=pkt(id=2,off=14,r=34,umax=60,var_off=(0x0; 0x3c)) R3=scalar(smin=0,smax=umax=255,var_off=(0x0; 0xff)) R4=7 R5=scalar() R10=fp0`;
  test.each([
    [0, "an element of the map stats of 16 bytes, at offset 0"],
    [1, "the context"],
    [2, "the packet at offset 14 plus 0 to 60, and 34 bytes of it are checked"],
    [3, "a number from 0 to 255"],
    [4, "the number 7"],
    [5, "a number of which nothing is known"],
    [10, "the stack"],
  ])("r%i", (number, description) => {
    const register = registersAt(log).get(number);
    expect(register && describeRegister(register)).toBe(description);
  });

  test("of Linux 5.15", () => {
    const old =
      "5: R0=inv(id=0,umax_value=255,var_off=(0x0; 0xff)) R2=pkt(id=0,off=14,r=14,imm=0) R3=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0)";
    const registers = [...registersAt(old).values()].map(describeRegister);
    expect(registers).toEqual([
      "a number from 0 to 255",
      "the packet at offset 14, and 14 bytes of it are checked",
      "what a lookup of a map gave, which may be null",
    ]);
  });
});

test("nothing is said of what is not known", () => {
  expect(storyOf("", "a complaint of a kernel to come")).toBe("");
});

const LOAD_U8 = 0x71;
const LOAD_U32 = 0x61;
const STORE_KEY = op(0x62, 10, 0, -4, 0);

/** A program of one line, whose instructions do something that the verifier refuses. */
function rejected(...instructions: Instruction[]): ObjectSpec {
  const line = { slot: 0, file: "echo.bpf.ts", text: "const protocol = ip.protocol;", line: 7, column: 20 };
  return {
    license: "Dual MIT/GPL",
    programs: [
      {
        name: `r${process.pid}`,
        section: "xdp",
        type: "xdp",
        functions: [{ name: `r${process.pid}`, instructions, typeId: 0, lines: [line] }],
      },
    ],
    maps: [
      {
        name: `m${process.pid}`,
        type: MAP_TYPE.HASH,
        keySize: 4,
        valueSize: 4,
        maxEntries: 1,
        flags: 0,
        pinning: "none",
        keyTypeId: 0,
        valueTypeId: 0,
        extra: 0,
      },
    ],
    data: [],
    btf: null,
  };
}

function rejection(...instructions: Instruction[]): VerifierError {
  try {
    loadSpec(rejected(...instructions))[Symbol.dispose]();
  } catch (error) {
    if (error instanceof VerifierError) return error;
    throw error;
  }
  throw new Error("the kernel took it");
}

const lookup = () => [
  STORE_KEY,
  movReg(2, 10),
  addImm(2, -4),
  wide(1, { kind: "map", name: `m${process.pid}` }),
  callHelper(HELPER.map_lookup_elem),
];

describe.skipIf(noKernel !== null)(`rejections by this kernel${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  test.each([
    [
      "a packet's byte that was not checked",
      [op(LOAD_U32, 2, 1, 0), op(LOAD_U8, 0, 2, 23), exit()],
      "It reads 1 byte of the packet at offset 23, and none of its bytes is checked here.",
    ],
    [
      "a lookup that was not checked",
      [...lookup(), op(LOAD_U32, 0, 0, 0), exit()],
      /^It uses what a lookup of .*map.* gave, which may be null, without a check/,
    ],
    ["a register that was never written", [movReg(0, 7), exit()], "It reads what was never written on some path."],
    ["a number as an address", [movImm(2, 7), op(LOAD_U32, 0, 2, 0), exit()], /^It uses the number 7, as an address/],
    [
      "beyond an element",
      [...lookup(), op(0x55, 0, 0, 1), exit(), op(LOAD_U32, 0, 0, 4), exit()],
      /^It reads 4 bytes, 4 further on: the address is an element of .* of 4 bytes, at offset 0\./,
    ],
    [
      "an offset without a bound",
      [op(LOAD_U32, 2, 1, 0), op(0x85, 0, 0, 0, 7), op(0xbf, 3, 0), op(0x0f, 2, 3), op(LOAD_U8, 0, 2, 0), exit()],
      /./,
    ],
  ] as [string, Instruction[], string | RegExp][])("%s", (_, instructions, story) => {
    const error = rejection(...instructions);
    expect(error.why).toMatch(story);
    expect(error.why).toContain("The verifier runs only what it can prove to be safe");
    expect(error.location).toMatchObject({ line: 7, column: 20 });
    expect(error.message).toContain("echo.bpf.ts:7:20");
    expect(error.fix).toContain("wirescript report");
  });
});

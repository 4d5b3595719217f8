/** The interpreter against the kernel: the shipped programs on the packets of their own tests, and single instructions on every operand. */
import { describe, expect, test } from "vitest";
import { noKernel } from "../../test/kernel.ts";
import { exchangeV4, hex } from "../../test/packets/index.ts";
import { firstWrong } from "../../test/programs/cases.ts";
import * as cases from "../../test/programs/echo-cases.ts";
import { ACTIONS, Subject, specOf } from "../../test/programs/subject.ts";
import { loadSpec } from "../index.ts";
import { type Instruction, OPCODE_LD_IMM64 } from "../object/instruction.ts";
import { ALU, CLASS, JMP, MODE, OPCODE, SIZE, SOURCE } from "../object/opcodes.ts";
import type { ObjectSpec } from "../object/spec.ts";
import { Vm, VmFault } from "./index.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;
const EXIT: Instruction = { opcode: OPCODE.EXIT, dst: 0, src: 0, offset: 0, imm: 0 };
const PACKET = new Uint8Array(64);

function instruction(opcode: number, dst: number, src: number, offset: number, imm: number | bigint): Instruction {
  return { opcode, dst, src, offset, imm };
}

function programOf(instructions: Instruction[]): ObjectSpec {
  const functions = [{ name: "p", instructions, typeId: 0, lines: [] }];
  const programs = [{ name: "p", section: "xdp", type: "xdp" as const, functions }];
  return { license: "Dual MIT/GPL", programs, maps: [], data: [], btf: null };
}

describe("echo", () => {
  test("answers every ping as the reference does", () => {
    const vm = new Vm(specOf("echo"));
    for (const family of [4, 6] as const) {
      expect(firstWrong((packet) => vm.run("echo", packet), cases.exampleChecksums(family))).toBeNull();
    }
  });

  test("takes fewer instructions for a packet that it lets pass", () => {
    const vm = new Vm(specOf("echo"));
    const { request } = exchangeV4();
    const executed = (packet: Uint8Array) => vm.run("echo", packet).executed;
    expect(executed(PACKET)).toBeGreaterThan(5);
    expect(executed(PACKET)).toBeLessThan(executed(request));
  });

  test.skipIf(noKernel !== null)(`leaves the same counters as in the kernel${reason}`, () => {
    const vm = new Vm(specOf("echo"));
    using subject = new Subject("echo");
    for (const packet of [PACKET, exchangeV4().request, PACKET.subarray(0, 20)]) {
      const [ours, theirs] = [vm.run("echo", packet), subject.run(packet)];
      expect([ours.action, hex(ours.packet)]).toEqual([theirs.action, hex(theirs.packet)]);
    }
    const counts = subject.counts();
    const elements = [...(vm.maps.get("xdp_stats_map")?.elements() ?? [])];
    ACTIONS.forEach((name, action) => {
      const view = elements[action]?.copies[0]?.view;
      expect([view?.getBigUint64(0, true), view?.getBigUint64(8, true)], name).toEqual([
        counts[name].rx_packets,
        counts[name].rx_bytes,
      ]);
    });
  });
});

const OPERANDS = [
  0n,
  1n,
  2n,
  31n,
  32n,
  63n,
  64n,
  255n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  1n << 32n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];

describe.skipIf(noKernel !== null)(`single instructions give what they give in the kernel${reason}`, () => {
  const operations = Object.entries(ALU).flatMap(([name, operation]) => {
    if (name === "END") {
      return [16, 32, 64].flatMap((bits) => [
        { name: `be${bits}`, op: instruction(CLASS.ALU | ALU.END | SOURCE.X, 6, 0, 0, bits) },
        { name: `le${bits}`, op: instruction(CLASS.ALU | ALU.END, 6, 0, 0, bits) },
        { name: `bswap${bits}`, op: instruction(CLASS.ALU64 | ALU.END, 6, 0, 0, bits) },
      ]);
    }
    const offsets = name === "DIV" || name === "MOD" ? [0, 1] : name === "MOV" ? [0, 8, 16] : [0];
    return [CLASS.ALU, CLASS.ALU64].flatMap((kind) =>
      offsets.map((offset) => {
        const source = name === "NEG" ? SOURCE.K : SOURCE.X;
        const op = instruction(kind | operation | source, 6, name === "NEG" ? 0 : 7, offset, 0);
        return { name: `${name}${kind === CLASS.ALU ? 32 : 64}/${offset}`, op };
      }),
    );
  });

  /** Runs `op` on all pairs of operands, with r6 and r7 taken from the packet and r6 put back into it. */
  function onAll(op: Instruction): void {
    const load = CLASS.LDX | MODE.MEM;
    const data = [
      instruction(load | SIZE.W, 2, 1, 0, 0),
      instruction(load | SIZE.W, 3, 1, 4, 0),
      instruction(CLASS.ALU64 | ALU.MOV | SOURCE.X, 4, 2, 0, 0),
      instruction(CLASS.ALU64 | ALU.ADD, 4, 0, 0, 64),
      instruction(CLASS.ALU64 | ALU.MOV, 0, 0, 0, 2),
      instruction(CLASS.JMP | JMP.JGT | SOURCE.X, 4, 3, 4, 0),
      instruction(load | SIZE.DW, 6, 2, 16, 0),
      instruction(load | SIZE.DW, 7, 2, 24, 0),
    ];
    const tail = instruction(CLASS.STX | MODE.MEM | SIZE.DW, 2, 6, 32, 0);
    const spec = programOf([...data, op, tail, EXIT]);
    using object = loadSpec(spec);
    const vm = new Vm(spec);
    for (const a of OPERANDS) {
      for (const b of OPERANDS) {
        const packet = new Uint8Array(64);
        const view = new DataView(packet.buffer);
        view.setBigUint64(16, a, true);
        view.setBigUint64(24, b, true);
        const result = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(32, true);
        const [ours, theirs] = [vm.run("p", packet).packet, object.program("p").run(packet).packet];
        expect(result(ours), `${a} and ${b}`).toBe(result(theirs));
      }
    }
  }

  for (const { name, op } of operations) test(name, () => onAll(op));

  const jumps = Object.entries(JMP).filter(([name]) => !["JA", "CALL", "EXIT", "JCOND"].includes(name));
  for (const [name, operation] of jumps) {
    test(name, () => {
      for (const kind of [CLASS.JMP, CLASS.JMP32]) onAll(instruction(kind | operation | SOURCE.X, 6, 7, 1, 0));
    });
  }
});

describe("what the verifier would refuse is a fault", () => {
  const load = CLASS.LDX | MODE.MEM;
  const cases: [string, Instruction[], RegExp][] = [
    [
      "reading behind the packet",
      [instruction(load | SIZE.W, 2, 1, 0, 0), instruction(load | SIZE.DW, 0, 2, 60, 0)],
      /offset 316 of the packet/,
    ],
    [
      "reading in front of the packet",
      [instruction(load | SIZE.W, 2, 1, 0, 0), instruction(load | SIZE.B, 0, 2, -1, 0)],
      /of the packet/,
    ],
    [
      "using a number as an address",
      [instruction(CLASS.ALU64 | ALU.MOV, 2, 0, 0, 64), instruction(load | SIZE.B, 0, 2, 0, 0)],
      /not/,
    ],
    ["reading a register without a value", [instruction(CLASS.ALU64 | ALU.MOV | SOURCE.X, 0, 5, 0, 0)], /r5/],
    ["reading stack that was not written", [instruction(load | SIZE.W, 0, 10, -8, 0)], /has not written/],
    ["writing above the stack", [instruction(CLASS.ST | MODE.MEM | SIZE.W, 10, 0, 0, 1)], /offset 512 of the stack/],
    ["running on without an end", [instruction(OPCODE.JA, 0, 0, -1, 0)], /does not end/],
    [
      "running off the code",
      [instruction(CLASS.ALU64 | ALU.MOV, 0, 0, 0, 1), instruction(OPCODE.JA, 0, 0, 5, 0)],
      /no instruction/,
    ],
  ];
  for (const [what, instructions, message] of cases) {
    test(what, () => {
      const vm = new Vm(programOf([...instructions, EXIT]), { limit: 1000 });
      expect(() => vm.run("p", PACKET)).toThrow(VmFault);
      expect(() => vm.run("p", PACKET)).toThrow(message);
    });
  }

  test("a wide load takes two slots and counts as one instruction", () => {
    const vm = new Vm(programOf([instruction(OPCODE_LD_IMM64, 0, 0, 0, 0x1_0000_0003n), EXIT]));
    expect(vm.run("p", PACKET)).toMatchObject({ action: 3, executed: 2 });
  });
});

/** Verifier logs of several kernels, and what is read from them. */
import { describe, expect, it } from "vitest";
import { counting } from "../../test/fixtures/objects.ts";
import { readVerifierLog, VerifierError } from "./verifier-log.ts";

describe("the verifier's log", () => {
  it("of Linux 6.18: the complaint comes after the instruction", () => {
    const log = `func#0 @0
Live regs before insn:
      0: .1........ (61) r2 = *(u32 *)(r1 +0)
      1: ..2....... (71) r0 = *(u8 *)(r2 +0)
0: R1=ctx() R10=fp0
; const type = eth.type; @ echo.bpf.ts:12
0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2=pkt(r=0)
1: (71) r0 = *(u8 *)(r2 +0)
invalid access to packet, off=0 size=1, R2(id=0,off=0,r=0)
R2 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
    expect(readVerifierLog(log)).toEqual({
      reason: ["invalid access to packet, off=0 size=1, R2(id=0,off=0,r=0)", "R2 offset is outside of the packet"],
      slot: 1,
      lines: 11,
    });
  });

  it("of Linux 5.15: states stand on lines of their own", () => {
    const log = `func#0 @0
0: R1=ctx(id=0,off=0,imm=0) R10=fp0
; return record.rx_packets;
0: (79) r0 = *(u64 *)(r0 +0)
R0 !read_ok
verification time 41 usec
stack depth 0
processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
    expect(readVerifierLog(log)).toMatchObject({ reason: ["R0 !read_ok"], slot: 0 });
  });

  it("that complains before it walks over any instruction", () => {
    expect(readVerifierLog("func#0 @0\nunreachable insn 3\nprocessed 0 insns (limit 1000000)\n")).toMatchObject({
      reason: ["unreachable insn 3"],
      slot: 3,
    });
    expect(readVerifierLog("back-edge from insn 7 to 2\n")).toMatchObject({ slot: 7 });
  });

  it("of a program that is too large", () => {
    const log = "12: (07) r1 += 1\nBPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns (limit 1000000)\n";
    expect(readVerifierLog(log)).toMatchObject({ reason: ["BPF program is too large. Processed 1000001 insn"], slot: 12 });
  });

  it.each(["BPF program is too large. Processed 1000001 insn", "The sequence of 8193 jumps is too complex."])(
    "of a program that is too much for it says how to split it: %s",
    (reason) => {
      const error = new VerifierError(counting("count", "stats"), `${reason}\nprocessed 1000001 insns (limit 1000000)\n`);
      expect(error.why).toContain("a million instructions");
      expect(error.fix).toMatch(/`noinline\(.*`tailCall`/);
      expect(error.fix).not.toMatch(/defect|line above/);
    },
  );

  it("names the line above only where there is one", () => {
    const program = counting("count", "stats");
    expect(new VerifierError(program, "8: (79) r1 = *(u64 *)(r0 +0)\nR0 bad\n").fix).toContain("change the line above");
    expect(new VerifierError(program, "R0 bad\n").fix).not.toContain("line above");
  });

  it("with nothing in it that is known", () => {
    expect(readVerifierLog("")).toEqual({ reason: ["no reason given"], slot: null, lines: 0 });
    expect(readVerifierLog("processed 0 insns\n").reason).toEqual(["processed 0 insns"]);
  });

  it("points into the function that the slot belongs to", () => {
    const program = counting("count", "stats");
    expect(new VerifierError(program, "18: (85) call pc+1\nR1 bad\n").location).toMatchObject({ line: 12 });
    expect(new VerifierError(program, "20: (b7) r0 = 2\nR0 bad\n").location).toMatchObject({ line: 3 });
    expect(new VerifierError(program, "99: (b7) r0 = 2\nR0 bad\n").location).toBeNull();
  });

  it("is told with its place, its line of source, and how much was left out", () => {
    const error = new VerifierError(
      counting("count", "stats"),
      "0: R1=ctx()\n8: (79) r1 = *(u64 *)(r0 +0)\nR0 bad\nprocessed 9 insns\n",
    );
    expect(error.message).toBe(
      `The kernel's verifier rejected the program "count" at count.bpf.ts:11:3: R0 bad
  11 | record.rx_packets++;
(3 lines omitted; --verbose prints the whole log)`,
    );
    expect(error).toMatchObject({ code: "VERIFIER", slot: 8, reason: "R0 bad" });
  });
});

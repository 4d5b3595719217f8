/** The fuzzer can fail: defects that are put into the compiler are found, and shrunk to a few lines. */
import { describe, expect, test } from "vitest";
import { type Finding, runCampaign } from "../../fuzz/campaign.ts";
import type { Function, Instruction } from "../../src/compiler/ir/ir.ts";
import { PASSES, type Pass } from "../../src/compiler/passes/pipeline.ts";
import { HELPER } from "../../src/object/helpers.ts";
import { noKernel } from "../kernel.ts";

/** The first finding of a compiler that also runs a pass which is wrong. */
function findingWith(wrong: Pass["run"], kernel: boolean, every = 1, shrinkTries = 150): Finding {
  const passes = PASSES as Pass[]; // the list is constant for all but this test
  passes.push({ name: "wrong", run: wrong, description: "is wrong" });
  try {
    for (let seed = every; seed <= 30 * every; seed += every) {
      const told: Finding[] = [];
      const found = (finding: Finding) => void told.push(finding);
      const campaign = { seed, count: 1, packets: 8, ways: "usual" as const, kernel, shrinkTries, found };
      const [finding] = runCampaign(campaign).findings;
      expect(told[0]).toBe(finding);
      if (finding !== undefined) return finding;
    }
    throw new Error("nothing was found in 30 modules");
  } finally {
    passes.pop();
  }
}

/** Runs `change` on every instruction, once for each function, since passes run until nothing changes. */
function once(change: (value: Instruction) => boolean): Pass["run"] {
  const done = new WeakSet<Function>();
  return (fn) => {
    if (done.has(fn)) return false;
    done.add(fn);
    return fn.blocks.flatMap(({ instructions }) => instructions).filter(change).length > 0;
  };
}

/** Lines of the small module, without its imports. */
function size(report: string): number {
  const lines = report.split("\n");
  return lines.indexOf("});") - lines.findIndex((line) => line.startsWith("}"));
}

describe("a defect of the compiler", () => {
  test("that computes a wrong number shows as a difference, on a small module", () => {
    const subtractsWrongly = once((value) => {
      if (value.op !== "sub") return false;
      value.args.reverse();
      return true;
    });
    const { signature, report } = findingWith(subtractsWrongly, false);
    expect(signature).toBe("different interpreter");
    expect(size(report)).toBeLessThanOrEqual(30);
  });

  test("that gives up records shows as a difference, though no packet changes", () => {
    const discards = once((value) => {
      if (value.op !== "call" || value.helper !== HELPER.ringbuf_submit) return false;
      value.helper = HELPER.ringbuf_discard;
      return true;
    });
    const { signature, report } = findingWith(discards, false, 8, 0);
    expect(signature).toBe("different interpreter");
    expect(report).toContain(".reserve(");
  });

  test.skipIf(noKernel !== null)(`that leaves out a bounds check shows as a rejection (kernel: ${noKernel ?? "yes"})`, () => {
    const believesThatAllIsThere = once((value) => {
      if (value.op !== "ule" || value.args[0]?.type !== "ptr") return false;
      value.args[0] = value.args[1] as Instruction; // a comparison has two
      return true;
    });
    const { signature, report } = findingWith(believesThatAllIsThere, true);
    expect(signature).toContain("rejected R# offset is outside of the packet");
    expect(size(report)).toBeLessThanOrEqual(30);
  });
});

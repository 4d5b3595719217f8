/** A short run of the fuzzer over every way of compiling. `npm run fuzz` is the long one: docs/fuzzing.md. */
import { describe, expect, test } from "vitest";
import { runCampaign } from "../../fuzz/campaign.ts";
import { OTHERS } from "../../fuzz/ways.ts";
import { noKernel } from "../kernel.ts";

const reason = noKernel === null ? "" : ` (without the kernel: ${noKernel})`;

describe(`random modules${reason}`, () => {
  test("are accepted, and do in the kernel and the interpreter what the source means, compiled in every way", () => {
    const count = 2 * OTHERS.length;
    const campaign = {
      seed: 1_000_000,
      count,
      packets: 16,
      ways: "one more" as const,
      kernel: noKernel === null,
      shrinkTries: 300,
    };
    const { tally, findings } = runCampaign(campaign);
    expect(findings.map(({ report }) => report).join("\n")).toBe("");
    // Each module twice; few may exceed a limit.
    expect(tally.programs).toBeGreaterThan(count * 1.8);
    expect(tally.runs).toBe(tally.programs * 16);
  });

  test("with ring buffers, Bloom filters, redirect maps and maps of maps do so too", () => {
    const campaign = {
      seed: 16,
      every: 8,
      packets: 16,
      ways: "one more" as const,
      kernel: noKernel === null,
      shrinkTries: 300,
    };
    const { tally, findings } = runCampaign({ ...campaign, count: 6 });
    expect(findings.map(({ report }) => report).join("\n")).toBe("");
    const { statements, booleans, actions, views } = tally.coverage;
    const counts = [
      views?.["lookup-cpu"],
      statements?.inner,
      statements?.reserve,
      statements?.release,
      booleans?.output,
      booleans?.["put-in"],
      booleans?.has,
    ];
    for (const count of [...counts, actions?.["redirect-map"]]) expect(count).toBeGreaterThan(0);
  });

  // Their loops, which no estimate found too long one by one, were too long together.
  test.skipIf(noKernel !== null).each([5005, 7050, 12_013])(
    "with several loops stay below the verifier's million instructions: %i",
    (seed) => {
      const { tally, findings } = runCampaign({ seed, count: 1, packets: 16, ways: "usual", kernel: true, shrinkTries: 0 });
      expect(findings.map(({ report }) => report).join("\n")).toBe("");
      expect(tally.leftOut).toEqual({});
    },
  );
});

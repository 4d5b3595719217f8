import { expect, test } from "vitest";
import { growth } from "../../../test/growth.ts";
import { parseFunction } from "../ir/parse.ts";
import { optimise } from "./pipeline.ts";

/** Field after field, each behind a check whose outcome travels in a bool: blocks and phis by the hundred. */
function manyChecks(count: number): string {
  const lines = [
    "function f {",
    "b0:",
    "v1 = context",
    "v2: ptr = load.4 context v1",
    "v3: ptr = load.4 context v1 + 4",
    "jump b10",
  ];
  let before = "b0";
  for (let index = 0; index < count; index++) {
    const b = 10 + 5 * index;
    const v = 10 + 10 * index;
    lines.push(
      `b${b}: from ${before}`,
      `v${v} = const ${14 + (index % 50)}`,
      `v${v + 1}: ptr = add v2, v${v}`,
      `v${v + 2} = ule v${v + 1}, v3`,
      `branch v${v + 2}, b${b + 1}, b${b + 2}`,
      `b${b + 1}: from b${b}`,
      `v${v + 3} = load.2 packet v2 + ${index % 12}`,
      `v${v + 4} = bswap.16 v${v + 3}`,
      `v${v + 5} = const ${index * 3}`,
      `v${v + 6} = eq v${v + 4}, v${v + 5}`,
      `jump b${b + 3}`,
      `b${b + 2}: from b${b}`,
      `v${v + 7}: bool = const 0`,
      `jump b${b + 3}`,
      `b${b + 3}: from b${b + 1}, b${b + 2}`,
      `v${v + 8}: bool = phi v${v + 6}, v${v + 7}`,
      `branch v${v + 8}, b${b + 4}, b${b + 5}`,
      `b${b + 4}: from b${b + 3}`,
      `store.2 packet v2 + 2, v${v}`,
      `jump b${b + 5}`,
    );
    before = `b${b + 3}, b${b + 4}`;
  }
  lines.push(`b${10 + 5 * count}: from ${before}`, "v5 = const 2", "return v5", "}");
  return lines.join("\n");
}

test("many checks are optimised in a time that grows at most with their square", () => {
  // Squared it would be 64, cubed 512.
  expect(growth((count) => void optimise(parseFunction(manyChecks(count))), 25, 8)).toBeLessThan(160);
});

/** Flags go through the stack where there are too many of them, and only those that prove nothing. */
import { expect, test } from "vitest";
import { parseFunction } from "../ir/parse.ts";
import { printFunction } from "../ir/print.ts";
import { validate } from "../ir/validate.ts";
import { forgetFlags } from "./forget-flags.ts";

/** `count` flags, set by bits of a packet's number; then each is tested, and what `then` says happens where it is set. */
function flags(count: number, then: string): string {
  const lines = ["function p {", "b0:", "v0 = context", "v1: ptr = load.4 context v0", "v2: ptr = load.4 context v0 + 4"];
  lines.push("v3 = const 0", "v4 = const 1", "v5 = const 8", "v6: ptr = add v1, v5", "v7 = ule v6, v2", "branch v7, b1, b9999");
  const id = (index: number, what: number) => 100 + index * 20 + what;
  lines.push("b1: from b0", "v9 = load.8 packet v1", "jump b100");
  for (let index = 0; index < count; index++) {
    const [block, set, after] = [id(index, 0), id(index, 1), id(index, 2)];
    lines.push(`b${block}: from b${index === 0 ? 1 : id(index - 1, 2)}`);
    lines.push(`v${id(index, 3)} = const ${1n << BigInt(index)}`, `v${id(index, 4)} = and v9, v${id(index, 3)}`);
    lines.push(`v${id(index, 5)} = ne v${id(index, 4)}, v3`, `branch v${id(index, 5)}, b${set}, b${after}`);
    lines.push(`b${set}: from b${block}`, `jump b${after}`);
    lines.push(`b${after}: from b${block}, b${set}`, `v${id(index, 6)} = phi v3, v4`, `jump b${id(index + 1, 0)}`);
  }
  for (let index = 0; index < count; index++) {
    const [block, set, after] = [id(count + index, 0), id(count + index, 1), id(count + index, 2)];
    lines.push(`b${block}: from b${id(count + index - 1, 2)}`, `v${id(count + index, 5)} = eq v${id(index, 6)}, v4`);
    lines.push(`branch v${id(count + index, 5)}, b${set}, b${after}`, `b${set}: from b${block}`, then, `jump b${after}`);
    lines.push(`b${after}: from b${block}, b${set}`, `jump b${index === count - 1 ? 9999 : id(count + index + 1, 0)}`);
  }
  lines.push(`b9999: from b0, b${id(2 * count - 1, 2)}`, "return v3", "}");
  return lines.join("\n");
}

test("many flags are forgotten, few are not", () => {
  expect(forgetFlags(parseFunction(flags(4, "")))).toBe(false);
  const fn = parseFunction(flags(20, ""));
  expect(forgetFlags(fn)).toBe(true);
  validate(fn, "forgetting");
  expect(printFunction(fn).match(/store\.1 stack/g)).toHaveLength(20);
});

test("flags whose test stands in front of an access are kept: the verifier may learn from them that it is in bounds", () => {
  const fn = parseFunction(flags(20, "store.1 packet v1, v4"));
  expect(forgetFlags(fn)).toBe(false);
});

/** `share-middles`. */
import { expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { shareMiddles } from "./share-middles.ts";

interface Side {
  /** What comes before. */
  before?: string;
  /** How many steps they have in common. */
  steps?: number;
  then: string;
}

/** A path from block `first / 10` on: asks `value`, ends at b3 for some answers, and goes on with `then` for the others. */
function path(first: number, value: string, { before = "", steps = 10, then }: Side): string {
  const step = (index: number): string => `v${first + index + 1} = xor v${first + index}, v7`;
  return `${before}
v${first} = add ${value}, v6
${Array.from({ length: steps }, (_, index) => step(index)).join("\n")}
v${first + 15} = eq v${first + steps}, v6
branch v${first + 15}, b3, b${first}
b${first}: from b${first / 20}
${then}
jump b3`;
}

function twoPaths(left: Side, right: Side): string {
  return `v4 = load.1 packet v2
v5 = load.2 packet v2 + 20
v6 = const 2
v7 = const 3
v11 = eq v5, v6
branch v11, b1, b2
b1: from b0
${path(20, "v4", left)}
b2: from b0
${path(40, "v5", right)}
b3: from b1, b20, b2, b40
v60 = phi v6, v7, v6, v7
return v60`;
}

test("two paths share what they do alike and part again by a number", () => {
  const text = transformed(
    [shareMiddles],
    twoPaths({ then: "store.2 packet v2 + 8, v30" }, { then: "store.4 packet v2 + 12, v50" }),
  );
  expect(text.match(/xor/g)).toHaveLength(10);
  const [, selector, asked] = /\n(v\d+) = phi v\d+, v\d+\n(v\d+) = phi v4, v5\n/.exec(text) ?? [];
  expect(text).toContain(`v20 = add ${asked}, v6`);
  expect(text).toMatch(new RegExp(`(v\\d+) = ne ${selector}, v\\d+\nbranch \\1, b20, b40\n`));
  // Either path goes on with what the shared code computed.
  expect(text).toContain("store.2 packet v2 + 8, v30");
  expect(text).toContain("store.4 packet v2 + 12, v30");
});

test("a number from before waits while the shared code runs", () => {
  const text = transformed(
    [shareMiddles],
    twoPaths(
      { before: "v15 = load.2 packet v2 + 2", then: "store.2 packet v2 + 8, v15" },
      { before: "v16 = load.4 packet v2 + 16", then: "store.4 packet v2 + 12, v16" },
    ),
  );
  const [, waiting] = /(v\d+) = phi v15, v16/.exec(text) ?? [];
  expect(text).toContain(`store.2 packet v2 + 8, ${waiting}`);
  expect(text).toContain(`store.4 packet v2 + 12, ${waiting}`);
});

test("what is short stays twice", () => {
  const short = twoPaths({ steps: 2, then: "store.2 packet v2 + 8, v22" }, { steps: 2, then: "store.4 packet v2 + 12, v42" });
  expect(transformed([shareMiddles], short)).toBe(transformed([], short));
});

test("so does code with a ring buffer's record about", () => {
  const source = twoPaths(
    {
      before: 'v16 = map "ring"\nv17 = const 0\nv18: ptr = call ringbuf_reserve(v16, v7, v17)',
      then: "store.2 packet v2 + 8, v30",
    },
    { then: "store.4 packet v2 + 12, v50" },
  );
  expect(transformed([shareMiddles], source)).toBe(transformed([], source));
});

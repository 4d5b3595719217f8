/** Loops that become callbacks: both functions keep the laws of the IR, and only what must be handed over is. */
import { describe, expect, test } from "vitest";
import { parseFunction } from "../ir/parse.ts";
import { printFunction } from "../ir/print.ts";
import { validate } from "../ir/validate.ts";
import { outlineLoops } from "./outline-loops.ts";

/** Adds the counter to a sum that a comparison behind the loop asks for; `body` changes `v10`, the sum, into `v20` on some paths. */
function loop(rounds: number): string {
  return `function p {
  b0:
    v0 = context
    v1: ptr = load.4 context v0
    v2 = const 0
    v3 = const 1
    v4 = const ${rounds}
    jump b1
  b1: from b0, b3
    v9 = phi v2, v21
    v10 = phi v2, v20
    v11 = and v9, v3
    v12 = eq v11, v3
    branch v12, b2, b3
  b2: from b1
    v13 = add v10, v9
    jump b3
  b3: from b1, b2
    v20 = phi v10, v13
    v21 = add v9, v3
    v22 = ult v21, v4
    branch v22, b1, b4
  b4: from b3
    v30 = ugt v20, v4
    branch v30, b5, b6
  b5: from b4
    return v3
  b6: from b4
    return v20
  }`;
}

describe("long loops", () => {
  test("that branch on numbers which change become a callback", () => {
    const fn = parseFunction(loop(100));
    const { callbacks, refused } = outlineLoops(fn, 100, new Set());
    expect(refused).toEqual([]);
    expect(callbacks.map((callback) => callback.function.name)).toEqual(["p_loop1"]);
    validate(fn, "outlining");
    for (const callback of callbacks) validate(callback.function, "outlining");
    expect(printFunction(fn)).toMatch(/call loop\(/);
    expect(printFunction(callbacks[0]?.function as typeof fn)).toMatch(/argument 0[\s\S]*argument 1/);
  });

  test("hand no address on the stack over that they and what is behind them use: each side makes its own", () => {
    const text = loop(100)
      .replace("v4 = const 100", "v4 = const 100\n    v5 = slot 16 align 8\n    v6 = const 4")
      .replace(
        "v11 = and v9, v3",
        "v7: ptr = add v5, v3\n    v8: ptr = add v7, v6\n    store.1 stack v8, v9\n    v11 = and v9, v3",
      )
      .replace("return v20", "v29 = load.1 stack v8\n    return v29");
    const fn = parseFunction(text);
    const [callback] = outlineLoops(fn, 100, new Set()).callbacks;
    if (callback === undefined) throw new Error("the loop is no callback");
    for (const each of [fn, callback.function]) validate(each, "outlining");
    const stores = callback.function.blocks.flatMap(({ instructions }) => instructions).filter(({ op }) => op === "store");
    expect(stores.map(({ args: [, value] }) => value?.type)).not.toContain("ptr");
    expect(printFunction(fn)).not.toMatch(/: ptr = load\.8 stack/);
  });

  test("bring the counter out with its bound, when it becomes part of an address", () => {
    const text = loop(100).replace(
      "v30 = ugt v20, v4",
      "v29: ptr = add v1, v9\n    v31 = load.1 packet v29\n    v30 = ugt v20, v4",
    );
    const fn = parseFunction(text);
    expect(outlineLoops(fn, 100, new Set()).callbacks).toHaveLength(1);
    const [, most] = /v(\d+) = const 99\n/.exec(printFunction(fn)) ?? [];
    expect(printFunction(fn)).toContain(`, v${most}\n`);
    expect(printFunction(fn)).toMatch(new RegExp(`= ugt v\\d+, v${most}\\n`));
  });

  test.each(["ult", "ne"])(
    "bring the counter of a short loop in them out with its bound, whichever way it is tested: %s",
    (op) => {
      const inner = `jump b8
  b8: from b3, b9
    v40 = phi v2, v42
    v41 = load.1 packet v1
    v44 = eq v41, v3
    branch v44, b10, b9
  b9: from b8
    v42 = add v40, v3
    v43 = ${op} v42, v45
    branch v43, b8, b11
  b10: from b8
    v46: ptr = add v1, v40
    v47 = load.1 packet v46
    return v47
  b11: from b9
    v21 = add v9, v3`;
      const text = loop(100)
        .replace("v21 = add v9, v3", inner)
        .replace("from b0, b3", "from b0, b11")
        .replace("b4: from b3", "b4: from b11")
        .replace("v2 = const 0", "v2 = const 0\n    v45 = const 3");
      const fn = parseFunction(text);
      // Only the loop's length says it where the test does not.
      if (op === "ne")
        for (const { instructions } of fn.blocks) for (const each of instructions) if (each.id === 42) each.rounds = 3;
      expect(outlineLoops(fn, 100, new Set()).callbacks).toHaveLength(1);
      validate(fn, "outlining");
      expect(printFunction(fn)).toMatch(/v(\d+) = const 2\n(.*\n)*.* = ugt v\d+, v\1\n/);
    },
  );

  test("read what stays the same as it was written, by how many ways it may come into the loop", () => {
    const text = loop(100)
      .replace("jump b1", "v5 = eq v1, v2\n    branch v5, b1, b7\n  b7: from b0\n    jump b1")
      .replace("from b0, b3", "from b0, b7, b3")
      .replace("phi v2, v21", "phi v2, v2, v21\n    v8 = phi v3, v4, v8")
      .replace("phi v2, v20", "phi v2, v2, v20")
      .replace("v12 = eq v11, v3", "v12 = eq v11, v8");
    const fn = parseFunction(text);
    const { callbacks } = outlineLoops(fn, 100, new Set());
    validate(fn, "outlining");
    expect(callbacks).toHaveLength(1);
    expect(printFunction(fn)).toMatch(/v(\d+) = phi v3, v4\n[\s\S]*store\.8 stack v\d+ \+ \d+, v\1\n/);
  });

  test("of few rounds stay loops", () => {
    const fn = parseFunction(loop(4));
    expect(outlineLoops(fn, 4, new Set()).callbacks).toEqual([]);
  });

  test("around such a callback become callbacks too", () => {
    const fn = parseFunction(loop(100).replace("v11 = and v9, v3", "v8 = call @inner(v9)\n    v11 = and v8, v3"));
    expect(outlineLoops(fn, 100, new Set(["inner"])).callbacks).toHaveLength(1);
  });

  test("stay when the program leaves from within", () => {
    const map = 'v7 = map "programs"\n    v8 = call tail_call(v0, v7, v9)\n    v11 = and v9, v3';
    const fn = parseFunction(loop(100).replace("v11 = and v9, v3", map));
    expect(outlineLoops(fn, 100, new Set()).refused).toHaveLength(1);
  });

  test("that skip headers by what each says of its length stay loops when there is no other", () => {
    const fn = parseFunction(parser(6, "v20 = add v10, v15"));
    expect(outlineLoops(fn, 6, new Set()).callbacks).toEqual([]);
  });

  test("that skip headers become a callback where many rounds make too many lengths", () => {
    expect(outlineLoops(parseFunction(parser(200, "v20 = add v10, v15")), 200, new Set()).callbacks).toHaveLength(1);
  });

  test("that make more of what they gathered than a sum become a callback", () => {
    expect(outlineLoops(parseFunction(parser(6, "v20 = mul v10, v15")), 6, new Set()).callbacks).toHaveLength(1);
  });

  test("that skip headers become a callback in a function that is walked more than once", () => {
    expect(outlineLoops(parseFunction(parser(6, "v20 = add v10, v15")), 6, new Set(), 2).callbacks).toHaveLength(1);
  });
});

/** Goes from header to header, of two kinds; leaves when the packet ends. `next` says how the next offset, `v20`, comes from `v10` and `v15`. */
function parser(rounds: number, next: string): string {
  return `function p {
  b0:
    v0 = context
    v1: ptr = load.4 context v0
    v2: ptr = load.4 context v0 + 4
    v3 = const 1
    v4 = const ${rounds}
    v5 = const 8
    v6 = const 0
    v7 = const 4095
    jump b1
  b1: from b0, b5
    v9 = phi v6, v21
    v10 = phi v6, v20
    v30 = phi v6, v12
    v31 = ule v10, v7
    branch v31, b8, b7
  b8: from b1
    v11: ptr = add v1, v10
    v40: ptr = add v11, v5
    v41 = ule v40, v2
    branch v41, b2, b7
  b2: from b8
    v12 = load.1 packet v11
    v13 = load.1 packet v11 + 1
    v14 = eq v30, v3
    branch v14, b3, b9
  b9: from b2
    v50 = ugt v30, v5
    branch v50, b4, b10
  b10: from b9
    v51 = eq v30, v4
    branch v51, b3, b4
  b3: from b2, b10
    v16 = mul v13, v5
    jump b5
  b4: from b9, b10
    v17 = add v13, v5
    jump b5
  b5: from b3, b4
    v15 = phi v16, v17
    ${next}
    v21 = add v9, v3
    v22 = ult v21, v4
    branch v22, b1, b6
  b6: from b5
    return v3
  b7: from b1, b8
    return v6
  }`;
}

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
    expect(callbacks.map(({ name }) => name)).toEqual(["p_loop1"]);
    validate(fn, "outlining");
    for (const callback of callbacks) validate(callback, "outlining");
    expect(printFunction(fn)).toMatch(/call loop\(/);
    expect(printFunction(callbacks[0] as typeof fn)).toMatch(/argument 0[\s\S]*argument 1/);
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
});

import { describe, expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { removeDead } from "./remove-dead.ts";
import { simplify } from "./simplify.ts";

/** `simplify` until nothing changes, and without what became dead. */
function simplified(body: string): string {
  const lines = transformed([...Array.from({ length: 8 }, () => simplify), removeDead], body).split("\n");
  return lines.filter((line) => !/ = const /.test(line)).join("\n");
}

/** What a computation of `x` (two bytes of the packet) comes to: the value that is returned. */
function computed(lines: string): string {
  return simplified(`v10 = load.2 packet v2\n${lines}\nreturn v99`).replace(/^v10 = load.2 packet v2\n/, "");
}

describe("constants", () => {
  test.each([
    ["udiv", "7", "0", "0"],
    ["umod", "7", "0", "7"],
    ["udiv", "-1", "2", "9223372036854775807"],
    ["sdiv", "-9223372036854775808", "-1", "-9223372036854775808"],
    ["smod", "-7", "0", "-7"],
    ["add", "9223372036854775807", "1", "-9223372036854775808"],
    ["shl", "1", "65", "2"],
    ["ashr", "-8", "1", "-4"],
    ["lshr", "-8", "1", "9223372036854775804"],
    ["mul", "-1", "-1", "1"],
  ])("%s of %s and %s is %s", (op, left, right, result) => {
    const text = transformed([simplify, removeDead], `v4 = const ${left}\nv5 = const ${right}\nv6 = ${op} v4, v5\nreturn v6`);
    expect(text).toMatch(new RegExp(`^v\\d+ = const ${result}\nreturn v\\d+$`));
  });

  test("two factors are one where that is part of an instruction, and stay two where it is not", () => {
    const product = (left: string, right: string) =>
      transformed(
        [simplify, removeDead],
        `v4 = load.2 packet v2\nv5 = const ${left}\nv6 = mul v4, v5
        v7 = const ${right}\nv8 = mul v6, v7\nreturn v8`,
      );
    expect(product("1000", "1001")).toContain("const 1001000\n");
    for (const factor of ["42009217", "6700417"]) expect(product("42009217", "6700417")).toContain(`const ${factor}\n`);
  });

  test("sums of sums are one sum, subtraction is addition", () => {
    expect(computed("v4 = const 5\nv5 = sub v10, v4\nv6 = const 12\nv99 = add v5, v6")).toMatch(
      /^v99 = add v10, v\d+\nreturn v99$/,
    );
  });
});

describe("strength", () => {
  test.each([
    ["mul", 4, "shl"],
    ["udiv", 8, "lshr"],
    ["umod", 8, "and"],
    ["sdiv", 8, "lshr"],
  ])("%s by %i is %s", (op, constant, cheap) => {
    expect(computed(`v4 = const ${constant}\nv99 = ${op} v10, v4`)).toMatch(new RegExp(`^v\\d+ = ${cheap} v10, v\\d+\nreturn`));
  });

  test("signed division of what may be negative stays", () => {
    expect(simplified("v10 = load.8 packet v2\nv4 = const 8\nv99 = sdiv v10, v4\nreturn v99")).toContain("sdiv");
  });
});

describe("bits", () => {
  test.each([
    ["lshr", "shl", 8n, -256n],
    ["shl", "lshr", 40n, 0xff_ffffn],
  ])("%s and %s again by the same amount is a mask", (there, back, amount, mask) => {
    const text = transformed(
      [...Array.from({ length: 8 }, () => simplify), removeDead],
      `v10 = load.8 packet v2\nv4 = const ${amount}\nv5 = ${there} v10, v4\nv99 = ${back} v5, v4\nreturn v99`,
    );
    expect(text).toMatch(
      new RegExp(`^v10 = load.8 packet v2\\nv(\\d+) = const ${mask}\\nv(\\d+) = and v10, v\\1\\nreturn v\\2$`),
    );
  });

  test("the high half stays when it is shifted there and back again", () => {
    const lines = simplified("v10 = load.8 packet v2\nv4 = const 32\nv5 = lshr v10, v4\nv99 = shl v5, v4\nreturn v99");
    expect(lines).not.toContain("zext.32");
    expect(lines).not.toContain(" and ");
  });

  test("a mask of what is narrow already goes", () => {
    expect(computed("v99 = zext.16 v10")).toBe("return v10");
    expect(computed("v4 = const 65535\nv99 = and v10, v4")).toBe("return v10");
  });

  test("two swaps are none", () => {
    expect(computed("v4 = bswap.16 v10\nv99 = bswap.16 v4")).toBe("return v10");
  });

  test("a swap needs no mask before, a store none at all", () => {
    expect(
      simplified("v10 = load.8 packet v2\nv4 = const 65535\nv5 = and v10, v4\nstore.2 packet v2 + 8, v5\nreturn v10"),
    ).toBe("v10 = load.8 packet v2\nstore.2 packet v2 + 8, v10\nreturn v10");
    expect(simplified("v10 = load.8 packet v2\nv4 = zext.16 v10\nv5 = bswap.16 v4\nreturn v5")).toBe(
      "v10 = load.8 packet v2\nv5 = bswap.16 v10\nreturn v5",
    );
  });

  test("the folded sum of a checksum is masked once, by the store", () => {
    const text = simplified(`v10 = load.4 packet v2
      v4 = const 65535
      v5 = and v10, v4
      v6 = const 16
      v7 = lshr v10, v6
      v8 = add v5, v7
      v9 = and v8, v4
      store.2 packet v2, v9
      return v6`);
    expect(text).not.toMatch(/ and /);
  });

  test("~x & 0xffff is one xor", () => {
    expect(computed("v4 = const -1\nv5 = xor v10, v4\nv6 = const 65535\nv99 = and v5, v6")).toMatch(
      /^v\d+ = xor v10, v\d+\nreturn/,
    );
  });

  test("the high half of a byte needs no mask", () => {
    expect(
      simplified("v10 = load.1 packet v2\nv4 = const 240\nv5 = and v10, v4\nv6 = const 4\nv7 = lshr v5, v6\nreturn v7"),
    ).toMatch(/^v10 = .*\nv7 = lshr v10, v6\nreturn v7$/);
  });
});

test("what is kept of a field that was put into a byte is the field", () => {
  const text = simplified(
    "v4 = load.1 packet v2\nv5 = const 15\nv6 = and v4, v5\nv7 = const 64\nv8 = or v6, v7\nv9 = const 240\nv10 = and v8, v9\nreturn v10",
  );
  expect(text).toMatch(/^return v\d+$/); // nothing is loaded or masked: a constant
});

describe("comparisons", () => {
  const branch = "branch v99, b1, b2\nb1: from b0\nreturn v10\nb2: from b0\nreturn v10";
  function compared(lines: string): string {
    const text = transformed(
      [...Array.from({ length: 8 }, () => simplify), removeDead],
      `v10 = load.2 packet v2\n${lines}\n${branch}`,
    );
    return text.split("\nb1:")[0]?.replace(/^v10 = load.2 packet v2\n/, "") ?? "";
  }

  test("the swap moves to the constant", () => {
    expect(compared("v4 = bswap.16 v10\nv5 = const 2048\nv99 = eq v4, v5")).toMatch(
      /^v(\d+) = const 8\nv(\d+) = eq v10, v\1\nbranch v\2/,
    );
  });

  test("a flag is tested in place", () => {
    const text = compared(
      "v4 = bswap.16 v10\nv5 = const 13\nv6 = lshr v4, v5\nv7 = const 1\nv8 = and v6, v7\nv9 = const 0\nv99 = ne v8, v9",
    );
    expect(text).toMatch(/const 32\n/); // 0x2000, swapped
    expect(text).not.toMatch(/lshr|bswap/);
  });

  test("a swapped number is compared with a power of two by a mask, for every number and power", () => {
    const swap = (value: number): number => ((value & 0xff) << 8) | (value >> 8);
    const results: Record<string, (value: number, limit: number) => boolean> = {
      ult: (value, limit) => value < limit,
      uge: (value, limit) => value >= limit,
      ule: (value, limit) => value <= limit - 1,
      ugt: (value, limit) => value > limit - 1,
    };
    for (const [op, expected] of Object.entries(results)) {
      for (let limit = 2; limit < 0x10000; limit *= 2) {
        const constant = op === "ult" || op === "uge" ? limit : limit - 1;
        const text = compared(`v4 = bswap.16 v10\nv5 = const ${constant}\nv99 = ${op} v4, v5`);
        const [, mask, outcome] =
          /= const (\d+)\n(?:.* = const 0\n)?v\d+ = and v10, .*\n(?:.* = const 0\n)?v\d+ = (eq|ne) v/.exec(text) ?? [];
        expect([op, limit, text.includes("bswap"), mask !== undefined]).toEqual([op, limit, false, true]);
        let differing = 0;
        for (let value = 0; value < 0x10000; value++) {
          const masked = (value & Number(mask)) === 0;
          if (((outcome === "eq") === masked) !== expected(swap(value), limit)) differing++;
        }
        expect([op, limit, differing]).toEqual([op, limit, 0]);
      }
    }
    expect(compared("v4 = bswap.16 v10\nv5 = const 9\nv99 = ult v4, v5")).toContain("bswap");
  });

  test("what cannot be equal is not compared", () => {
    expect(compared("v4 = const 65536\nv99 = eq v10, v4")).toMatch(/^v(\d+): bool = const 0\nbranch v\1/);
    expect(compared("v4 = const 65536\nv99 = ult v10, v4")).toMatch(/^v(\d+): bool = const 1\nbranch v\1/);
  });

  test("not (a < b) is a >= b, and a pointer's check keeps its shape", () => {
    expect(compared("v4 = const 14\nv5: ptr = add v2, v4\nv6 = ugt v5, v3\nv7 = const 0\nv99 = eq v6, v7")).toMatch(
      /^v4 = const 14\nv5: ptr = add v2, v4\nv(\d+) = ule v5, v3\nbranch v\1/,
    );
  });

  test("a branch on not b goes the other way round", () => {
    const text = transformed(
      [simplify, removeDead],
      "v4 = const 1\nv5 = const 2\nv6 = ult v4, v5\nbranch v6, b1, b2\nb1: from b0\nv7: bool = const 1\njump b3\nb2: from b0\nv8 = load.1 packet v2\nv9 = eq v8, v4\njump b3\nb3: from b1, b2\nv10: bool = phi v7, v9\nv11 = const 0\nv12 = eq v10, v11\nbranch v12, b4, b5\nb4: from b3\nreturn v4\nb5: from b3\nreturn v5",
    );
    expect(text).toContain("branch v10, b5, b4");
  });
});

describe("the packet's length", () => {
  const compared = (number: string, extra = "v5"): string =>
    simplified(`v4 = load.1 packet v2\nv5 = const 20\nv6 = add v4, v5\nv7 = sub v3, v2\nv8 = ugt ${number}, v7\nbranch v8, b1, b2
b1: from b0\nreturn v5\nb2: from b0\nv9 = add ${extra}, v4\nreturn v9`);

  test("a number compared with it is a pointer compared with the packet's end", () => {
    expect(compared("v6")).toMatch(/(v\d+): ptr = add v2, v6\n(v\d+) = ugt \1, v3\nbranch \2/);
  });

  test("not a number that somebody else uses, which may make an address of it", () => {
    expect(compared("v6", "v6")).toContain("v7 = sub v3, v2\nv8 = ugt v6, v7");
    expect(compared("v5")).toContain("ult v7, v5");
  });
});

describe("addresses", () => {
  test("constant offsets move into loads and stores", () => {
    expect(
      simplified(
        "v4 = const 14\nv5: ptr = add v2, v4\nv6 = const 6\nv7: ptr = add v5, v6\nv8 = load.2 packet v7 + 3\nreturn v8",
      ),
    ).toBe("v8 = load.2 packet v2 + 23\nreturn v8");
  });

  test("not beyond what an instruction can hold", () => {
    expect(simplified("v4 = const 40000\nv5: ptr = add v2, v4\nv8 = load.2 packet v5\nreturn v8")).toContain("packet v5");
  });

  test("a sum of a pointer and a variable stays one value", () => {
    const body =
      "v4 = load.1 packet v2\nv5: ptr = add v2, v4\nv6 = const 8\nv7: ptr = add v5, v6\nv8 = ugt v7, v3\nbranch v8, b1, b2\nb1: from b0\nreturn v6\nb2: from b0\nv9 = load.8 packet v5\nreturn v9";
    expect(simplified(body)).toContain("v5: ptr = add v2, v4\nv7: ptr = add v5, v6");
  });
});

describe("what the verifier must know is kept", () => {
  const check =
    "v20: ptr = add v2, v19\nv21 = const 4\nv22: ptr = add v20, v21\nv23 = ugt v22, v3\nbranch v23, b8, b9\nb8: from bX\nreturn v21\nb9: from bX\nv24 = load.4 packet v20\nreturn v24";

  test("a mask after a byte swap, when the number is an offset", () => {
    const text = simplified(
      `v10 = load.2 packet v2\nv11 = bswap.16 v10\nv12 = const 65535\nv19 = and v11, v12\n${check.replaceAll("bX", "b0")}`,
    );
    expect(text).toContain("v19 = and v11, v12"); // the verifier knows nothing of v11
  });

  test("the same mask goes where the number is only returned", () => {
    expect(simplified("v10 = load.2 packet v2\nv11 = bswap.16 v10\nv12 = const 65535\nv19 = and v11, v12\nreturn v19")).toBe(
      "v10 = load.2 packet v2\nv11 = bswap.16 v10\nreturn v11",
    );
  });

  test("a comparison of the very value that becomes an offset", () => {
    const text = simplified(
      `v10 = load.2 packet v2\nv19 = bswap.16 v10\nv12 = const 1000\nv13 = eq v19, v12\nbranch v13, b1, b2\nb2: from b0\nreturn v12\nb1: from b0\n${check.replaceAll("bX", "b1")}`,
    );
    expect(text).toContain("v13 = eq v19, v12"); // only so the verifier learns that the offset is 1000
  });

  test("a value between, when the verifier learned its range by a comparison", () => {
    const text = simplified(
      `v10 = load.8 packet v2\nv11 = const 240\nv12 = and v10, v11\nv13 = const 80\nv14 = ugt v12, v13\nbranch v14, b2, b1\nb2: from b0\nreturn v13\nb1: from b0\nv15 = const 4\nv19 = lshr v12, v15\n${check.replaceAll("bX", "b1")}`,
    );
    expect(text).toContain("v19 = lshr v12, v15");
  });
});

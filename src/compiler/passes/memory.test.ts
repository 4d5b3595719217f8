/** `forward-loads`, `remove-dead-stores`, `merge-stores`, `merge-copies`, `remove-overwritten`. */
import { describe, expect, test } from "vitest";
import { transformed } from "../testing/transformed.ts";
import { forwardLoads } from "./forward-loads.ts";
import { mergeCopies } from "./merge-copies.ts";
import { mergeStores } from "./merge-stores.ts";
import { removeDead } from "./remove-dead.ts";
import { removeDeadStores } from "./remove-dead-stores.ts";
import { removeOverwritten } from "./remove-overwritten.ts";
import { simplify } from "./simplify.ts";

describe("memory is read once", () => {
  test("a second load, and a load of what was stored", () => {
    const text = transformed(
      [forwardLoads, simplify, removeDead],
      "v4 = load.4 packet v2\nv5 = load.4 packet v2\nv6 = add v4, v5\nstore.4 packet v2, v6\nv7 = load.4 packet v2\nreturn v7",
    );
    expect(text).toMatch(/^v4 = load.4 packet v2\nv6 = add v4, v4\nstore.4 packet v2, v6\nv(\d+) = zext.32 v6\nreturn v\1$/);
  });

  test("a store to other bytes of the same packet changes nothing, one through another pointer may", () => {
    const body = (address: string) =>
      `v4 = load.4 packet v2\nv5 = const 4\nv6 = load.1 packet v2 + 9\nv7: ptr = add v2, v6\nstore.4 packet ${address}, v5\nv8 = load.4 packet v2\nreturn v8`;
    expect(transformed([forwardLoads], body("v2 + 4"))).toContain("return v4");
    expect(transformed([forwardLoads], body("v2 + 3"))).toContain("return v8");
    expect(transformed([forwardLoads], body("v7"))).toContain("return v8");
  });

  test("packet, map and stack do not share bytes; two maps neither", () => {
    const text = transformed(
      [forwardLoads],
      `v4 = slot 4 align 4
      v5 = const 1
      store.4 stack v4, v5
      v6 = map "a"
      v7 = map "b"
      v8: ptr = call map_lookup_elem(v6, v4)
      v9: ptr = call map_lookup_elem(v7, v4)
      v10 = load.8 map v8
      v11 = load.4 packet v2
      store.8 map v9, v11
      v12 = load.8 map v8
      v13 = load.4 packet v2
      v14 = add v12, v13
      return v14`,
    );
    expect(text).toContain("v14 = add v10, v11");
  });

  test("an unknown helper may have changed everything that it can reach, but not a private slot", () => {
    const text = transformed(
      [forwardLoads, simplify],
      "v4 = slot 4 align 4\nv5 = const 7\nstore.4 stack v4, v5\nv6 = load.4 packet v2\nv7 = call 44(v1, v5)\nv8 = load.4 stack v4\nv9: ptr = load.4 context v1\nv10 = add v8, v6\nstore.4 packet v9, v10\nreturn v7",
    );
    expect(text).toContain("v9: ptr = load.4 context v1");
    expect(text).not.toContain("v8 = load.4 stack");
  });

  test("what all paths agree on is known where they meet", () => {
    const diamond = (then: string) => `v4 = load.4 packet v2
v5 = const 1
v6 = eq v4, v5
branch v6, b1, b2
b1: from b0
${then}
jump b3
b2: from b0
jump b3
b3: from b1, b2
v8 = load.4 packet v2
return v8`;
    expect(transformed([forwardLoads], diamond("store.4 packet v2 + 8, v5"))).toContain("return v4");
    expect(transformed([forwardLoads], diamond("store.4 packet v2, v5"))).toContain("return v8");
  });

  test("a loop that writes is noticed at its head", () => {
    const text = transformed(
      [forwardLoads],
      `v4 = load.4 packet v2
v5 = const 1
jump b1
b1: from b0, b1
v6 = load.4 packet v2
v7 = add v6, v5
store.4 packet v2, v7
v8 = ult v7, v5
branch v8, b1, b2
b2: from b1
return v6`,
    );
    expect(text).toContain("v7 = add v6, v5");
  });

  test("a byte of a stored constant is a constant", () => {
    const text = transformed(
      [forwardLoads, simplify, simplify, removeDead],
      "v4 = slot 4 align 4\nv5 = const 67305985\nstore.4 stack v4, v5\nv6 = load.1 stack v4 + 2\nreturn v6",
    );
    expect(text).toMatch(/v(\d+) = const 3\nreturn v\1$/);
  });

  test("writing back what is there is no store", () => {
    expect(transformed([forwardLoads], "v4 = load.4 packet v2\nstore.4 packet v2, v4\nreturn v4")).toBe(
      "v4 = load.4 packet v2\nreturn v4",
    );
  });
});

describe("stores to the stack that nothing reads", () => {
  test("go, when overwritten or never read", () => {
    expect(
      transformed(
        [removeDeadStores],
        "v4 = slot 8 align 8\nv5 = const 1\nstore.8 stack v4, v5\nstore.4 stack v4, v5\nstore.4 stack v4 + 4, v5\nv6 = load.8 stack v4\nstore.8 stack v4, v5\nreturn v6",
      ),
    ).toBe(
      "v4 = slot 8 align 8\nv5 = const 1\nstore.4 stack v4, v5\nstore.4 stack v4 + 4, v5\nv6 = load.8 stack v4\nreturn v6",
    );
  });

  test("stay, when a helper may look: padding must be initialised", () => {
    const body = `v4 = slot 8 align 8
v5 = const 0
store.8 stack v4, v5
v6 = map "m"
v7: ptr = call map_lookup_elem(v6, v4)
v8 = load.1 stack v4
return v8`;
    expect(transformed([removeDeadStores], body)).toBe(body);
  });

  test("stay, when the next turn of a loop reads them", () => {
    const body = `v4 = slot 4 align 4
v5 = const 0
store.4 stack v4, v5
jump b1
b1: from b0, b1
v6 = load.4 stack v4
v7 = const 1
v8 = add v6, v7
store.4 stack v4, v8
v9 = ult v8, v7
branch v9, b1, b2
b2: from b1
return v6`;
    expect(transformed([removeDeadStores], body)).toBe(body);
  });
});

describe("neighbouring constants", () => {
  const stores = (region: string, base: string): string =>
    `v4 = slot 8 align 4\nv5 = const 1\nv6 = const 2\nstore.1 ${region} ${base}, v5\nstore.1 ${region} ${base} + 1, v6\nstore.2 ${region} ${base} + 2, v5\nreturn v5`;

  test("are one store", () => {
    expect(transformed([mergeStores], stores("packet", "v2"))).toMatch(/v(\d+) = const 66049\nstore.4 packet v2, v\1\nreturn/); // 0x00010201
    expect(transformed([mergeStores], stores("stack", "v4"))).toMatch(/v(\d+) = const 66049\nstore.4 stack v4, v\1\nreturn/);
  });

  test("on the stack only where that is aligned", () => {
    expect(
      transformed([mergeStores], stores("stack", "v4").replaceAll("v4 + ", "v4 + 1").replace("v4, v5", "v4 + 10, v5")),
    ).not.toContain("store.4");
    const eight = "v4 = slot 8 align 4\nv5 = const 0\nstore.4 stack v4, v5\nstore.4 stack v4 + 4, v5\nreturn v5";
    expect(transformed([mergeStores], eight)).toBe(eight);
    expect(transformed([mergeStores], eight.replace("align 4", "align 8"))).toMatch(/store.8 stack v4, v\d+\nreturn/);
  });

  test("the later store wins where two meet", () => {
    const text = transformed(
      [mergeStores],
      "v4 = const -1\nv5 = const 0\nstore.4 packet v2, v4\nstore.2 packet v2 + 1, v5\nreturn v5",
    );
    expect(text).toMatch(/v(\d+) = const 4278190335\nstore.4 packet v2, v\1\n/); // 0xff0000ff
  });

  test("stay apart when something looks in between, or eight bytes do not fit an instruction", () => {
    const looked = "v4 = const 1\nstore.2 packet v2, v4\nv5 = load.2 packet v2\nstore.2 packet v2 + 2, v4\nreturn v5";
    expect(transformed([mergeStores], looked)).toBe(looked);
    const large = "v4 = const 1\nstore.4 packet v2, v4\nstore.4 packet v2 + 4, v4\nreturn v4";
    expect(transformed([mergeStores], large)).toBe(large);
  });
});

describe("neighbouring copies", () => {
  test("are one, also one after the other", () => {
    const text = transformed(
      [mergeCopies],
      "v4 = load.4 packet v2\nstore.4 packet v2 + 20, v4\nv5 = load.4 packet v2 + 4\nstore.4 packet v2 + 24, v5\nv6 = const 1\nreturn v6",
    );
    expect(text).toMatch(/^v(\d+) = load.8 packet v2\nstore.8 packet v2 \+ 20, v\1\nv6/);
  });

  test("bytes grow to words", () => {
    const copies = [0, 1, 2, 3].map(
      (byte) => `v${10 + byte} = load.1 packet v2 + ${byte}\nstore.1 packet v2 + ${byte + 20}, v${10 + byte}`,
    );
    expect(transformed([mergeCopies], `${copies.join("\n")}\nv6 = const 1\nreturn v6`)).toMatch(
      /^v(\d+) = load.4 packet v2\nstore.4 packet v2 \+ 20, v\1\nv6/,
    );
  });

  test("a swap of two places stays a swap", () => {
    const text = transformed(
      [mergeCopies],
      "v4 = load.4 packet v2\nv5 = load.4 packet v2 + 4\nv6 = load.4 packet v2 + 8\nv7 = load.4 packet v2 + 12\nstore.4 packet v2, v6\nstore.4 packet v2 + 4, v7\nstore.4 packet v2 + 8, v4\nstore.4 packet v2 + 12, v5\nv8 = const 1\nreturn v8",
    );
    expect(text.match(/load\.8/g)).toHaveLength(2);
    expect(text.match(/store\.8/g)).toHaveLength(2);
  });

  test("stay apart when one reads what the other wrote, or the pointers may meet", () => {
    const overlapping =
      "v4 = load.2 packet v2\nstore.2 packet v2 + 2, v4\nv5 = load.2 packet v2 + 2\nstore.2 packet v2 + 4, v5\nv6 = const 1\nreturn v6";
    expect(transformed([mergeCopies], overlapping)).toBe(overlapping);
    const unknown =
      "v6 = load.1 packet v2 + 9\nv7: ptr = add v2, v6\nv4 = load.2 packet v2\nstore.2 packet v7, v4\nv5 = load.2 packet v2 + 2\nstore.2 packet v7 + 2, v5\nreturn v6";
    expect(transformed([mergeCopies], unknown)).toBe(unknown);
  });

  test("of 4, 2, 4 and 2 bytes are one of 8 and one of 4, also when the stores come in a later block", () => {
    const text = transformed(
      [mergeCopies],
      `v4 = load.4 packet v2
v5 = load.2 packet v2 + 4
v6 = load.4 packet v2 + 6
v7 = load.2 packet v2 + 10
v8 = const 4
v9 = call xdp_adjust_head(v1, v8)
v10: ptr = load.4 context v1
v11: ptr = load.4 context v1 + 4
v12: ptr = add v10, v8
v13 = ugt v12, v11
branch v13, b1, b2
b1: from b0
return v8
b2: from b0
store.4 packet v10, v4
store.2 packet v10 + 4, v5
store.4 packet v10 + 6, v6
store.2 packet v10 + 10, v7
return v8`,
    );
    expect(text).toMatch(/^(v\d+) = load.8 packet v2\n(v\d+) = load.4 packet v2 \+ 8\nv8/);
    expect(text).toMatch(/store.8 packet v10, v\d+\nstore.4 packet v10 \+ 8, v\d+\nreturn/);
  });
});

describe("a store that is written over", () => {
  const body = (between: string, second = "store.2 packet v2 + 2, v5"): string =>
    `v4 = const 1\nv5 = const 2\nv6 = load.1 packet v2 + 9\nv7: ptr = add v2, v6\nstore.1 packet v2 + 3, v4\n${between}${second}\nreturn v4`;

  test("goes, also when the later one is wider", () => {
    expect(transformed([removeOverwritten], body(""))).not.toContain("store.1");
    expect(transformed([removeOverwritten], body("v8 = load.1 packet v2 + 4\n"))).not.toContain("store.1");
  });

  test("stays when somebody may look, or only a part is written again", () => {
    const read = body("v8 = load.1 packet v7\n");
    expect(transformed([removeOverwritten], read)).toBe(read);
    const call = body("v8 = call xdp_adjust_head(v1, v4)\n");
    expect(transformed([removeOverwritten], call)).toBe(call);
    const part = body("", "store.1 packet v2 + 2, v5");
    expect(transformed([removeOverwritten], part)).toBe(part);
  });
});

import { describe, expect, it } from "vitest";
import { allKinds } from "../../test/fixtures/all-btf-kinds.ts";
import { isRoot } from "../../test/own-network.ts";
import { sizeOf } from "../object/btf/layout.ts";
import { forOlderKernels } from "../object/btf/older-kernels.ts";
import type { Btf } from "../object/btf/types.ts";
import { loadTypes } from "./load-types.ts";

const NEWER = new Set(["float", "decl_tag", "type_tag", "enum64"]);

describe("types for older kernels", () => {
  it("have no newer kinds, the same ids and the same sizes", () => {
    const btf = allKinds();
    const older = forOlderKernels(btf);
    expect(btf.types.some(({ kind }) => NEWER.has(kind))).toBe(true);
    expect(older.types.length).toBe(btf.types.length);
    for (const [index, type] of older.types.entries()) {
      expect(NEWER.has(type.kind) || (type.kind === "enum" && type.signed)).toBe(false);
      if (["struct", "union", "int", "enum", "enum64", "float"].includes(btf.types[index]?.kind ?? ""))
        expect(sizeOf(older, index + 1)).toBe(sizeOf(btf, index + 1));
    }
  });

  it.skipIf(!isRoot)("are taken by this kernel, too, as it takes the newer ones", () => {
    for (const btf of [allKinds(), forOlderKernels(allKinds())]) expect(taken(btf).length).toBeGreaterThan(0);
  });

  it.skipIf(!isRoot)("are what it gets when it refuses the newer ones", () => {
    // A kernel of today refuses a float of 3 bytes, and takes a struct of that size.
    const btf = { types: [{ kind: "float" as const, name: "odd", size: 3 }] };
    expect(taken(btf)).toEqual(taken(forOlderKernels(btf)));
    const wrong = { types: [{ kind: "typedef" as const, name: "no name", type: 0 }] };
    expect(() => loadTypes(wrong, [])).toThrow("The kernel refused the object's types (BTF): EINVAL.");
  });
});

/** What the kernel has got of these types. */
function taken(btf: Btf): Uint8Array {
  const loaded = loadTypes(btf, []);
  loaded?.fd.close();
  return loaded?.encoded.bytes ?? new Uint8Array();
}

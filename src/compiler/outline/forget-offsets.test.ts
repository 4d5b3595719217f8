/** Behind VLAN tags the verifier walks everything once, where that is worth it and nothing is lost by it. */
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { countSlots } from "../../object/encoding.ts";
import { loadSpec } from "../../runtime/load.ts";
import { compile } from "../compile.ts";
import { parseFunction } from "../ir/parse.ts";
import { printFunction } from "../ir/print.ts";
import { validate } from "../ir/validate.ts";
import { forgetOffsets } from "./forget-offsets.ts";

/** Enough work behind the meeting that it is worth something. */
const WORK = Array.from({ length: 70 }, (_, index) => `v${1000 + index} = load.1 packet v30 - 1`).join("\n");

/** Two paths bring `left` and `right` to b3, where `start` makes v30 of their phi v20, which a check follows; then comes `work`. */
function meeting(left: string, right: string, type: string, start: string, work = WORK): string {
  return `function p {
b0:
  v0 = context
  v1: ptr = load.4 context v0
  v2: ptr = load.4 context v0 + 4
  v3 = const 14
  v4 = const 18
  v5 = const 20
  v6 = const 0
  v7: ptr = add v1, v4
  v8 = ule v7, v2
  branch v8, b1, b5
b1: from b0
  v9 = load.2 packet v1 + 12
  v10 = eq v9, v6
  v11: ptr = add v1, v3
  branch v10, b2, b3
b2: from b1
  jump b3
b3: from b1, b2
  v20${type} = phi ${left}, ${right}
  ${start}
  v30: ptr = add v29, v5
  v31 = ule v30, v2
  branch v31, b4, b5
b4: from b3
${work}
  jump b5
b5: from b0, b3, b4
  return v6
}`;
}

function forgotten(text: string): string | null {
  const fn = parseFunction(text);
  const changed = forgetOffsets(fn);
  validate(fn, "forgetting");
  expect(fn.blocks.some(({ early }) => early)).toBe(changed);
  return changed ? printFunction(fn) : null;
}

const ADDRESS = ["v11", "v7", ": ptr"] as const;
const NUMBER = ["v3", "v4", ""] as const;
const SAME = "v29: ptr = add v20, v6";

describe("what is forgotten", () => {
  test("an address: it is computed anew from its distance, which a mask bounds", () => {
    const text = forgotten(meeting(...ADDRESS, SAME));
    const [, distance, bits, bounded] =
      /v(\d+) = sub v20, v1\s+v(\d+) = const 31\s+v(\d+) = and v\1, v\2\s/.exec(text ?? "") ?? [];
    expect([distance, bits, bounded].every((each) => each !== undefined)).toBe(true);
    expect(text).toMatch(new RegExp(`v(\\d+): ptr = add v1, v${bounded}\\s[\\s\\S]*v29: ptr = add v\\1, v6`));
  });

  test("a number that leads into the packet: it goes through a byte of the stack", () => {
    const text = forgotten(meeting(...NUMBER, "v29: ptr = add v1, v20"));
    expect(text).toMatch(/store\.1 stack v(\d+) \+ 7, v20\s+v(\d+) = load\.1 stack v\1 \+ 7\s+v29: ptr = add v1, v\2/);
  });
});

describe("what is kept", () => {
  test.each<[string, string]>([
    ["one distance", meeting("v11", "v11", ": ptr", SAME)],
    ["little work behind it", meeting(...ADDRESS, SAME, "v1000 = load.1 packet v30 - 1")],
    ["an access that only an earlier check covers", meeting(...ADDRESS, `v40 = load.1 packet v20\n${SAME}`)],
    ["an access in front of the address", meeting(...ADDRESS, SAME, `${WORK}\nv40 = load.1 packet v30 - 21`)],
    ["an access farther than the check", meeting(...ADDRESS, SAME, `${WORK}\nv40 = load.1 packet v30`)],
    ["an address that a helper gets", meeting(...ADDRESS, SAME, `${WORK}\nv40 = call ktime_get_ns(v20)`)],
    ["an address that is stored", meeting(...ADDRESS, SAME, `${WORK}\nv41 = slot 8 align 8\nstore.8 stack v41, v20`)],
    ["a number that leads nowhere", meeting(...NUMBER, "v29: ptr = add v1, v6", `${WORK}\nv40 = add v20, v6`)],
    ["an address that may become too far", meeting(...ADDRESS, "v28 = load.2 packet v1 + 12\nv29: ptr = add v20, v28")],
    ["a number that may become too large", meeting(...NUMBER, "v28 = const 9\nv27 = shl v20, v28\nv29: ptr = add v1, v27")],
  ])("%s", (_, text) => expect(forgotten(text)).toBeNull());

  test("but a number that is tested in front of the address may be large", () => {
    const tested = meeting(
      ...NUMBER,
      "v28 = const 9\nv27 = shl v20, v28\nv26 = const 60000\nv25 = ule v27, v26\nbranch v25, b6, b5",
    )
      .replace("branch v25, b6, b5", "branch v25, b6, b5\nb6: from b3\nv29: ptr = add v1, v27")
      .replace("b4: from b3", "b4: from b6")
      .replace("b5: from b0, b3, b4", "b5: from b0, b3, b6, b4");
    expect(forgotten(tested)).not.toBeNull();
  });
});

describe.skipIf(process.getuid?.() !== 0 || process.platform !== "linux")("the verifier (needs root)", () => {
  test.each(["echo", "patch-ports"])("walks %s once, whatever the number of tags", (name) => {
    const { spec } = compile(fileURLToPath(new URL(`../../programs/${name}.bpf.ts`, import.meta.url)));
    const maps = spec.maps.map((map) => ({ ...map, pinning: "none" as const }));
    using object = loadSpec({ ...spec, maps });
    for (const program of Object.values(object.programs)) {
      const functions = spec.programs.find((each) => each.name === program.name)?.functions ?? [];
      const instructions = functions.reduce((sum, fn) => sum + countSlots(fn.instructions), 0);
      expect(program.info().verifiedInstructions / instructions).toBeLessThan(2.5);
    }
  });
});

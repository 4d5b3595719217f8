/** Keys on the stack begin where the fewest stores fill them. */
import { expect, test } from "vitest";
import type { SizedLayout } from "./layout.ts";
import { stackPhaseOf } from "./stack-phase.ts";

const word: SizedLayout = { kind: "scalar", name: "u32", size: 4, signed: false, bigEndian: false, boolean: false };
const half: SizedLayout = { kind: "scalar", name: "be16", size: 2, signed: false, bigEndian: true, boolean: false };
const address: SizedLayout = { kind: "bytes", size: 16 };

/** A struct of these fields, one behind the other. */
function struct(...layouts: SizedLayout[]): SizedLayout {
  let size = 0;
  const fields = layouts.map((layout, index) => {
    const field = { name: `f${index}`, layout, offset: size };
    size += layout.size;
    return field;
  });
  return { kind: "struct", name: "", size, fields };
}

test.each([
  ["an address alone, where words are", struct(address), 0],
  ["words, where words are", struct(word, word, half), 0],
  ["four bytes before an address, so that the address is aligned", struct(word, address), 4],
  ["two bytes before an address, likewise", struct(half, address), 6],
  ["an address, and then an address, with a word between: one of them is aligned anyway", struct(address, word, address), 0],
  ["arrays of addresses behind a word", struct(word, { kind: "array", element: address, length: 2, size: 32 }), 4],
])("%s", (_, layout, phase) => {
  expect(stackPhaseOf(layout)).toBe(phase);
});

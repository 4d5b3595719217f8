/**
 * Random edits of valid modules, the short form of `node fuzz/edits.js`: each gives diagnostics, never a crash and never a defect's
 * message, or a program, and that the kernel's verifier accepts.
 */
import { expect, test } from "vitest";
import { runEdit } from "../../fuzz/edit-case.ts";
import { editedModule, validModules } from "../../fuzz/edited-modules.ts";
import { Random } from "../../fuzz/random.ts";
import { noKernel } from "../kernel.ts";

test("random edits of valid modules give diagnostics, or a program that loads", () => {
  const originals = validModules();
  const kinds = new Map<string, number>();
  for (let seed = 1; seed <= 200; seed++) {
    const { text, name, edits } = editedModule(originals, new Random(seed));
    const verdict = runEdit(text, noKernel === null);
    expect(verdict.kind === "failed" ? verdict.what : null, `seed ${seed}, ${name} (${edits.join(", ")}):\n${text}`).toBeNull();
    kinds.set(verdict.kind, (kinds.get(verdict.kind) ?? 0) + 1);
  }
  // Neither only right modules nor only wrong ones, or the edits would show nothing.
  expect(kinds.get("diagnosed")).toBeGreaterThan(50);
  expect(kinds.get(noKernel === null ? "loaded" : "accepted")).toBeGreaterThan(5);
});
